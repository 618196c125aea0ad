"""Declares the table of survey invitations: one row per resolution episode, invited or not, with the reason."""

from schemas.facts import InvitationFact
from sinks.clickhouse.table import Table

TABLE = Table("survey_invitations", InvitationFact, key=("ticket_id", "episode"))

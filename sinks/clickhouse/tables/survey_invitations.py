"""One row per resolution episode: whether its customer was asked how it was, and why not."""

from schemas.facts import InvitationFact
from sinks.clickhouse.table import Table

TABLE = Table("survey_invitations", InvitationFact, key=("ticket_id", "episode"))

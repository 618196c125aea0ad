"""Declares the table of surveys: one row per answer to a satisfaction survey."""

from schemas.facts import SurveyFact
from sinks.clickhouse.table import Table

TABLE = Table("surveys", SurveyFact, key=("survey_id", "answer"))

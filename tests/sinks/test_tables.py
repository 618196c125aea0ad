"""Tables as declarations: discovery, the row view, and that every fact has exactly one."""

from types import SimpleNamespace

import pytest

from schemas import facts
from schemas.clock import from_micros
from schemas.errors import ConfigurationError
from schemas.topics import FACT_TOPICS, TOPIC_OF
from sinks.clickhouse.table import Table, collect, tables
from tests.support.sinks.examples import NOW, example, sparse


def test_every_fact_that_is_written_to_a_fact_topic_has_a_table():
    written = {record for record, topic in TOPIC_OF.items() if topic in FACT_TOPICS}
    assert set(tables()) == written


@pytest.mark.parametrize("table", tables().values(), ids=lambda table: table.name)
def test_the_key_of_a_table_is_the_id_that_its_fact_names(table):
    doc = " ".join((table.record.__doc__ or "").split())
    named = doc.split("Id: `")[1].split("`")[0].split(", ")
    assert sorted(named) == sorted(table.key)


@pytest.mark.parametrize("table", tables().values(), ids=lambda table: table.name)
def test_a_row_has_a_value_for_every_column(table):
    for fact in (example(table.record), sparse(table.record)):
        assert tuple(table.row(fact)) == table.columns


def test_times_become_aware_datetimes_with_microseconds_and_undefined_stays_undefined():
    row = tables()[facts.TicketFact].row(
        example(facts.TicketFact, at=NOW, created_at=0, acknowledged_at=None, csat=None, ces=7)
    )
    assert row["at"] == from_micros(NOW)
    assert row["at"].isoformat() == "2026-03-02T00:00:00.123456+00:00"
    assert row["created_at"].isoformat() == "1970-01-01T00:00:00+00:00"
    assert (row["acknowledged_at"], row["csat"], row["ces"]) == (None, None, 7)


def test_a_column_may_be_named_otherwise_and_a_field_left_out():
    table = Table("x", facts.TagFact, ("ticket_id",), rename={"at": "seen_at"}, omit=frozenset({"evidence"}))
    assert "seen_at" in table.columns
    assert "at" not in table.columns
    assert "evidence" not in table.row(example(facts.TagFact))


def module(name, table):
    return SimpleNamespace(__name__=name, TABLE=table)


@pytest.mark.parametrize(
    ("second", "complaint"),
    [
        (module("b", Table("tags", facts.ClockFact, ())), "b: tags already belongs to a"),
        (module("b", Table("other", facts.TagFact, ())), "b: TagFact already belongs to a"),
        (module("b", None), "b: it declares no TABLE"),
    ],
)
def test_two_modules_never_share_a_table_or_a_record(second, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        collect([module("a", Table("tags", facts.TagFact, ())), second])

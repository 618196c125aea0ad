"""The one oracle of the fault matrix: what a row ends in must be what its log says, counted a second time.

    counts = judge(settings, client, load.accepted)       # raises AssertionError with the first differences

- The log holds every record that Kafka acknowledged to the load.
- The ids of the contacts are those of the events in the log, each once.
- Every fact in Kafka equals, byte for byte, that of an offline fold of the log without any fault.
- Every table of ClickHouse equals the offline facts, row by row and column by column.
- The panes, and the windows over them, equal a plain count of the events.
- The dead letters are exactly the records that cannot be decoded. Where a row breaks the order of events, those that the
  offline fold refuses (an answer before its ticket) are dead letters as well, and no contacts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from schemas import codec
from schemas.clock import from_micros
from schemas.dead_letter import headers as dead_letter_headers
from schemas.errors import CodecError
from schemas.events import Event, MessageReceived
from schemas.facts import ContactFact, PaneFact
from schemas.settings import Settings
from schemas.topics import CONTACT_EVENTS, DEAD_LETTERS
from sinks.clickhouse.table import Table, tables
from stream_processors.routing.processor import RoutingProcessor
from stream_processors.rules import ruleset
from stream_processors.tickets.processor import TicketsProcessor
from stream_processors.tickets.windows.buckets import PANE_MICROS
from tests.support.faults.load import Sent
from tests.support.faults.recount import Facts, difference, facts_in_kafka, fold_offline, read

#: Counts of contacts by start of the pane (micros) and channel.
Panes = Counter[tuple[int, str]]


@dataclass(frozen=True)
class Counts:
    """The counts of one row. `written` are the facts in Kafka with those that a fault had written again."""

    events: int
    facts: int
    written: int
    lost: int
    doubled: int
    poison: int
    refused: int
    rows: int


def judge(settings: Settings, client: Any | None, accepted: Iterable[Sent], *, may_refuse: bool = False) -> Counts:
    """Compares what there is with what there should be; without a `client` of ClickHouse the tables are left out."""
    log, poison = log_of(settings)
    events = {event.event_id: event for event in log.values()}
    sent = {each.event.event_id for each in accepted if each.event is not None}
    assert not sent - events.keys(), f"{len(sent - events.keys())} acknowledged events are not in the log"
    kafka, written = facts_in_kafka(settings)
    offline, dead_offline = fold_offline(settings, TicketsProcessor(ruleset.load()), RoutingProcessor())
    differences = difference(kafka, offline)
    assert differences == {}, differences

    refused = dead_offline.keys() - poison
    assert poison <= dead_offline.keys() and (may_refuse or not refused), f"refused: {len(refused)}"
    compare_dead_letters(dead_letters(settings), dead_offline)
    ids = {identity[1] for identity in kafka if identity[0] == ContactFact.__name__}
    expected = {event.event_id for place, event in log.items() if event.event_id in sent and place not in refused}
    lost, doubled = len(expected - ids), len(ids - events.keys())
    assert (lost, doubled) == (0, 0), f"{lost} events are no contact, {doubled} contacts are of no event"
    panes = recount(events[each] for each in ids)
    facts = (codec.decode(value) for identity, value in kafka.items() if identity[0] == PaneFact.__name__)
    assert of_panes(facts) == panes
    rows = 0 if client is None else compare_tables(client, offline, panes)
    return Counts(len(log), len(kafka), written, lost, doubled, len(poison), len(refused), rows)


def compare_dead_letters(found: dict[str, tuple[str, str]], wanted: dict[str, str]) -> None:
    missing, strange = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    examples = [found[place] for place in sorted(strange)[:3]]
    assert not missing and not strange, f"{len(missing)} dead letters are missing, {len(strange)} too many: {examples}"


def log_of(settings: Settings) -> tuple[dict[str, Event], set[str]]:
    """Returns the events of the contacts' log by position, and the positions of what cannot be decoded."""
    log: dict[str, Event] = {}
    poison = set()
    for record in read(settings, CONTACT_EVENTS):
        place = f"{record.topic}/{record.partition}/{record.offset}"
        try:
            log[place] = codec.decode(record.value)
        except CodecError:
            poison.add(place)
    return log, poison


def dead_letters(settings: Settings) -> dict[str, tuple[str, str]]:
    """Returns reason and error of each dead letter, by the position of its record. A kill may write one again."""
    found = {}
    for topic in DEAD_LETTERS:
        for record in read(settings, topic):
            headers = dead_letter_headers.read(record.headers)
            found[headers["origin"]] = headers["reason"], headers["error"]
    return found


def recount(events: Iterable[Event]) -> Panes:
    """Counts customers' messages by five minutes and channel."""
    return Counter(
        (event.received_at - event.received_at % PANE_MICROS, event.channel)
        for event in events
        if isinstance(event, MessageReceived)
    )


def of_panes(facts: Iterable[PaneFact]) -> Panes:
    found: Panes = Counter()
    for fact in facts:
        found[fact.start, fact.channel] += fact.contacts_received
    return +found


def compare_tables(client: Any, offline: Facts, panes: Panes) -> int:
    """Compares every table with the offline facts, and the windows with the recount; returns the rows compared."""
    by_kind: dict[str, list[Any]] = {}
    for identity, value in offline.items():
        by_kind.setdefault(identity[0], []).append(codec.decode(value))
    compared = 0
    for record, table in tables().items():
        if facts := by_kind.get(record.__name__):
            compare_table(client, table, facts)
            compared += len(facts)
    for window, length in (("5m", PANE_MICROS), ("1h", 12 * PANE_MICROS)):
        expected: Counter[tuple[Any, str]] = Counter()
        for (start, channel), count in panes.items():
            expected[from_micros(start - start % length), channel] += count
        sql = f"SELECT window_start, channel, sum(contacts_received) FROM windows_{window} GROUP BY 1, 2"
        found = {(start, channel): count for start, channel, count in client.query(sql).result_rows if count}
        assert found == dict(expected), f"windows_{window}: {found} instead of {dict(expected)}"
    return compared


def compare_table(client: Any, table: Table, facts: list[Any]) -> None:
    rows = client.query(f"SELECT {', '.join(table.columns)} FROM {table.name} FINAL").result_rows
    key: Callable[[tuple[Any, ...]], Any] = _key_of(table)
    found = {key(row): tuple(row) for row in rows}
    assert len(found) == len(rows), f"{len(rows) - len(found)} of {len(rows)} rows of {table.name} are there twice"
    wanted = {key(row): row for row in (tuple(table.row(fact).values()) for fact in facts)}
    missing, strange = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    assert not missing and not strange, f"{table.name}: {len(missing)} rows lost, {len(strange)} too many"
    wrong = [(found[each], wanted[each]) for each in wanted if found[each] != wanted[each]]
    assert not wrong, f"{table.name}: {len(wrong)} rows differ: {wrong[0]}"


def _key_of(table: Table) -> Callable[[tuple[Any, ...]], Any]:
    places = [table.columns.index(column) for column in table.key]
    return lambda row: tuple(row[place] for place in places)

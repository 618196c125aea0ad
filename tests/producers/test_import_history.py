"""What an import comes to in the worker: one ticket per ticket, in its own time, and nobody who lives is disturbed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from producers.imports import exports
from producers.imports.checkpoint import MOST_AGAIN
from producers.imports.report import Report
from schemas import codec
from schemas.events import Event, MessageReceived, RoutingUpdate
from schemas.facts import (
    AcknowledgementFact,
    ClockFact,
    Outbound,
    PaneFact,
    SurveyFact,
    TicketFact,
)
from schemas.identity import customer_tag, event_id
from schemas.settings import ProducerSettings
from stream_processors.rules import ruleset as rules_module
from stream_processors.rules.ruleset import Rules
from stream_processors.tickets.processor import KEPT_SEEN, TicketsProcessor
from tests.support.memory_worker import MemoryWorker

EXAMPLES = Path(__file__).parents[1] / "examples" / "import"
SECOND = 1_000_000
NINE = 1_762_160_400 * SECOND  # 2025-11-03T09:00:00Z
ANN = customer_tag("email:ann@example.org")
EXPORTS = [
    ("zendesk.jsonl", "zendesk", 3),
    ("zendesk_incremental", "zendesk", 2),
    ("freshdesk.json", "freshdesk", 1),
    ("freshdesk.csv", "freshdesk", 1),
    ("chatwoot.json", "chatwoot", 1),
]


@pytest.fixture(scope="module")
def rules() -> Rules:
    return rules_module.load()


@pytest.fixture
def worker(rules: Rules) -> MemoryWorker:
    return MemoryWorker(TicketsProcessor(rules))


def history(name: str, kind: str) -> list[Event]:
    export = exports.Export(EXAMPLES / name, kind, zone="UTC")
    found = [codec.decode(each.value) for each in exports.read(export, ProducerSettings(), Report()) if not each.reason]
    assert all(isinstance(event, Event) for event in found)
    return found


def live(number: int, at: int, customer: str = "email:live@example.org") -> MessageReceived:
    return MessageReceived(
        event_id=event_id("live", str(number)),
        occurred_at=at,
        received_at=at,
        customer_tag=customer_tag(customer),
        channel="email",
        customer_id=customer,
        address=customer.partition(":")[2],
        subject=f"Live {number}",
        text="Where is my parcel?",
        message_id=f"<{number}@live>",
    )


def newest(worker: MemoryWorker) -> dict[str, TicketFact]:
    return {fact.ticket_id: fact for fact in worker.records(TicketFact)}


def test_a_zendesk_ticket_has_clocks_in_its_own_time(worker: MemoryWorker) -> None:
    worker.feed(history("zendesk.jsonl", "zendesk"))
    fact = newest(worker)[f"{ANN}-1"]
    assert worker.dead_letters == []
    assert (fact.status, fact.channel, fact.customer_name) == ("closed", "email", "Ann Lee")
    assert (fact.created_at, fact.first_response_at, fact.first_solved_at) == (
        NINE,
        NINE + 1800 * SECOND,
        NINE + 4200 * SECOND,
    )
    assert (fact.first_response_seconds, fact.first_resolution_seconds) == (1800, 4200)
    assert (fact.customer_messages, fact.public_replies, fact.internal_notes) == (2, 2, 2)
    assert (fact.csat, fact.imported, fact.episode) == (5, True, 1)
    assert "payment.card_declined" in fact.tags
    assert "parcel" not in fact.tags


def test_the_ledger_of_an_imported_ticket_holds_its_own_seconds(worker: MemoryWorker) -> None:
    worker.feed(history("zendesk.jsonl", "zendesk"))
    fulfilled = {
        (fact.clock, (fact.at - NINE) // SECOND, fact.elapsed_seconds)
        for fact in worker.records(ClockFact)
        if fact.ticket_id == f"{ANN}-1" and fact.transition == "fulfil"
    }
    assert {
        ("first_response", 1800, 1800.0),
        ("next_response", 4200, 600.0),  # asked again at 10:00, answered at 10:10
        ("full_resolution", 4200, 4200.0),
    } <= fulfilled
    assert {fact.clock for fact in worker.records(ClockFact)} & {"acknowledgement"} == set()


def test_a_rating_reaches_the_ticket_that_it_is_about(worker: MemoryWorker) -> None:
    worker.feed(history("zendesk_incremental", "zendesk"))
    assert [(fact.ticket_id, fact.csat, fact.comment) for fact in worker.records(SurveyFact)] == [
        (f"{ANN}-1", 1, "Took too long")
    ]


@pytest.mark.parametrize(("name", "kind", "tickets"), EXPORTS)
def test_every_ticket_of_an_export_becomes_one_ticket(worker: MemoryWorker, name: str, kind: str, tickets: int) -> None:
    worker.feed(history(name, kind))
    assert worker.dead_letters == []
    assert len(newest(worker)) == tickets


@pytest.mark.parametrize(("name", "kind", "tickets"), EXPORTS)
def test_history_answers_nobody_routes_nothing_and_is_never_due(
    worker: MemoryWorker, name: str, kind: str, tickets: int
) -> None:
    worker.feed(history(name, kind))
    assert worker.records(Outbound, RoutingUpdate) == []
    assert {(fact.outcome, fact.reason) for fact in worker.records(AcknowledgementFact)} == {("suppressed", "imported")}
    due = [worker.processor.deadline(key, state) for key, state in worker.states(b"c")]
    assert due and set(due) == {None}


def without_place(records: Iterable[Any]) -> list[Any]:
    """Records without where they stand in the log."""
    return [msgspec.structs.replace(record, version=0, partition=0) for record in records]


def test_an_import_changes_no_facts_of_live_customers(rules: Rules) -> None:
    now = NINE + 100 * 86_400 * SECOND
    first, second = [live(1, now), live(2, now + 60 * SECOND)], [live(3, now + 7200 * SECOND)]
    tag, found = first[0].customer_tag, []
    for between in ([], history("zendesk.jsonl", "zendesk"), history("chatwoot.json", "chatwoot")):
        worker = MemoryWorker(TicketsProcessor(rules))
        worker.feed(first)
        worker.feed(between)
        worker.feed(second)
        worker.advance(now + 30 * 86_400 * SECOND)
        facts = worker.records(TicketFact, ClockFact, AcknowledgementFact, Outbound)
        panes = [pane for pane in worker.records(PaneFact) if pane.start >= now - 86_400 * SECOND]
        newest_panes = {(pane.start, pane.channel, pane.team, pane.priority, pane.policy): pane for pane in panes}
        found.append(
            (
                without_place(fact for fact in facts if fact.customer_tag == tag),
                without_place(msgspec.structs.replace(pane, part=0) for pane in newest_panes.values()),
            )
        )
    assert found[0][0]
    assert found[0] == found[1] == found[2]


def test_a_second_import_changes_nothing(worker: MemoryWorker) -> None:
    events = history("zendesk.jsonl", "zendesk") + history("chatwoot.json", "chatwoot")
    worker.feed(events)
    before = len(worker.outputs)
    worker.feed(events)
    assert (len(worker.outputs), worker.dead_letters) == (before, [])


def test_events_that_a_killed_import_repeats_are_recognised(worker: MemoryWorker) -> None:
    assert MOST_AGAIN < KEPT_SEEN
    events = [live(number, NINE + number * SECOND) for number in range(600)]
    imported = [msgspec.structs.replace(event, imported=True) for event in events]
    worker.feed(imported)
    before = len(worker.outputs)
    worker.feed(imported[-MOST_AGAIN:])
    assert len(worker.outputs) == before


def test_a_customer_writing_after_the_import_is_answered_and_routed(worker: MemoryWorker) -> None:
    worker.feed(history("zendesk.jsonl", "zendesk"))
    now = NINE + 100 * 86_400 * SECOND
    worker.feed([live(1, now, "email:ann@example.org")])
    assert [fact.outcome for fact in worker.records(AcknowledgementFact)][-1] == "sent"
    assert [update.action for update in worker.records(RoutingUpdate)] == ["queue"]
    ticket = list(newest(worker).values())[-1]
    assert (ticket.imported, ticket.created_at) == (False, now)

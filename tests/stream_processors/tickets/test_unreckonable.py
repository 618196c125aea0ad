"""Records that no producer of ours writes, on the topics of workers: refused one by one, and nothing stops."""

from __future__ import annotations

from typing import Any

import pytest

from schemas import codec, facts
from schemas.events import (
    AgentReplied,
    Assigned,
    MessageReceived,
    PresenceChanged,
    RoutingUpdate,
    StatusChanged,
    TicketAdopted,
)
from schemas.identity import customer_tag
from stream_processors.routing.processor import RoutingProcessor
from stream_processors.rules.ruleset import Rules
from stream_processors.tickets.processor import TicketsProcessor
from tests.support.memory_worker import MemoryWorker
from tests.support.records import example

TAG = customer_tag("email:ann@example.org")
NOW = 1_772_445_600_000_000  # 2026-03-02T10:00:00Z


def message(number: int, at: int = NOW, **fields: Any) -> MessageReceived:
    return MessageReceived(
        **{"event_id": f"m{number}", "occurred_at": at, "received_at": at, "customer_tag": TAG, "channel": "email"}
        | {"customer_id": "email:ann@example.org", "address": "ann@example.org", "text": "Hello"}
        | fields
    )


def base(number: int, at: int) -> dict[str, Any]:
    return {"event_id": f"e{number}", "occurred_at": at, "received_at": at, "customer_tag": TAG}


@pytest.mark.parametrize("at", [2**63 - 1, -(2**63), -1, 7_258_118_400_000_000])
@pytest.mark.parametrize("field", ["occurred_at", "received_at", "sent_at"])
def test_a_time_that_cannot_be_reckoned_with_is_refused(rules: Rules, field: str, at: int) -> None:
    worker = MemoryWorker(TicketsProcessor(rules))
    worker.feed([message(1), message(2, **{field: at}), message(3, NOW + 1)])
    assert [reason for _, _, reason, _ in worker.dead_letters] == ["bad_time"]
    assert {fact.ticket_id for fact in worker.records(facts.TicketFact)} == {f"{TAG}-1", f"{TAG}-2"}
    worker.advance(NOW + 86_400_000_000)


@pytest.mark.parametrize("at", [2**63 - 1, -(2**63)])
def test_such_a_time_stops_no_team(at: int) -> None:
    worker = MemoryWorker(RoutingProcessor())
    there = PresenceChanged(
        **base(1, NOW) | {"customer_tag": ""}, agent_id="mei", team="support", status="online", capacity={"email": 2}
    )
    update = RoutingUpdate(
        **base(2, NOW), ticket_id=f"{TAG}-1", team="support", action="queue", channel="email", eligible_at=at
    )
    worker.append_raw(b"support", codec.encode(there))
    worker.append_raw(b"support", codec.encode(update))
    worker.run()
    assert [reason for _, _, reason, _ in worker.dead_letters] == ["bad_time"]


@pytest.mark.parametrize("field", ["ticket_id", "channel", "language", "agent_id", "preferred_agent", "team"])
def test_a_zero_character_in_an_id_stops_no_team(field: str) -> None:
    worker = MemoryWorker(RoutingProcessor())
    there = PresenceChanged(
        **base(1, NOW) | {"customer_tag": ""}, agent_id="mei", team="support", status="online", capacity={"email": 2}
    )
    asked = {"ticket_id": f"{TAG}-1", "team": "support", "action": "queue", "language": "en", "eligible_at": NOW}
    update = RoutingUpdate(**base(2, NOW) | {"channel": "email"} | asked | {field: "a\0b"})
    good = RoutingUpdate(**base(3, NOW) | {"channel": "email"} | asked)
    for event in (there, update, good):
        worker.append_raw(b"support", codec.encode(event))
    worker.run()
    assert [reason for _, _, reason, _ in worker.dead_letters] == ["bad_id"]
    assert [assigned.agent_id for assigned in worker.records(Assigned)] == ["mei"]


def test_a_fact_on_the_topic_of_events_is_refused(rules: Rules) -> None:
    worker = MemoryWorker(TicketsProcessor(rules))
    worker.append_raw(TAG.encode(), codec.encode(example(facts.ContactFact)))
    worker.feed([message(1)])
    assert [reason for _, _, reason, _ in worker.dead_letters] == ["not_an_event"]
    assert worker.records(facts.TicketFact)


def test_a_ticket_goes_on_whatever_the_id_of_its_agent(rules: Rules) -> None:
    """An id with colons made each later event of the ticket a defect, and enough of those stop a worker."""
    ticket = f"{TAG}-1"
    worker = MemoryWorker(TicketsProcessor(rules))
    for number, agent in enumerate(("zendesk:4711", ":", "a:b:c", "::urgent")):
        at = NOW + number * 1000
        worker.feed(
            [
                message(number, at, ticket_ref=ticket if number else ""),
                Assigned(**base(4 * number, at), ticket_id=ticket, team="support", agent_id=agent),
                AgentReplied(**base(4 * number + 1, at + 1), ticket_id=ticket, agent_id=agent, text="Here it is"),
                StatusChanged(**base(4 * number + 2, at + 2), ticket_id=ticket, status="open", agent_id=agent),
                message(100 + number, at + 3, ticket_ref=ticket),
            ]
        )
        assert agent in {fact.assignee_id for fact in worker.records(facts.TicketFact)}
    assert worker.dead_letters == []


@pytest.mark.parametrize("state", [b"", b"\x06", b"\x86" + bytes(16) + b"\xc1", b"\x86" + bytes(16) + b"\x93\x01"])
def test_a_broken_state_in_an_adoption_is_refused(rules: Rules, state: bytes) -> None:
    worker = MemoryWorker(TicketsProcessor(rules))
    worker.feed([message(1), example(TicketAdopted, **base(2, NOW), ticket=state), message(3)])
    assert "defect" not in [reason for _, _, reason, _ in worker.dead_letters]

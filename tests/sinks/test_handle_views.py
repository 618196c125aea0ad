"""The views of how long people were busy, and of the work that came in each hour, against figures by hand."""

from __future__ import annotations

from typing import Any

import pytest

from schemas import facts
from schemas.clock import MICROS
from tests.sinks.test_service_views import HOUR, MIDNIGHT, TAG, base, contact, conversation
from tests.support.sinks.deployment import Ask

pytestmark = pytest.mark.stack


def test_written_work_lasts_from_what_happened_last_before_the_answer(insert: Any, ask: Ask) -> None:
    """mei gets two mails at 1:00; a call of hers ends at 1:04; she answers at 1:10, 1:15, after a note at 1:20, and at 3:00."""
    minute = 1 / 60

    def of(ticket: int) -> dict[str, Any]:
        return {"ticket_id": f"{TAG}-{ticket}", "channel": "email"}

    def answer(version: int, minutes: int, ticket: int, author: str = "mei", **fields: Any) -> facts.ContactFact:
        values = {"author": author, "public": True} | of(ticket) | fields
        return contact(version, "agent_replied", 1 + minutes * minute, **values)

    insert(
        *(
            facts.TicketFact(
                **base(n) | of(n) | {"team": "support", "priority": "normal", "status": "open", "episode": 1}
            )
            for n in (1, 2, 3)
        ),
        *(contact(n, "message_received", n * minute, **of(n)) for n in (1, 2, 3)),
        *(
            facts.AssignmentFact(
                **base(n, MIDNIGHT + HOUR), event_id=f"a{n}", ticket_id=f"{TAG}-{n}", team="support", agent_id="mei"
            )
            for n in (1, 2)
        ),
        conversation(20, "answered", 10.0, 100.0, agent_id="mei", at=MIDNIGHT + HOUR + 4 * 60 * MICROS),
        answer(31, 10, 1),  # since the call: 6 minutes
        answer(32, 15, 2),  # since the first answer: 5 minutes
        contact(33, "note_added", 1 + 20 * minute, author="mei", **of(1)),
        contact(34, "message_received", 1 + 24 * minute, **of(1)),
        answer(35, 25, 1),  # since the customer's second message: 1 minute
        answer(36, 120, 1),  # nobody reports pauses: half an hour at most
        answer(37, 61, 3, "tom"),  # never assigned, nothing done before: since the message, and at most half an hour
        answer(38, 65, 9, "tom", imported=True),
        answer(39, 66, 3, "", imported=False),  # of nobody
        answer(40, 5, 4, "kim"),  # nothing is known of its ticket
        answer(41, 70, 3, "tom", channel="chat"),  # it is part of a conversation
    )
    rows = ask("SELECT * FROM handle_times WHERE kind = 'written' ORDER BY at")
    assert [(row["agent_id"], row["handle_seconds"], row["team"]) for row in rows] == [
        ("kim", None, ""),
        ("mei", 360, "support"),
        ("mei", 300, "support"),
        ("mei", 60, "support"),
        ("tom", 1800, "support"),
        ("mei", 1800, "support"),
    ]
    [call] = ask("SELECT * FROM handle_times WHERE kind = 'call'")
    assert (call["agent_id"], call["handle_seconds"]) == ("mei", 100)


def test_work_counts_in_the_hour_in_which_it_came(insert: Any, ask: Ask) -> None:
    held = {"ticket_id": f"{TAG}-1", "channel": "email"}
    insert(
        facts.TicketFact(**base(1) | held | {"team": "support", "priority": "normal", "status": "open", "episode": 1}),
        contact(2, "message_received", 1.5, **held),
        contact(3, "message_received", 1.6, third_party=True, **held),
        contact(4, "agent_replied", 2.1, author="mei", public=True, **held),
        conversation(5, "answered", 30.0, 5400.0),  # it ended at 1:00, and began before midnight
        conversation(6, "abandoned", 90.0),
        conversation(7, "voicemail", 90.0),
    )
    rows = {(str(row["hour"])[5:13], row["channel"]): row for row in ask("SELECT * FROM demand_by_hour")}
    columns = ("live", "contacts", "answered", "abandoned", "wait_seconds_sum", "handled", "handle_seconds_sum")
    assert {place: tuple(row[name] for name in columns) for place, row in rows.items()} == {
        ("03-01 23", "phone"): (True, 1, 1, 0, 30, 0, 0),
        ("03-02 00", "phone"): (True, 1, 0, 1, 90, 0, 0),
        ("03-02 01", "phone"): (True, 0, 0, 0, 0, 1, 5400),
        ("03-02 01", "email"): (False, 1, 0, 0, 0, 0, 0),
        ("03-02 02", "email"): (False, 0, 0, 0, 0, 1, 1800),
    }

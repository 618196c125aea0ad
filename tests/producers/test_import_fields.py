"""What single fields of an export come to: fallbacks, secondary fields, later messages."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from producers.imports.formats import chatwoot, freshdesk, zendesk
from producers.imports.formats.origin import Origin
from producers.imports.formats.parts import Reading
from schemas.events import AgentReplied, MessageReceived, NoteAdded, StatusChanged, SurveyAnswered

NOW = 1_772_445_600_000_000  # 2026-03-02T10:00:00Z
AT = 1_772_442_000  # an hour before, in seconds
MICROS = 1_000_000


def chat(*messages: dict[str, Any], **more: Any) -> Reading:
    conversation = {"id": 9, "inbox_id": 1, "created_at": AT, "messages": list(messages), **more}
    return chatwoot.read(conversation, lambda own: None, Origin("chatwoot", "import:test", NOW))


def message(number: int, kind: str, content: str, **more: Any) -> dict[str, Any]:
    sender = {"id": 3, "name": "Ann", "email": "ann@example.org"}
    return {"id": number, "message_type": kind, "content": content, "created_at": AT + number, "sender": sender, **more}


def test_chatwoot_tells_every_message_of_a_conversation() -> None:
    agent = {"id": 5, "email": "Mei@Shop.test"}
    other = {"id": 4, "name": "Bo", "email": "bo@example.org"}
    reading = chat(
        message(0, "incoming", "Where is it?"),
        message(1, "incoming", "Order 7", attachments=[{"data_url": "https://x.example/a/kettle.png", "file_size": 5}]),
        message(2, "outgoing", "On its way", sender=agent),
        message(3, "outgoing", "Look again", sender=agent, private=True),
        message(4, "incoming", "Mine too", sender=other),
    )
    told = [(type(event), event.occurred_at - AT * MICROS, getattr(event, "text", "")) for event in reading.events[:5]]
    assert told == [
        (MessageReceived, 0, "Where is it?"),
        (MessageReceived, MICROS, "Order 7"),
        (AgentReplied, 2 * MICROS, "On its way"),
        (NoteAdded, 3 * MICROS, "Look again"),
        (MessageReceived, 4 * MICROS, "Mine too"),
    ]
    first, second, reply, note, last = reading.events[:5]
    assert (first.customer_id, second.customer_id, last.customer_id) == (
        "email:ann@example.org",
        "email:ann@example.org",
        "email:bo@example.org",
    )
    assert isinstance(second, MessageReceived)
    assert [msgspec.to_builtins(each) for each in second.attachments] != []
    assert isinstance(reply, AgentReplied)
    assert isinstance(note, NoteAdded)
    assert (reply.agent_id, note.agent_id) == ("mei@shop.test", "mei@shop.test")


def test_chatwoot_finds_the_conversation_of_a_part() -> None:
    assert list(chatwoot.parts({"rating": 4, "conversation_id": 9})) == [
        ("ratings", "9", {"rating": 4, "conversation_id": 9})
    ]
    nested = {"rating": 4, "conversation": {"id": 8}}
    assert list(chatwoot.parts(nested)) == [("ratings", "8", nested)]
    shown = {"display_id": 7, "messages": []}
    assert list(chatwoot.parts(shown)) == [("ticket", "7", shown)]


def test_chatwoot_knows_a_contact_by_the_conversation_alone() -> None:
    sender = {"name": "Ann"}
    reading = chat(message(0, "incoming", "Hello", sender=sender), contact_id=12)
    assert reading.events[0].customer_id == "chatwoot:12"
    both = chat(message(0, "incoming", "Hello", sender={"id": 3}), contact_id=12)
    assert both.events[0].customer_id == "chatwoot:3"


def test_freshdesk_finds_the_requester_beside_or_within_the_ticket() -> None:
    origin = Origin("freshdesk", "import:test", NOW)
    asked: list[Any] = []

    def people(own: Any) -> None:
        asked.append(own)

    ticket = {"id": 1, "created_at": "2026-03-02T09:00:00Z", "description_text": "Broken", "status": 2}
    for given in ({"requester_id": 31}, {"requester": {"id": 32}}, {"requester_id": 31, "requester": {"id": 32}}):
        reading = freshdesk.read({**ticket, **given}, people, origin)
        assert [event.customer_id for event in reading.events][:1] == [f"freshdesk:{asked[-1]}"]
    assert asked == ["31", "32", "31"]


# -- when a Zendesk ticket became what it is -------------------------------------------------------------------------

CREATED, ACTIVE, PAUSED, FULFILLED, SOLVED, CHANGED = (f"2026-03-02T0{hour}:00:00Z" for hour in range(1, 7))


def zendesk_states(**more: Any) -> list[tuple[str, str]]:
    """(status, hour) of every change that a ticket without audits comes to."""
    ticket = {"id": 7, "requester_id": 3, "created_at": CREATED, "updated_at": CHANGED, "description": "Broken"} | more
    reading = zendesk.read(ticket, lambda own: None, Origin("zendesk", "import:test", NOW))
    assert reading.refused == []
    hours = [(event, (event.occurred_at - NOW) // 3_600_000_000 + 10) for event in reading.events]
    return [(event.status, f"{hour}") for event, hour in hours if isinstance(event, StatusChanged)]


def test_zendesks_waiting_time_says_when_a_ticket_changed() -> None:
    waited = [
        {"id": 1, "type": "activate", "metric": "requester_wait_time", "time": ACTIVE},
        {"id": 2, "type": "pause", "metric": "requester_wait_time", "time": PAUSED},
        {"id": 3, "type": "fulfill", "metric": "requester_wait_time", "time": FULFILLED},
        {"id": 4, "type": "fulfill", "metric": "reply_time", "time": SOLVED},
    ]
    measured = [("open", "2"), ("pending", "3"), ("solved", "4")]
    assert zendesk_states(metric_events=waited, status="solved") == measured
    assert zendesk_states(metric_events=waited, status="closed") == [*measured, ("closed", "6")]


def test_zendesks_exported_status_has_the_time_of_its_change() -> None:
    assert zendesk_states(status="new") == []
    assert zendesk_states(status="pending") == [("pending", "6")]
    assert zendesk_states(status="pending", metric_set={"status_updated_at": SOLVED}) == [("pending", "5")]
    assert zendesk_states(status="solved", metric_set={"solved_at": FULFILLED}) == [("solved", "4")]
    assert zendesk_states(status="solved", metric_sets=[{"solved_at": FULFILLED}]) == [("solved", "4")]
    assert zendesk_states(status="solved") == [("solved", "6")]
    assert zendesk_states(status="closed", metric_set={"solved_at": FULFILLED, "status_updated_at": SOLVED}) == [
        ("solved", "4"),
        ("closed", "5"),
    ]


def test_zendesks_rating_has_its_own_time_or_that_of_the_solution() -> None:
    def rated(rating: dict[str, Any], **more: Any) -> list[tuple[int, int | None, str]]:
        ticket = {"id": 7, "requester_id": 3, "created_at": CREATED, "updated_at": CHANGED, "description": "Broken"}
        reading = zendesk.read(
            ticket | {"satisfaction_rating": rating} | more, lambda own: None, Origin("zendesk", "import:test", NOW)
        )
        answers = [event for event in reading.events if isinstance(event, SurveyAnswered)]
        return [((each.occurred_at - NOW) // 3_600_000_000 + 10, each.csat, each.comment) for each in answers]

    good = {"score": "good_with_comment", "comment": "Fine"}
    assert rated(good) == [(6, 5, "Fine")]
    assert rated(good, metric_set={"solved_at": FULFILLED}) == [(4, 5, "Fine")]
    assert rated(good | {"created_at": PAUSED}, metric_set={"solved_at": FULFILLED}) == [(3, 5, "Fine")]
    assert rated(good | {"created_at": PAUSED, "updated_at": SOLVED}) == [(5, 5, "Fine")]
    assert rated({"score": "bad"}) == [(6, 1, "")]
    assert rated({"score": "offered"}) == rated({"score": "unoffered"}) == rated({"score": ""}) == []


# -- when a Freshdesk ticket became what it is -----------------------------------------------------------------------


def freshdesk_states(status: int, name: str = "stats", **stats: str) -> list[tuple[str, str]]:
    ticket = {"id": 1, "requester_id": 3, "created_at": CREATED, "updated_at": CHANGED, "status": status}
    reading = freshdesk.read(
        ticket | {"description_text": "Broken", name: stats}, lambda own: None, Origin("freshdesk", "import:test", NOW)
    )
    assert reading.refused == []
    hours = [(event, (event.occurred_at - NOW) // 3_600_000_000 + 10) for event in reading.events]
    return [(event.status, f"{hour}") for event, hour in hours if isinstance(event, StatusChanged)]


def test_freshdesks_stats_say_when_a_ticket_changed() -> None:
    told = {"pending_since": ACTIVE, "reopened_at": PAUSED, "resolved_at": FULFILLED, "closed_at": SOLVED}
    every = [("pending", "2"), ("open", "3"), ("solved", "4"), ("closed", "5")]
    assert freshdesk_states(5, **told) == freshdesk_states(5, "ticket_states", **told) == every
    assert freshdesk_states(4, resolved_at=FULFILLED) == [("solved", "4")]
    assert freshdesk_states(4, status_updated_at=SOLVED) == [("solved", "5")]
    assert freshdesk_states(4) == [("solved", "6")]
    assert freshdesk_states(2, status_updated_at=SOLVED) == [("open", "5")]
    assert freshdesk_states(3, pending_since=ACTIVE) == [("pending", "2")]
    assert freshdesk_states(3) == [("pending", "6")]


# -- the channels that exports name ---------------------------------------------------------------------------------

ZENDESK_CHANNELS = {
    "chat": "chat", "native_messaging": "chat", "messaging": "chat", "web": "form", "web_widget": "form",
    "web_service": "form", "api": "form", "mobile": "form", "mobile_sdk": "form", "help_center": "form",
    "voice": "phone", "sms": "sms", "whatsapp": "sms", "line": "sms", "twitter": "social", "twitter_dm": "social",
    "facebook": "social", "instagram_dm": "social", "any_channel": "social", "email": "email", "pigeon": "email",
}  # fmt: skip


@pytest.mark.parametrize(("named", "channel"), ZENDESK_CHANNELS.items())
def test_zendesks_channels(named: str, channel: str) -> None:
    ticket = {"id": 7, "requester_id": 3, "created_at": CREATED, "description": "Broken", "via": {"channel": named}}
    reading = zendesk.read(ticket, lambda own: None, Origin("zendesk", "import:test", NOW))
    assert [event.channel for event in reading.events] == [channel]


FRESHDESK_SOURCES = {
    1: ("email", "email"), 2: ("portal", "form"), 3: ("phone", "phone"), 5: ("twitter", "social"),
    6: ("facebook", "social"), 7: ("chat", "chat"), 9: ("feedback widget", "form"), 10: ("outbound email", "email"),
    11: ("ecommerce", "form"), 12: ("bot", "bot"), 13: ("whatsapp", "sms"), 4: ("pigeon", "email"),
}  # fmt: skip


@pytest.mark.parametrize(("source", "named"), FRESHDESK_SOURCES.items())
def test_freshdesks_sources_as_numbers_and_as_names(source: int, named: tuple[str, str]) -> None:
    def channels(**more: Any) -> list[str]:
        ticket = {"id": 1, "requester_id": 3, "created_at": CREATED, "status": 2, "description_text": "Broken"}
        reading = freshdesk.read(ticket | more, lambda own: None, Origin("freshdesk", "import:test", NOW))
        return [event.channel for event in reading.events if isinstance(event, MessageReceived)]

    assert channels(source=source) == channels(source_name=named[0].title()) == [named[1]]


@pytest.mark.parametrize(
    ("number", "name", "priority"),
    [(1, "low", "low"), (2, "medium", "normal"), (3, "high", "high"), (4, "urgent", "urgent"), (5, "x", "")],
)
def test_freshdesks_priorities_as_numbers_and_as_names(number: int, name: str, priority: str) -> None:
    def priorities(**more: Any) -> list[str]:
        ticket = {"id": 1, "requester_id": 3, "created_at": CREATED, "status": 2, "description_text": "Broken"}
        reading = freshdesk.read(ticket | more, lambda own: None, Origin("freshdesk", "import:test", NOW))
        return [event.priority for event in reading.events if isinstance(event, MessageReceived)]

    assert priorities(priority=number) == priorities(priority_name=name) == [priority]


@pytest.mark.parametrize(
    ("number", "name", "status"),
    [
        (2, "open", "open"), (3, "pending", "pending"), (4, "resolved", "solved"), (5, "closed", "closed"),
        (6, "waiting on customer", "pending"), (7, "waiting on third party", "hold"), (7, "on hold", "hold"),
        (8, "ours alone", "open"),
    ],
)  # fmt: skip
def test_freshdesks_statuses_as_numbers_and_as_names(number: int, name: str, status: str) -> None:
    def states(**more: Any) -> list[str]:
        ticket = {"id": 1, "requester_id": 3, "created_at": CREATED, "updated_at": CHANGED, "description_text": "x"}
        reading = freshdesk.read(ticket | more, lambda own: None, Origin("freshdesk", "import:test", NOW))
        return [event.status for event in reading.events if isinstance(event, StatusChanged)]

    assert states(status=number)[-1:] == states(status_name=name)[-1:] == [status]

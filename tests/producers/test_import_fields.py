"""What single fields of an export come to: fallbacks, secondary fields, later messages."""

from __future__ import annotations

from typing import Any

import msgspec

from producers.imports.formats import chatwoot, freshdesk
from producers.imports.formats.origin import Origin
from producers.imports.formats.parts import Reading
from schemas.events import AgentReplied, MessageReceived, NoteAdded

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

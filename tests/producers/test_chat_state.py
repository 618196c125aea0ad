"""A conversation before anything is known of it."""

from __future__ import annotations

from msgspec.structs import asdict

from producers.channels.chat_state import ChatConversation


def test_a_conversation_begins_with_nothing() -> None:
    texts = ("thread_id", "visitor", "customer_id", "name", "language", "time_zone", "order_number", "page_url")
    assert asdict(ChatConversation()) == {
        "phase": "form",
        **dict.fromkeys((*texts, "ticket_id"), ""),
        "started_at": 0,
        "answered_at": None,
        "touched_at": 0,
        "gone_since": None,
        "ended_at": None,
        "outcome": "closed",
        "solved": False,
        "written": (),
        "said": (),
        "position": 0,
        "transcript": False,
        "mailed": False,
        "verified": "none",
    }

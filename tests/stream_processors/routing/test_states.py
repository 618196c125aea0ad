"""Entries of a queue before anything is known of them, and their keys."""

from __future__ import annotations

from msgspec.structs import asdict

from stream_processors.routing.state import QueueEntry


def test_an_entry_waits_at_once_for_anybody() -> None:
    assert asdict(QueueEntry()) == {
        "offset": -1,
        "channel": "",
        "language": "",
        "skills": (),
        "priority": "normal",
        "eligible_at": 0,
        "preferred": "",
        "agent": "",
        "ref": "",
        "due_at": None,
        "order": b"",
        "fallback": "",
        "reserved_until": 0,
        "overflow_at": None,
        "silent_at": None,
        "avoid": "",
        "offers": None,
    }


def test_tickets_that_suit_the_same_agents_share_a_skill_queue() -> None:
    entry = QueueEntry(channel="email", language="ja", skills=("a", "b"), priority="urgent", agent="mei")
    assert entry.skill_queue == "email\0ja\0a+b"

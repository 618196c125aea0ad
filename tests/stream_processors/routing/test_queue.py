"""The queue of a team during one record: heads in the order of service, changes over the store, and the read log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from stream_processors.routing.queue import TeamQueue, channel_rank
from stream_processors.routing.state import (
    Held,
    Needs,
    QueueEntry,
    ReadLog,
    Waiting,
    entry_key,
    held_prefix,
    place_of,
    read_log_key,
    skill_queue_prefix,
)

OFFSET = 50
EARLY, LATE = QueueEntry(channel="email", eligible_at=1), QueueEntry(channel="email", eligible_at=2)
URGENT = QueueEntry(channel="email", priority="urgent", eligible_at=9)
EMAIL = EARLY.skill_queue


class Store(dict[bytes, Any]):
    """States by key, as a `Reader`; counts the keys that a scan has returned."""

    scanned = 0

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, Any]]:
        for key in sorted(self):
            if key.startswith(prefix):
                self.scanned += 1
                yield key, self[key]

    def apply(self, queue: TeamQueue) -> Store:
        for key, state in queue.states().items():
            if state is None:
                self.pop(key, None)
            else:
                self[key] = state
        return self


def stored(**entries: QueueEntry) -> Store:
    """A store in which these tickets wait or are held."""
    store = Store()
    queue = TeamQueue(store, "t", 1)
    for ticket, entry in entries.items():
        queue.put(ticket, entry)
    return store.apply(queue)


def at(entry: QueueEntry, ticket: str) -> bytes:
    return place_of(entry, ticket)


@pytest.mark.parametrize(
    ("channel", "rank"),
    [
        *((channel, 0) for channel in ("chat", "phone", "in_person", "bot", "help_centre")),
        *((channel, 1) for channel in ("sms", "voicemail")),
        ("social", 2),
        *((channel, 3) for channel in ("email", "form", "carrier-pigeon", "")),
    ],
)
def test_real_time_is_served_before_messaging_before_social(channel: str, rank: int) -> None:
    assert channel_rank(channel) == rank


@pytest.mark.parametrize(
    ("before", "added", "head"),
    [
        ({}, {}, None),
        ({}, {"a": LATE, "b": EARLY}, at(EARLY, "b")),
        ({}, {"a": EARLY, "b": EARLY}, at(EARLY, "a")),  # one instant: the ticket breaks the tie
        ({}, {"a": EARLY, "b": URGENT}, at(URGENT, "b")),
        ({"a": EARLY}, {"b": LATE}, at(EARLY, "a")),
        ({"a": LATE}, {"b": EARLY}, at(EARLY, "b")),
        ({"a": LATE, "b": EARLY}, {}, at(EARLY, "b")),
    ],
)
def test_the_head_is_the_first_of_stored_and_added_places(
    before: dict[str, QueueEntry], added: dict[str, QueueEntry], head: bytes | None
) -> None:
    queue = TeamQueue(stored(**before), "t", OFFSET)
    for ticket, entry in added.items():
        queue.put(ticket, entry)
    assert queue.head(EMAIL) == head


def test_a_removed_ticket_is_neither_head_nor_stored() -> None:
    store = stored(a=EARLY, b=LATE)
    queue = TeamQueue(store, "t", OFFSET)
    assert queue.remove("a") is not None
    assert queue.entry("a") is None
    assert queue.head(EMAIL) == at(LATE, "b")
    changes = queue.states()
    assert changes[entry_key("t", "a")] is None
    assert changes[skill_queue_prefix("t", EMAIL) + at(EARLY, "a")] is None


def test_a_ticket_that_came_and_went_within_a_record_leaves_no_change_of_its_place() -> None:
    queue = TeamQueue(Store(), "t", OFFSET)
    queue.put("a", EARLY)
    queue.remove("a")
    assert queue.head(EMAIL) is None
    assert skill_queue_prefix("t", EMAIL) + at(EARLY, "a") not in queue.states()


def test_a_stored_ticket_that_left_and_came_back_to_its_place_and_left_is_deleted() -> None:
    store = stored(a=EARLY)
    queue = TeamQueue(store, "t", OFFSET)
    queue.head(EMAIL)
    queue.remove("a")
    queue.put("a", EARLY)
    assert queue.head(EMAIL) == at(EARLY, "a")
    queue.remove("a")
    assert queue.head(EMAIL) is None
    assert queue.states()[skill_queue_prefix("t", EMAIL) + at(EARLY, "a")] is None


@pytest.mark.parametrize(
    "entry",
    [
        None,
        QueueEntry(channel="email", eligible_at=1, agent="mei"),
        QueueEntry(channel="email", eligible_at=7),
        QueueEntry(channel="chat", eligible_at=1),
    ],
    ids=["unknown", "held", "elsewhere in the queue", "in another skill queue"],
)
def test_a_place_that_its_entry_does_not_match_is_dropped(entry: QueueEntry | None) -> None:
    store = stored(b=LATE)
    left_behind = skill_queue_prefix("t", EMAIL) + at(EARLY, "a")
    store[left_behind] = Waiting(offset=1)
    if entry is not None:
        store[entry_key("t", "a")] = entry
    queue = TeamQueue(store, "t", OFFSET)
    assert queue.head(EMAIL) == at(LATE, "b")
    assert queue.states()[left_behind] is None


def test_only_the_heads_are_read() -> None:
    store = stored(**{f"t{number:03}": EARLY for number in range(500)})
    queue = TeamQueue(store, "t", OFFSET)
    for _ in range(3):
        place = queue.head(EMAIL)
        assert place is not None
        queue.remove(place[9:].decode())
    assert store.scanned == 3


def test_a_held_ticket_is_found_by_its_agent() -> None:
    held = QueueEntry(channel="email", agent="mei")
    store = stored(a=held, b=LATE)
    queue = TeamQueue(store, "t", OFFSET)
    assert (queue.held("mei"), queue.held("tom"), queue.head(EMAIL)) == (["a"], [], at(LATE, "b"))
    queue.remove("a")
    queue.put("c", held)
    changes = queue.states()
    assert changes[held_prefix("t", "mei") + b"a"] is None
    assert changes[held_prefix("t", "mei") + b"c"] == Held(offset=OFFSET)
    assert queue.held("mei") == ["a"], "as it was before the record"


def test_the_read_log_holds_what_was_read_and_answers_a_refold() -> None:
    store = stored(a=EARLY, b=LATE, c=QueueEntry(channel="email", agent="mei"))
    first = TeamQueue(store, "t", OFFSET)
    answers = first.head(EMAIL), first.held("mei"), first.entry("x")
    first.remove("a")
    log = first.states()[read_log_key("t", OFFSET)]
    assert isinstance(log, ReadLog)
    assert (log.heads, log.held, set(log.entries)) == ({EMAIL: [at(EARLY, "a")]}, {"mei": ["c"]}, {"a", "x"})
    store.apply(first)  # the queue is ahead of the team: the same record is folded again
    again = TeamQueue(store, "t", OFFSET)
    assert (again.head(EMAIL), again.held("mei"), again.entry("x")) == answers
    other = TeamQueue(store, "t", OFFSET + 1)
    assert other.head(EMAIL) == at(LATE, "b"), "another record reads the store"


def test_a_record_that_reads_nothing_has_no_read_log() -> None:
    queue = TeamQueue(Store(), "t", OFFSET)
    queue.put("a", QueueEntry(channel="email", agent="mei"))
    assert read_log_key("t", OFFSET) not in queue.states()


def test_needs_are_those_of_the_tickets_of_a_skill_queue() -> None:
    entry = QueueEntry(channel="chat", language="ja", skills=("refunds", "vip"))
    assert Needs.of(entry.skill_queue) == Needs("chat", "ja", frozenset(("refunds", "vip")))
    assert Needs.of(QueueEntry().skill_queue) == Needs("", "", frozenset())

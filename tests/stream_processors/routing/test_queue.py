"""The queue of a team during one record: heads in the order of service, changes over the store, and the read log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from stream_processors.routing.queue import TeamQueue
from stream_processors.routing.state import (
    Held,
    Needs,
    QueueEntry,
    ReadLog,
    entry_key,
    held_prefix,
    order_of,
    place_of,
    read_log_key,
    skill_queue_prefix,
    ticket_at,
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


def head(queue: TeamQueue) -> bytes | None:
    return next(iter(queue.first(EMAIL, 1)[0]), None)


def at(entry: QueueEntry, ticket: str) -> bytes:
    return place_of(entry, ticket)


def test_real_time_is_served_before_messaging_before_social() -> None:
    ranks = [
        *((channel, 0) for channel in ("chat", "phone", "in_person", "bot", "help_centre")),
        *((channel, 1) for channel in ("sms", "voicemail")),
        ("social", 2),
        *((channel, 3) for channel in ("email", "form", "carrier-pigeon", "")),
    ]
    orders = {channel: order_of(QueueEntry(channel=channel), ()) for channel, _ in ranks}
    for one, rank in ranks:
        for other, lower in ranks:
            assert (orders[one] < orders[other]) == (rank < lower), (one, other)


def test_the_criteria_of_the_order_are_configured() -> None:
    chat = QueueEntry(channel="chat", priority="low", due_at=30, eligible_at=4)
    mail = QueueEntry(channel="email", priority="high", due_at=20, eligible_at=3)
    never = QueueEntry(channel="email", priority="high", eligible_at=2)
    for criteria, expected in (
        ((), [chat, mail, never]),
        (("channel", "priority", "due_at", "eligible_at"), [chat, mail, never]),
        (("priority", "eligible_at", "channel", "due_at"), [never, mail, chat]),
        (("due_at", "channel", "priority", "eligible_at"), [mail, chat, never]),
        (("eligible_at", "due_at", "priority", "channel"), [never, mail, chat]),
    ):
        assert sorted((never, chat, mail), key=lambda entry: order_of(entry, criteria)) == expected, criteria


@pytest.mark.parametrize(
    ("before", "added", "expected"),
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
    before: dict[str, QueueEntry], added: dict[str, QueueEntry], expected: bytes | None
) -> None:
    queue = TeamQueue(stored(**before), "t", OFFSET)
    for ticket, entry in added.items():
        queue.put(ticket, entry)
    assert head(queue) == expected


def test_a_removed_ticket_is_neither_head_nor_stored() -> None:
    store = stored(a=EARLY, b=LATE)
    queue = TeamQueue(store, "t", OFFSET)
    assert queue.remove("a") is not None
    assert queue.entry("a") is None
    assert head(queue) == at(LATE, "b")
    changes = queue.states()
    assert changes[entry_key("t", "a")] is None
    assert changes[skill_queue_prefix("t", EMAIL) + at(EARLY, "a")] is None


def test_a_ticket_that_came_and_went_within_a_record_leaves_no_change_of_its_place() -> None:
    queue = TeamQueue(Store(), "t", OFFSET)
    queue.put("a", EARLY)
    queue.remove("a")
    assert head(queue) is None
    assert skill_queue_prefix("t", EMAIL) + at(EARLY, "a") not in queue.states()


def test_a_stored_ticket_that_left_and_came_back_to_its_place_and_left_is_deleted() -> None:
    store = stored(a=EARLY)
    queue = TeamQueue(store, "t", OFFSET)
    head(queue)
    queue.remove("a")
    queue.put("a", EARLY)
    assert head(queue) == at(EARLY, "a")
    queue.remove("a")
    assert head(queue) is None
    assert queue.states()[skill_queue_prefix("t", EMAIL) + at(EARLY, "a")] is None


def test_only_the_first_places_are_read() -> None:
    store = stored(**{f"t{number:03}": EARLY for number in range(500)})
    queue = TeamQueue(store, "t", OFFSET)
    for number in range(3):
        place = head(queue)
        assert place is not None and ticket_at(place) == f"t{number:03}"
        queue.remove(ticket_at(place))
    assert store.scanned == 3


def test_a_held_ticket_is_found_by_its_agent() -> None:
    held = QueueEntry(channel="email", agent="mei")
    store = stored(a=held, b=LATE)
    queue = TeamQueue(store, "t", OFFSET)
    assert (queue.held("mei"), queue.held("tom"), head(queue)) == (["a"], [], at(LATE, "b"))
    queue.remove("a")
    queue.put("c", held)
    changes = queue.states()
    assert changes[held_prefix("t", "mei") + b"a"] is None
    assert changes[held_prefix("t", "mei") + b"c"] == Held(offset=OFFSET)
    assert queue.held("mei") == ["a"], "as it was before the record"


def test_the_read_log_holds_what_was_read_and_answers_a_refold() -> None:
    store = stored(a=EARLY, b=LATE, c=QueueEntry(channel="email", agent="mei"))
    first = TeamQueue(store, "t", OFFSET)
    answers = head(first), first.held("mei"), first.entry("x")
    first.remove("a")
    log = first.states()[read_log_key("t", OFFSET)]
    assert isinstance(log, ReadLog)
    assert (log.heads, log.held, set(log.entries)) == ({EMAIL: [at(EARLY, "a")]}, {"mei": ["c"]}, {"a", "x"})
    store.apply(first)  # the queue is ahead of the team: the same record is folded again
    again = TeamQueue(store, "t", OFFSET)
    assert (head(again), again.held("mei"), again.entry("x")) == answers
    other = TeamQueue(store, "t", OFFSET + 1)
    assert head(other) == at(LATE, "b"), "another record reads the store"


def test_a_record_that_reads_nothing_has_no_read_log() -> None:
    queue = TeamQueue(Store(), "t", OFFSET)
    queue.put("a", QueueEntry(channel="email", agent="mei"))
    assert read_log_key("t", OFFSET) not in queue.states()


def test_needs_are_those_of_the_tickets_of_a_skill_queue() -> None:
    entry = QueueEntry(channel="chat", language="ja", skills=("refunds", "vip"))
    assert Needs.of(entry.skill_queue) == Needs("chat", "ja", frozenset(("refunds", "vip")))
    assert Needs.of(QueueEntry().skill_queue) == Needs("", "", frozenset())

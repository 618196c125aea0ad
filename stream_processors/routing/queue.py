"""The queue of one team while one record is folded: reads of the store, changes, and the log of what was read.

A question is answered by the changes of this record, else by the read log of an earlier fold of the same record, else
by the store. Reading is lazy: only the first places of skill queues are read, so 100,000 waiting tickets cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import islice

from msgspec.structs import replace

from stream_processors.routing.state import (
    Held,
    QueueEntry,
    ReadLog,
    Waiting,
    entry_prefix,
    held_prefix,
    place_of,
    read_log_key,
    skill_queue_prefix,
)
from stream_processors.runtime.processor import Reader, State

__all__ = ["TeamQueue"]

#: Ends the places of a skill queue in a read log: no place is empty.
_END = b""


class _SkillQueue:
    """One skill queue: the stored places, read as far as needed, less those removed, plus those added."""

    def __init__(self, stored: Iterator[bytes]) -> None:
        self._stored = stored
        self.read: list[bytes] = []
        self.removed: set[bytes] = set()
        self.added: set[bytes] = set()

    def first(self, count: int) -> tuple[list[bytes], bool]:
        """Returns at most so many places in order, and whether there may be others that no read log tells of."""
        stored = (place for place in self._places() if place not in self.removed)
        found = list(islice(merge(stored, sorted(self.added)), count))
        return found, len(found) < count and self.read[-1:] != [_END]

    def _places(self) -> Iterator[bytes]:
        for place in self.read:
            if place != _END:
                yield place
        for place in self._stored:
            self.read.append(place)
            if place != _END:
                yield place


class TeamQueue:
    """Holds which tickets of one team wait and who holds the others. `states()` returns what changed."""

    def __init__(self, read: Reader, team: str, offset: int) -> None:
        self._read, self._team, self._offset = read, team, offset
        self._prefix, self._log_key = entry_prefix(team), read_log_key(team, offset)
        self._known = _read_log(read, self._log_key, offset)
        self._entries: dict[str, QueueEntry | None] = {}  # as read, for the read log
        self._held: dict[str, list[str]] = {}
        self._skill_queues: dict[str, _SkillQueue] = {}
        self._changed_entries: dict[str, QueueEntry | None] = {}
        self._changes: dict[bytes, State | None] = {}

    # -- reading ------------------------------------------------------------------------------------------------

    def entry(self, ticket: str) -> QueueEntry | None:
        """Returns the entry of a ticket; None when the router does not know it."""
        if ticket in self._changed_entries:
            return self._changed_entries[ticket]
        if ticket in self._entries:
            return self._entries[ticket]
        known: QueueEntry | None = (
            self._known.entries.get(ticket) if self._known else self._read.get(self._prefix + ticket.encode())
        )
        self._entries[ticket] = known
        return known

    def first(self, skills: str, count: int) -> tuple[list[bytes], bool]:
        """Returns at most so many places of a skill queue in order, and true if more may follow in spite of fewer.

        That is so when a build that read less wrote the read log from which this record is folded again.
        """
        return self._skill_queue(skills).first(count)

    def held(self, agent: str) -> list[str]:
        """Returns the tickets that an agent held before this record and that wait on us."""
        if agent not in self._held:
            prefix = held_prefix(self._team, agent)
            self._held[agent] = (
                self._known.held.get(agent, [])
                if self._known
                else [key[len(prefix) :].decode() for key, _ in self._read.scan(prefix)]
            )
        return self._held[agent]

    def _skill_queue(self, skills: str) -> _SkillQueue:
        queue = self._skill_queues.get(skills)
        if queue is None:
            queue = self._skill_queues[skills] = _SkillQueue(self._stored(skills))
        return queue

    def _stored(self, skills: str) -> Iterator[bytes]:
        """Yields the stored places; only when the first is asked for the store is."""
        if self._known:
            yield from self._known.heads.get(skills, ())
            return
        prefix = skill_queue_prefix(self._team, skills)
        for key, _ in self._read.scan(prefix):
            yield key[len(prefix) :]
        yield _END

    # -- changing -----------------------------------------------------------------------------------------------

    def put(self, ticket: str, entry: QueueEntry) -> QueueEntry:
        """Lets a ticket wait, or be held by `entry.agent`. A ticket that has another entry must be removed first."""
        entry = replace(entry, offset=self._offset)
        encoded = ticket.encode()
        self._changed_entries[ticket] = self._changes[self._prefix + encoded] = entry
        if entry.agent:
            self._changes[held_prefix(self._team, entry.agent) + encoded] = Held(offset=self._offset)
        else:
            skills, place = entry.skill_queue, place_of(entry, ticket)
            self._skill_queue(skills).added.add(place)
            self._changes[skill_queue_prefix(self._team, skills) + place] = Waiting(offset=self._offset)
        return entry

    def assign(self, ticket: str, place: bytes, skills: str, entry: QueueEntry) -> None:
        """Takes a ticket out of its place in a skill queue and lets `entry.agent` hold it."""
        encoded = ticket.encode()
        self._changed_entries[ticket] = self._changes[self._prefix + encoded] = entry
        self.drop(skills, place)
        self._changes[held_prefix(self._team, entry.agent) + encoded] = Held(offset=self._offset)

    def remove(self, ticket: str) -> QueueEntry | None:
        """Forgets a ticket; returns the entry it had."""
        entry = self.entry(ticket)
        if entry is None:
            return None
        encoded = ticket.encode()
        self._changed_entries[ticket] = self._changes[self._prefix + encoded] = None
        if entry.agent:
            self._changes[held_prefix(self._team, entry.agent) + encoded] = None
        else:
            self.drop(entry.skill_queue, place_of(entry, ticket))
        return entry

    def drop(self, skills: str, place: bytes) -> None:
        """Removes a place from a skill queue."""
        queue, key = self._skill_queue(skills), skill_queue_prefix(self._team, skills) + place
        if place in queue.added and place not in queue.removed:
            del self._changes[key]  # it came with this record and was never stored
        else:
            self._changes[key] = None
        queue.added.discard(place)
        queue.removed.add(place)

    # -- the result ---------------------------------------------------------------------------------------------

    def states(self) -> dict[bytes, State | None]:
        """Returns the changed states, the read log first. A record that read nothing has no read log."""
        heads = {skills: queue.read for skills, queue in self._skill_queues.items() if queue.read}
        if not (self._entries or self._held or heads):
            return self._changes
        read_log = ReadLog(offset=self._offset, entries=self._entries, heads=heads, held=self._held)
        return {self._log_key: read_log, **self._changes}


def _read_log(read: Reader, key: bytes, offset: int) -> ReadLog | None:
    """Returns the read log of the record at an offset. Its slot holds that of an older one as a rule: it is not decoded."""
    offset_at = getattr(read, "offset_at", None)
    if offset_at is not None and offset_at(key) != offset:
        return None
    known: ReadLog | None = read.get(key)
    return known if known is not None and known.offset == offset else None

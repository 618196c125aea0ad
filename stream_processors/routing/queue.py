"""The queue of one team while one record is folded: reads of the store, changes, and the log of what was read.

A question is answered by the changes of this record, else by the read log of an earlier fold of the same record, else
by the store. Reading is lazy: only the heads of skill queues are read, so 100,000 waiting tickets cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from stream_processors.routing.state import (
    Held,
    QueueEntry,
    ReadLog,
    Waiting,
    entry_key,
    held_prefix,
    place_of,
    read_log_key,
    skill_queue_prefix,
    ticket_at,
)
from stream_processors.runtime.processor import Reader, State

__all__ = ["TeamQueue", "channel_rank"]

#: The order between channels: real time, then messaging, then social, then what can wait a day.
_RANK = {"chat": 0, "phone": 0, "in_person": 0, "bot": 0, "help_centre": 0, "sms": 1, "voicemail": 1, "social": 2}


def channel_rank(channel: str) -> int:
    """Returns the rank of a channel; the lower is served first."""
    return _RANK.get(channel, 3)


class _SkillQueue:
    """One skill queue: the stored places, read as far as needed, less those removed, plus those added."""

    def __init__(self, stored: Iterator[bytes]) -> None:
        self._stored = stored
        self.read: list[bytes] = []
        self.removed: set[bytes] = set()
        self.added: set[bytes] = set()

    def head(self) -> bytes | None:
        """Returns the place that is served next."""
        first = next((place for place in self._places() if place not in self.removed), None)
        return min(self.added | {first}) if first is not None else min(self.added, default=None)

    def _places(self) -> Iterator[bytes]:
        yield from self.read
        for place in self._stored:
            self.read.append(place)
            yield place


class TeamQueue:
    """Holds which tickets of one team wait and who holds the others. `states()` returns what changed."""

    def __init__(self, read: Reader, team: str, offset: int) -> None:
        self._read, self._team, self._offset = read, team, offset
        known = read.get(read_log_key(team, offset))
        self._known: ReadLog | None = known if known is not None and known.offset == offset else None
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
        if ticket not in self._entries:
            self._entries[ticket] = (
                self._known.entries.get(ticket) if self._known else self._read.get(entry_key(self._team, ticket))
            )
        return self._entries[ticket]

    def head(self, skills: str) -> bytes | None:
        """Returns the place that a skill queue serves next. A place that its ticket's entry does not match is dropped."""
        queue = self._skill_queue(skills)
        while (place := queue.head()) is not None:
            entry = self.entry(ticket := ticket_at(place))
            if entry and not entry.agent and entry.skill_queue == skills and place_of(entry, ticket) == place:
                return place
            self._drop(skills, place)
        return None

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
        if skills not in self._skill_queues:
            prefix = skill_queue_prefix(self._team, skills)
            self._skill_queues[skills] = _SkillQueue(
                iter(self._known.heads.get(skills, ()))
                if self._known
                else (key[len(prefix) :] for key, _ in self._read.scan(prefix))
            )
        return self._skill_queues[skills]

    # -- changing -----------------------------------------------------------------------------------------------

    def put(self, ticket: str, entry: QueueEntry) -> None:
        """Lets a ticket wait, or be held by `entry.agent`. A ticket that has an entry must be removed first."""
        entry = replace(entry, offset=self._offset)
        self._changed_entries[ticket] = entry
        self._changes[entry_key(self._team, ticket)] = entry
        if entry.agent:
            self._changes[held_prefix(self._team, entry.agent) + ticket.encode()] = Held(offset=self._offset)
        else:
            place = place_of(entry, ticket)
            self._skill_queue(entry.skill_queue).added.add(place)
            self._changes[skill_queue_prefix(self._team, entry.skill_queue) + place] = Waiting(offset=self._offset)

    def remove(self, ticket: str) -> QueueEntry | None:
        """Forgets a ticket; returns the entry it had."""
        entry = self.entry(ticket)
        if entry is None:
            return None
        self._changed_entries[ticket] = None
        self._changes[entry_key(self._team, ticket)] = None
        if entry.agent:
            self._changes[held_prefix(self._team, entry.agent) + ticket.encode()] = None
        else:
            self._drop(entry.skill_queue, place_of(entry, ticket))
        return entry

    def _drop(self, skills: str, place: bytes) -> None:
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
        if not (self._entries or self._held or self._skill_queues):
            return dict(self._changes)
        read_log = ReadLog(
            offset=self._offset,
            entries=self._entries,
            heads={skills: queue.read for skills, queue in self._skill_queues.items() if queue.read},
            held=self._held,
        )
        return {read_log_key(self._team, self._offset): read_log, **self._changes}

"""The queue of one team during one record: what is read of it, what changes, and the journal of the reading.

Every question goes to the changes of this record first, then to the journal of an earlier fold of the same record if
there is one, else to the store. Reading is lazy: only the heads of lanes are ever looked at, so 100,000 waiting tickets cost
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from stream_processors.routing.state import (
    Held,
    Journal,
    QueueEntry,
    Waiting,
    held_prefix,
    journal_key,
    lane_prefix,
    place,
    standing_key,
    ticket_at,
)
from stream_processors.runtime.processor import Reader, State

#: The order between channels: real time, then messaging, then social, then what can wait a day.
_RANK = {"chat": 0, "phone": 0, "in_person": 0, "bot": 0, "help_centre": 0, "sms": 1, "voicemail": 1, "social": 2}


def channel_rank(channel: str) -> int:
    """Lower is served first."""
    return _RANK.get(channel, 3)


class Lane:
    """One lane during one record: the store's places, read as far as needed, less what was taken, plus what came."""

    def __init__(self, stored: Iterator[bytes]) -> None:
        self._stored = stored
        self.read: list[bytes] = []
        self.taken: set[bytes] = set()
        self.added: set[bytes] = set()

    def head(self) -> bytes | None:
        """The place that is served next."""
        first = next((where for where in self._places() if where not in self.taken), None)
        return min(self.added | {first}) if first is not None else min(self.added, default=None)

    def _places(self) -> Iterator[bytes]:
        yield from self.read
        for where in self._stored:
            self.read.append(where)
            yield where


class Queue:
    """The tickets of one team: who waits where, who holds what. Collects the changed states in `states()`."""

    def __init__(self, read: Reader, team: str, offset: int) -> None:
        self._read, self._team, self._offset = read, team, offset
        known = read.get(journal_key(team, offset))
        self._known: Journal | None = known if known is not None and known.offset == offset else None
        self._standings: dict[str, QueueEntry | None] = {}  # as read, for the journal
        self._held: dict[str, list[str]] = {}
        self._lanes: dict[str, Lane] = {}
        self._now: dict[str, QueueEntry | None] = {}  # as changed
        self._changes: dict[bytes, State | None] = {}

    # -- reading ------------------------------------------------------------------------------------------------

    def standing(self, ticket: str) -> QueueEntry | None:
        """Where a ticket stands, None when the router does not know it."""
        if ticket in self._now:
            return self._now[ticket]
        if ticket not in self._standings:
            self._standings[ticket] = (
                self._known.standings.get(ticket) if self._known else self._read.get(standing_key(self._team, ticket))
            )
        return self._standings[ticket]

    def head(self, lane: str) -> bytes | None:
        """The place that is served next in a lane. An entry that its ticket knows nothing of is dropped."""
        entries = self._lane(lane)
        while (first := entries.head()) is not None:
            standing = self.standing(ticket := ticket_at(first))
            if standing and not standing.agent and standing.lane == lane and place(standing, ticket) == first:
                return first
            self._drop(lane, first)
        return None

    def held(self, agent: str) -> list[str]:
        """The tickets that an agent held before this record, and that wait on us."""
        if agent not in self._held:
            prefix = held_prefix(self._team, agent)
            self._held[agent] = (
                self._known.held.get(agent, [])
                if self._known
                else [key[len(prefix) :].decode() for key, _ in self._read.scan(prefix)]
            )
        return self._held[agent]

    def _lane(self, lane: str) -> Lane:
        if lane not in self._lanes:
            prefix = lane_prefix(self._team, lane)
            self._lanes[lane] = Lane(
                iter(self._known.heads.get(lane, ()))
                if self._known
                else (key[len(prefix) :] for key, _ in self._read.scan(prefix))
            )
        return self._lanes[lane]

    # -- changing -----------------------------------------------------------------------------------------------

    def put(self, ticket: str, standing: QueueEntry) -> None:
        """The ticket waits, or is held by `standing.agent`. It must not stand anywhere else: `remove` it first."""
        standing = replace(standing, offset=self._offset)
        self._now[ticket] = standing
        self._changes[standing_key(self._team, ticket)] = standing
        if standing.agent:
            self._changes[held_prefix(self._team, standing.agent) + ticket.encode()] = Held(offset=self._offset)
        else:
            where = place(standing, ticket)
            self._lane(standing.lane).added.add(where)
            self._changes[lane_prefix(self._team, standing.lane) + where] = Waiting(offset=self._offset)

    def remove(self, ticket: str) -> QueueEntry | None:
        """The router forgets the ticket; returns how it stood."""
        standing = self.standing(ticket)
        if standing is None:
            return None
        self._now[ticket] = None
        self._changes[standing_key(self._team, ticket)] = None
        if standing.agent:
            self._changes[held_prefix(self._team, standing.agent) + ticket.encode()] = None
        else:
            self._drop(standing.lane, place(standing, ticket))
        return standing

    def _drop(self, lane: str, where: bytes) -> None:
        entries, key = self._lane(lane), lane_prefix(self._team, lane) + where
        if where in entries.added and where not in entries.taken:
            del self._changes[key]  # it came with this record and was never stored
        else:
            self._changes[key] = None
        entries.added.discard(where)
        entries.taken.add(where)

    # -- what it came to ----------------------------------------------------------------------------------------

    def states(self) -> dict[bytes, State | None]:
        """The changed states, the journal first. Nothing was read: nothing needs a journal."""
        if not (self._standings or self._held or self._lanes):
            return dict(self._changes)
        journal = Journal(
            offset=self._offset,
            standings=self._standings,
            heads={name: lane.read for name, lane in self._lanes.items() if lane.read},
            held=self._held,
        )
        return {journal_key(self._team, self._offset): journal, **self._changes}

"""What the routing aggregate remembers: a small team, and one small state per ticket that needs its attention.

Keys (the team's name first, so that a team's states lie together):

    t team                                   Team      who is there and what they hold; its offset decides refolding
    i team 0 ticket                          QueueEntry  a ticket that waits, or that an agent holds and that waits on us
    w team 0 lane 0 place                    Waiting   the queue: key order is the order in which tickets are taken
    h team 0 agent 0 ticket                  Held      what to give back when the agent goes offline
    j team 0 slot                            Journal   what one record read, so that it can be folded again exactly

**Why the journal.** States become durable kind by kind, and a crash may leave the queue ahead of the team. The
records in between are then folded again, and must come to the same assignments, which were written before the crash.
So the journal is durable before everything else and the team after everything else: a record above the team's offset
that has a journal answers every question from it instead of from the states, and so repeats itself to the byte.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from stream_processors.runtime.processor import MOST_BATCH_RECORDS, State

#: What an agent may report of themselves.
PRESENCES = ("online", "away", "offline")
#: A journal is kept for so many offsets: until no batch can hold its record any more.
JOURNAL_SLOTS = MOST_BATCH_RECORDS
_PRIORITY_BYTE = {"urgent": b"0", "high": b"1", "normal": b"2", "low": b"3"}
_TIMES_BEGIN = 1 << 63  # makes times before 1970 sort before later ones


class Agent(msgspec.Struct, frozen=True, array_like=True):
    """A person of a team.

    announced      whether a presence was ever seen; others appear only while a manual assignment counts for them
    capacity       tickets waiting on us that they take, by channel; `default` for the others; nothing said is 0
    languages      what they write; empty means every language
    open           tickets they hold that wait on us, by channel; channels with none are left out
    last_assigned  the number of their last assignment, counting the team's; 0 before the first
    since          when the stretch of presence began that was told last; None before the first (see `presence`)
    status_since   when the first stretch began that has this status
    """

    status: str = "offline"
    announced: bool = False
    capacity: dict[str, int] = {}
    languages: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    open: dict[str, int] = {}
    last_assigned: int = 0
    since: int | None = None
    status_since: int = 0

    @property
    def busy(self) -> bool:
        """Online, with a ticket in their hands that waits on us."""
        return self.status == "online" and bool(self.open)

    def has_room(self, channel: str) -> bool:
        """Whether they take one more ticket of this channel now."""
        return self.status == "online" and self.open.get(channel, 0) < self.limit(channel)

    def limit(self, channel: str) -> int:
        """How many tickets of this channel they take at all."""
        return self.capacity.get(channel, self.capacity.get("default", 0))

    def speaks(self, language: str) -> bool:
        """`zh` covers `zh-Hans` and `zh-Hant`; a ticket without a language suits everybody."""
        known = self.languages
        return not known or not language or language in known or language.partition("-")[0] in known

    def load(self) -> int:
        return sum(self.open.values())


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """The last updates of one partition of `contact-events`: their offset there, and their ids."""

    version: int
    events: tuple[str, ...]


class Team(State, frozen=True, kw_only=True, array_like=True):
    """Key: `t` + team.

    waiting      tickets in each lane of the queue; lanes with none are left out
    assignments  how many were made, which orders the agents by their last one
    seen         the newest updates, by partition of `contact-events`: all before them are written again
    """

    VERSION: ClassVar[int] = 2

    agents: dict[str, Agent] = msgspec.field(default_factory=dict)
    waiting: dict[str, int] = msgspec.field(default_factory=dict)
    assignments: int = 0
    seen: dict[int, Seen] = msgspec.field(default_factory=dict)


class QueueEntry(State, frozen=True, kw_only=True, array_like=True):
    """Where a ticket stands: with `agent`, or in the queue when that is ''."""

    channel: str = ""
    language: str = ""
    skills: tuple[str, ...] = ()
    priority: str = "normal"
    eligible_at: int = 0
    preferred: str = ""
    agent: str = ""

    @property
    def lane(self) -> str:
        """Tickets of one lane suit the same agents, so that only its head is ever looked at."""
        return "\0".join((self.channel, self.language, "+".join(self.skills)))


class Waiting(State, frozen=True, kw_only=True, array_like=True):
    """An entry of the queue; its key says everything."""


class Held(State, frozen=True, kw_only=True, array_like=True):
    """A ticket that an agent holds and that waits on us; its key says everything."""


class Journal(State, frozen=True, kw_only=True, array_like=True):
    """What the record at `offset` read.

    standings  ticket → how it stood before (None: unknown)
    heads      lane → the places it looked at, in order
    held       agent → the tickets they held
    """

    standings: dict[str, QueueEntry | None] = msgspec.field(default_factory=dict)
    heads: dict[str, list[bytes]] = msgspec.field(default_factory=dict)
    held: dict[str, list[str]] = msgspec.field(default_factory=dict)


def team_key(team: str) -> bytes:
    return b"t" + team.encode()


def standing_key(team: str, ticket: str) -> bytes:
    return b"i" + team.encode() + b"\0" + ticket.encode()


def lane_prefix(team: str, lane: str) -> bytes:
    return b"w" + team.encode() + b"\0" + lane.encode() + b"\0"


def held_prefix(team: str, agent: str) -> bytes:
    return b"h" + team.encode() + b"\0" + agent.encode() + b"\0"


def journal_key(team: str, offset: int) -> bytes:
    return b"j" + team.encode() + b"\0" + (offset % JOURNAL_SLOTS).to_bytes(2, "big")


def place(standing: QueueEntry, ticket: str) -> bytes:
    """Where in its lane a ticket waits: priority, then since when, then the ticket itself as the tie-break."""
    since = (standing.eligible_at + _TIMES_BEGIN).to_bytes(8, "big")
    return _PRIORITY_BYTE.get(standing.priority, b"2") + since + ticket.encode()


def ticket_at(place: bytes) -> str:
    """The ticket of a place."""
    return place[9:].decode()

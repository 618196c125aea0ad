"""The states of the routing aggregate: a small team, and one small state per ticket that needs its attention.

Keys (the team's name first, so that a team's states lie together):

    t team                                   Team        its agents and what they hold; its offset decides refolding
    i team 0 ticket                          QueueEntry  a ticket that waits, or that an agent holds and that waits on us
    w team 0 skill queue 0 place             Waiting     the queue: key order is the order of service
    h team 0 agent 0 ticket                  Held        what to give back when the agent goes offline
    j team 0 slot                            ReadLog     what one record read, so that it can be folded again exactly

**Why the read log.** States become durable kind by kind, and a crash may leave the queue ahead of the team. The
records in between are then folded again, and must come to the same assignments, which were written before the crash.
So the read log is durable before everything else and the team after everything else. A record above the team's offset
that has a read log answers every question from it instead of from the states, and so repeats itself to the byte.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import msgspec

from stream_processors.runtime.processor import MOST_BATCH_RECORDS, State

#: The presences that an agent may report.
PRESENCES = ("online", "away", "offline")
#: A read log is kept for so many offsets: until no batch can hold its record any more.
READ_LOG_SLOTS = MOST_BATCH_RECORDS
_PRIORITY_BYTE = {"urgent": b"0", "high": b"1", "normal": b"2", "low": b"3"}
_TIMES_BEGIN = 1 << 63  # makes times before 1970 sort before later ones


class Agent(msgspec.Struct, frozen=True, array_like=True):
    """An agent of a team, as the router knows them.

    announced      whether a presence was ever seen; others appear only while a manual assignment counts for them
    capacity       tickets waiting on us that they take, by channel; `default` for the others; nothing said is 0
    languages      what they write; empty means every language
    open           tickets they hold that wait on us, by channel; channels with none are left out
    last_assigned  the number of their last assignment, counting the team's; 0 before the first
    since          when the period of presence began that the last fact described; None before the first (see `presence`)
    status_since   when the first of the latest periods of this status began
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
        """True for an agent online who holds a ticket that waits on us."""
        return self.status == "online" and bool(self.open)

    def has_room(self, channel: str) -> bool:
        """Returns true if the agent takes one more ticket of this channel now."""
        return self.status == "online" and self.open.get(channel, 0) < self.limit(channel)

    def limit(self, channel: str) -> int:
        """Returns how many tickets of this channel the agent takes at most."""
        return self.capacity.get(channel, self.capacity.get("default", 0))

    def speaks(self, language: str) -> bool:
        """Returns true if the agent writes the language: `zh` covers `zh-Hans` and `zh-Hant`; '' suits everybody."""
        known = self.languages
        return not known or not language or language in known or language.partition("-")[0] in known

    def load(self) -> int:
        """Returns the number of tickets that they hold and that wait on us."""
        return sum(self.open.values())


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """The last updates of one partition of `contact-events`: their offset there, and their event ids."""

    version: int
    events: tuple[str, ...]


class Team(State, frozen=True, kw_only=True, array_like=True):
    """A team. Key: `t` + team.

    waiting      number of tickets in each skill queue; empty ones are left out
    assignments  how many were made, which orders the agents by their last one
    seen         the newest updates, by partition of `contact-events`: an older one was written again after a crash
    """

    VERSION: ClassVar[int] = 2

    agents: dict[str, Agent] = msgspec.field(default_factory=dict)
    waiting: dict[str, int] = msgspec.field(default_factory=dict)
    assignments: int = 0
    seen: dict[int, Seen] = msgspec.field(default_factory=dict)


class QueueEntry(State, frozen=True, kw_only=True, array_like=True):
    """A ticket that `agent` holds, or that waits in the queue when `agent` is ''."""

    channel: str = ""
    language: str = ""
    skills: tuple[str, ...] = ()
    priority: str = "normal"
    eligible_at: int = 0
    preferred: str = ""
    agent: str = ""

    @property
    def skill_queue(self) -> str:
        """The queue in which it waits: its tickets suit the same agents, so only its head is ever looked at."""
        return "\0".join((self.channel, self.language, "+".join(self.skills)))


class Waiting(State, frozen=True, kw_only=True, array_like=True):
    """A place in a skill queue; its key says everything."""


class Held(State, frozen=True, kw_only=True, array_like=True):
    """A ticket that an agent holds and that waits on us; its key says everything."""


class ReadLog(State, frozen=True, kw_only=True, array_like=True):
    """The states that the record at `offset` read.

    entries    ticket → its entry before the record (None: unknown)
    heads      skill queue → the places it looked at, in order
    held       agent → the tickets they held
    """

    entries: dict[str, QueueEntry | None] = msgspec.field(default_factory=dict)
    heads: dict[str, list[bytes]] = msgspec.field(default_factory=dict)
    held: dict[str, list[str]] = msgspec.field(default_factory=dict)


class Needs(NamedTuple):
    """What the tickets of one skill queue ask of an agent."""

    channel: str
    language: str
    skills: frozenset[str]

    @classmethod
    def of(cls, skill_queue: str) -> Needs:
        """Returns the needs that a `QueueEntry.skill_queue` names."""
        channel, language, skills = skill_queue.split("\0")
        return cls(channel, language, frozenset(skills.split("+")) - {""})


def team_key(team: str) -> bytes:
    """Returns the key of a `Team`."""
    return b"t" + team.encode()


def entry_key(team: str, ticket: str) -> bytes:
    """Returns the key of a ticket's `QueueEntry`."""
    return b"i" + team.encode() + b"\0" + ticket.encode()


def skill_queue_prefix(team: str, skill_queue: str) -> bytes:
    """Returns the prefix of the keys of a skill queue; a place follows it."""
    return b"w" + team.encode() + b"\0" + skill_queue.encode() + b"\0"


def held_prefix(team: str, agent: str) -> bytes:
    """Returns the prefix of the keys of what an agent holds; a ticket follows it."""
    return b"h" + team.encode() + b"\0" + agent.encode() + b"\0"


def read_log_key(team: str, offset: int) -> bytes:
    """Returns the key of the `ReadLog` of the record at `offset`; a later record takes the same slot."""
    return b"j" + team.encode() + b"\0" + (offset % READ_LOG_SLOTS).to_bytes(2, "big")


def place_of(entry: QueueEntry, ticket: str) -> bytes:
    """Returns a waiting ticket's place in its skill queue: priority, since when it waits, and the ticket to break ties."""
    since = (entry.eligible_at + _TIMES_BEGIN).to_bytes(8, "big")
    return _PRIORITY_BYTE.get(entry.priority, b"2") + since + ticket.encode()


def ticket_at(place: bytes) -> str:
    """Returns the ticket at a place."""
    return place[9:].decode()

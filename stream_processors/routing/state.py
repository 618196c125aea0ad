"""The states of the routing aggregate: a small team, and one small state per ticket that needs its attention.

Keys (the team's name first, so that a team's states lie together):

    t team                                   Team        its agents and what they hold; its offset decides refolding
    i team 0 ticket                          QueueEntry  a ticket that waits, or that an agent holds and that waits on us
    w team 0 skill queue 0 place             Waiting     the queue: key order is the order of service
    h team 0 agent 0 ticket                  Held        what to give back when the agent goes offline
    j team 0 slot                            ReadLog     what one record read, so that it can be folded again exactly

**Why the read log.** States become durable kind by kind, and a crash may leave the queue ahead of the team. The
records in between are then folded again, and must come to the same assignments, which were written before the crash.
So the team, with its agents and configuration, is durable after everything else, and the read log before it. A record
above the team's offset that has a read log answers every question from it instead of from the states, and so repeats itself
to the byte.

**Deadlines.** An entry's is the end of its reservation, its overflow, or when its agent left it alone for too long; a
team's is a moment before which no agent is overdue. A `Tick` makes them true.
"""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar, NamedTuple

import msgspec

from stream_processors.runtime.processor import MOST_BATCH_RECORDS, State

#: The presences that an agent may report.
PRESENCES = ("online", "away", "offline")
#: No time that is said of agents or queues is longer: sums with it stay 64-bit integers.
LONGEST_SECONDS = 10 * 366 * 86_400
#: A read log is kept for so many offsets: until no batch can hold its record any more.
READ_LOG_SLOTS = MOST_BATCH_RECORDS
#: So many places at the front of each skill queue stand in the team, so that most assignments scan nothing.
FRONT = 16
_PRIORITY_BYTE = {"urgent": b"0", "high": b"1", "normal": b"2", "low": b"3"}
_TIMES_BEGIN = 1 << 63  # makes times before 1970 sort before later ones


class Profile(msgspec.Struct, frozen=True, array_like=True):
    """What is configured of an agent, or was said of them in a roster event. Empty: nothing said."""

    capacity: dict[str, int] = {}
    weights: dict[str, float] = {}
    languages: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()


class Agent(msgspec.Struct, frozen=True, array_like=True):
    """An agent of a team, as the router knows them.

    announced      whether a presence was ever seen; others appear only while a manual assignment counts for them
    capacity       tickets waiting on us that they take, by channel; `default` for the others; as reported
    languages      what they write, as reported; nothing said anywhere means every language
    open           tickets they hold that wait on us, by channel; channels with none are left out
    last_assigned  the number of their last assignment, counting the team's; 0 before the first
    since          when the period of presence began that the last fact described; None before the first (see `presence`)
    status_since   when the first of the latest periods of this status began
    configured     their profile in the configuration; None when it does not name them
    roster         what roster events said of them since
    out            they were taken out of the team
    reported_at    when their last report was received; None before the first, and after an upgrade until then
    valid_seconds  how long that report holds; 0: as long as the team's configuration says
    source         who reported it
    silent         they are away because no report came
    delay          by how much later (micros) than it was said their last report was received
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
    configured: Profile | None = None
    roster: Profile | None = None
    out: bool = False
    reported_at: int | None = None
    valid_seconds: int = 0
    source: str = ""
    silent: bool = False
    delay: int = 0

    def is_busy(self, offered: int) -> bool:
        """True for an agent online who holds a ticket that waits on us, besides those that are only offered to them."""
        return self.status == "online" and bool(self.open) and (not offered or sum(self.open.values()) > offered)

    @property
    def known(self) -> bool:
        """True for an agent who is remembered without holding a ticket."""
        return self.announced or self.configured is not None or self.roster is not None or self.out


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """The last updates of one partition of `contact-events`: their offset there, and their event ids."""

    version: int
    events: tuple[str, ...]


class Source(msgspec.Struct, frozen=True, array_like=True):
    """Who reports presences of a team.

    reported_at   when its last report was received, of any agent
    silent_since  since when none of its agents was reported any more; None while it reports
    resumed_at    when it reported again after that; its agents have their full time from then
    """

    reported_at: int
    silent_since: int | None = None
    resumed_at: int = 0


_AT_ONCE = {"default": 0}


class Configuration(msgspec.Struct, frozen=True, array_like=True):
    """The configuration of a team, as its last `TeamConfigured` says. Mappings are by channel, as there."""

    number: int = 0
    content: str = ""
    fallback: str = ""
    limits: dict[str, int] = {}
    weights: dict[str, float] = {}
    overflow_seconds: dict[str, int] = {}
    affinity_seconds: dict[str, int] = {}
    silent_seconds: dict[str, int] = {}
    order: tuple[str, ...] = ()
    give_back_percent: int = 0
    accept_seconds: dict[str, int] = {}

    @classmethod
    def of_gone(cls, number: int, content: str, fallback: str) -> Configuration:
        """Returns that of a team that the rules name no more: nobody waits there."""
        return cls(number, content, fallback, overflow_seconds=_AT_ONCE)

    @property
    def gone(self) -> bool:
        """True when nobody waits here."""
        return self.overflow_seconds == _AT_ONCE


class Team(State, frozen=True, kw_only=True, array_like=True):
    """A team. Key: `t` + team.

    waiting        number of tickets in each skill queue; empty ones are left out
    assignments    how many were made, which orders the agents by their last one
    seen           the newest updates, by partition of `contact-events`: an older one was written again after a crash
    fronts         the first places of each skill queue, in order; one that is left out is unknown
    sources        who reports the presences of its agents
    next_silence   no agent is overdue before then; None: none can be
    offered        agents to whom tickets are offered now → how many
    missed         agents who missed offers → how many in a row
    doubted        agents of whom an older report contradicts the newest: when it was said and received (micros), of the first
    """

    VERSION: ClassVar[int] = 4

    agents: dict[str, Agent] = msgspec.field(default_factory=dict)
    waiting: dict[str, int] = msgspec.field(default_factory=dict)
    assignments: int = 0
    seen: dict[int, Seen] = msgspec.field(default_factory=dict)
    fronts: dict[str, list[bytes]] = msgspec.field(default_factory=dict)
    configuration: Configuration = Configuration()
    sources: dict[str, Source] = msgspec.field(default_factory=dict)
    next_silence: int | None = None
    doubted: dict[str, tuple[int, int]] = msgspec.field(default_factory=dict)
    offered: dict[str, int] = msgspec.field(default_factory=dict)
    missed: dict[str, int] = msgspec.field(default_factory=dict)


class Offers(msgspec.Struct, frozen=True, array_like=True):
    """The offers of a ticket in this team.

    until    when the open one ends; 0: none is open
    rounds   how often everybody with room had passed
    passed   who did not take it since
    renewed  the open one was given its time again
    """

    until: int = 0
    rounds: int = 0
    passed: tuple[str, ...] = ()
    renewed: bool = False


class QueueEntry(State, frozen=True, kw_only=True, array_like=True):
    """A ticket that `agent` holds or is offered, or that waits in the queue when `agent` is ''.

    ref             the decision of the ticket's partition that is answered (ADR 47)
    order           its place in the queue without the ticket; empty in entries from before places had a due time
    reserved_until  it waits for `preferred` alone until then, as long as they are on shift; 0: it does not
    overflow_at     it leaves the queue for `fallback` then; None: never
    silent_at       it leaves its agent then, who did nothing; None: never
    avoid           the agent who had it and did nothing: gets it again only when nobody else has room
    offers          None while it was never offered
    """

    VERSION: ClassVar[int] = 4

    channel: str = ""
    language: str = ""
    skills: tuple[str, ...] = ()
    priority: str = "normal"
    eligible_at: int = 0
    preferred: str = ""
    agent: str = ""
    ref: str = ""
    due_at: int | None = None
    order: bytes = b""
    fallback: str = ""
    reserved_until: int = 0
    overflow_at: int | None = None
    silent_at: int | None = None
    avoid: str = ""
    offers: Offers | None = None

    @property
    def offered(self) -> bool:
        """True while its agent may accept it: they do not have it yet."""
        return self.offers is not None and self.offers.until > 0

    @property
    def avoided(self) -> tuple[str, ...]:
        """Who gets it only when nobody else has room."""
        avoid = (self.avoid,) if self.avoid else ()
        return (*avoid, *self.offers.passed) if self.offers is not None else avoid

    def chosen_by(self, agent: str) -> str:
        """Returns by what an agent was chosen for it, as assignments say it."""
        return "previous_agent" if self.preferred == agent else "least_open"

    @property
    def skill_queue(self) -> str:
        """The queue in which it waits: its tickets suit the same agents, so only its head is ever looked at."""
        needs = (self.channel, self.language, "+".join(self.skills))
        return "\0".join((*needs, self.preferred) if self.reserved_until else needs)

    @property
    def deadline(self) -> int | None:
        """When something happens to it by itself; None for never."""
        if self.agent:
            return self.offers.until if self.offers is not None and self.offers.until else self.silent_at
        times = (self.reserved_until or None, self.overflow_at)
        return min((each for each in times if each is not None), default=None)


class Waiting(State, frozen=True, kw_only=True, array_like=True):
    """A place in a skill queue; its key says everything."""


class Held(State, frozen=True, kw_only=True, array_like=True):
    """A ticket that an agent holds and that waits on us; its key says everything."""


class ReadLog(State, frozen=True, kw_only=True, array_like=True):
    """The states that the record at `offset` read.

    entries    ticket → its entry before the record (None: unknown)
    heads      skill queue → the places it looked at, in order; an empty one is the end of the queue
    held       agent → the tickets they held
    """

    VERSION: ClassVar[int] = 4

    entries: dict[str, QueueEntry | None] = msgspec.field(default_factory=dict)
    heads: dict[str, list[bytes]] = msgspec.field(default_factory=dict)
    held: dict[str, list[str]] = msgspec.field(default_factory=dict)


class Needs(NamedTuple):
    """What the tickets of one skill queue ask of an agent. While `preferred` is on shift, they are the only one."""

    channel: str
    language: str
    skills: frozenset[str]
    preferred: str = ""

    @classmethod
    @lru_cache(maxsize=4096)
    def of(cls, skill_queue: str) -> Needs:
        """Returns the needs that a `QueueEntry.skill_queue` names."""
        channel, language, skills, *preferred = skill_queue.split("\0")
        return cls(channel, language, frozenset(skills.split("+")) - {""}, *preferred)


def bounded_seconds(seconds: int) -> int:
    """Returns a length of time that can be reckoned with."""
    return max(0, min(seconds, LONGEST_SECONDS))


def team_key(team: str) -> bytes:
    """Returns the key of a `Team`."""
    return b"t" + team.encode()


@lru_cache(maxsize=4096)
def entry_prefix(team: str) -> bytes:
    """Returns the prefix of the keys of a team's entries; a ticket follows it."""
    return b"i" + team.encode() + b"\0"


def entry_key(team: str, ticket: str) -> bytes:
    """Returns the key of a ticket's `QueueEntry`."""
    return entry_prefix(team) + ticket.encode()


@lru_cache(maxsize=4096)
def skill_queue_prefix(team: str, skill_queue: str) -> bytes:
    """Returns the prefix of the keys of a skill queue; a place follows it."""
    return b"w" + team.encode() + b"\0" + skill_queue.encode() + b"\0"


@lru_cache(maxsize=4096)
def held_prefix(team: str, agent: str) -> bytes:
    """Returns the prefix of the keys of what an agent holds; a ticket follows it."""
    return b"h" + team.encode() + b"\0" + agent.encode() + b"\0"


def read_log_key(team: str, offset: int) -> bytes:
    """Returns the key of the `ReadLog` of the record at `offset`; a later record takes the same slot."""
    return b"j" + team.encode() + b"\0" + (offset % READ_LOG_SLOTS).to_bytes(2, "big")


def team_and_ticket(key: bytes) -> tuple[str, str]:
    """Returns the team and ticket of the key of a `QueueEntry`, the team and '' of that of a `Team`."""
    team, _, ticket = key[1:].decode().partition("\0")
    return team, ticket


#: The order between channels: real time, then messaging, then social, then what can wait a day.
_RANK = {
    **dict.fromkeys(("chat", "phone", "in_person", "bot", "help_centre"), b"0"),
    **dict.fromkeys(("sms", "voicemail"), b"1"),
    "social": b"2",
}
ORDER = ("channel", "priority", "due_at", "eligible_at")
#: The first byte of a place with all four criteria; older places begin with their priority.
_ORDERED, _ORDERED_LENGTH = b"A", 1 + 1 + 1 + 8 + 8
_NO_DUE_TIME = b"\xff" * 8


def order_of(entry: QueueEntry, criteria: tuple[str, ...]) -> bytes:
    """Returns what orders a waiting ticket by these criteria: bytes that compare as they do."""
    rank, priority = _RANK.get(entry.channel, b"3"), _PRIORITY_BYTE.get(entry.priority, b"2")
    due, eligible = _NO_DUE_TIME if entry.due_at is None else _time(entry.due_at), _time(entry.eligible_at)
    if not criteria:
        return _ORDERED + rank + priority + due + eligible
    parts = {"channel": rank, "priority": priority, "due_at": due, "eligible_at": eligible}
    return _ORDERED + b"".join([parts[each] for each in criteria])


def place_of(entry: QueueEntry, ticket: str) -> bytes:
    """Returns a waiting ticket's place in its skill queue: its order, and the ticket to break ties."""
    if entry.order:
        return entry.order + ticket.encode()
    return _PRIORITY_BYTE.get(entry.priority, b"2") + _time(entry.eligible_at) + ticket.encode()


def ticket_at(place: bytes) -> str:
    """Returns the ticket at a place."""
    return place[_ORDERED_LENGTH if place[:1] == _ORDERED else 9 :].decode()


def _time(micros: int) -> bytes:
    return (micros + _TIMES_BEGIN).to_bytes(8, "big")

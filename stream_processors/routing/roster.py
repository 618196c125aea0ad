"""The agents of one team in memory, so that the best one for a ticket is found without looking at all of them.

The agents on shift who take a channel are of a class for each skill queue, and only those of its best class that is on
shift suit it: who has the language and the skills, else the language, else the skills, else everybody.

    3  language and skills · 2  language · 1  skills · 0  neither

A queue that is reserved for the previous agent suits them alone while they are on shift, else whom the queue without the
reservation suits: it has no class of its own, for there may be one per agent.

The classes of an agent change when the agent does, never with their load. Those with room stand in a heap per class: an
entry is as good as the agent was once, so that an agent who took a ticket need not be looked up; it is corrected when it
comes to the top. Who gained room is pushed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from heapq import heapify, heappop, heappush, heapreplace
from typing import NamedTuple, TypeVar

from msgspec.structs import replace

from schemas.clock import MICROS
from stream_processors.routing.pool import Pool
from stream_processors.routing.state import Agent, Configuration, Needs, Profile

__all__ = ["LIVE_CHANNELS", "PERSON", "Roster", "Traits", "of_channel"]

#: A person, in the units of weights: the shares 1/1 to 1/16, and hundredths, are whole numbers of it.
PERSON = 3_603_600
#: What a ticket counts where nothing is configured; the number of such tickets has no limit of its own.
_UNWEIGHTED = PERSON // 10
LIVE_CHANNELS = frozenset(("chat", "phone", "in_person"))
#: Seconds without a report after which an agent is away, by default.
_LIVE_SILENCE, _SILENCE = 90, 15 * 60
_NOTHING = Profile()
#: Pools that nobody asked for lately are forgotten when there are more.
_MOST_POOLS = 512
T = TypeVar("T")


def of_channel(values: Mapping[str, T], channel: str) -> T | None:
    """Returns what a mapping by channel says of one, or of `default`."""
    return values.get(channel, values.get("default"))


@lru_cache(maxsize=1024)
def _units(weight: float) -> int:
    """Returns a share of a person in whole units, rounded down; more than a person is a person."""
    return max(0, min(PERSON, int(Fraction(weight).limit_denominator(1000) * PERSON)))


class Traits(NamedTuple):
    """What an agent takes and knows: as reported, else of roster events, else configured, else as the team has it."""

    limits: Mapping[str, int]
    costs: Mapping[str, int]
    languages: tuple[str, ...]
    skills: frozenset[str]
    away_micros: int

    @classmethod
    def of(cls, agent: Agent, team: Configuration) -> Traits:
        """Returns the traits of an agent."""
        said, configured = agent.roster or _NOTHING, agent.configured or _NOTHING
        limits = agent.capacity or said.capacity or configured.capacity or team.limits
        weights = said.weights or configured.weights or team.weights
        skills = agent.skills or said.skills or configured.skills
        seconds = agent.valid_seconds or _silent_seconds(limits, team)
        return cls(
            limits,
            {channel: _units(weight) for channel, weight in weights.items()},
            agent.languages or said.languages or configured.languages,
            frozenset(skills),
            seconds * MICROS,
        )

    def limit(self, channel: str) -> int:
        """Returns how many tickets of this channel they take at most."""
        return of_channel(self.limits, channel) or 0

    def cost(self, channel: str) -> int:
        """Returns what one ticket of this channel takes of a person."""
        return (of_channel(self.costs, channel) or 0) if self.costs else _UNWEIGHTED

    def load(self, held: Mapping[str, int]) -> int:
        """Returns what the tickets in their hands take of a person; more than a person by hand."""
        return sum([number * self.cost(channel) for channel, number in held.items()])

    def class_for(self, needs: Needs) -> int | None:
        """Returns the class of an agent on shift for a skill queue; None when they do not take its channel."""
        if self.limit(needs.channel) <= 0:
            return None
        known, language = self.languages, needs.language
        speaks = not known or not language or language in known or language.partition("-")[0] in known
        return 2 * speaks + (needs.skills <= self.skills)


def _silent_seconds(limits: Mapping[str, int], team: Configuration) -> int:
    """Returns after how many seconds without a report an agent is away: the shortest time of the channels they take."""
    live = any(of_channel(limits, channel) for channel in LIVE_CHANNELS)
    configured = [
        seconds
        for channel, seconds in team.silent_seconds.items()
        if (of_channel(limits, channel) or 0) > 0 and channel != "default"
    ]
    rest = team.silent_seconds.get("default", _LIVE_SILENCE if live else _SILENCE)
    return min([*configured, rest])


class Roster:
    """The agents of a team and the pools of its skill queues; `agents` is changed in place, `rollback` undoes a record.

    freed      agents who have more room than before the record, or may have
    reclassed  an agent came, went or learned something in this record
    classes    counts how often that was: as long as it stays, the answers of `of_best` do
    """

    def __init__(self, agents: dict[str, Agent], team: Configuration) -> None:
        self.agents, self.team = agents, team
        self.traits: dict[str, Traits] = {}
        self.loads: dict[str, int] = {}
        self.freed: dict[str, None] = {}
        self.reclassed, self.classes = False, 0
        self.before: dict[str, Agent | None] = {}
        self._pools: dict[str, Pool] = {}
        self._by_channel: dict[str, list[Pool]] = {}
        self.configure(team)

    def configure(self, team: Configuration) -> None:
        """Takes another configuration of the team."""
        self.team = team
        self._reclass()
        self._forget_pools()
        self.traits = {name: Traits.of(agent, team) for name, agent in self.agents.items()}
        self.loads = {name: self.traits[name].load(agent.open) for name, agent in self.agents.items()}

    def begin(self) -> None:
        """Begins a record."""
        self.before = {}
        self.freed.clear()
        self.reclassed = False

    def rollback(self) -> None:
        """Restores the agents as the record found them. The roster is good for nothing else afterwards."""
        for name, agent in self.before.items():
            if agent is None:
                self.agents.pop(name, None)
            else:
                self.agents[name] = agent

    def get(self, name: str) -> Agent:
        """Returns an agent; one that nobody knows is offline."""
        return self.agents.get(name, _UNKNOWN)

    def set(self, name: str, agent: Agent | None) -> None:
        """Changes an agent; None: they are forgotten."""
        before = self.agents.get(name)
        self.before.setdefault(name, before)
        if agent is None:
            self.agents.pop(name, None)
            self.traits.pop(name, None)
            self.loads.pop(name, None)
            self._place(name, None)
            return
        self.agents[name] = agent
        moved = before is None or _on_shift(before) != _on_shift(agent) or _taught(before, agent)
        if moved:
            self.traits[name] = Traits.of(agent, self.team)
            self._place(name, agent)
        if before is None or before.open is not agent.open or moved:
            self.loads[name] = self.traits[name].load(agent.open)
        if before is None or moved or before.status != agent.status or _lost_one(before.open, agent.open):
            self.freed[name] = None

    def hold(self, name: str, channel: str, step: int, number: int | None = None) -> None:
        """Counts a ticket that an agent holds, or holds no more; `number` is that of the team's assignment.

        Who is known by a manual assignment only is forgotten with the last ticket.
        """
        agent = self.agents.get(name, _UNKNOWN)
        held = agent.open.copy()
        count = held.get(channel, 0) + step
        if count > 0:
            held[channel] = count
        else:
            held.pop(channel, None)
        changed = replace(agent, open=held, last_assigned=agent.last_assigned if number is None else number)
        traits = self.traits.get(name)
        if not held and not changed.known:
            self.set(name, None)
        elif traits is None:
            self.set(name, changed)
        else:
            if name not in self.before:
                self.before[name] = agent
            self.agents[name] = changed
            self.loads[name] += step * (traits.cost(channel) if traits.costs else _UNWEIGHTED)
            if step < 0:
                self.freed[name] = None

    def has_room(self, name: str, channel: str) -> bool:
        """Returns true if the agent takes one more ticket of this channel now."""
        agent = self.agents[name]
        if agent.status != "online" or agent.out:
            return False
        traits = self.traits[name]
        limits = traits.limits
        if agent.open.get(channel, 0) >= limits.get(channel, limits.get("default", 0)):
            return False
        return not traits.costs or self.loads[name] + traits.cost(channel) <= PERSON

    def channels_with_room(self, name: str, channels: Iterable[str]) -> list[str]:
        """Returns those of the channels of which the agent takes one more ticket now."""
        agent = self.agents.get(name)
        if agent is None or agent.status != "online":
            return []
        has_room = self.has_room
        return [channel for channel in channels if has_room(name, channel)]

    def suits(self, skills: str, name: str) -> bool:
        """Returns true if the agent is of the best class for a skill queue and has room."""
        return self.of_best(skills, name) and self.has_room(name, skills.partition("\0")[0])

    def of_best(self, skills: str, name: str) -> bool:
        """Returns true if the agent is of the best class for a skill queue."""
        pool = self._pools.get(skills)
        if pool is None:
            preferred = self.reserved_for(skills)
            if preferred:
                return name == preferred
            pool = self.pool(skills)
        found = pool.members.get(name)
        return found is not None and found == pool.best

    def reserved_for(self, skills: str) -> str:
        """Returns the agent who alone suits a skill queue; '' when it is not reserved, or they are not there."""
        preferred = Needs.of(skills).preferred
        agent = self.agents.get(preferred)
        there = agent is not None and _on_shift(agent) and self.traits[preferred].limit(Needs.of(skills).channel) > 0
        return preferred if there else ""

    def next_agent(self, skills: str, avoid: tuple[str, ...] = ()) -> str | None:
        """Returns who gets the next ticket of a skill queue: the least loaded, then whose last assignment is longest ago.

        None when nobody of its best class has room. Those of `avoid` get it when nobody else can.
        """
        pool = self._pools.get(skills)
        if pool is None:
            preferred = self.reserved_for(skills)
            if preferred:
                return preferred if self.has_room(preferred, skills.partition("\0")[0]) else None
            pool = self.pool(skills)
        best = pool.best
        if best is None:
            return None
        heap = self._heap(pool, best)
        name = self._top(pool, best, heap)
        if name is None or name not in avoid:
            return name
        aside: dict[str, tuple[int, int, str]] = {}
        other: str | None = name
        while other is not None and other in avoid:
            aside[other] = heappop(heap)
            other = self._top(pool, best, heap)
        for entry in aside.values():
            heappush(heap, entry)
        return other or name

    def offer_room(self) -> None:
        """Lets pools know of who was freed. Until then `next_agent` may not find them."""
        for name in self.freed:
            if self._holds_as_before(name):
                continue
            channels = self.channels_with_room(name, self._by_channel)
            if channels:
                entry = self._entry(name)
                for channel in channels:
                    for pool in self._by_channel[channel]:
                        pool.push(name, entry)
        self.freed.clear()

    def _holds_as_before(self, name: str) -> bool:
        """Returns true if an agent took as much as they gave back: the pools know them as they are, or as better."""
        before, agent = self.before.get(name), self.agents.get(name)
        return (
            before is not None
            and agent is not None
            and not self.reclassed
            and before.open == agent.open
            and before.status == agent.status
        )

    def pool(self, skills: str) -> Pool:
        """Returns the pool of a skill queue, of a reserved one that of the queue without the reservation."""
        skills = "\0".join(skills.split("\0")[:3])
        pool = self._pools.get(skills)
        if pool is None:
            if len(self._pools) >= _MOST_POOLS:
                self._forget_pools()
            pool = self._pools[skills] = Pool(Needs.of(skills))
            self._by_channel.setdefault(pool.needs.channel, []).append(pool)
            for name, agent in self.agents.items():
                if _on_shift(agent):
                    pool.place(name, self.traits[name].class_for(pool.needs))
        return pool

    def _forget_pools(self) -> None:
        self._pools.clear()
        self._by_channel.clear()

    def _reclass(self) -> None:
        self.reclassed = True
        self.classes += 1

    def _place(self, name: str, agent: Agent | None) -> None:
        self._reclass()
        on_shift = agent is not None and _on_shift(agent)
        for pool in self._pools.values():
            pool.place(name, self.traits[name].class_for(pool.needs) if on_shift else None)

    def _heap(self, pool: Pool, found: int) -> list[tuple[int, int, str]]:
        heap = pool.heaps[found]
        if heap is None:
            channel = pool.needs.channel
            heap = pool.heaps[found] = [
                self._entry(name)
                for name, each in pool.members.items()
                if each == found and self.has_room(name, channel)
            ]
            heapify(heap)
        return heap

    def _top(self, pool: Pool, found: int, heap: list[tuple[int, int, str]]) -> str | None:
        channel = pool.needs.channel
        while heap:
            name = heap[0][2]
            if pool.members.get(name) != found or not self.has_room(name, channel):
                heappop(heap)
                continue
            entry = self._entry(name)
            if heap[0] == entry:
                return name
            heapreplace(heap, entry)
        return None

    def _entry(self, name: str) -> tuple[int, int, str]:
        return self.loads[name], self.agents[name].last_assigned, name


_UNKNOWN = Agent()


def _on_shift(agent: Agent) -> bool:
    return agent.status != "offline" and not agent.out


def _lost_one(before: Mapping[str, int], after: Mapping[str, int]) -> bool:
    return before is not after and any(count > after.get(channel, 0) for channel, count in before.items())


def _taught(before: Agent, after: Agent) -> bool:
    return (
        before.capacity != after.capacity
        or before.languages != after.languages
        or before.skills != after.skills
        or before.configured != after.configured
        or before.roster != after.roster
        or before.valid_seconds != after.valid_seconds
    )

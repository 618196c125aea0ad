"""Gives waiting tickets to agents who have room, and takes them back; entries, agents and queues change together."""

from __future__ import annotations

from msgspec.structs import replace

from schemas.clock import MICROS
from schemas.events import Event
from schemas.service_metrics import ServiceMetric
from stream_processors.routing import answers, offers
from stream_processors.routing.gauges import bounded_channel
from stream_processors.routing.live_team import LiveTeam
from stream_processors.routing.offering import Offering
from stream_processors.routing.queue import TeamQueue
from stream_processors.routing.roster import of_channel
from stream_processors.routing.state import FRONT, QueueEntry, order_of, place_of, ticket_at
from stream_processors.runtime.processor import Count, Output, Position

__all__ = ["Assignments"]


class Assignments:
    """Changes the entries of one team in one record; `outputs` are what is told of it."""

    def __init__(self, name: str, live: LiveTeam, queue: TeamQueue, event: Event, position: Position) -> None:
        self.queue, self.live, self.roster = queue, live, live.roster
        self.outputs: list[Output] = []
        self.counts: list[Count] = []
        self._team, self._event, self._position, self._line = name, event, position, live.line
        self.offering = Offering(name, live, queue, event, position, self)
        self._queued: set[str] = set()  # skill queues in which a ticket waits since this record

    # -- entries ------------------------------------------------------------------------------------------------

    def waiting(self, entry: QueueEntry, at: int) -> QueueEntry:
        """Returns an entry as it waits from a moment on: its place, and until when it waits for whom."""
        team, channel = self.live.configuration, entry.channel
        reserved = entry.eligible_at + (of_channel(team.affinity_seconds, channel) or 0) * MICROS
        previous = self.roster.get(entry.preferred)
        there = bool(entry.preferred) and previous.status != "offline" and not previous.out
        there = there and entry.preferred not in entry.avoided
        to = self._overflows_to(entry)
        overflow = None if to in ("", self._team) else of_channel(team.overflow_seconds, channel)
        return replace(
            entry,
            order=order_of(entry, team.order),
            reserved_until=reserved if there and reserved > at else 0,
            overflow_at=None if overflow is None else entry.eligible_at + overflow * MICROS,
            silent_at=None,
        )

    def silent_at(self, entry: QueueEntry, at: int) -> int | None:
        """Returns when a ticket leaves the agent who has it since a moment and does nothing; None for never."""
        percent = self.live.configuration.give_back_percent
        if not percent or entry.due_at is None or entry.due_at <= at:
            return None
        return at + (entry.due_at - at) * percent // 100

    def give_back_all(self, name: str, reason: str) -> None:
        """Lets all tickets of an agent wait again."""
        for ticket in self.queue.held(name):
            self.give_back(ticket, reason)

    def give_back(self, ticket: str, reason: str, avoid: str = "") -> None:
        """Lets a held ticket wait again; one that is only offered is withdrawn."""
        known = self.queue.entry(ticket)
        if known is not None and known.offered:
            self.offering.end(ticket, known, "withdrawn")
            return
        entry = self.remove(ticket)
        if entry is not None:
            self._tell(ticket, entry, "", reason)
            waiting = self.waiting(replace(entry, agent="", avoid=avoid), self._event.occurred_at)
            self.put(ticket, replace(waiting, reserved_until=0))

    def put(self, ticket: str, entry: QueueEntry) -> None:
        """Lets a ticket wait or be held, which has no entry."""
        entry = self.queue.put(ticket, entry)
        if entry.agent:
            self.roster.hold(entry.agent, entry.channel, 1)
            if entry.offered:
                offers.count_open(self.live, entry.agent, 1)
        else:
            skills = entry.skill_queue
            self._line.add(skills, place_of(entry, ticket))
            self._queued.add(skills)

    def remove(self, ticket: str) -> QueueEntry | None:
        """Forgets a ticket; returns the entry it had."""
        entry = self.queue.remove(ticket)
        if entry is None:
            return None
        if entry.agent:
            self.roster.hold(entry.agent, entry.channel, -1)
            if entry.offered:
                offers.count_open(self.live, entry.agent, -1)
        else:
            self._line.discard(entry.skill_queue, place_of(entry, ticket))
        return entry

    def overflow(self, ticket: str) -> None:
        """Takes a ticket that waited too long out of the queue. Its own partition moves it, or says that it stays."""
        entry = self.remove(ticket)
        if entry is not None:
            to = self._overflows_to(entry)
            self.outputs.append(answers.overflowed(self._team, ticket, entry, to, self._event, self._position))
            self.counts.append(Count(ServiceMetric.OVERFLOWS, (self._team, bounded_channel(entry.channel))))

    def _overflows_to(self, entry: QueueEntry) -> str:
        """Returns who gets a ticket that waits too long: of a team that is gone, what its own partition did not know yet."""
        team = self.live.configuration
        return team.fallback if team.gone and team.fallback else entry.fallback

    # -- assignments --------------------------------------------------------------------------------------------

    def assign_waiting(self) -> None:
        """Assigns waiting tickets until none fits any more, the first in the order of service first.

        Before the record none fitted. So an agent who gained room is the only one for whom a ticket waits, and a ticket
        that came is the only one for whom others may have room.
        """
        freed = list(self.roster.freed)
        if not self.roster.reclassed and len(freed) == 1 and not self._queued:
            self._serve_agent(freed[0])
            self.roster.offer_room()
            return
        self.roster.offer_room()
        if self.roster.reclassed or freed:
            self._serve_all()
        else:
            for skills in sorted(self._queued):
                self._serve_queue(skills)

    def _serve_all(self) -> None:
        """Assigns every ticket that fits. What fits nobody now fits nobody after an assignment either."""
        at = 0
        while at < self._known_heads():
            place, skills = self._line.heads[at]
            if not self._serve_head(place, skills):
                at += 1

    def _serve_queue(self, skills: str) -> None:
        while self.roster.next_agent(skills) is not None and (place := self._head(skills)) is not None:
            self._serve_head(place, skills)

    def _serve_agent(self, name: str) -> None:
        """Gives the first tickets that suit an agent to them, who alone gained room."""
        channels = self.roster.channels_with_room(name, self._line.channels())
        while channels and (head := self._first_for(name, channels)) is not None:
            place, skills = head
            entry = self._entry_at(place, skills)
            if entry is not None:
                self._assign(place, skills, entry, name, entry.chosen_by(name))
                channels = self.roster.channels_with_room(name, channels)

    def _first_for(self, name: str, channels: list[str]) -> tuple[bytes, str] | None:
        """Returns the first head on these channels that suits an agent."""
        self._known_heads()
        fronts, queues_for = self._line.fronts, self.live.queues_for
        heads = [
            (fronts[skills][0], skills)
            for channel in channels
            for skills in queues_for(name, channel)
            if skills in fronts
        ]
        return min(heads, default=None)

    def _known_heads(self) -> int:
        """Returns the number of skill queues whose head is known; reads those that are not."""
        if self._line.unknown:
            for skills in sorted(self._line.unknown):
                self._line.fill(skills, *self.queue.first(skills, FRONT))
        return len(self._line.heads)

    def _head(self, skills: str) -> bytes | None:
        if skills in self._line.unknown:
            self._line.fill(skills, *self.queue.first(skills, FRONT))
        front = self._line.fronts.get(skills)
        return front[0] if front else None

    def _serve_head(self, place: bytes, skills: str) -> bool:
        """Assigns the head of a skill queue; returns false when nobody takes it, true when the queue has another head now."""
        if self.roster.next_agent(skills) is None:
            return False
        entry = self._entry_at(place, skills)
        if entry is None:
            return True
        name: str | None = entry.preferred
        reason, avoid = "previous_agent", entry.avoided if entry.avoid or entry.offers is not None else ()
        if not name or name in avoid or not self.roster.suits(skills, name):
            name, reason = self.roster.next_agent(skills, avoid), "least_open"
        assert name is not None, "somebody has room"
        self._assign(place, skills, entry, name, reason)
        return True

    def _entry_at(self, place: bytes, skills: str) -> QueueEntry | None:
        """Returns the entry of a head. A place that its ticket's entry does not match is dropped."""
        entry = self.queue.entry(ticket := ticket_at(place))
        if entry and not entry.agent and entry.skill_queue == skills and place_of(entry, ticket) == place:
            return entry
        self.queue.drop(skills, place)
        self._line.skip(skills, place)
        return None

    def _assign(self, place: bytes, skills: str, entry: QueueEntry, name: str, reason: str) -> None:
        """Gives an agent the ticket at the head of a skill queue; `entry` is that of the ticket."""
        live, ticket = self.live, ticket_at(place)
        live.assignments += 1
        if live.configuration.accept_seconds and self.offering.begin(place, skills, entry, name):
            return
        at = max(self._event.occurred_at, entry.eligible_at)
        held = replace(
            entry,
            offset=self._position.offset,
            agent=name,
            reserved_until=0,
            overflow_at=None,
            silent_at=self.silent_at(entry, at),
            avoid="",
            offers=None,
        )
        self.queue.assign(ticket, place, skills, held)
        self._line.discard(skills, place)
        self.roster.hold(name, entry.channel, 1, live.assignments)
        self._tell(ticket, entry, name, reason)

    def _tell(self, ticket: str, entry: QueueEntry, agent: str, reason: str) -> None:
        self.outputs.append(answers.assigned(self._team, ticket, entry, agent, reason, self._event, self._position))
        self.counts.append(Count(ServiceMetric.ASSIGNMENTS, (self._team, bounded_channel(entry.channel), reason)))

"""Begins and ends the offers of one team in one record, and tells of them; what is allowed says `offers`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from schemas.clock import MICROS
from schemas.events import Event, RoutingUpdate
from schemas.service_metrics import ServiceMetric
from stream_processors.routing import answers, offers
from stream_processors.routing.gauges import bounded_channel
from stream_processors.routing.live_team import LiveTeam
from stream_processors.routing.queue import TeamQueue
from stream_processors.routing.roster import of_channel
from stream_processors.routing.state import QueueEntry, ticket_at
from stream_processors.runtime.processor import Count, Output, Position

if TYPE_CHECKING:
    from stream_processors.routing.assignments import Assignments

__all__ = ["Offering"]


class Offering:
    """Changes what is offered to whom; `presences` are what is told of agents who are not as they may have been read."""

    def __init__(
        self,
        name: str,
        live: LiveTeam,
        queue: TeamQueue,
        event: Event,
        position: Position,
        assignments: Assignments,
    ) -> None:
        self.presences: list[Output] = []
        self._team, self._live, self._queue, self._event, self._position = name, live, queue, event, position
        self._assignments = assignments

    # -- tickets ------------------------------------------------------------------------------------------------

    def begin(self, place: bytes, skills: str, entry: QueueEntry, name: str) -> bool:
        """Offers an agent the ticket at the head of a skill queue; returns false if it is assigned without that."""
        live = self._live
        seconds = of_channel(live.configuration.accept_seconds, entry.channel)
        if not seconds or (offer := offers.next_offer(entry, name, seconds, self._event.received_at)) is None:
            return False
        ticket = ticket_at(place)
        offered = replace(entry, offset=self._position.offset, agent=name, reserved_until=0, offers=offer)
        self._queue.assign(ticket, place, skills, offered)
        live.line.discard(skills, place)
        live.roster.hold(name, entry.channel, 1, live.assignments)
        offers.count_open(live, name, 1)
        self._tell(ticket, offered)
        return True

    def end(self, ticket: str, entry: QueueEntry, outcome: str) -> None:
        """Lets a ticket wait again that its agent does not take: for others, or for its fallback if that is due by now."""
        assert entry.offers is not None
        assignments, now = self._assignments, self._event.received_at
        assignments.remove(ticket)
        if outcome != "declined":  # its own partition said so itself
            word = answers.offer_ended(self._team, ticket, entry, outcome, self._event, self._position)
            assignments.outputs.append(word)
        passed = replace(entry.offers, until=0, passed=(*entry.offers.passed, entry.agent), renewed=False)
        waits = assignments.waiting(replace(entry, agent="", offers=passed), now)
        known = None if self._live.configuration.gone else entry.overflow_at
        due = waits.overflow_at if known is None else known
        assignments.put(ticket, replace(waits, reserved_until=0, overflow_at=due))
        if due is not None and due <= now:
            assignments.overflow(ticket)

    def due(self, ticket: str, entry: QueueEntry) -> None:
        """Ends an offer whose time is up. With the last of too many that they missed in a row its agent is away."""
        assert entry.offers is not None
        noticed_at = self._event.received_at
        seconds = of_channel(self._live.configuration.accept_seconds, entry.channel) or 0
        if seconds and offers.is_late_tick(entry.offers, seconds, noticed_at):
            again = replace(entry.offers, until=noticed_at + seconds * MICROS, renewed=True)
            self._tell(ticket, self._queue.put(ticket, replace(entry, offers=again)))
            return
        self.end(ticket, entry, "missed")
        if offers.miss(self._live, entry.agent):
            self.contradict(entry.agent, "away")
            self.withdraw(entry.agent)

    def declined(self, event: RoutingUpdate, before: QueueEntry | None) -> None:
        """Lets a ticket go to the next agent. Who declines is there, whatever they missed."""
        self._forgive(event.agent_id)
        if before is not None and before.offered and (before.agent, before.ref) == (event.agent_id, event.ref):
            self.end(event.ticket_id, before, "declined")

    def accepted_by(self, before: QueueEntry, agent: str) -> None:
        """Notes that an agent has a ticket that was offered: to them, in time by the ticket's log, or to another one."""
        if before.offers is None or agent not in (before.agent, *before.offers.passed):
            return
        self._forgive(agent)
        labels = self._team, bounded_channel(before.channel), before.chosen_by(agent)
        count = Count(ServiceMetric.ASSIGNMENTS, labels)
        self._assignments.counts.append(count)

    def describe(self, ticket: str, before: QueueEntry, entry: QueueEntry) -> None:
        """Changes the place that a ticket takes again when its offer is not accepted; `entry` is as it would wait."""
        kept = replace(
            entry,
            channel=before.channel,
            eligible_at=before.eligible_at,
            agent=before.agent,
            order=before.order,
            overflow_at=before.overflow_at,
            avoid=before.avoid,
            offers=before.offers,
        )
        if kept != replace(before, offset=-1):
            self._queue.put(ticket, kept)

    # -- agents -------------------------------------------------------------------------------------------------

    def withdraw(self, name: str) -> None:
        """Takes back all offers to an agent, who is not there to accept them."""
        if name not in self._live.offered:
            return
        for ticket in self._queue.held(name):
            entry = self._queue.entry(ticket)
            if entry is not None and entry.offered and entry.agent == name:
                self.end(ticket, entry, "withdrawn")

    def contradict(self, name: str, status: str, reason: str = "") -> None:
        """Tells others of an agent who is not as they may have read."""
        reason = reason or offers.away_for(self._live.roster.get(name), self._live.missed.get(name, 0))
        self.presences.append(answers.presence(self._team, name, status, reason, self._event, self._position))

    def _forgive(self, name: str) -> None:
        if offers.forgive(self._live, name):
            self.contradict(name, "online")

    def _tell(self, ticket: str, entry: QueueEntry) -> None:
        reason = entry.chosen_by(entry.agent)
        word = answers.offered(self._team, ticket, entry, reason, self._event, self._position)
        self._assignments.outputs.append(word)

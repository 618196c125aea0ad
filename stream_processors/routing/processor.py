"""The routing aggregate: who gets which ticket next. Pure; one record at a time.

After every record nobody waits while an agent who suits them has room: a record either changes where a ticket stands
or who is there, and then the heads of the queue's lanes are handed out until nothing fits any more.

The agent of a ticket, in this order:
1. who is on shift (online or away), takes the channel at all and has the ticket's language; if nobody has it, everybody
   on shift who takes the channel: a speaker who only chats does not keep an e-mail waiting for ever;
2. of those, who has its skills; if nobody has them, all of those;
3. of those, who is online with room on its channel (what is done elsewhere costs no room: only tickets that wait on us);
4. of those, the one who had the customer last, else who holds the fewest, else whose last assignment is longest ago.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from msgspec.structs import replace

from schemas.errors import Refused
from schemas.events import Assigned, Event, PresenceChanged, RoutingUpdate, Tick
from schemas.identity import event_id
from schemas.topics import ROUTING, Topic
from stream_processors.routing.gauges import TeamGauges
from stream_processors.routing.presence import told
from stream_processors.routing.queue import Queue, channel_rank
from stream_processors.routing.state import (
    PRESENCES,
    Agent,
    Held,
    Journal,
    QueueEntry,
    Seen,
    Team,
    Waiting,
    team_key,
    ticket_at,
)
from stream_processors.runtime.gauges import StateGauges
from stream_processors.runtime.processor import Outcome, Output, Position, Reader, State


class RoutingProcessor:
    """The `Processor` of the `routing` topic. A team that no configuration names is a team like any other."""

    name = "routing"
    gauges: type[StateGauges] | None = TeamGauges
    topic: Topic = ROUTING

    def __init__(self) -> None:
        self.kinds: Mapping[bytes, type[State]] = {
            b"j": Journal,
            b"w": Waiting,
            b"h": Held,
            b"i": QueueEntry,
            b"t": Team,
        }

    def process(self, event: Event, position: Position, read: Reader) -> Outcome:
        """Fold one `RoutingUpdate` or `PresenceChanged`; a `Tick` changes nothing.

        Raises:
            Refused: an event that does not belong here, or an unknown action or presence.
        """
        if isinstance(event, Tick):
            return Outcome({})
        if not isinstance(event, RoutingUpdate | PresenceChanged):
            raise Refused("unexpected_event", f"{type(event).__name__} on the routing topic")
        key = team_key(event.team)
        team: Team = read.get(key) or Team()
        if position.offset <= team.offset:
            return Outcome({key: team}, skipped=True)  # the team is durable last: everything else is, too
        desk = Desk(team, Queue(read, event.team, position.offset), event, position)
        if isinstance(event, RoutingUpdate):
            desk.update(event)
        else:
            desk.presence(event)
        desk.hand_out()
        desk.tell_presence()
        return Outcome({**desk.queue.states(), key: desk.team()}, desk.outputs)

    def deadline(self, key: bytes, state: Any) -> int | None:
        """Never: nothing here waits for a time."""
        return None


class Desk:
    """One team during one record. Copies what it changes; `team()` is the team afterwards."""

    _ACTIONS: ClassVar[frozenset[str]] = frozenset({"queue", "busy", "idle", "done"})

    def __init__(self, team: Team, queue: Queue, event: RoutingUpdate | PresenceChanged, position: Position) -> None:
        self.queue, self.outputs = queue, list[Output]()
        self._before, self._event, self._position = team, event, position
        self._agents, self._waiting, self._seen = dict(team.agents), dict(team.waiting), team.seen
        self._assignments = team.assignments

    def team(self) -> Team:
        return Team(
            offset=self._position.offset,
            agents=self._agents,
            waiting=self._waiting,
            assignments=self._assignments,
            seen=self._seen,
        )

    # -- what happened ------------------------------------------------------------------------------------------

    def update(self, event: RoutingUpdate) -> None:
        """Where a ticket stands, as its own partition sees it."""
        if event.action not in self._ACTIONS:
            raise Refused("unknown_action", event.action)
        if event.version >= 0 and not self._is_new(event):
            return  # a tickets worker wrote it again after a crash
        before = self.queue.standing(event.ticket_id)
        if event.action == "queue":
            self._enqueue(event, before)
        elif event.action == "busy":
            self._hold(event, before)
        elif before is not None:
            self._leave(event.ticket_id)

    def presence(self, event: PresenceChanged) -> None:
        """An agent comes or goes. What the event leaves out stays as it was known."""
        if event.status not in PRESENCES:
            raise Refused("unknown_presence", event.status)
        known = self._agents.get(event.agent_id, Agent())
        self._agents[event.agent_id] = replace(
            known,
            status=event.status,
            announced=True,
            capacity=event.capacity or known.capacity,
            languages=tuple(event.languages) or known.languages,
            skills=tuple(event.skills) or known.skills,
        )
        if event.status == "offline":
            for ticket in self.queue.held(event.agent_id):
                self._give_back(ticket, event.agent_id)

    def hand_out(self) -> None:
        """Give the heads of the lanes to agents until nothing fits any more: the best channel and place first."""
        while (first := self._first_that_fits()) is not None:
            lane, agents = first
            self._assign(lane, agents)

    def tell_presence(self) -> None:
        """Once everything else is decided: how the presence of agents has changed by this record."""
        self._agents, facts = told(self._before.agents, self._agents, self._event, self._position)
        self.outputs += (Output(fact, key=self._event.team) for fact in facts)

    def _is_new(self, event: RoutingUpdate) -> bool:
        """Updates of one partition arrive in the order of their versions; one record may cause several."""
        last = self._seen.get(event.partition, Seen(-1, ()))
        if event.version < last.version or event.event_id in last.events:
            return False
        events = (*last.events, event.event_id) if event.version == last.version else (event.event_id,)
        self._seen = {**self._seen, event.partition: Seen(event.version, events)}
        return True

    # -- where tickets stand ------------------------------------------------------------------------------------

    def _enqueue(self, event: RoutingUpdate, before: QueueEntry | None) -> None:
        if before is not None and before.agent:
            return  # said twice: it was assigned since
        eligible_at = event.eligible_at or event.occurred_at
        standing = self._standing(event, min(eligible_at, before.eligible_at) if before else eligible_at)
        if before is None or replace(before, offset=-1) != standing:
            self._leave(event.ticket_id)
            self._put(event.ticket_id, standing)

    def _hold(self, event: RoutingUpdate, before: QueueEntry | None) -> None:
        """An agent holds it, by our assignment or somebody's hand; by hand may exceed the capacity."""
        if not event.agent_id:
            raise Refused("busy_without_agent", event.ticket_id)
        if before is None or before.agent != event.agent_id:
            self._leave(event.ticket_id)
            standing = self._standing(event, event.eligible_at or event.occurred_at)
            self._put(event.ticket_id, replace(standing, agent=event.agent_id))

    @staticmethod
    def _standing(event: RoutingUpdate, eligible_at: int) -> QueueEntry:
        return QueueEntry(
            channel=event.channel,
            language=event.language,
            skills=tuple(sorted(event.skills)),
            priority=event.priority,
            eligible_at=eligible_at,
            preferred=event.preferred_agent,
        )

    def _give_back(self, ticket: str, agent: str) -> None:
        standing = self._leave(ticket)
        if standing is not None:
            self._write_assigned(ticket, standing, "", "agent_offline")
            self._put(ticket, replace(standing, agent=""))

    def _put(self, ticket: str, standing: QueueEntry) -> None:
        self.queue.put(ticket, standing)
        if standing.agent:
            agent = self._agents.get(standing.agent, Agent())
            self._agents[standing.agent] = replace(agent, open=_counted(agent.open, standing.channel, 1))
        else:
            self._waiting = _counted(self._waiting, standing.lane, 1)

    def _leave(self, ticket: str) -> QueueEntry | None:
        standing = self.queue.remove(ticket)
        if standing is None:
            return None
        if not standing.agent:
            self._waiting = _counted(self._waiting, standing.lane, -1)
            return standing
        agent = self._agents.get(standing.agent, Agent())
        agent = replace(agent, open=_counted(agent.open, standing.channel, -1))
        if agent.announced or agent.open:
            self._agents[standing.agent] = agent
        else:
            self._agents.pop(standing.agent, None)  # known by a manual assignment only
        return standing

    # -- who gets what ------------------------------------------------------------------------------------------

    def _first_that_fits(self) -> tuple[str, list[str]] | None:
        """The lane whose head is served next, and the agents with room for it; None when nothing fits."""
        best: tuple[int, bytes, str] | None = None
        suited: dict[str, list[str]] = {}
        for lane in sorted(self._waiting):
            agents = self._with_room(lane)
            if not agents:
                continue
            place = self.queue.head(lane)
            if place is None:
                self._waiting.pop(lane)
                continue
            suited[lane] = agents
            candidate = (channel_rank(lane.split("\0", 1)[0]), place, lane)
            best = candidate if best is None else min(best, candidate)
        return None if best is None else (best[2], suited[best[2]])

    def _with_room(self, lane: str) -> list[str]:
        """Who suits the tickets of a lane and has room for one now."""
        channel, language, skills = lane.split("\0")
        on_shift = [name for name, agent in self._agents.items() if agent.status != "offline" and agent.limit(channel)]
        speaking = [name for name in on_shift if self._agents[name].speaks(language)] or on_shift
        needed = set(skills.split("+")) - {""}
        skilled = [name for name in speaking if needed.issubset(self._agents[name].skills)] or speaking
        return [name for name in skilled if self._agents[name].has_room(channel)]

    def _assign(self, lane: str, suited: Sequence[str]) -> None:
        place = self.queue.head(lane)
        assert place is not None, "the lane was chosen for its head"
        ticket = ticket_at(place)
        standing = self._leave(ticket)
        assert standing is not None, "a head is the place of a waiting ticket"
        name, reason = self._choose(suited, standing.preferred)
        self._assignments += 1
        self._agents[name] = replace(self._agents[name], last_assigned=self._assignments)
        self._put(ticket, replace(standing, agent=name))
        self._write_assigned(ticket, standing, name, reason)

    def _choose(self, suited: Iterable[str], preferred: str) -> tuple[str, str]:
        if preferred in suited:
            return preferred, "previous_agent"
        agents = self._agents
        return min(suited, key=lambda name: (agents[name].load(), agents[name].last_assigned, name)), "least_open"

    def _write_assigned(self, ticket: str, standing: QueueEntry, agent: str, reason: str) -> None:
        event, (partition, offset) = self._event, self._position
        tag = ticket.rpartition("-")[0]
        assigned = Assigned(
            event_id=event_id("assigned", ticket, event.team, str(partition), str(offset), agent),
            occurred_at=max(event.occurred_at, standing.eligible_at),  # records may arrive slightly out of order
            received_at=event.received_at,
            customer_tag=tag,
            channel=standing.channel,
            source="routing",
            imported=event.imported,
            causation_depth=event.causation_depth + 1,
            ticket_id=ticket,
            team=event.team,
            agent_id=agent,
            queued_at=standing.eligible_at,
            reason=reason,
        )
        self.outputs.append(Output(assigned, key=tag))


def _counted(counts: Mapping[str, int], name: str, step: int) -> dict[str, int]:
    """A copy with one count changed; counts of zero are left out."""
    changed = dict(counts)
    changed[name] = changed.get(name, 0) + step
    if changed[name] <= 0:
        del changed[name]
    return changed

"""The routing aggregate assigns waiting tickets to agents. Pure; one record at a time.

After every record no ticket waits while an agent who suits it has room. A record changes either a ticket's entry or the
agents; then the heads of the skill queues are assigned until none fits any more.

The agent of a ticket is chosen in this order:
1. who is on shift (online or away), takes the channel at all and has the ticket's language; if nobody has it, everybody
   on shift who takes the channel: a speaker who only chats does not keep an e-mail waiting for ever;
2. of those, who has its skills; if nobody has them, all of those;
3. of those, who is online with room on its channel (what is done elsewhere costs no room: only tickets that wait on us);
4. of those, the one who had the customer last, else who holds the fewest, else whose last assignment is longest ago.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from msgspec.structs import replace

from schemas.errors import Refused
from schemas.events import Assigned, Event, PresenceChanged, RoutingUpdate, Tick
from schemas.identity import event_id
from schemas.topics import ROUTING, Topic
from stream_processors.routing.gauges import TeamGauges
from stream_processors.routing.presence import presence_facts
from stream_processors.routing.queue import TeamQueue, channel_rank
from stream_processors.routing.state import (
    PRESENCES,
    Agent,
    Held,
    Needs,
    QueueEntry,
    ReadLog,
    Seen,
    Team,
    Waiting,
    team_key,
    ticket_at,
)
from stream_processors.runtime.gauges import StateGauges
from stream_processors.runtime.processor import Outcome, Output, Position, Reader, State, require_event


class RoutingProcessor:
    """Folds the `routing` topic (a `Processor`). A team that no configuration names is a team like any other."""

    name = "routing"
    gauges: type[StateGauges] | None = TeamGauges
    topic: Topic = ROUTING

    def __init__(self) -> None:
        self.kinds: Mapping[bytes, type[State]] = {
            b"j": ReadLog,
            b"w": Waiting,
            b"h": Held,
            b"i": QueueEntry,
            b"t": Team,
        }

    def process(self, event: Event, position: Position, read: Reader) -> Outcome:
        """Folds one `RoutingUpdate` or `PresenceChanged`; a `Tick` changes nothing.

        Raises:
            Refused: an event that does not belong here, an unknown action or presence, a time that cannot be.
        """
        require_event(event)
        if isinstance(event, Tick):
            return Outcome({})
        if not isinstance(event, RoutingUpdate | PresenceChanged):
            raise Refused("unexpected_event", f"{type(event).__name__} on the routing topic")
        _require_keys(event)
        key = team_key(event.team)
        team: Team = read.get(key) or Team()
        if position.offset <= team.offset:
            return Outcome({key: team}, skipped=True)  # the team is durable last: everything else is, too
        team_fold = TeamFold(team, TeamQueue(read, event.team, position.offset), event, position)
        if isinstance(event, RoutingUpdate):
            team_fold.update(event)
        else:
            team_fold.presence(event)
        team_fold.assign_waiting()
        team_fold.describe_presence()
        return Outcome({**team_fold.queue.states(), key: team_fold.team()}, team_fold.outputs)

    def deadline(self, key: bytes, state: Any) -> int | None:
        """Returns None: no state of routing waits for a time."""
        return None


def _require_keys(event: RoutingUpdate | PresenceChanged) -> None:
    """Accepts an event whose texts can stand in keys of states, where a zero character parts them.

    Raises:
        Refused: `bad_id`.
    """
    texts = [event.team, event.agent_id]
    if isinstance(event, RoutingUpdate):
        texts += (event.ticket_id, event.channel, event.language, event.preferred_agent, *event.skills)
    if "\0" in "".join(texts):
        raise Refused("bad_id", f"a zero character in a text of {type(event).__name__}")


class TeamFold:
    """Folds one record of one team. Copies what it changes; `team()` returns the team afterwards."""

    _ACTIONS: ClassVar[frozenset[str]] = frozenset({"queue", "busy", "idle", "done"})

    def __init__(
        self, team: Team, queue: TeamQueue, event: RoutingUpdate | PresenceChanged, position: Position
    ) -> None:
        self.queue, self.outputs = queue, list[Output]()
        self._before, self._event, self._position = team, event, position
        self._agents, self._waiting, self._seen = dict(team.agents), dict(team.waiting), team.seen
        self._assignments = team.assignments

    def team(self) -> Team:
        """Returns the team as it is after the record."""
        return Team(
            offset=self._position.offset,
            agents=self._agents,
            waiting=self._waiting,
            assignments=self._assignments,
            seen=self._seen,
        )

    # -- the steps of a record ----------------------------------------------------------------------------------

    def update(self, event: RoutingUpdate) -> None:
        """Changes a ticket's entry to what its own partition says of it."""
        if event.action not in self._ACTIONS:
            raise Refused("unknown_action", event.action)
        if event.version >= 0 and not self._is_new(event):
            return  # a tickets worker wrote it again after a crash
        before = self.queue.entry(event.ticket_id)
        if event.action == "queue":
            self._enqueue(event, before)
        elif event.action == "busy":
            self._hold(event, before)
        elif before is not None:
            self._remove(event.ticket_id)

    def presence(self, event: PresenceChanged) -> None:
        """Changes an agent's presence. What the event leaves out stays as it was known."""
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
                self._give_back(ticket)

    def assign_waiting(self) -> None:
        """Assigns the heads of the skill queues, the best channel and place first, until none fits any more."""
        while (head := self._first_that_fits()) is not None:
            self._assign(head)

    def describe_presence(self) -> None:
        """Adds the presence facts. The last step: assignments make agents busy."""
        self._agents, facts = presence_facts(self._before.agents, self._agents, self._event, self._position)
        self.outputs += (Output(fact, key=self._event.team) for fact in facts)

    def _is_new(self, event: RoutingUpdate) -> bool:
        """Updates of one partition arrive in the order of their versions; one record may cause several."""
        last = self._seen.get(event.partition, Seen(-1, ()))
        if event.version < last.version or event.event_id in last.events:
            return False
        events = (*last.events, event.event_id) if event.version == last.version else (event.event_id,)
        self._seen = {**self._seen, event.partition: Seen(event.version, events)}
        return True

    # -- entries ------------------------------------------------------------------------------------------------

    def _enqueue(self, event: RoutingUpdate, before: QueueEntry | None) -> None:
        if before is not None and before.agent:
            return  # said twice: it was assigned since
        eligible_at = event.eligible_at or event.occurred_at
        entry = _entry(event, min(eligible_at, before.eligible_at) if before else eligible_at)
        if before is None or replace(before, offset=-1) != entry:
            self._remove(event.ticket_id)
            self._put(event.ticket_id, entry)

    def _hold(self, event: RoutingUpdate, before: QueueEntry | None) -> None:
        """Gives a ticket to an agent, by our assignment or by hand; by hand may exceed the capacity."""
        if not event.agent_id:
            raise Refused("busy_without_agent", event.ticket_id)
        if before is None or before.agent != event.agent_id:
            self._remove(event.ticket_id)
            entry = _entry(event, event.eligible_at or event.occurred_at)
            self._put(event.ticket_id, replace(entry, agent=event.agent_id))

    def _give_back(self, ticket: str) -> None:
        entry = self._remove(ticket)
        if entry is not None:
            self._write_assigned(ticket, entry, "", "agent_offline")
            self._put(ticket, replace(entry, agent=""))

    def _put(self, ticket: str, entry: QueueEntry) -> None:
        self.queue.put(ticket, entry)
        if entry.agent:
            agent = self._agents.get(entry.agent, Agent())
            self._agents[entry.agent] = replace(agent, open=_counted(agent.open, entry.channel, 1))
        else:
            self._waiting = _counted(self._waiting, entry.skill_queue, 1)

    def _remove(self, ticket: str) -> QueueEntry | None:
        entry = self.queue.remove(ticket)
        if entry is None:
            return None
        if not entry.agent:
            self._waiting = _counted(self._waiting, entry.skill_queue, -1)
            return entry
        agent = self._agents.get(entry.agent, Agent())
        agent = replace(agent, open=_counted(agent.open, entry.channel, -1))
        if agent.announced or agent.open:
            self._agents[entry.agent] = agent
        else:
            self._agents.pop(entry.agent, None)  # known by a manual assignment only
        return entry

    # -- assignments --------------------------------------------------------------------------------------------

    def _first_that_fits(self) -> _Head | None:
        """Returns the head that is served next of those for which an agent has room."""
        fitting: list[_Head] = []
        for skill_queue in sorted(self._waiting):
            needs = Needs.of(skill_queue)
            agents = self._with_room(needs)
            if not agents:
                continue
            place = self.queue.head(skill_queue)
            if place is None:
                self._waiting.pop(skill_queue)
            else:
                fitting.append(_Head(channel_rank(needs.channel), place, skill_queue, agents))
        return min(fitting, default=None)

    def _with_room(self, needs: Needs) -> list[str]:
        """Returns the agents who suit the needs and have room for one more ticket now."""
        channel, language, skills = needs
        on_shift = [name for name, agent in self._agents.items() if agent.status != "offline" and agent.limit(channel)]
        speaking = [name for name in on_shift if self._agents[name].speaks(language)] or on_shift
        skilled = [name for name in speaking if skills.issubset(self._agents[name].skills)] or speaking
        return [name for name in skilled if self._agents[name].has_room(channel)]

    def _assign(self, head: _Head) -> None:
        ticket = ticket_at(head.place)
        entry = self._remove(ticket)
        assert entry is not None, "a head is the place of a waiting ticket"
        name, reason = self._choose(head.agents, entry.preferred)
        self._assignments += 1
        self._agents[name] = replace(self._agents[name], last_assigned=self._assignments)
        self._put(ticket, replace(entry, agent=name))
        self._write_assigned(ticket, entry, name, reason)

    def _choose(self, suited: Sequence[str], preferred: str) -> tuple[str, str]:
        if preferred in suited:
            return preferred, "previous_agent"
        agents = self._agents
        return min(suited, key=lambda name: (agents[name].load(), agents[name].last_assigned, name)), "least_open"

    def _write_assigned(self, ticket: str, entry: QueueEntry, agent: str, reason: str) -> None:
        event, position = self._event, self._position
        partition, offset = position.partition, position.offset
        tag = ticket.rpartition("-")[0]
        assigned = Assigned(
            event_id=event_id("assigned", ticket, event.team, str(partition), str(offset), agent),
            occurred_at=max(event.occurred_at, entry.eligible_at),  # records may arrive slightly out of order
            received_at=event.received_at,
            customer_tag=tag,
            channel=entry.channel,
            source="routing",
            imported=event.imported,
            causation_depth=event.causation_depth + 1,
            ticket_id=ticket,
            team=event.team,
            agent_id=agent,
            queued_at=entry.eligible_at,
            reason=reason,
        )
        self.outputs.append(Output(assigned, key=tag))


class _Head(NamedTuple):
    """The head of a skill queue, and the agents with room for it. Heads sort in the order of service."""

    rank: int
    place: bytes
    skill_queue: str
    agents: list[str]


def _entry(event: RoutingUpdate, eligible_at: int) -> QueueEntry:
    return QueueEntry(
        channel=event.channel,
        language=event.language,
        skills=tuple(sorted(event.skills)),
        priority=event.priority,
        eligible_at=eligible_at,
        preferred=event.preferred_agent,
    )


def _counted(counts: Mapping[str, int], name: str, step: int) -> dict[str, int]:
    """Returns a copy with one count changed; counts of zero are left out."""
    changed = dict(counts)
    changed[name] = changed.get(name, 0) + step
    if changed[name] <= 0:
        del changed[name]
    return changed

"""The routing aggregate assigns waiting tickets to agents. Pure; one record at a time.

After every record no ticket waits while an agent who suits it has room, but those that are reserved for the agent who had
the customer last. A record changes either a ticket's entry or the agents (`fold`); then the heads of the skill queues are
assigned until none fits any more. Time passes by ticks alone.

The agent of a ticket is chosen in this order:
1. who is on shift (online or away), takes the channel at all and has the ticket's language; if nobody has it, everybody
   on shift who takes the channel: a speaker who only chats does not keep an e-mail waiting for ever;
2. of those, who has its skills; if nobody has them, all of those;
3. of those, who is online with room on its channel and, by the weights of channels, with that much of a person left (what is
   done elsewhere costs no room: only tickets that wait on us);
4. of those, the one who had the customer last, else who holds the least, else whose last assignment is longest ago.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.errors import Refused
from schemas.events import Event, PresenceChanged, RosterChanged, RoutingUpdate, TeamConfigured, Tick
from schemas.topics import ROUTING, Topic
from stream_processors.routing.fold import TeamFold
from stream_processors.routing.gauges import TeamGauges
from stream_processors.routing.live_team import LiveTeam
from stream_processors.routing.queue import TeamQueue
from stream_processors.routing.state import (
    Held,
    QueueEntry,
    ReadLog,
    Team,
    Waiting,
    team_and_ticket,
    team_key,
)
from stream_processors.runtime.gauges import StateGauges
from stream_processors.runtime.processor import Outcome, Output, Position, Reader, State, require_event

__all__ = ["RoutingProcessor"]

#: So many teams are kept in memory; one that comes back is made anew from its state.
_MOST_TEAMS = 256
_Routed = RoutingUpdate | PresenceChanged | TeamConfigured | RosterChanged


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
        self._live: dict[str, LiveTeam] = {}

    def process(self, event: Event, position: Position, read: Reader) -> Outcome:
        """Folds one event of the routing topic.

        Raises:
            Refused: an event that does not belong here, an unknown action or presence, a time that cannot be.
        """
        require_event(event)
        if isinstance(event, _Routed):
            _require_keys(event)
            name = event.team
        elif isinstance(event, Tick):
            if not event.state_key:
                return Outcome({})
            if event.state_key[:1] not in (b"i", b"t"):
                raise Refused("bad_tick", f"no state has the key {event.state_key!r}")
            name, _ = team_and_ticket(event.state_key)
        else:
            raise Refused("unexpected_event", f"{type(event).__name__} on the routing topic")
        key = team_key(name)
        team: Team | None = read.get(key)
        if team is None:
            if isinstance(event, Tick):
                return Outcome({})
            team = Team()
        if position.offset <= team.offset:
            return Outcome({key: team}, skipped=True)  # the team is durable last: everything else is, too
        live = self._of(name, team)
        fold = TeamFold(name, live, TeamQueue(read, name, position.offset), event, position)
        try:
            outputs = _fold(fold, event)
        except BaseException:
            live.rollback()
            del self._live[name]
            raise
        states = fold.queue.states()
        states[key] = live.team(position.offset)
        return Outcome(states, outputs, counts=fold.assignments.counts)

    def deadline(self, key: bytes, state: Any) -> int | None:
        """Returns when a tick is next due: for a ticket that waits or is held, or for agents of whom no report comes."""
        if key[:1] == b"i":
            return state.deadline  # type: ignore[no-any-return]
        return state.next_silence if key[:1] == b"t" else None

    def _of(self, name: str, team: Team) -> LiveTeam:
        """Returns the team in memory, beginning a record."""
        live = self._live.get(name)
        if live is None or not live.is_of(team):
            if live is None and len(self._live) >= _MOST_TEAMS:
                del self._live[next(iter(self._live))]
            live = self._live[name] = LiveTeam(team)
        live.begin(team)
        return live


def _fold(fold: TeamFold, event: Event) -> list[Output]:
    match event:
        case RoutingUpdate():
            fold.update(event)
        case PresenceChanged():
            fold.presence(event)
        case TeamConfigured():
            fold.configure(event)
        case RosterChanged():
            fold.change_roster(event)
        case Tick():
            _, ticket = team_and_ticket(event.state_key)
            if ticket:
                fold.ticket_due(ticket, event.occurred_at)
            else:
                fold.agents_due(event.occurred_at)
    return fold.finish()


def _require_keys(event: _Routed) -> None:
    """Accepts an event whose texts can stand in keys of states, where a zero character parts them.

    Raises:
        Refused: `bad_id`.
    """
    texts: tuple[str, ...]
    if isinstance(event, RoutingUpdate):
        texts = event.ticket_id, event.agent_id, event.channel, event.language, event.preferred_agent, *event.skills
    elif isinstance(event, TeamConfigured):
        texts = tuple(each.agent_id for each in event.agents)
    else:
        texts = (event.agent_id,)
    if "\0" in event.team or "\0" in "".join(texts):
        raise Refused("bad_id", f"a zero character in a text of {type(event).__name__}")

"""Says what the holder of a key may do: its scopes, and the agents that it may speak for.

A grant is checked twice: for the endpoint, before the body is read, and for the events of the body. It is kept beside a
dead letter, so that a replay takes nothing that the key could not have sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from schemas import events
from schemas.dead_letter.headers import InputContext
from schemas.errors import Refused
from schemas.events import Event

__all__ = ["ANY_SCOPE", "EVENT_SCOPES", "GRANT", "SCOPES", "Grant", "expanded", "grant_of", "granted", "scope_of"]

#: The name under which a grant is kept beside an input. A sender cannot set it: of its headers only those that an endpoint
#: reads are kept, and this one is written over them.
GRANT = "deskstream-grant"
ANY_SCOPE = "*"
#: Scope → what a key with it may do.
SCOPES: Mapping[str, str] = {
    "events:write": "POST /v1/events: messages, calls, orders, articles and answers of a bot",
    "consent:write": "POST /v1/events: that a customer wants no more messages, or wants them again",
    "surveys:write": "POST /v1/events: answers to surveys",
    "customers:merge": "POST /v1/events: join and separate customers",
    "customers:erase": "POST /v1/events: ask that a customer is forgotten",
    "agents:reply": "POST /v1/agents/replies, attachments and language-check, GET answers, or agent_replied at /v1/events",
    "agents:note": "POST /v1/agents/notes, or note_added at /v1/events",
    "agents:status": "POST /v1/agents/status, or status_changed at /v1/events",
    "agents:transfer": "POST /v1/agents/transfers, or transferred at /v1/events",
    "agents:tag": "POST /v1/agents/tags, or tag_corrected at /v1/events",
    "agents:presence": "POST /v1/agents/presence, or presence_changed at /v1/events",
    "agents:assign": "POST /v1/agents/assignments, or assignment_changed at /v1/events",
    "agents:priority": "POST /v1/agents/priority, or priority_changed at /v1/events",
    "agents:follow": "POST /v1/agents/followers, or follow_changed at /v1/events",
    "agents:offer": "POST /v1/agents/offers, or offer_answered at /v1/events",
    "agents:roster": "POST /v1/agents/roster, or roster_changed at /v1/events",
    "help:write": "POST /v1/help-centre: articles, searches, turns of the bot, hand-over to a person",
    "kiosk:write": "POST /v1/kiosk: messages of people at a device",
}
#: Those that one kind of event needs at /v1/events; any other kind needs `events:write`.
_SCOPE_OF: Mapping[type[Event], str] = {
    events.ConsentChanged: "consent:write",
    events.SurveyAnswered: "surveys:write",
    events.CustomersMerged: "customers:merge",
    events.CustomersSplit: "customers:merge",
    events.ErasureRequested: "customers:erase",
    events.AgentReplied: "agents:reply",
    events.NoteAdded: "agents:note",
    events.StatusChanged: "agents:status",
    events.Transferred: "agents:transfer",
    events.TagCorrected: "agents:tag",
    events.PresenceChanged: "agents:presence",
    events.AssignmentChanged: "agents:assign",
    events.PriorityChanged: "agents:priority",
    events.FollowChanged: "agents:follow",
    events.OfferAnswered: "agents:offer",
    events.RosterChanged: "agents:roster",
}
#: What an agent does, so that one who is not named is not just unknown.
_BY_AGENTS = frozenset(kind for kind, scope in _SCOPE_OF.items() if scope.startswith(("agents:", "customers:")))
#: Each of them opens /v1/events.
EVENT_SCOPES = frozenset(("events:write", *_SCOPE_OF.values()))

_Take = Callable[[bytes, InputContext], Sequence[Event]]


class Grant(msgspec.Struct, frozen=True, omit_defaults=True):
    """Holds what a key may do. With no `agents` it may speak for all of them; `key` names it in logs."""

    key: str
    scopes: frozenset[str] = frozenset()
    agents: frozenset[str] = frozenset()

    def require_any(self, scopes: Iterable[str]) -> None:
        """Accepts a key that has one of these scopes.

        Raises:
            Refused: `missing_scope`, with those that would do.
        """
        wanted = sorted(scopes)
        if self.scopes.isdisjoint(wanted):
            raise Refused("missing_scope", f"this key lacks the scope {' or '.join(wanted)}")

    def require_agents(self, made: Iterable[Event]) -> None:
        """Accepts events in which nobody but an agent of this key acts.

        Raises:
            Refused: `wrong_agent`, with the agent.
        """
        for event in made if self.agents else ():
            named = getattr(event, "agent_id", "")
            if named and named not in self.agents:
                raise Refused("wrong_agent", f"this key may not speak for agent {named[:60]!r}")
            if not named and type(event) in _BY_AGENTS:
                raise Refused("wrong_agent", "this key may speak for its agents only: name one in agent_id")

    def require(self, made: Sequence[Event]) -> None:
        """Accepts events of the generic endpoint, of which each kind needs a scope.

        Raises:
            Refused: `missing_scope`, `wrong_agent`.
        """
        for event in made:
            self.require_any((scope_of(type(event)),))
        self.require_agents(made)

    def beside(self, context: InputContext) -> InputContext:
        """Returns what a channel is given of an input, with this grant."""
        written = msgspec.json.encode(self, order="sorted").decode()
        return msgspec.structs.replace(context, headers={**context.headers, GRANT: written})


#: Of an input that came with the old signature, or with none of ours: no key, no limits.
NO_LIMITS = Grant("", frozenset(SCOPES))


def grant_of(context: InputContext) -> Grant:
    """Returns the grant that is kept beside an input; one that has none came before there were keys, or by another proof."""
    written = context.headers.get(GRANT)
    return NO_LIMITS if written is None else msgspec.json.decode(written, type=Grant)


def granted(take: _Take) -> _Take:
    """Returns `take` of the generic endpoint, live and in a replay, without the events that the key may not send."""

    def take_granted(raw: bytes, context: InputContext) -> Sequence[Event]:
        made = take(raw, context)
        grant_of(context).require(made)
        return made

    return take_granted


def scope_of(kind: type[Event]) -> str:
    """Returns the scope that a kind of event needs at the generic endpoint."""
    return _SCOPE_OF.get(kind, "events:write")


def expanded(scope: str) -> frozenset[str]:
    """Returns the scopes that a pattern stands for: itself, `agents:*`, `*`; none when there is no such scope."""
    if scope == ANY_SCOPE:
        return frozenset(SCOPES)
    if scope.endswith(":*"):
        return frozenset(each for each in SCOPES if each.startswith(scope[:-1]))
    return frozenset((scope,)) & frozenset(SCOPES)

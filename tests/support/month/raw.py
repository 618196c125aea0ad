"""What happened to which ticket, as rows for a recomputation that must not use anything that the fold concluded of time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from schemas.clock import MICROS
from schemas.events import (
    AgentReplied,
    ArticleViewed,
    Assigned,
    BotAnswered,
    CallAnswered,
    CallEnded,
    CallStarted,
    ChatEnded,
    ConsentChanged,
    CustomersMerged,
    Event,
    MessageReceived,
    NoteAdded,
    OrderPlaced,
    StatusChanged,
    SurveyAnswered,
    TagCorrected,
    TicketAdopted,
    Transferred,
)
from schemas.identity import customer_tag
from stream_processors.rules.ruleset import Rules

__all__ = ["Raw", "Reading"]


class Raw(NamedTuple):
    """One thing that happened, in the order of the log. Nothing here is a measure of time.

    kind            `message call voicemail spoken taken ended assigned transferred replied status tagged survey note invited
                    order article bot wish merged`. `call` and `voicemail` are told of when they end, `call` since it began to ring;
                    `spoken` follows a call that somebody took and is since then; `taken` is told of when somebody takes one
    at, since       when we heard of it, and when it began if that was before; micros
    customer        whose log it is in; `into` is whom they turned out to be
    event           of the end of a call or a chat: its id
    agent, team     of an assignment, a reply, a status, a call
    channel, priority, tier, owner   of the ticket after the event: what its texts and tags made of it
    said            of a message: `thanks` says only that, `machine` was written by one
    outcome         of a call or a chat, as the telephone system or the chat window say; of a bot whether it helped; a customer's wish
    acknowledged    of a message: whether we acknowledged it: `sent`, `suppressed` or ''
    reasons         what the taxonomy finds in a message; what a person added; `removed` is what they took away
    thread          of a message: its conversation; of a call: its id
    """

    seq: int
    kind: str
    at: int
    since: int
    ticket: str = ""
    channel: str = ""
    priority: str = ""
    tier: str = ""
    owner: str = ""
    agent: str = ""
    team: str = ""
    status: str = ""
    said: str = ""
    outcome: str = ""
    acknowledged: str = ""
    csat: int = 0
    ces: int = 0
    episode: int = 0
    reasons: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    thread: str = ""
    customer: str = ""
    into: str = ""
    event: str = ""


class Reading:
    """Reads events as people do: what they say, and whether that is thanks or a machine's. `agent` says who has a ticket."""

    def __init__(self, rules: Rules, agent: Callable[[Event, str], str]) -> None:
        self._rules, self._agent = rules, agent

    def said(self, event: Event, ticket: str) -> Iterator[dict[str, Any]]:
        """The fields of the rows that an event makes; none for one that only tells where a ticket is."""
        if isinstance(event, MessageReceived):
            yield self._message(event, ticket)
        elif isinstance(event, CallEnded):
            yield from self._call(event)
        elif isinstance(event, CallAnswered):
            yield {"kind": "taken", "agent": event.agent_id, "thread": event.call_id}
        elif isinstance(event, ChatEnded):
            yield {"kind": "ended", "outcome": event.outcome, "thread": event.thread_id, "event": event.event_id}
        elif isinstance(event, Assigned):
            yield {"kind": "assigned", "agent": event.agent_id, "team": event.team}
        elif isinstance(event, Transferred):
            yield {"kind": "transferred", "agent": event.to_agent, "team": event.to_team}
        elif isinstance(event, AgentReplied):
            yield {"kind": "replied", "agent": event.agent_id}
        elif isinstance(event, StatusChanged):
            yield {"kind": "status", "agent": event.agent_id, "status": event.status}
        elif isinstance(event, TagCorrected):
            yield {"kind": "tagged", "reasons": tuple(event.add), "removed": tuple(event.remove)}
        elif isinstance(event, SurveyAnswered):
            scores = {"csat": event.csat or 0, "ces": event.ces or 0}
            yield {"kind": "survey", "ticket": event.ticket_id, "episode": event.episode, **scores}
        elif isinstance(event, NoteAdded):
            yield {"kind": "note", "agent": event.agent_id}
        elif isinstance(event, OrderPlaced):
            yield {"kind": "order", "channel": event.channel}
        elif isinstance(event, ArticleViewed):
            yield {"kind": "article", "channel": event.channel}
        elif isinstance(event, BotAnswered):
            yield {"kind": "bot", "channel": event.channel, "outcome": "helped" if event.resolved else ""}
        elif isinstance(event, ConsentChanged):
            yield {"kind": "wish", "outcome": event.wish}
        elif isinstance(event, CustomersMerged):
            if event.customer_tag == (origin := customer_tag(event.from_customer_id)):
                yield {"kind": "merged", "customer": origin, "into": customer_tag(event.into_customer_id)}
        else:
            assert isinstance(event, CallStarted | TicketAdopted), f"{type(event).__name__} never came before"

    def _message(self, event: MessageReceived, ticket: str) -> dict[str, Any]:
        said = "machine" if self._rules.guards.from_machine(event) else ""
        if self._rules.policies.thanks.only(event.text, self._agent(event, ticket), event.customer_name.split(" ")[0]):
            said = "thanks"
        reasons = self._reasons(event.text, event.subject)
        return {"kind": "message", "said": said, "reasons": reasons, "thread": event.thread_id}

    def _call(self, event: CallEnded) -> Iterator[dict[str, Any]]:
        answered = event.outcome == "answered"
        took = event.occurred_at - (round(event.talk_seconds * MICROS) if answered else 0)
        yield {
            "kind": "voicemail" if event.channel == "voicemail" else "call",
            "since": took - round(event.wait_seconds * MICROS),
            "agent": event.agent_id,
            "outcome": event.outcome,
            "reasons": self._reasons(event.transcript),
            "thread": event.call_id,
            "event": event.event_id,
        }
        if answered:
            yield {"kind": "spoken", "since": took, "agent": event.agent_id, "thread": event.call_id}

    def _reasons(self, text: str, subject: str = "") -> tuple[str, ...]:
        return tuple(match.slug for match in self._rules.taxonomy.read(text, subject).matches)

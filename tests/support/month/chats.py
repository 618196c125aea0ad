"""Chats as the chat window knows them: every line belongs to a conversation, and every conversation ends.

Chats give up when nobody answers, leave when they have what they came for, or just write nothing more; who writes
after that begins another conversation. The live simulator's visitors write lines, and no more is known of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random

from msgspec.structs import replace

from producers.simulation.planned import Planned
from schemas.clock import MICROS
from schemas.events import AgentReplied, ChatEnded, Event, MessageReceived, StatusChanged
from schemas.identity import event_id
from tests.support.month.actors import Actor

__all__ = ["Chats"]

SOURCE = "visitors"
#: Nobody writes for so long after an answer, or a conversation lasts so long (seconds): it is over.
IDLE, LONGEST = 900, 7200
_IMPATIENT, _LEAVES, _LEAVES_SOLVED = 0.45, 0.2, 0.7


@dataclass(slots=True)
class Conversation:
    """Times in micros. `touched` counts what was said, by either side."""

    thread: str
    opener: MessageReceived
    ticket: str = ""
    answered_at: int | None = None
    touched: int = 0
    over: bool = False


@dataclass(frozen=True, slots=True)
class _End:
    conversation: Conversation
    touched: int | None
    unanswered: bool


class Chats(Actor):
    """The chat window of every visitor."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._running: dict[str, Conversation] = {}
        self._of_ticket: dict[str, Conversation] = {}
        self._number: dict[str, int] = {}
        self._ends: dict[str, _End] = {}

    def dresses(self, event: Event) -> Event:
        """A line of the conversation that is going on, or the first of another."""
        if not isinstance(event, MessageReceived) or event.channel != "chat" or event.thread_id:
            return event
        known = self._running.get(event.address)
        if known is None or known.over:
            number = self._number[event.address] = self._number.get(event.address, 0) + 1
            known = self._running[event.address] = Conversation(f"{event.address}-{number}", event)
        return replace(event, thread_id=known.thread)

    def heard(self, event: Event, ticket: str) -> Iterable[Planned]:
        if isinstance(event, MessageReceived) and event.channel == "chat":
            return self._line(event, ticket)
        if isinstance(event, ChatEnded):
            self._running[event.address].over = True
            return ()
        conversation = self._of_ticket.get(ticket)
        if conversation is None or conversation.over:
            return ()
        if isinstance(event, AgentReplied):
            return self._answered(conversation, event.occurred_at)
        if isinstance(event, StatusChanged) and event.status == "solved" and conversation.answered_at is not None:
            return self._leaves(conversation, event.occurred_at, _LEAVES_SOLVED, 5, 120)
        return ()

    def stands(self, planned: Planned) -> bool:
        """Whether a conversation still ends as was planned."""
        if not isinstance(planned.thing, ChatEnded):
            return True
        end = self._ends.pop(planned.thing.event_id)
        conversation = end.conversation
        if conversation.over or (end.unanswered and conversation.answered_at is not None):
            return False
        return end.touched in (None, conversation.touched)

    def _line(self, event: MessageReceived, ticket: str) -> Iterator[Planned]:
        conversation = self._running[event.address]
        conversation.touched += 1
        if conversation.ticket:
            return
        conversation.ticket = ticket
        self._of_ticket[ticket] = conversation
        rng = self._rng(conversation)
        if rng.random() < _IMPATIENT:
            gives_up_after = round(rng.uniform(20, 600) * MICROS)
            yield self._end(conversation, event.occurred_at + gives_up_after, "abandoned", unanswered=True)
        yield self._end(conversation, event.occurred_at + LONGEST * MICROS, "timed_out", unanswered=True)

    def _answered(self, conversation: Conversation, at: int) -> Iterator[Planned]:
        conversation.touched += 1
        if conversation.answered_at is None:
            conversation.answered_at = at
        yield self._end(conversation, at + IDLE * MICROS, "timed_out", touched=conversation.touched)
        yield from self._leaves(conversation, at, _LEAVES, 10, 300)

    def _leaves(
        self, conversation: Conversation, at: int, chance: float, least: float, most: float
    ) -> Iterator[Planned]:
        rng = self._rng(conversation, conversation.touched, chance)
        if rng.random() < chance:
            yield self._end(conversation, at + round(rng.uniform(least, most) * MICROS), "closed")

    def _end(
        self, conversation: Conversation, at: int, outcome: str, *, touched: int | None = None, unanswered: bool = False
    ) -> Planned:
        opener, answered = conversation.opener, conversation.answered_at
        ended = ChatEnded(
            event_id=event_id(SOURCE, conversation.thread, outcome, str(at)),
            occurred_at=at,
            received_at=at,
            customer_tag=opener.customer_tag,
            channel="chat",
            source=SOURCE,
            customer_id=opener.customer_id,
            address=opener.address,
            thread_id=conversation.thread,
            outcome=outcome,
            wait_seconds=((at if answered is None else answered) - opener.occurred_at) / MICROS,
            lines=conversation.touched,
        )
        self._ends[ended.event_id] = _End(conversation, touched, unanswered)
        return Planned(at, ended.event_id, ended)

    def _rng(self, conversation: Conversation, *parts: object) -> Random:
        return Random(":".join(map(str, (self._seed, conversation.thread, *parts))))

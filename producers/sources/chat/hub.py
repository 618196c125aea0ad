"""Connects visitors and the log.

What visitors do goes to Kafka before it is acknowledged. What the log says goes to whoever has the conversation open.

Of one conversation one visitor's frame at a time is on its way to Kafka; what the log says meanwhile waits until it is
there. So a state is never built on one that did not become true.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from msgspec.structs import replace

from producers.channels import chat, chat_token
from producers.channels import chat_protocol as frames
from producers.channels.chat_hours import Hours
from producers.publisher import Outcome, Publisher
from producers.sources.chat.conversations import Connection, Conversations, Live
from producers.sources.chat.offers import Offers, dressed
from producers.sources.published_hours import PublishedHours
from producers.sources.reply_times import ReplyTimes
from producers.sources.service_times import ServiceTimes
from schemas import metrics
from schemas.errors import Refused, Unavailable
from schemas.events import (
    Assigned,
    ChatEnded,
    Event,
    MessageReceived,
    PresenceChanged,
    RoutingUpdate,
    StatusChanged,
    SurveyAnswered,
    TranscriptRequested,
    TypingChanged,
)
from schemas.facts import Outbound
from schemas.settings import ChatSettings

__all__ = ["Hub"]

log = structlog.get_logger("producers.chat")


class Hub:
    """Runs the conversations of a chat process. Visitors call `take`, the log `see`, the clock `pass_time`."""

    def __init__(self, settings: ChatSettings, publisher: Publisher, rules: chat.Rules) -> None:
        self._publisher, self.rules = publisher, rules
        self._clock = settings.pipeline_clock
        self.service = ServiceTimes(PublishedHours(settings), ReplyTimes(settings))
        self._offers = Offers(Hours.parse(settings.chat_hours, settings.chat_time_zone))
        self._longest = rules.longest
        self._conversations = Conversations()
        self._ending: set[asyncio.Task[None]] = set()
        self.ready = False

    # -- whether chat is on offer -------------------------------------------------------------------------------

    def offer(self, origin: str = "") -> frames.Offer:
        """Returns whether a conversation can begin now, and why not; with the look of the brand whose page it is."""
        now, brand = self._clock.now(), self._publisher.brands.of_site(origin)
        offer = self._offers.offer(now, ready=self._can_begin)
        return dressed(self._offers.timed(offer, now, brand.slug, self.service), brand)

    def show_offer(self) -> None:
        """Tells Prometheus whether chat should be on offer at this hour, and whether it is."""
        self._offers.show(self._clock.now(), ready=self._can_begin)

    @property
    def _can_begin(self) -> bool:
        return self.ready and self._publisher.connected

    # -- what visitors do ---------------------------------------------------------------------------------------

    async def start(self, frame: frames.Start, connection: Connection) -> Live:
        """Begins a conversation, or goes on with the one that this form began.

        Raises:
            Refused: `not_offered`, or a field is wrong.
            Unavailable: Kafka does not have the first line.
        """
        thread_id = chat.conversation_id(frame)
        live = self._conversations.find(thread_id)
        if live is None:
            if not (offer := self.offer()).available:
                connection.send(offer)
                raise Refused("not_offered", "chat is not on offer now")
            live = Live()
            chat.fold(live.state, frame, self._clock.now(), self.rules)  # refuses before anything is kept
            self._conversations.add(thread_id, live)
            self._offers.take_place(thread_id, self._clock.now())
        live.ours = True
        try:
            await self.take(live, frame, connection, attach=True)
        finally:
            if not live.state.started_at:  # the client will begin again
                live.connection = None
                self._offers.give_back(thread_id)
                self._conversations.drop(thread_id, live)
        return live

    async def resume(self, frame: frames.Resume, connection: Connection) -> Live:
        """Continues a conversation.

        Raises:
            Refused: `bad_token`; `unknown_conversation`, it ended too long ago.
            Unavailable: the log is not read yet.
        """
        thread_id = chat_token.opened_by(frame.token, self.rules.secrets)
        if not self.ready:
            raise Unavailable("the conversations are still being read", retry_after=1.0)
        live = self._conversations.find(thread_id)
        if live is None or not live.state.started_at:
            raise Refused("unknown_conversation", "this conversation ended too long ago")
        live.ours = True
        await self.take(live, frame, connection, attach=True)
        return live

    async def take(
        self,
        live: Live | None,
        frame: frames.VisitorFrame | chat.Gone | chat.Passed,
        connection: Connection | None = None,
        *,
        attach: bool = False,
    ) -> None:
        """Folds one frame; its frames are sent when Kafka has its events.

        Raises:
            Refused: the conversation does not take it.
            Unavailable: Kafka does not have it; nothing changed.
        """
        if live is None:
            step = chat.fold(chat.ChatConversation(), frame, self._clock.now(), self.rules)
            await self._publish(step.events)
            if connection is not None:
                connection.send(*step.frames)
            return
        async with live.lock:
            if attach and connection is not None:
                self._attach(live, connection)
            if isinstance(frame, chat.Gone) and live.connection is not None:
                return  # they are back already
            try:
                await self._fold(live, frame, connection or live.connection)
            finally:
                for record, number in live.unseen:
                    self._observe(live, record, number)
                live.unseen.clear()

    async def _fold(
        self, live: Live, frame: frames.VisitorFrame | chat.Gone | chat.Passed, to: Connection | None
    ) -> None:
        before = live.state
        step = chat.fold(before, frame, self._clock.now(), self.rules)
        await self._publish(step.events)
        live.state = step.state
        self._conversations.index(live)
        if before.phase != "ended" and live.state.phase == "ended":
            self._offers.give_back(live.state.thread_id)
            metrics.CHAT_ENDED.labels(live.state.outcome).inc()
        if to is not None:
            to.send(*step.frames)

    def typing(self, live: Live, on: bool) -> None:
        """Tells whoever shows the help desk that the visitor is writing."""
        self._publisher.signal(_typing(live.state, on, self._clock.now(), self.rules.source))

    def _attach(self, live: Live, connection: Connection) -> None:
        before, live.connection = live.connection, connection
        if before is not None and before is not connection:
            before.close(4001, "resumed on another connection")

    async def detach(self, live: Live, connection: Connection) -> None:
        """Takes a lost connection off its conversation, which waits for another one."""
        if live.connection is connection:
            live.connection = None
            await self.take(live, chat.Gone())

    async def _publish(self, events: tuple[Event, ...]) -> None:
        for event in events:
            receipt = await self._publisher.publish_async(event, producer=chat.CHANNEL, origin=self.rules.source)
            if receipt.outcome is Outcome.DEAD_LETTERED:
                raise Refused(receipt.reason, "it cannot be stored as it is; it is kept for a person to look at")

    # -- what the log says --------------------------------------------------------------------------------------

    def see(self, record: Any, offset: int) -> None:
        """Takes one record of the log, of whatever channel."""
        if isinstance(record, Outbound):
            if record.channel == chat.CHANNEL and record.thread_id:
                self._hear(self._conversations.of_thread(record.thread_id), record, offset + 1)
        elif isinstance(record, MessageReceived):
            if record.channel == chat.CHANNEL and chat.LINE_FIELD in record.fields and record.thread_id:
                self._publisher.remember(record.event_id)
                live = self._conversations.of_thread(record.thread_id)
                live.ours = record.source == self.rules.source or live.connection is not None
                self._hear(live, record)
        elif isinstance(record, ChatEnded | TranscriptRequested):
            self._publisher.remember(record.event_id)
            self._hear(self._conversations.of_thread(record.thread_id), record)
        elif isinstance(record, PresenceChanged | RoutingUpdate | Assigned):
            self._offers.capacity.observe(record)
            if isinstance(record, RoutingUpdate) and record.channel == chat.CHANNEL:
                self._placed(record)
        elif isinstance(record, StatusChanged):
            self._status_changed(record)
        elif isinstance(record, TypingChanged):
            if record.agent_id and (known := self._conversations.find(record.thread_id)) and known.connection:
                known.connection.send(frames.Typing(on=record.on))
        elif isinstance(record, SurveyAnswered) and record.channel == chat.CHANNEL:
            self._publisher.remember(record.event_id)

    def _placed(self, update: RoutingUpdate) -> None:
        """Takes the ticket that the router gave a conversation: its place is counted, and its id is known."""
        for live in self._conversations.of_customer(update.customer_tag):
            self._offers.give_back(live.state.thread_id)
            if not live.state.ticket_id and live.state.phase != "ended":
                live.state = replace(live.state, ticket_id=update.ticket_id)
                self._conversations.index(live)

    def _status_changed(self, record: StatusChanged) -> None:
        live = self._conversations.of_ticket(record.ticket_id, record.thread_ref)
        if live is not None:
            self._hear(live, record)
        elif record.ticket_id and not self.ready:  # its conversation may be read later, from another topic
            self._conversations.remember_status(record)

    def _hear(self, live: Live, record: Any, number: int = 0) -> None:
        if live.lock.locked():
            live.unseen.append((record, number))
        else:
            self._observe(live, record, number)

    def _observe(self, live: Live, record: Any, number: int) -> None:
        step = chat.observe(live.state, record, number)
        live.state = step.state
        self._conversations.index(live)
        if live.connection is not None and step.frames:
            live.connection.send(*step.frames)
            metrics.CHAT_SAID.inc(sum(isinstance(frame, frames.Said) for frame in step.frames))
        if live.state.solved and live.state.phase != "ended":
            self._pass_soon(live)

    # -- what the clock says ------------------------------------------------------------------------------------

    def caught_up(self) -> None:
        """Ends the reading of the past: visitors of conversations that are still open count as gone."""
        self.ready = True
        self._conversations.forget_statuses()
        now = self._clock.now()
        for _, live in self._conversations.all():
            if live.connection is None and live.state.phase != "ended":
                live.state = chat.fold(live.state, chat.Gone(), now, self.rules).state

    def pass_time(self) -> None:
        """Updates places in the queue, ends and forgets conversations. To be called about once a second."""
        now, positions = self._clock.now(), self._offers.capacity.positions()
        for thread_id, live in self._conversations.all():
            state = live.state
            if live.lock.locked():
                continue
            passed = chat.Passed(position=positions.get(state.ticket_id, 0))
            if live.ours and state.phase in ("queued", "answered"):
                step = chat.fold(state, passed, now, self.rules)
                if step.events:
                    self._pass_soon(live)
                elif step.state is not state:
                    live.state = step.state
                    if live.connection is not None:
                        live.connection.send(*step.frames)
            elif live.connection is None and now - max(state.touched_at, state.ended_at or 0) > self._longest:
                self._conversations.forget(thread_id, live)
        for phase, count in self._conversations.phases().items():
            metrics.CHAT_CONVERSATIONS.labels(phase).set(count)
        metrics.CHAT_FREE.set(self._offers.free(now))

    def _pass_soon(self, live: Live) -> None:
        """Ends the conversation, if this process is the one to do it."""
        if self.ready and live.ours:
            task = asyncio.create_task(self._pass(live))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def _pass(self, live: Live) -> None:
        try:
            await self.take(live, chat.Passed())
        except Unavailable:
            pass  # the next second tries again
        except Exception:
            log.exception("not_ended", thread=live.state.thread_id)


def _typing(state: chat.ChatConversation, on: bool, now: int, source: str) -> TypingChanged:
    return TypingChanged(
        event_id="",
        occurred_at=now,
        received_at=now,
        customer_tag=state.customer_tag,
        channel=chat.CHANNEL,
        source=source,
        thread_id=state.thread_id,
        on=on,
    )

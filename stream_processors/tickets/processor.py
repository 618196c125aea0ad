"""Folds one event of one customer by one pure step after another.

`fold` is the whole of the domain logic; `TicketsProcessor` says what the worker must know around it: which records
were folded before, which are the same thing twice, and what a tick is for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from schemas.errors import Refused
from schemas.events import (
    Event,
    NotificationRequested,
    PresenceChanged,
    RosterChanged,
    RoutingUpdate,
    TagsCounted,
    TeamConfigured,
    Tick,
    TypingChanged,
)
from schemas.topics import CONTACT_EVENTS, Topic
from stream_processors.rules.ruleset import Rules
from stream_processors.rules.surveys import Signing
from stream_processors.rules.versions import RulesetHistory, time_of
from stream_processors.runtime.gauges import StateGauges
from stream_processors.runtime.processor import Outcome, Output, Position, Reader, State, StepFailed, require_event
from stream_processors.tickets import (
    acknowledge,
    consent,
    counters,
    erase,
    handle,
    merge,
    progress,
    record,
    route,
    tag,
    tag_counts,
    thread,
    transcript,
)
from stream_processors.tickets.automations import automate
from stream_processors.tickets.context import NOTHING_STORED, FoldContext
from stream_processors.tickets.gauges import TicketGauges
from stream_processors.tickets.resolution import resolve
from stream_processors.tickets.sla import clocks, promises, queue, ticket_metrics
from stream_processors.tickets.state import Customer, MergeHistory, Pane, customer_key
from stream_processors.tickets.surveys import follow_up, invite, score
from stream_processors.tickets.windows import buckets

__all__ = ["STEPS", "TicketsProcessor", "fold"]

#: All of them, in this order. Why a step stands where it does stands beside it.
STEPS: tuple[tuple[str, Callable[[FoldContext], FoldContext]], ...] = (
    ("expire", clocks.expire),  # deadlines that have passed, before what came after them
    ("overdue", promises.expire),  # promises that are broken by now, for the same reason
    ("settle", resolve.settle),  # decisions that are due, for the same reason
    ("merge", merge.step),  # alone: what it hands over is another customer's from here on
    ("consent", consent.step),  # a STOP before all that is sent; a YES may turn out to be a message
    ("thread", thread.step),  # the ticket, before all that is about it
    ("progress", progress.step),  # what agents did, before what is concluded from it
    ("tag", tag.step),  # before the acknowledgement, whose promise and articles depend on tags
    ("acknowledge", acknowledge.step),  # before the clock that it stops
    ("clocks", clocks.step),  # after tags and priority, which choose the policy
    ("resolve", resolve.step),  # after tags, policy and answers, of which a resolution consists
    ("invite", invite.step),  # after the resolution that it asks about
    ("score_csat", score.step),  # may open a follow-up
    ("follow_up", follow_up.step),  # before routing, which queues it
    ("tag_counts", tag_counts.step),  # after tags
    ("handle", handle.step),  # after tags, which say whether a contact repeats another
    ("transcript", transcript.step),  # after the ticket, whose Message-IDs it adds to
    ("route", route.step),  # after the tags, which decide the team
    ("ticket_metrics", ticket_metrics.step),  # after routing: it is known who has the ticket now
    ("promises", promises.step),  # after routing, for the same reason
    ("automate", automate.step),  # after everything that it reads; what it changes is an event of its own
    ("record", record.step),  # after everything that changes a ticket
    ("windows", buckets.step),  # after the record, which puts the tickets back into the customer
    ("queue", queue.step),  # after the windows, beside whose panes it puts what it changes
    ("counters", counters.step),  # last: it reads what all others observed
)
_PASSING = frozenset(("expire", "overdue", "settle", "automate", "record", "windows", "counters"))
#: A tick is only time passing, and so is what belongs to somebody else by now.
_TICK_STEPS = tuple(each for each in STEPS if each[0] in _PASSING)
_MERGE_STEPS = tuple(each for each in STEPS if each[0] in {*_PASSING, "merge"})
#: So many event ids are remembered per customer.
KEPT_SEEN = 256
_ELSEWHERE = (
    NotificationRequested,
    PresenceChanged,
    RosterChanged,
    RoutingUpdate,
    TagsCounted,
    TeamConfigured,
    TypingChanged,
)


def fold(
    customer: Customer,
    event: Event,
    position: Position,
    history: RulesetHistory,
    signing: Signing | None = None,
    read: Reader = NOTHING_STORED,
) -> FoldContext:
    """Runs the steps over one event, with the rules in force for it. Pure: the same arguments give the same context.

    Raises:
        StepFailed: a step raised; `stage` names it, the cause is chained.
    """
    context = begun = FoldContext(
        event=event,
        now=event.occurred_at,
        position=position,
        customer=customer,
        before=customer,
        rules=history.at(time_of(event)),
        ruleset_history=history,
        signing=signing,
        read=read,
    )
    steps, kind = STEPS, type(event)
    if kind is Tick:
        steps = _TICK_STEPS
    elif kind in merge.KINDS:
        steps = _MERGE_STEPS
    elif customer.merge_history is not None and (onward := merge.passed_on(customer, event)) is not None:
        steps, context = _TICK_STEPS, context.replace(forwarded=True).send(Output(onward, onward.customer_tag))
    for name, step in steps:
        try:
            context = step(context)
        except Exception as error:
            if automate.is_too_late(event, error):
                return automate.too_late(begun, error)
            raise StepFailed(name) from error
    return context


class TicketsProcessor:
    """Processes `contact-events`. Panes and queues become durable before customers.

    After a crash in between, a customer is folded again from its old state and comes to the same facts; the panes
    that already hold those records stand at their offsets and are left alone. `rules` that stand alone are in force
    for ever.
    """

    name = "tickets"
    gauges: type[StateGauges] | None = TicketGauges

    def __init__(
        self, rules: RulesetHistory | Rules, topic: Topic = CONTACT_EVENTS, *, signing: Signing | None = None
    ) -> None:
        self.rules, self.topic, self.signing = RulesetHistory.of(rules), topic, signing
        self.kinds: Mapping[bytes, type[State]] = {b"q": queue.Queue, b"p": Pane, b"c": Customer}

    def process(self, event: Event, position: Position, read: Reader) -> Outcome:
        """Fold one event of `contact-events`.

        Raises:
            StepFailed: a step refused the event or failed.
            Refused: `wrong_topic` for an event of `routing`, `no_customer_tag`, `bad_tick`, `bad_time`, `not_an_event`.
        """
        require_event(event)
        if type(event) is Tick:
            return self._tick(event, position, read)
        if isinstance(event, _ELSEWHERE):
            raise Refused("wrong_topic", f"{type(event).__name__} belongs to the routing topic")
        if not event.customer_tag:
            raise Refused("no_customer_tag", f"{type(event).__name__} {event.event_id!r}")
        key = customer_key(event.customer_tag)
        customer: Customer = read.get(key) or Customer()
        if position.offset <= customer.offset:
            return Outcome({key: customer}, skipped=True)
        seen = _fingerprint(event.event_id)
        if seen in customer.seen or (customer.merge_history is not None and _on_its_way(event) in customer.seen):
            return Outcome({key: msgspec.structs.replace(customer, offset=position.offset)})
        context = fold(customer, event, position, self.rules, self.signing, read)
        changes: dict[str, Any] = {}
        if context.forwarded:  # it may come back, as something new
            seen = _on_its_way(event)
            changes = {"merge_history": context.customer.merge_history or MergeHistory()}
        return _outcome(key, context, seen=(*customer.seen, seen)[-KEPT_SEEN:], **changes)

    def deadline(self, key: bytes, state: Any) -> int | None:
        """Returns when a tick is next due: a customer's earliest deadline, invitation or decision, or the end of a pane."""
        if key[:1] == b"q":
            return None
        if key[:1] != b"c":
            return buckets.forget_at(state)
        deadlines = [clocks.next_deadline(state), promises.next_deadline(state), automate.next_deadline(state)]
        if state.episodes:
            deadlines.append(resolve.next_deadline(state))
        return min((each for each in deadlines if each is not None), default=None)

    def _tick(self, event: Tick, position: Position, read: Reader) -> Outcome:
        key = event.state_key
        if key[:1] not in self.kinds:
            raise Refused("bad_tick", f"no state has the key {key!r}")
        if (state := read.get(key)) is None:
            return Outcome({})
        if type(state) is Pane:
            changed, pane = buckets.forget(state, event.occurred_at, position)
            return Outcome({key: pane} if changed else {})
        if position.offset <= state.offset:
            return Outcome({key: state}, skipped=True)
        return _outcome(key, fold(state, event, position, self.rules, self.signing, read))


def _outcome(key: bytes, context: FoldContext, **changes: Any) -> Outcome:
    if erase.is_forgotten(context.event, context.customer):
        return Outcome({**context.panes, key: None}, context.outputs, counts=context.counts)
    after = msgspec.structs.replace(context.customer, offset=context.position.offset, **changes)
    return Outcome({**context.panes, key: after}, context.outputs, counts=context.counts)


def _on_its_way(event: Event) -> int:
    """Returns by what an event that is passed on is known: it may come round again, and must not be lost then."""
    return _fingerprint(f"{event.event_id}/{event.causation_depth}")


def _fingerprint(event_id: str) -> int:
    return int.from_bytes(blake2b(event_id.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")

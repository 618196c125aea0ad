"""Starts, stops, pauses and corrects the SLA clocks of a ticket, in calendar time or working time.

What the clocks follow is the ticket, not the kind of event: this step compares the ticket with what it was before.

  acknowledgement   from the opening message to our acknowledgement, or to a person's answer if that comes first
  answer            chat, phone: from the first line or ring of a conversation to a person's answer
  first_response    from the opening message to the first public answer of a person; never restarted
  next_response     from the oldest message that no person has answered, once there was an answer or a new episode
  requester_wait    while the ticket is new, open or on hold     agent_work   while it is new or open
  first_resolution  from the opening message to the first solve; never restarted
  full_resolution   from the opening message, or from a reopening, to the solve (ADR 0013)

- A deadline that passes without an answer is a breach, stamped with the deadline. An answer at the deadline is late.
- Before it, the clock warns at each percentage of its policy's `at_risk`, stamped with the exact instant.
- An answer from before the deadline that arrives after the breach withdraws it: `correct`, then `fulfil`; so does whatever
  else stops the clock before its deadline: a solve, a pause, a visitor who left.
- An answer or a solve that arrives late and is older than the one that stopped a clock restates it in the same way.
- A message is unanswered when it arrives after an answer, even if it was written before: nobody can have read it.
- Where the policy names a calendar, targets count its working time, and rows hold both: seconds and business seconds.
- A clock keeps the policy and the calendar with which it started; a change of priority, tags or team counts for later clocks.
  One that a message starts follows the channel of that message: a mail on a ticket that began as a chat is no chat.
- Reopening starts next_response, requester_wait, agent_work and full_resolution anew; the others stay as they were.
- A paused clock is due never; when it runs on, what is left of its target decides when.
- Solving fulfils the clocks of the whole ticket and cancels the others; closing without a solve (spam) cancels all.
  A conversation that ends before a person answered cancels `answer`, with its outcome as the reason.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Any

from msgspec.structs import replace

from schemas.clock import MICROS
from schemas.events import CallEnded, ChatEnded, Event, MessageReceived, Tick
from stream_processors.rules.policies import Policy
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.lookup import finished_at, heard_of
from stream_processors.tickets.observations import FirstResponse, Suppressed
from stream_processors.tickets.sla.ledger import Ledger
from stream_processors.tickets.sla.status_history import STATES
from stream_processors.tickets.state import Customer, StatusChange, Ticket

__all__ = ["called_at", "expire", "left", "next_deadline", "step"]

#: Channels on which a customer waits for a person on the spot.
LIVE = frozenset(("chat", "phone", "bot"))
_UNTIL_SOLVED = ("requester_wait", "agent_work", "first_resolution", "full_resolution")
_EPISODE = ("requester_wait", "agent_work", "full_resolution")


def next_deadline(customer: Customer) -> int | None:
    """Returns the earliest instant (micros) at which a running clock warns or breaches; None while none will.

    Imported tickets wait for the customer's next event.
    """
    dues = [
        clock.due_at if (alert := clock.alert_at) is None or clock.due_at < alert else alert
        for ticket in customer.tickets
        if not ticket.imported
        for clock in ticket.clocks
        if clock.stopped_at is None and clock.paused_at is None and not clock.breached
    ]
    return min(dues, default=None)


def expire(context: FoldContext) -> FoldContext:
    """Writes the warnings and breaches of this customer's clocks that are due by now, in the order of their instants."""
    dues = _dues(context.customer, now := context.now)
    if not dues:
        return context
    heapify(dues)
    tickets = {ticket.number: ticket for ticket in context.customer.tickets}
    while dues:
        number = dues[0][1]
        ledger = Ledger(context, tickets[number], tickets[number].team)
        while dues and dues[0][1] == number:
            _, _, name = heappop(dues)
            ledger.warn_or_breach(name)
            clock = ledger.clock(name)
            if clock is not None and (due := clock.next_at) is not None and due <= now:
                heappush(dues, (due, number, name))
        context, tickets[number] = ledger.close(), ledger.ticket
    return context.replace(customer=replace(context.customer, tickets=tuple(tickets.values())))


def _dues(customer: Customer, now: int) -> list[tuple[int, int, str]]:
    """Returns (instant, ticket's number, clock) of every warning and breach that is due by now."""
    found = []
    for ticket in customer.tickets:
        for clock in ticket.clocks:
            if clock.stopped_at is not None or clock.paused_at is not None or clock.breached:
                continue
            alert = clock.alert_at
            due = clock.due_at if alert is None or clock.due_at < alert else alert
            if due <= now:
                found.append((due, ticket.number, clock.name))
    return found


def step(context: FoldContext) -> FoldContext:
    """Start, fulfil, restate, pause and cancel clocks as the ticket has changed."""
    ticket = context.ticket
    if ticket is None or type(context.event) is Tick:
        return context
    team, before, channel = context.team, context.ticket_before, context.channel_of_event
    policy = context.policy_on(ticket.channel, team)
    ringing_since = _rings(context, ticket, before)
    changes: dict[str, Any] = {} if ringing_since is None else {"ringing_since": ringing_since}
    if ticket.sla.policy != policy.name or ticket.sla.policy_version != policy.version:
        changes |= {"policy": policy.name, "policy_version": policy.version}
    if not ticket.sla.status_history:
        changes |= _begun(context, ticket, before, team, policy)
    if changes:
        ticket = replace(ticket, sla=replace(ticket.sla, **changes))
    starts = policy if channel == ticket.channel else context.policy_on(channel, team)
    ledger = Ledger(context, ticket, team, starts)
    _began(ledger, before, ringing_since)
    _acknowledged(ledger)
    if context.replied_at is not None:
        _answered(ledger, context.replied_at, None if before is None else before.milestones.first_response_at)
    _left(ledger)
    _waiting(ledger)
    if finished_at(ticket) is None:
        _stands(ledger)
    elif before is not None and ticket.status != before.status:
        _finished(ledger, context.now)
    elif before is not None and ticket.milestones.last_solved_at != before.milestones.last_solved_at:
        _finished_earlier(ledger, before)
    return ledger.close().replace(ticket=ledger.ticket)


def _began(ledger: Ledger, before: Ticket | None, ringing_since: int | None) -> None:
    """Start the clocks of what begins with this event: the ticket, an episode, a live conversation."""
    context = ledger.context
    if before is None:
        _opened(ledger)
    elif ledger.ticket.episode > before.episode:
        _reopened(ledger, context.now)
    if ringing_since is not None:
        _rung(ledger, ringing_since, before)
    if type(context.event) is CallEnded and context.replied_at is not None:
        ledger.hand_over(context.replied_at)  # they spoke from then until now


def _begun(context: FoldContext, ticket: Ticket, before: Ticket | None, team: str, policy: Policy) -> dict[str, Any]:
    """Returns the first status change; what was before is not known of a ticket from before there was a status history."""
    if before is not None:
        return {"status_history": (StatusChange(context.now, before.status, before.team or team, before.assignee),)}
    begun: dict[str, Any] = {"status_history": (StatusChange(ticket.created_at, "new", team),)}
    if (calendar := policy.measured_in or policy.calendar) is not None:
        begun |= {"calendar": calendar.name, "calendar_version": policy.version}
    return begun


# -- what can happen to a ticket --------------------------------------------------------------------------------------


def _opened(ledger: Ledger) -> None:
    ticket = ledger.ticket
    if not ticket.imported:  # nobody acknowledges history
        ledger.activate("acknowledgement", ticket.created_at)
    ledger.activate("first_response", ticket.created_at)
    for name in _UNTIL_SOLVED:
        ledger.activate(name, ticket.created_at)


def _reopened(ledger: Ledger, now: int) -> None:
    for name in _EPISODE:
        ledger.activate(name, now)


def _rings(context: FoldContext, ticket: Ticket, before: Ticket | None) -> int | None:
    """Returns since when a live conversation that began with this event waits for a person; one that waits already goes on."""
    event = context.event
    if isinstance(event, CallEnded):
        return called_at(event, context.now) if event.channel in LIVE else None
    if not isinstance(event, MessageReceived) or event.channel not in LIVE or ticket.sla.ringing_since is not None:
        return None
    goes_on = before is not None and not context.reopened and event.thread_id in ("", *before.conversation.thread_ids)
    return None if goes_on or context.now not in ticket.conversation.unanswered else context.now


def _rung(ledger: Ledger, at: int, before: Ticket | None) -> None:
    ledger.activate("answer", at)
    if before is None or ledger.context.replied_at is None:
        return
    if before.milestones.first_response_at is None and ledger.ticket.episode == 1:
        return
    if ledger.active("next_response") is None and not _told_before(ledger.context.event, before):
        ledger.activate("next_response", at)  # a call that was answered at once


def _told_before(event: Event, before: Ticket) -> bool:
    return isinstance(event, CallEnded) and heard_of(before, event)


def called_at(event: CallEnded, now: int) -> int:
    """Returns when a call began to ring."""
    seconds = event.wait_seconds + (event.talk_seconds if event.outcome == "answered" else 0.0)
    return now - round(seconds * MICROS)


def _acknowledged(ledger: Ledger) -> None:
    clock = ledger.active("acknowledgement")
    if clock is None:
        return
    acknowledged = ledger.ticket.milestones.acknowledged_at
    if acknowledged is not None:
        ledger.fulfil("acknowledgement", acknowledged)
    elif ledger.context.has_observed(Suppressed):
        ledger.cancel("acknowledgement", ledger.context.now, "suppressed")


def _answered(ledger: Ledger, at: int, first_before: int | None) -> None:
    if ledger.active("acknowledgement"):
        ledger.fulfil("acknowledgement", at)
    ledger.fulfil("answer", at)
    ledger.fulfil("first_response", at)
    ledger.fulfil("next_response", at)
    if first_before is None:
        clock = ledger.clock("first_response")
        seconds = max(0, at - ledger.ticket.created_at) / MICROS
        within_target = clock is None or at < clock.due_at
        ledger.observe(FirstResponse, at, seconds, within_target)


def _left(ledger: Ledger) -> None:
    """Cancels the clock of a conversation that ended before a person answered."""
    event = ledger.context.event
    if isinstance(event, ChatEnded | CallEnded) and left(event, ledger.ticket):
        ledger.cancel("answer", ledger.context.now, event.outcome)


def left(event: Event, ticket: Ticket) -> bool:
    """Returns true when the event ends the ticket's newest live conversation, which no person has answered so far."""
    if isinstance(event, ChatEnded):
        return ticket.conversation.thread_ids[-1:] == (event.thread_id,)
    return isinstance(event, CallEnded) and event.outcome != "answered"


def _waiting(ledger: Ledger) -> None:
    """next_response runs from the oldest unanswered message, once there was an answer or a reopening."""
    ticket = ledger.ticket
    if not ticket.conversation.unanswered or (ticket.milestones.first_response_at is None and ticket.episode == 1):
        return
    oldest = ticket.conversation.unanswered[0]
    clock = ledger.active("next_response")
    if clock is None:
        ledger.activate("next_response", oldest)
    elif oldest < clock.started_at and not clock.breached:
        ledger.move("next_response", oldest)


def _stands(ledger: Ledger) -> None:
    """Clocks stand still in the states that are not theirs, and run on in their own."""
    ticket = ledger.ticket
    at = max(ledger.context.now, ticket.sla.status_history[-1].at)
    for name, states in STATES.items():
        if ticket.status in states:
            ledger.resume(name, at)
        else:
            ledger.pause(name, at)


def _finished_earlier(ledger: Ledger, before: Ticket) -> None:
    """A solve from before the one that is known arrived: what that one stopped, stopped then."""
    at, stopped_at = ledger.ticket.milestones.last_solved_at, before.milestones.last_solved_at
    assert at is not None
    for clock in before.clocks:
        if clock.stopped_at != stopped_at or clock.episode != before.episode or at < clock.started_at:
            continue
        if clock.cancelled:
            ledger.cancel_earlier(clock.name, at)
        elif clock.name in _UNTIL_SOLVED:
            ledger.fulfil(clock.name, at)


def _finished(ledger: Ledger, now: int) -> None:
    status = ledger.ticket.status
    if status == "solved":
        for name in _UNTIL_SOLVED:
            ledger.fulfil(name, now)
    for name in ("acknowledgement", "answer", "first_response", "next_response", *_UNTIL_SOLVED):
        ledger.cancel(name, now, status)

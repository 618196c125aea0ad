"""measure_sla: the SLA clocks of a ticket, in calendar time or working time, and their ledger.

What the clocks follow is the ticket, not the kind of event: this step compares the ticket with what it was before.

  acknowledgement   from the opening message to our acknowledgement, or to a person's answer if that comes first
  first_response    from the opening message to the first public answer of a person; never restarted
  next_response     from the oldest message that no person has answered, once there was an answer or a new episode
  full_resolution   from the start of the episode to its solve

- A deadline that passes without an answer is a breach, stamped with the deadline. An answer at the deadline is late.
- An answer from before the deadline that arrives after the breach withdraws it: `correct`, then `fulfil`.
- An answer that arrives late and is older than the one that stopped a clock restates it in the same way.
- A message is unanswered when it arrives after an answer, even if it was written before: nobody can have read it.
- Where the policy names a calendar, targets count its working time, and rows say both: seconds and business seconds.
- A clock keeps the policy and the calendar with which it started; a change of priority, tags or team counts for later clocks.
- Reopening starts next_response and full_resolution anew; first_response and acknowledgement stay as they were.
- Solving fulfils full_resolution and cancels the other clocks; closing without a solve (spam) cancels all.
"""

from __future__ import annotations

import msgspec

from schemas.clock import MICROS
from schemas.events import Tick
from schemas.facts import ClockFact
from stream_processors.calendars import Calendar
from stream_processors.policies import Policy, due_at
from stream_processors.processor import Output
from stream_processors.tickets.state import Clock, Customer, Ticket
from stream_processors.tickets.thread import finished_at
from stream_processors.tickets.turn import Happening, Turn

__all__ = ["expire", "next_deadline", "step"]


def next_deadline(customer: Customer) -> int | None:
    """The earliest deadline (micros) of a running clock; imported tickets wait for the customer's next event."""
    dues = [
        clock.due_at
        for ticket in customer.tickets
        if not ticket.imported
        for clock in ticket.clocks
        if clock.stopped_at is None and not clock.breached
    ]
    return min(dues, default=None)


def expire(turn: Turn) -> Turn:
    """Before anything else: every deadline of this customer that is not after now has been missed."""
    now = turn.now
    due = [
        (clock.due_at, ticket.number, clock.name)
        for ticket in turn.customer.tickets
        for clock in ticket.clocks
        if clock.stopped_at is None and not clock.breached and clock.due_at <= now
    ]
    if not due:
        return turn
    tickets = {ticket.number: ticket for ticket in turn.customer.tickets}
    for _, number, name in sorted(due):
        ledger = _Ledger(turn, tickets[number], tickets[number].team)
        ledger.breach(name)
        turn, tickets[number] = ledger.close(), ledger.ticket
    customer = msgspec.structs.replace(turn.customer, tickets=tuple(tickets.values()))
    return turn.but(customer=customer)


def step(turn: Turn) -> Turn:
    """Start, fulfil, restate and cancel clocks as the ticket has changed."""
    ticket = turn.ticket
    if ticket is None or type(turn.event) is Tick:
        return turn
    team, policy = turn.team, turn.policy
    if ticket.policy != policy.name or ticket.policy_version != policy.version:
        ticket = msgspec.structs.replace(ticket, policy=policy.name, policy_version=policy.version)
    before = next((each for each in turn.before.tickets if each.number == ticket.number), None)
    ledger = _Ledger(turn, ticket, team, policy)
    if before is None:
        _opened(ledger)
    elif ticket.episode > before.episode:
        _reopened(ledger, turn.now)
    _acknowledged(ledger)
    if turn.replied_at is not None:
        _answered(ledger, turn.replied_at, None if before is None else before.first_response_at)
    _waiting(ledger)
    if before is not None and ticket.status != before.status and finished_at(ticket) is not None:
        _finished(ledger, turn.now)
    return ledger.close().but(ticket=ledger.ticket)


# -- what can happen to a ticket --------------------------------------------------------------------------------------


def _opened(ledger: _Ledger) -> None:
    ticket = ledger.ticket
    if not ticket.imported:  # nobody acknowledges history
        ledger.activate("acknowledgement", ticket.created_at)
    ledger.activate("first_response", ticket.created_at)
    ledger.activate("full_resolution", ticket.created_at)


def _reopened(ledger: _Ledger, now: int) -> None:
    ledger.activate("full_resolution", now)


def _acknowledged(ledger: _Ledger) -> None:
    clock = ledger.running("acknowledgement")
    if clock is None:
        return
    acknowledged = ledger.ticket.acknowledged_at
    if acknowledged is not None:
        ledger.fulfil("acknowledgement", acknowledged)
    elif any(each.name == "suppressed" for each in ledger.turn.happened):
        ledger.cancel("acknowledgement", ledger.turn.now)


def _answered(ledger: _Ledger, at: int, first_before: int | None) -> None:
    if ledger.running("acknowledgement"):
        ledger.fulfil("acknowledgement", at)
    ledger.fulfil("first_response", at)
    ledger.fulfil("next_response", at)
    if first_before is None:
        clock = ledger.clock("first_response")
        seconds = max(0, at - ledger.ticket.created_at) / MICROS
        ledger.note("first_response", at, seconds, within=clock is None or at < clock.due_at)


def _waiting(ledger: _Ledger) -> None:
    """next_response runs from the oldest unanswered message, once there was an answer or a reopening."""
    ticket = ledger.ticket
    if not ticket.unanswered or (ticket.first_response_at is None and ticket.episode == 1):
        return
    oldest = ticket.unanswered[0]
    clock = ledger.running("next_response")
    if clock is None:
        ledger.activate("next_response", oldest)
    elif oldest < clock.started_at and not clock.breached:
        ledger.move("next_response", oldest)


def _finished(ledger: _Ledger, now: int) -> None:
    if ledger.ticket.status == "solved":
        ledger.fulfil("full_resolution", now)
    for name in ("acknowledgement", "first_response", "next_response", "full_resolution"):
        ledger.cancel(name, now)


# -- the ledger -------------------------------------------------------------------------------------------------------


class _Ledger:
    """The clocks of one ticket while one event is folded, with the rows and happenings that come of it."""

    __slots__ = ("_clocks", "_happened", "_noticed_at", "_policy", "_rows", "_team", "_ticket", "_ticket_id", "turn")

    def __init__(self, turn: Turn, ticket: Ticket, team: str, policy: Policy | None = None) -> None:
        event = turn.event
        self.turn, self._ticket, self._team, self._policy = turn, ticket, team, policy
        self._clocks = {clock.name: clock for clock in ticket.clocks}
        self._ticket_id = ticket.id_at(event.customer_tag)
        self._noticed_at = turn.now if event.imported else event.received_at
        self._rows: list[Output] = []
        self._happened: list[Happening] = []

    @property
    def ticket(self) -> Ticket:
        clocks = tuple(self._clocks.values())
        if clocks == self._ticket.clocks:
            return self._ticket
        return msgspec.structs.replace(self._ticket, clocks=clocks)

    def clock(self, name: str) -> Clock | None:
        return self._clocks.get(name)

    def running(self, name: str) -> Clock | None:
        clock = self._clocks.get(name)
        return clock if clock is not None and clock.stopped_at is None else None

    def activate(self, name: str, since: int) -> None:
        """Start a clock, if the policy has a target for it. A new instance replaces the one that stopped."""
        policy = self._policy
        if policy is None or (target := policy.targets.get(name)) is None:
            return
        if self.running(name):
            self.cancel(name, self.turn.now)
        last = self._clocks.get(name)
        episode = self._ticket.episode
        clock = Clock(
            name=name,
            instance=last.instance + 1 if last is not None and last.episode == episode else 1,
            started_at=since,
            target_seconds=target,
            due_at=due_at(since, target, policy.calendar),
            policy=self._ticket.policy,
            policy_version=self._ticket.policy_version,
            sequence=0,
            episode=episode,
            calendar=policy.calendar.name if policy.calendar else "",
        )
        self._row(clock, "activate", since)

    def move(self, name: str, since: int) -> None:
        """A running clock should have started earlier: an older message came late."""
        clock = self._clocks[name]
        due = due_at(since, clock.target_seconds, self._calendar(clock))
        self._row(msgspec.structs.replace(clock, started_at=since, due_at=due), "correct", since)

    def breach(self, name: str) -> None:
        clock = self._clocks[name]
        breached = msgspec.structs.replace(clock, breached=True, team=self._team, priority=self._ticket.priority)
        self._breaches(+1)
        self._row(breached, "breach", clock.due_at)
        self.note("breached", clock.due_at)

    def fulfil(self, name: str, at: int) -> None:
        """Stop a clock by an answer at `at`. One that stopped later, or breached wrongly, is corrected first."""
        clock = self._clocks.get(name)
        if clock is None or at < clock.started_at or not self._moves(clock, at):
            return
        if clock.stopped_at is not None or (clock.breached and at < clock.due_at):
            self._correct(clock, at)
        elif not clock.breached and at >= clock.due_at:
            self.breach(name)
        corrected = self._clocks[name]
        stopped = msgspec.structs.replace(corrected, stopped_at=at, cancelled=False)
        self._row(stopped, "fulfil", at)
        was_met = clock.stopped_at is not None and not clock.cancelled and not clock.breached
        if not corrected.breached and not was_met:
            self.note("met", at)

    def _moves(self, clock: Clock, at: int) -> bool:
        """Whether an answer at `at` says something new about the clock.

        A clock that was cancelled by a solve is revived by the answer that came with the solve, never into a breach.
        """
        if clock.stopped_at is None:
            return True
        if clock.cancelled:
            return clock.episode == self._ticket.episode and at < clock.due_at
        return at < clock.stopped_at

    def cancel(self, name: str, at: int) -> None:
        """Stop a running clock without an answer."""
        clock = self.running(name)
        if clock is not None:
            stopped = msgspec.structs.replace(clock, stopped_at=at, cancelled=True)
            self._row(stopped, "cancel", at)

    def note(self, name: str, at: int, detail: float = 0.0, *, within: bool = False) -> None:
        self._happened.append(Happening(name, at, self._ticket, detail, within))

    def close(self) -> Turn:
        """The turn with all rows and happenings."""
        if not self._rows and not self._happened:
            return self.turn
        turn = self.turn
        return turn.but(outputs=(*turn.outputs, *self._rows), happened=(*turn.happened, *self._happened))

    def _correct(self, clock: Clock, at: int) -> None:
        if not (clock.breached and at < clock.due_at):
            self._row(clock, "correct", at)
            return
        charged_to = msgspec.structs.replace(
            self._ticket, team=clock.team, priority=clock.priority, policy=clock.policy
        )
        self._breaches(-1)
        self._row(msgspec.structs.replace(clock, breached=False), "correct", at)
        self._happened.append(Happening("corrected", clock.due_at, charged_to))

    def _breaches(self, step: int) -> None:
        count = self._ticket.clocks_breached + step
        self._ticket = msgspec.structs.replace(self._ticket, clocks_breached=count)

    def _calendar(self, clock: Clock) -> Calendar | None:
        return self.turn.calendar_of(clock)

    def _row(self, clock: Clock, transition: str, at: int) -> None:
        calendar = self._calendar(clock)
        sequence = clock.sequence + 1
        self._clocks[clock.name] = msgspec.structs.replace(clock, sequence=sequence)
        ticket, (partition, offset) = self._ticket, self.turn.position
        row = ClockFact(
            customer_tag=self.turn.event.customer_tag,
            version=ticket.version_at(offset),
            partition=partition,
            at=at,
            ticket_id=self._ticket_id,
            episode=clock.episode,
            clock=clock.name,
            instance=clock.instance,
            transition=transition,
            sequence=sequence,
            detected_at=self._noticed_at,
            policy=clock.policy,
            policy_version=clock.policy_version,
            target_seconds=clock.target_seconds,
            due_at=clock.due_at,
            elapsed_seconds=None if transition == "activate" else max(0, at - clock.started_at) / MICROS,
            elapsed_business_seconds=None
            if transition == "activate" or calendar is None
            else max(0.0, calendar.business_seconds(clock.started_at, at)),
            calendar=clock.calendar,
            channel=ticket.channel,
            priority=ticket.priority,
            team=self._team,
        )
        self._rows.append(Output(row))

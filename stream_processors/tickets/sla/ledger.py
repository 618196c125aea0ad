"""Keeps the ledger of one ticket's SLA clocks: a clock moves by writing a row, and no other way.

- A deadline that passes without an answer is a breach, stamped with the deadline. An answer at the deadline is late.
- What happened before a deadline and is heard of after the breach withdraws it: `correct`, then `fulfil`, `pause` or `cancel`.
- What a clock's target is to be, it took from the policy when it started, and so it stays.
- When a clock stops or is paused, the shares of those who held the ticket meanwhile are written.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from schemas.calendars import Calendar
from schemas.clock import MICROS
from schemas.facts import ClockFact
from stream_processors.rules.policies import Policy, due_at
from stream_processors.runtime.processor import Output
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.observations import BreachWithdrawn, ClockAtRisk, ClockBreached, ClockMet, Observation
from stream_processors.tickets.sla.status_history import Time, added, charged, elapsed, record_status, spent_in
from stream_processors.tickets.state import Clock, ClockCharges, ClockShare, ClockTerms, Ticket

__all__ = ["Ledger"]

_CHARGED_AT = frozenset(("pause", "fulfil", "cancel"))


class Ledger:
    """Holds the clocks of one ticket while one event is folded, with the rows and the observations that come of it."""

    __slots__ = (
        "_changed",
        "_clocks",
        "_observed",
        "_policy",
        "_rows",
        "_shared",
        "_team",
        "_ticket",
        "context",
    )

    def __init__(self, context: FoldContext, ticket: Ticket, team: str, policy: Policy | None = None) -> None:
        event = context.event
        self.context, self._ticket, self._team, self._policy = context, ticket, team, policy
        self._clocks = {clock.name: clock for clock in ticket.clocks}
        self._changed = False
        #: What all rows of this ledger have in common.
        self._shared = {
            "customer_tag": event.customer_tag,
            "version": ticket.version_at(context.position.offset),
            "partition": context.position.partition,
            "ticket_id": ticket.id_at(event.customer_tag),
            "detected_at": context.now if event.imported else event.received_at,
            "team": team,
        }
        self._rows: list[Output] = []
        self._observed: list[Observation] = []

    @property
    def ticket(self) -> Ticket:
        """Returns the ticket with its clocks as they are now."""
        if self._changed:
            self._ticket = replace(self._ticket, clocks=tuple(self._clocks.values()))
            self._changed = False
        return self._ticket

    def clock(self, name: str) -> Clock | None:
        """Returns the clock of this name, if the ticket ever had one."""
        return self._clocks.get(name)

    def active(self, name: str) -> Clock | None:
        """Returns the clock, unless it has stopped; it may be paused."""
        clock = self._clocks.get(name)
        return clock if clock is not None and clock.stopped_at is None else None

    # -- how a clock moves ----------------------------------------------------------------------------------------

    def activate(self, name: str, since: int) -> None:
        """Start a clock, if the policy has a target for it. A new instance replaces the one that stopped."""
        policy = self._policy
        if policy is None or (target := policy.targets.get(name)) is None:
            return
        if self.active(name):
            self.cancel(name, self.context.now, "restarted")
        last, episode = self._clocks.get(name), self._ticket.episode
        again = last if last is not None and last.episode == episode else None
        calendar = policy.calendar
        at_risk = () if self._ticket.imported else policy.at_risk
        calendar_name = "" if calendar is None else calendar.name
        written = () if again is None else again.charges.written
        clock = Clock(
            name=name,
            instance=1 if again is None else again.instance + 1,
            started_at=since,
            due_at=due_at(since, target, calendar),
            terms=ClockTerms(target, policy.name, policy.version, calendar_name, at_risk),
            episode=episode,
            run_at=since,
            alert_at=due_at(since, target * at_risk[0] / 100, calendar) if at_risk else None,
            charges=ClockCharges(written, written) if written else ClockCharges(),
        )
        self._put(clock, "activate", since, calendar)

    def move(self, name: str, since: int) -> None:
        """Lets a running clock start earlier: an older message came late."""
        clock = self._clocks[name]
        moved = replace(clock, started_at=since, run_at=since, ran=0)
        self._row(moved, "correct", since, **_alarms(moved, self.context.calendar_of(clock)))

    def pause(self, name: str, at: int) -> None:
        """Pauses a clock in a state of the ticket that is not its own; a breach that it did not come to is withdrawn.

        Alarms that were due before `at` are written first: a call is folded when it is over, with all that fell due meanwhile.
        """
        clock = self.active(name)
        if clock is None or clock.paused_at is not None:
            return
        while (due := self._clocks[name].next_at) is not None and due <= at:
            self.warn_or_breach(name)
        clock = self._clocks[name]
        if clock.breached and at < clock.due_at:
            self._correct(clock, at)
            clock = self._clocks[name]
        self._row(clock, "pause", at, paused_at=at, alert_at=None)

    def resume(self, name: str, at: int) -> None:
        """Resumes a clock: it is due when what is left of its target has passed. One that has breached only counts on."""
        clock = self.active(name)
        if clock is None or clock.paused_at is None:
            return
        calendar = self.context.calendar_of(clock)
        passed = elapsed(clock, self._ticket.sla.status_history, at, calendar)
        # how much of its target has passed: working time where it counts that
        resumed = replace(clock, paused_at=None, run_at=at, ran=passed.micros if calendar is None else passed.business)
        self._row(resumed, "resume", at, passed=passed, **({} if clock.breached else _alarms(resumed, calendar)))

    def warn_or_breach(self, name: str) -> None:
        """Writes the next alarm of a running clock: the warning that so many percent of its target have passed, or the breach."""
        clock = self._clocks[name]
        alert = clock.alert_at
        if alert is None or alert > clock.due_at:
            self.breach(name)
            return
        threshold = _next_warning(clock)
        warned = replace(clock, risk=threshold)
        self._row(warned, "at_risk", alert, threshold=threshold, **_alarms(warned, self.context.calendar_of(clock)))
        if self.context.rules.automations.of_tickets:
            self.observe(ClockAtRisk, alert, warned, self._team)

    def breach(self, name: str) -> None:
        """Write the breach of a clock, stamped with its deadline."""
        clock = self._clocks[name]
        self._breaches(+1)
        self._row(clock, "breach", clock.due_at, breached=True, team=self._team, priority=self._ticket.priority)
        self.observe(ClockBreached, clock.due_at, clock, self._team)

    def fulfil(self, name: str, at: int) -> None:
        """Stop a clock by an answer at `at`. One that stopped later, or breached wrongly, is corrected first."""
        clock = self._clocks.get(name)
        if clock is None or at < clock.started_at or not _moves(clock, at, self._ticket.episode):
            return
        if clock.stopped_at is not None or (clock.breached and at < clock.due_at):
            self._correct(clock, at)
        elif not clock.breached and clock.paused_at is None and at >= clock.due_at:
            self.breach(name)
        corrected = self._clocks[name]
        self._row(corrected, "fulfil", at, stopped_at=at, cancelled=False, alert_at=None)
        was_met = clock.stopped_at is not None and not clock.cancelled and not clock.breached
        if not corrected.breached and not was_met:
            self.observe(ClockMet, at, clock, self._team)

    def cancel(self, name: str, at: int, reason: str) -> None:
        """Stop a clock without an answer; whoever waited longer than its target before was late, and nobody else."""
        clock = self.active(name)
        if clock is None:
            return
        if clock.breached and at < clock.due_at:
            self._correct(clock, at)
        elif clock.running and not clock.breached and at >= clock.due_at:
            self.breach(name)
        self._row(self._clocks[name], "cancel", at, reason=reason, stopped_at=at, cancelled=True, alert_at=None)

    def cancel_earlier(self, name: str, at: int) -> None:
        """Restates a clock that a solve cancelled: an earlier solve is the one that counts."""
        self._correct(self._clocks[name], at)
        self._row(self._clocks[name], "cancel", at, reason="solved", stopped_at=at, cancelled=True, alert_at=None)

    def observe(self, kind: type[Observation], at: int, *values: Any) -> None:
        """Tell the later steps of something."""
        self._observed.append(kind(at, self._ticket, *values))

    def close(self) -> FoldContext:
        """Returns the context with all rows and the observations."""
        if not self._rows and not self._observed:
            return self.context
        context = self.context
        return context.replace(outputs=(*context.outputs, *self._rows), observed=(*context.observed, *self._observed))

    # -- what is charged ------------------------------------------------------------------------------------------

    def hand_over(self, at: int) -> None:
        """Charges those before until `at`: whoever has the ticket now has had it since then, though we hear of it later."""
        ticket, last = self.ticket, self._ticket.sla.status_history[-1]
        if (last.team, last.agent) == (self._team, ticket.assignee):
            return
        self.charge_running(max(at, last.at))
        held = record_status(replace(ticket, status=last.status), at, self._team)
        self._ticket = replace(self.ticket, sla=held.sla)

    def charge_running(self, until: int) -> None:
        """Charge every clock that runs to those who have held the ticket until now: it changes hands."""
        for clock in tuple(self._clocks.values()):
            if clock.running:
                calendar = self.context.calendar_of(clock)
                shares = charged(clock, self._ticket.sla.status_history, until, calendar)
                charges = replace(clock.charges, written=_with_carried(clock, shares, until))
                self._clocks[clock.name] = replace(clock, charges=charges)
                self._changed = True

    # -- rows -----------------------------------------------------------------------------------------------------

    def _correct(self, clock: Clock, at: int) -> None:
        if not (clock.breached and at < clock.due_at):
            self._row(clock, "correct", at)
            return
        sla = replace(self._ticket.sla, policy=clock.terms.policy)
        charged_to = replace(self._ticket, team=clock.team, priority=clock.priority, sla=sla)
        self._breaches(-1)
        # who had stopped it by then stopped it before it was paused
        self._row(clock, "correct", at, breached=False, paused_at=None)
        self._observed.append(BreachWithdrawn(clock.due_at, charged_to, clock, clock.team))

    def _breaches(self, step: int) -> None:
        counts = self._ticket.counts
        self._ticket = replace(self._ticket, counts=replace(counts, clocks_breached=counts.clocks_breached + step))

    def _row(
        self,
        clock: Clock,
        transition: str,
        at: int,
        *,
        threshold: int = 0,
        reason: str = "",
        passed: Time | None = None,
        **changes: Any,
    ) -> None:
        """Write the clock's next row, and keep the clock with these changes."""
        calendar, history = self.context.calendar_of(clock), self._ticket.sla.status_history
        if transition in _CHARGED_AT:
            shares = charged(clock, history, at, calendar)
            written = _with_carried(clock, shares, at)
            if written != clock.charges.written:
                changes["charges"] = replace(clock.charges, written=written)
            if history and at >= clock.charges.counted_from:
                passed = spent_in(clock, shares)
        if passed is None:
            passed = elapsed(clock, history, at, calendar)
        self._put(
            replace(clock, sequence=clock.sequence + 1, **changes), transition, at, calendar, passed, threshold, reason
        )

    def _put(
        self,
        clock: Clock,
        transition: str,
        at: int,
        calendar: Calendar | None,
        passed: Time | None = None,
        threshold: int = 0,
        reason: str = "",
    ) -> None:
        self._clocks[clock.name] = clock
        self._changed = True
        row = _fact(self._shared, self._ticket, clock, transition, at, calendar, passed, threshold, reason)
        self._rows.append(Output(row))


def _fact(
    shared: dict[str, Any],
    ticket: Ticket,
    clock: Clock,
    transition: str,
    at: int,
    calendar: Calendar | None,
    passed: Time | None,
    threshold: int,
    reason: str,
) -> ClockFact:
    terms = clock.terms
    return ClockFact(
        **shared,
        at=at,
        episode=clock.episode,
        clock=clock.name,
        instance=clock.instance,
        transition=transition,
        sequence=clock.sequence,
        policy=terms.policy,
        policy_version=terms.policy_version,
        target_seconds=terms.target_seconds,
        due_at=None if clock.paused_at is not None else clock.due_at,
        elapsed_seconds=None if passed is None else passed.micros / MICROS,
        elapsed_business_seconds=None if passed is None or calendar is None else passed.business / MICROS,
        channel=ticket.channel,
        priority=ticket.priority,
        calendar=terms.calendar,
        threshold=threshold,
        reason=reason,
        ticket_policy=ticket.sla.policy,
        brand=ticket.brand,
    )


def _moves(clock: Clock, at: int, episode: int) -> bool:
    """Returns true when an answer at `at` changes the clock.

    A clock that was cancelled by a solve is revived by an answer from before it, and by the one that came with the solve,
    a little later, but never into a breach. Whoever has left (`answer`) was not answered by what came afterwards.
    """
    if clock.stopped_at is None or at < clock.stopped_at:
        return True
    if at == clock.stopped_at or not clock.cancelled:
        return clock.cancelled
    return clock.name != "answer" and clock.episode == episode and at < clock.due_at


def _with_carried(clock: Clock, shares: tuple[ClockShare, ...], until: int) -> tuple[ClockShare, ...]:
    """Returns what the clock is charged in this episode: these shares and those of earlier instances."""
    if until <= clock.started_at and not clock.charges.written:
        return ()
    return added(clock.charges.carried, shares) if clock.charges.carried else shares


def _next_warning(clock: Clock) -> int:
    return next((each for each in clock.terms.at_risk if each > clock.risk), 0)


def _alarms(clock: Clock, calendar: Calendar | None) -> dict[str, Any]:
    """Returns when the clock is due and when it warns next, from when it began to run."""
    due = due_at(clock.run_at, clock.terms.target_seconds - clock.ran / MICROS, calendar)
    warning = _next_warning(clock)
    alert = None
    if warning:
        left = clock.terms.target_seconds * warning / 100 - clock.ran / MICROS
        alert = due_at(clock.run_at, max(0.0, left), calendar)
    return {"due_at": due, "alert_at": alert}

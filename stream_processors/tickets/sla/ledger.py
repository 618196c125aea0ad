"""The ledger of one ticket's SLA clocks: a clock moves by writing a row, and no other way.

- A deadline that passes without an answer is a breach, stamped with the deadline. An answer at the deadline is late.
- What happened before a deadline and is heard of after the breach withdraws it: `correct`, then `fulfil`, `pause` or `cancel`.
- What a clock's target is to be, it took from the policy when it started, and so it stays.
- When a clock stops or is paused, the shares of those who held the ticket meanwhile are written.
"""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.clock import MICROS
from schemas.facts import ClockFact
from stream_processors.rules.calendars import Calendar
from stream_processors.rules.policies import Policy, due_at
from stream_processors.runtime.processor import Output
from stream_processors.tickets.context import FoldContext, Observation
from stream_processors.tickets.sla.status_history import Time, added, charged, elapsed, record_status
from stream_processors.tickets.state import Clock, ClockShare, Ticket

__all__ = ["Ledger"]

_CHARGED_AT = frozenset(("pause", "fulfil", "cancel"))


class Ledger:
    """The clocks of one ticket while one event is folded, with the rows and happenings that come of it."""

    __slots__ = (
        "_changed",
        "_clocks",
        "_noticed_at",
        "_observed",
        "_policy",
        "_rows",
        "_team",
        "_ticket",
        "_ticket_id",
        "context",
    )

    def __init__(self, context: FoldContext, ticket: Ticket, team: str, policy: Policy | None = None) -> None:
        event = context.event
        self.context, self._ticket, self._team, self._policy = context, ticket, team, policy
        self._clocks = {clock.name: clock for clock in ticket.clocks}
        self._changed = False
        self._ticket_id = ticket.id_at(event.customer_tag)
        self._noticed_at = context.now if event.imported else event.received_at
        self._rows: list[Output] = []
        self._observed: list[Observation] = []

    @property
    def ticket(self) -> Ticket:
        if self._changed:
            self._ticket = msgspec.structs.replace(self._ticket, clocks=tuple(self._clocks.values()))
            self._changed = False
        return self._ticket

    def clock(self, name: str) -> Clock | None:
        return self._clocks.get(name)

    def active(self, name: str) -> Clock | None:
        """The clock, unless it has stopped; it may be paused."""
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
        clock = Clock(
            name=name,
            instance=1 if again is None else again.instance + 1,
            started_at=since,
            target_seconds=target,
            due_at=due_at(since, target, calendar),
            policy=policy.name,
            policy_version=policy.version,
            sequence=1,
            episode=episode,
            calendar="" if calendar is None else calendar.name,
            run_at=since,
            at_risk=at_risk,
            alert_at=due_at(since, target * at_risk[0] / 100, calendar) if at_risk else None,
            written=() if again is None else again.written,
            carried=() if again is None else again.written,
        )
        self._put(clock, "activate", since, None)

    def move(self, name: str, since: int) -> None:
        """A running clock should have started earlier: an older message came late."""
        clock = self._clocks[name]
        moved = msgspec.structs.replace(clock, started_at=since, run_at=since, ran=0)
        self._row(_armed(moved, self._calendar(clock)), "correct", since)

    def pause(self, name: str, at: int) -> None:
        """The ticket is in a state in which this clock stands still; a breach that it did not come to is withdrawn.

        Who is told of a call when it is over is told only then what a clock had to say meanwhile.
        """
        clock = self.active(name)
        if clock is None or clock.paused_at is not None:
            return
        while (due := self._clocks[name].next_at) is not None and due <= at:
            self.say(name)
        clock = self._clocks[name]
        if clock.breached and at < clock.due_at:
            self._correct(clock, at)
            clock = self._clocks[name]
        self._row(msgspec.structs.replace(clock, paused_at=at, alert_at=None), "pause", at)

    def resume(self, name: str, at: int) -> None:
        """It runs on: due when what is left of its target has passed. One that has breached only counts on."""
        clock = self.active(name)
        if clock is None or clock.paused_at is None:
            return
        resumed = msgspec.structs.replace(clock, paused_at=None, run_at=at, ran=self._own(clock, at))
        if not clock.breached:
            resumed = _armed(resumed, self._calendar(clock))
        self._row(resumed, "resume", at)

    def say(self, name: str) -> None:
        """The next thing that a running clock has to say: that so many percent of its target have passed, or all."""
        clock = self._clocks[name]
        alert = clock.alert_at
        if alert is None or alert > clock.due_at:
            self.breach(name)
            return
        threshold = _next_warning(clock)
        warned = _armed(msgspec.structs.replace(clock, risk=threshold), self._calendar(clock))
        self._row(warned, "at_risk", alert, threshold=threshold)

    def breach(self, name: str) -> None:
        clock = self._clocks[name]
        breached = msgspec.structs.replace(clock, breached=True, team=self._team, priority=self._ticket.priority)
        self._breaches(+1)
        self._row(breached, "breach", clock.due_at)
        self.observe("breached", clock.due_at)

    def fulfil(self, name: str, at: int) -> None:
        """Stop a clock by an answer at `at`. One that stopped later, or breached wrongly, is corrected first."""
        clock = self._clocks.get(name)
        if clock is None or at < clock.started_at or not self._moves(clock, at):
            return
        if clock.stopped_at is not None or (clock.breached and at < clock.due_at):
            self._correct(clock, at)
        elif not clock.breached and clock.paused_at is None and at >= clock.due_at:
            self.breach(name)
        corrected = self._clocks[name]
        stopped = msgspec.structs.replace(corrected, stopped_at=at, cancelled=False, alert_at=None)
        self._row(stopped, "fulfil", at)
        was_met = clock.stopped_at is not None and not clock.cancelled and not clock.breached
        if not corrected.breached and not was_met:
            self.observe("met", at)

    def _moves(self, clock: Clock, at: int) -> bool:
        """Whether an answer at `at` says something new about the clock.

        A clock that was cancelled by a solve is revived by an answer from before it, and by the one that came with the solve,
        a little later, but never into a breach. Whoever has left (`answer`) was not answered by what came afterwards.
        """
        if clock.stopped_at is None or at < clock.stopped_at:
            return True
        if at == clock.stopped_at or not clock.cancelled:
            return clock.cancelled
        return clock.name != "answer" and clock.episode == self._ticket.episode and at < clock.due_at

    def cancel(self, name: str, at: int, reason: str) -> None:
        """Stop a clock without an answer; whoever waited longer than its target before was late, and nobody else."""
        clock = self.active(name)
        if clock is None:
            return
        if clock.breached and at < clock.due_at:
            self._correct(clock, at)
        elif clock.running and not clock.breached and at >= clock.due_at:
            self.breach(name)
        stopped = msgspec.structs.replace(self._clocks[name], stopped_at=at, cancelled=True, alert_at=None)
        self._row(stopped, "cancel", at, reason=reason)

    def observe(self, name: str, at: int, detail: float = 0.0, *, within: bool = False) -> None:
        self._observed.append(Observation(name, at, self._ticket, detail, within))

    def close(self) -> FoldContext:
        """The turn with all rows and happenings."""
        if not self._rows and not self._observed:
            return self.context
        context = self.context
        return context.replace(outputs=(*context.outputs, *self._rows), observed=(*context.observed, *self._observed))

    # -- what is charged ------------------------------------------------------------------------------------------

    def hand_over(self, at: int) -> None:
        """Whoever has the ticket now has had it since `at`, though we hear of it later: those before are charged until then."""
        ticket, last = self.ticket, self._ticket.status_history[-1]
        if (last.team, last.agent) == (self._team, ticket.assignee):
            return
        self.charge_running(max(at, last.at))
        held = record_status(msgspec.structs.replace(ticket, status=last.status), at, self._team)
        self._ticket = msgspec.structs.replace(self.ticket, status_history=held.status_history)

    def charge_running(self, until: int) -> None:
        """Charge every clock that runs to those who have held the ticket until now: it changes hands."""
        for clock in tuple(self._clocks.values()):
            if clock.running:
                self._clocks[clock.name] = msgspec.structs.replace(clock, written=self._charged(clock, until))
                self._changed = True

    def _charged(self, clock: Clock, until: int) -> tuple[ClockShare, ...]:
        if until <= clock.started_at and not clock.written:
            return ()
        shares = charged(clock, self._ticket.status_history, until, self._calendar(clock))
        return added(clock.carried, shares) if clock.carried else shares

    # -- rows -----------------------------------------------------------------------------------------------------

    def _correct(self, clock: Clock, at: int) -> None:
        if not (clock.breached and at < clock.due_at):
            self._row(clock, "correct", at)
            return
        charged_to = msgspec.structs.replace(
            self._ticket, team=clock.team, priority=clock.priority, policy=clock.policy
        )
        self._breaches(-1)
        # who had stopped it by then stopped it before it was paused
        self._row(msgspec.structs.replace(clock, breached=False, paused_at=None), "correct", at)
        self._observed.append(Observation("corrected", clock.due_at, charged_to))

    def _breaches(self, step: int) -> None:
        count = self._ticket.clocks_breached + step
        self._ticket = msgspec.structs.replace(self._ticket, clocks_breached=count)

    def _calendar(self, clock: Clock) -> Calendar | None:
        return self.context.calendar_of(clock)

    def _elapsed(self, clock: Clock, at: int) -> Time:
        return elapsed(clock, self._ticket.status_history, at, self._calendar(clock))

    def _own(self, clock: Clock, at: int) -> int:
        """How much of its target has passed (micros): working time where it counts that."""
        passed = self._elapsed(clock, at)
        return passed.micros if self._calendar(clock) is None else passed.business

    def _row(self, clock: Clock, transition: str, at: int, *, threshold: int = 0, reason: str = "") -> None:
        """The clock's next row, and the clock as it is then."""
        passed = self._elapsed(clock, at)
        changes: dict[str, Any] = {"sequence": clock.sequence + 1}
        if transition in _CHARGED_AT:
            changes["written"] = self._charged(clock, at)
        self._put(msgspec.structs.replace(clock, **changes), transition, at, passed, threshold, reason)

    def _put(
        self, clock: Clock, transition: str, at: int, passed: Time | None, threshold: int = 0, reason: str = ""
    ) -> None:
        self._clocks[clock.name] = clock
        self._changed = True
        ticket, position = self._ticket, self.context.position
        partition, offset = position.partition, position.offset
        row = ClockFact(
            customer_tag=self.context.event.customer_tag,
            version=ticket.version_at(offset),
            partition=partition,
            at=at,
            ticket_id=self._ticket_id,
            episode=clock.episode,
            clock=clock.name,
            instance=clock.instance,
            transition=transition,
            sequence=clock.sequence,
            detected_at=self._noticed_at,
            policy=clock.policy,
            policy_version=clock.policy_version,
            target_seconds=clock.target_seconds,
            due_at=None if clock.paused_at is not None else clock.due_at,
            elapsed_seconds=None if passed is None else passed.micros / MICROS,
            elapsed_business_seconds=None if passed is None or not self._works(clock) else passed.business / MICROS,
            channel=ticket.channel,
            priority=ticket.priority,
            team=self._team,
            calendar=clock.calendar,
            threshold=threshold,
            reason=reason,
            ticket_policy=ticket.policy,
        )
        self._rows.append(Output(row))

    def _works(self, clock: Clock) -> bool:
        return self._calendar(clock) is not None


def _next_warning(clock: Clock) -> int:
    return next((each for each in clock.at_risk if each > clock.risk), 0)


def _armed(clock: Clock, calendar: Calendar | None) -> Clock:
    """The clock with the instants at which it is due and at which it warns next, from when it began to run."""
    due = due_at(clock.run_at, clock.target_seconds - clock.ran / MICROS, calendar)
    warning = _next_warning(clock)
    alert = None
    if warning:
        left = clock.target_seconds * warning / 100 - clock.ran / MICROS
        alert = due_at(clock.run_at, max(0.0, left), calendar)
    return msgspec.structs.replace(clock, due_at=due, alert_at=alert)

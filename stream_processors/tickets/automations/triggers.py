"""Finds which rules an event concerns, by what the steps before observed and how the ticket has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from schemas.events import Tick
from stream_processors.rules.automations import Automations, Case, Rule
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.observations import (
    ClockAtRisk,
    ClockBreached,
    ClockObservation,
    CsatGiven,
    Observation,
    TagApplied,
)
from stream_processors.tickets.state import Automated, Ticket

__all__ = ["Match", "case_of", "found", "live_tickets", "waiting"]

_HOUR_MICROS = 3_600_000_000
_WATCHED = frozenset((ClockAtRisk, ClockBreached, CsatGiven, TagApplied))


class Match(NamedTuple):
    """A rule that an event concerns: which ticket (its number), in which situation, and why, for people."""

    number: int
    place: int
    rule: Rule
    situation: str
    why: str


def live_tickets(context: FoldContext) -> dict[int, Ticket]:
    """Returns the tickets of the customer as they are now, by number; history is left alone."""
    tickets = {each.number: each for each in context.customer.tickets if not each.imported}
    if (ticket := context.ticket) is not None and not ticket.imported:
        tickets[ticket.number] = ticket
    return tickets


def found(context: FoldContext) -> list[Match]:
    """Returns the rules that this event concerns, in their order; of each ticket the waiting ones last."""
    rules, matches = context.rules.automations, list[Match]()
    if any(type(each) in _WATCHED for each in context.observed):
        matches += _observed(context, rules)
    ticket = context.ticket
    if ticket is not None and not ticket.imported and type(context.event) is not Tick:
        matches += _changed(context, rules, ticket)
    matches.sort(key=lambda match: (match.number, match.place))
    return matches


def waiting(rules: Automations, ticket: Ticket, now: int) -> tuple[Automated | None, list[Match]]:
    """Returns which rules the ticket's time in its status makes fire by now, and what the ticket remembers of the others."""
    automated, waits = ticket.automated, rules.find("in_status", ticket.status)
    if not waits:
        if automated is not None and automated.status:  # the next stay is another one
            automated = Automated(automated.episode, automated.fired)
        return automated, []
    known = automated or Automated(ticket.episode)
    since = known.since if known.status == ticket.status else _since(ticket, now)
    situation = f"in_status:{ticket.status}:{since}"
    matches, dues = [], []
    for rule in waits:
        due = since + rule.stay_micros
        if due > now:
            dues.append(due)
        elif f"{rule.name}|{situation}" not in known.fired:
            hours = rule.stay_micros / _HOUR_MICROS
            matches.append(Match(ticket.number, rule.place, rule, situation, f"{ticket.status} for {hours:g} h"))
    return Automated(known.episode, known.fired, ticket.status, since, min(dues, default=None)), matches


def case_of(context: FoldContext, ticket: Ticket) -> Case:
    """Returns what conditions may ask of the ticket."""
    return Case(
        tag=frozenset(ticket.tags),
        tier=context.customer.tier,
        language=ticket.language,
        channel=ticket.channel,
        brand=context.rules.brands.slug_of(ticket.brand),
        team=ticket.team,
        priority=ticket.priority,
        status=ticket.status,
        assigned=bool(ticket.assignee),
        dissatisfied=ticket.request.dissatisfied,
        public=ticket.request.public,
    )


def _since(ticket: Ticket, now: int) -> int:
    """Returns since when the ticket has been in its status."""
    since = now
    for change in reversed(ticket.sla.status_history):
        if change.status != ticket.status:
            break
        since = change.at
    return since


# -- what was observed --------------------------------------------------------------------------------------------------


def _observed(context: FoldContext, rules: Automations) -> Iterator[Match]:
    tickets = live_tickets(context)
    for observation in context.observed:
        if (read := _READ.get(type(observation))) is None or (said := read(observation)) is None:
            continue
        trigger, key, why = said
        if not (concerned := rules.find(trigger, key)):
            continue
        number = observation.ticket.number if isinstance(observation, ClockObservation) and observation.ticket else -1
        ticket = tickets.get(number) if number >= 0 else context.ticket
        if ticket is None or ticket.imported:
            continue
        situation = f"{trigger}:{ticket.episode}"
        if isinstance(observation, ClockObservation):
            if not _still(ticket, observation):
                continue
            situation = f"{trigger}:{key.replace(' ', ':')}:{ticket.episode}:{observation.clock.instance}"
        for rule in concerned:
            yield Match(ticket.number, rule.place, rule, situation, why)


def _still(ticket: Ticket, observation: ClockObservation) -> bool:
    """Returns true when the clock still stands as it was observed: an answer that came late takes a warning or a breach back."""
    seen = observation.clock
    for clock in ticket.clocks:
        if clock.name == seen.name:
            same = (clock.episode, clock.instance) == (ticket.episode, seen.instance)
            if type(observation) is ClockBreached:
                return same and clock.breached
            return same and clock.stopped_at is None
    return False


def _tag(observation: TagApplied) -> tuple[str, str, str]:
    return "tag", observation.tag, f"tagged {observation.tag}"


def _breach(observation: ClockBreached) -> tuple[str, str, str]:
    name = observation.clock.name
    return "breach", name, f"{name} breached"


def _risk(observation: ClockAtRisk) -> tuple[str, str, str]:
    name, percent = observation.clock.name, observation.clock.risk
    return "at_risk", f"{name} {percent}", f"{name} at {percent} %"


def _score(observation: CsatGiven) -> tuple[str, str, str]:
    return "score", str(observation.score), f"scored {observation.score}"


_READ: dict[type[Observation], Callable[[Any], tuple[str, str, str] | None]] = {
    TagApplied: _tag,
    ClockBreached: _breach,
    ClockAtRisk: _risk,
    CsatGiven: _score,
}


# -- how the ticket changed -----------------------------------------------------------------------------------------------


def _changed(context: FoldContext, rules: Automations, ticket: Ticket) -> Iterator[Match]:
    before, tier = context.ticket_before, context.customer.tier
    begins = before is None or ticket.episode > before.episode
    triggers: list[tuple[str, str, str]] = []
    if before is None:
        triggers.append(("opened", "", "opened"))
    elif begins:
        triggers.append(("reopened", "", "reopened"))
    if tier and (begins or tier != context.before.tier):
        triggers.append(("tier", tier, f"of tier {tier}"))
    if before is None or ticket.status != before.status:
        triggers.append(("status", ticket.status, f"is {ticket.status}"))
    for trigger, key, why in triggers:
        for rule in rules.find(trigger, key):
            situation = f"{trigger}:{ticket.episode}:{key}" if key else f"{trigger}:{ticket.episode}"
            yield Match(ticket.number, rule.place, rule, situation, why)

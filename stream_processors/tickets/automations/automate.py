"""Lets the rules of `automations.yaml` act on the tickets that an event concerns (ADR 48).

- A rule fires once for each situation of a ticket: a tag, a tier or a status once in an episode, each warning and each breach of
  each clock, each stay in a status that lasts long enough. What has fired is remembered with the ticket.
- All rules of one event see the ticket as the event left it, in the order of the file. The first one that sets its priority,
  team, agent or answer decides; what a later one wants is withheld.
- A rule changes a ticket by an event of its own, which is folded next and carries one more automatic hop (`actions`).
  What became impossible until then is withheld as `too_late`, and no dead letter.
- A ticket that no rule concerns costs a look at what was observed. Imported history is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from schemas.errors import Refused
from schemas.events import AssignmentChanged, Event, PriorityChanged, TagCorrected, Tick, Transferred
from schemas.facts import AutomationFact
from stream_processors.rules.automations import DEPTH, SOURCE
from stream_processors.tickets.automations import actions
from stream_processors.tickets.automations.triggers import Match, case_of, found, live_tickets, waiting
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.observations import RuleActed
from stream_processors.tickets.state import Automated, Customer, Ticket

__all__ = ["MOST_FIRED", "is_too_late", "next_deadline", "step", "too_late"]

#: So many firings of an episode are remembered; after that its rules are withheld.
MOST_FIRED = 64
_PREFIX = "rule:"
#: The events by which rules change a ticket → action, and the field that says to what.
_CHANGES: dict[type[Event], tuple[str, str]] = {
    PriorityChanged: ("set_priority", "priority"),
    TagCorrected: ("add_tag", "add"),
    Transferred: ("transfer", "to_team"),
    AssignmentChanged: ("assign", "to_agent"),
}


def next_deadline(customer: Customer) -> int | None:
    """Returns when (micros) a rule that waits for a ticket's time in its status is due next; None while none waits."""
    dues = [
        ticket.automated.due_at
        for ticket in customer.tickets
        if ticket.automated is not None and ticket.automated.due_at is not None and not ticket.imported
    ]
    return min(dues, default=None)


def step(context: FoldContext) -> FoldContext:
    """Fires the rules that this event concerns."""
    rules, is_tick = context.rules.automations, type(context.event) is Tick
    if not (rules.of_tickets or is_tick):
        return context
    matches = found(context) if rules.of_tickets else []
    for ticket in _waiting(context, is_tick):
        automated, late = waiting(rules, ticket, context.now)
        if automated != ticket.automated:
            context = actions.put(context, replace(ticket, automated=automated))
        matches += late
    return _fire(context, matches) if matches else context


def _waiting(context: FoldContext, is_tick: bool) -> Iterator[Ticket]:
    """Yields the tickets whose time in their status may concern a rule now."""
    ticket, now = context.ticket, context.now
    if not is_tick:
        if ticket is not None and not ticket.imported:
            yield ticket
        return
    for each in context.customer.tickets:
        known = each.automated
        if known is not None and known.due_at is not None and known.due_at <= now and not each.imported:
            yield each


def _fire(context: FoldContext, matches: list[Match]) -> FoldContext:
    decided: set[tuple[int, str]] = set()
    for match in matches:
        ticket, rule = live_tickets(context).get(match.number), match.rule
        if ticket is None or not rule.fits(case_of(context, ticket)):
            continue
        known = ticket.automated or Automated(ticket.episode)
        if known.episode != ticket.episode:
            known = replace(known, episode=ticket.episode, fired=())
        firing = f"{rule.name}|{match.situation}"
        if firing in known.fired:
            continue
        reason = "depth" if context.event.causation_depth >= DEPTH else ""
        if len(known.fired) >= MOST_FIRED:
            reason = "too_many"
        else:
            ticket = replace(ticket, automated=replace(known, fired=(*known.fired, firing)))
            context = actions.put(context, ticket)
        context = _act(context, match, decided, reason)
    return context


def _act(context: FoldContext, match: Match, decided: set[tuple[int, str]], withheld: str) -> FoldContext:
    """Carries out the actions of a rule that fires; `decided` is what earlier rules decided of its ticket."""
    earlier = set(decided)
    for number, action in enumerate(match.rule.actions):
        ticket = live_tickets(context)[match.number]
        slot, text, reason = (match.number, action.kind), "", withheld
        firing = actions.Firing(context, ticket, match, number)
        if not reason and action.kind in actions.EXCLUSIVE and slot in earlier:
            reason = "decided_before"
        if not reason:
            context, reason, text = actions.ACTIONS[action.kind](context, firing, action)
            if not reason:
                decided.add(slot)
                if action.kind in actions.BY_DESK:
                    continue  # whether it is sent, and its fact, is the desk's to say
        fact = AutomationFact(
            **context.fact_header(ticket),
            firing_id=firing.firing_id,
            ticket_id=firing.ticket_id,
            rule=match.rule.name,
            trigger=match.rule.trigger,
            situation=match.situation,
            action=action.kind,
            outcome="withheld" if reason else "done",
            target=action.target,
            reason=reason,
            why=match.why,
            text=text,
            team=ticket.team,
            channel=ticket.channel,
            depth=context.event.causation_depth,
            rules_version=context.rules.automations.version,
        )
        context = context.write(fact)
        acted = RuleActed(context.now, ticket, fact.rule, fact.action, fact.outcome, fact.reason)
        context = context.replace(observed=(*context.observed, acted))
    return context


# -- what came too late ---------------------------------------------------------------------------------------------------


def is_too_late(event: Event, error: Exception) -> bool:
    """Returns true when what a rule wanted to change is refused: something else happened to the ticket in between."""
    return event.source == SOURCE and type(event) in _CHANGES and isinstance(error, Refused)


def too_late(context: FoldContext, error: Exception) -> FoldContext:
    """Returns the context with nothing but the fact that says so, instead of a dead letter."""
    event: Any = context.event
    action, field = _CHANGES[type(event)]
    target = getattr(event, field)
    fact = AutomationFact(
        **context.fact_header(),
        firing_id=event.event_id,
        ticket_id=event.ticket_id,
        rule=event.agent_id.removeprefix(_PREFIX),
        trigger="",
        situation="",
        action=action,
        outcome="withheld",
        target=target if isinstance(target, str) else " ".join(target),
        reason="too_late",
        why=str(error),
        depth=event.causation_depth,
        rules_version=context.rules.automations.version,
    )
    return context.write(fact)

"""Carries out the actions of rules, or says why not.

What changes a ticket is an event on its customer's own log, as if an agent had said it (`agent_id` is `rule:NAME`): it is folded
like any other, with one more automatic hop, and its id is that of the firing, so that a crash does nothing twice. What is
said to people goes where one partition sees the whole desk, so that limits hold for all of it.
A person's word stands: no rule changes a priority that a person set, nor brings back a tag that one took away.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec.structs import replace

from schemas.events import (
    AssignmentChanged,
    NotificationRequested,
    PriorityChanged,
    TagCorrected,
    Transferred,
)
from schemas.identity import event_id
from stream_processors.rules.automations import NOTIFICATIONS, SOURCE, Action, filled
from stream_processors.runtime.processor import Output
from stream_processors.tickets.automations import answer
from stream_processors.tickets.automations.triggers import Match
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.lookup import finished_at
from stream_processors.tickets.resolution import episodes
from stream_processors.tickets.state import Ticket
from stream_processors.tickets.surveys import invite
from stream_processors.tickets.tag_counts import KEY
from stream_processors.tickets.trust import is_own

__all__ = ["ACTIONS", "BY_DESK", "EXCLUSIVE", "REASONS", "Firing", "put"]

#: Why an action was withheld; a metric label. `limit` is the desk's.
REASONS = (
    "depth",  # too many automatic hops led here
    "too_many",  # rules fired too often in this episode
    "decided_before",  # an earlier rule of this event decided it
    "already_so",
    "finished",
    "not_solved",
    "set_by_person",
    "removed_by_person",
    "not_at_work",
    "too_late",  # something else happened to the ticket before it was folded
    "already_asked",
    "limit",
    *answer.REASONS,
)
#: Of these a ticket takes one for each event.
EXCLUSIVE = frozenset(("set_priority", "transfer", "assign", "answer"))
BY_DESK = frozenset(NOTIFICATIONS)
_DEFAULT_TEXT = "Ticket {ticket} ({channel}, {priority}, team {team}): {why}. Rule {rule}."
#: What the customer said, and what would call people in a chat if they wrote it: `@here`, `<!channel>`.
_PERSONAL = ("name", "subject", "order_number")
_NO_MENTION = str.maketrans({"<": "‹", ">": "›", "@": "＠"})
_DEFAULT_SUBJECT = "{why}: ticket {ticket}"


class Firing(NamedTuple):
    """One action of a rule that fires on a ticket."""

    context: FoldContext
    ticket: Ticket
    match: Match
    number: int

    @property
    def ticket_id(self) -> str:
        """Returns the id of the ticket."""
        return self.ticket.id_at(self.context.event.customer_tag)

    @property
    def firing_id(self) -> str:
        """Returns by what this action of this situation is known: the same after a crash and in a replay."""
        rule, situation = self.match.rule.name, self.match.situation
        return event_id("automation", self.ticket_id, rule, situation, str(self.number))

    @property
    def base(self) -> dict[str, Any]:
        """Returns the fields of the event that it writes."""
        event = self.context.event
        return {
            "event_id": self.firing_id,
            "occurred_at": self.context.now,
            "received_at": event.received_at,
            "customer_tag": event.customer_tag,
            "source": SOURCE,
            "causation_depth": event.causation_depth + 1,
            "ticket_id": self.ticket_id,
        }


#: What came of an action: the context, why it was withheld ('' for done), and what was said to whom.
Acted = tuple[FoldContext, str, str]


def put(context: FoldContext, ticket: Ticket) -> FoldContext:
    """Returns the context with this ticket as it is now, whether the event is about it or not."""
    if context.ticket is not None and context.ticket.number == ticket.number:
        return context.replace(ticket=ticket)
    customer = context.customer
    tickets = tuple(ticket if each.number == ticket.number else each for each in customer.tickets)
    return context.replace(customer=replace(customer, tickets=tickets))


def _change(context: FoldContext, firing: Firing, kind: Any, **fields: Any) -> Acted:
    event = kind(**firing.base, agent_id=f"rule:{firing.match.rule.name}", **fields)
    return context.send(Output(event, event.customer_tag)), "", ""


def _set_priority(context: FoldContext, firing: Firing, action: Action) -> Acted:
    ticket = firing.ticket
    if finished_at(ticket) is not None:
        return context, "finished", ""
    if ticket.routing.priority_set:
        return context, "set_by_person", ""
    if ticket.priority == action.target:
        return context, "already_so", ""
    return _change(context, firing, PriorityChanged, priority=action.target, reason=firing.match.why)


def _add_tag(context: FoldContext, firing: Firing, action: Action) -> Acted:
    ticket = firing.ticket
    if action.target in ticket.tags:
        return context, "already_so", ""
    if action.target in ticket.request.tags_removed:
        return context, "removed_by_person", ""
    return _change(context, firing, TagCorrected, add=[action.target])


def _transfer(context: FoldContext, firing: Firing, action: Action) -> Acted:
    ticket = firing.ticket
    if finished_at(ticket) is not None:
        return context, "finished", ""
    if ticket.team == action.target:
        return context, "already_so", ""
    return _change(context, firing, Transferred, to_team=action.target, reason=firing.match.why)


def _assign(context: FoldContext, firing: Firing, action: Action) -> Acted:
    ticket = firing.ticket
    if finished_at(ticket) is not None:
        return context, "finished", ""
    if ticket.assignee == action.target:
        return context, "already_so", ""
    if not context.rules.roster.at_work(action.target, context.now):
        return context, "not_at_work", ""
    holder, why = ticket.assignee, firing.match.why
    return _change(context, firing, AssignmentChanged, to_agent=action.target, from_agent=holder, reason=why)


def _answer(context: FoldContext, firing: Firing, action: Action) -> Acted:
    context, ticket, reason, text = answer.send(context, firing.ticket, firing.firing_id, action.texts)
    return (context, reason, "") if reason else (put(context, ticket), "", text)


def _survey(context: FoldContext, firing: Firing, _: Action) -> Acted:
    """Asks about the solved episode, on channels that are not asked otherwise, too."""
    ticket = firing.ticket
    if ticket.status != "solved":
        return context, "not_solved", ""
    about = context.with_ticket(ticket)
    episode = episodes.remember(about)
    invitation = episode.invitation
    if invitation.invited or invitation.invite_at is not None:
        return context, "already_asked", ""
    episode = replace(episode, invitation=replace(invitation, asked=False))
    about = invite.schedule(about, episode, by_rule=True)
    return about.replace(ticket=context.ticket, ticket_before=context.ticket_before), "", ""


def _notify(context: FoldContext, firing: Firing, action: Action) -> Acted:
    match, values = firing.match, _values(context, firing)
    if action.kind == "chat":
        values |= {name: values[name].translate(_NO_MENTION) for name in _PERSONAL}
    text, subject = filled(action.text or _DEFAULT_TEXT, values), filled(action.subject or _DEFAULT_SUBJECT, values)
    asked = NotificationRequested(
        **firing.base,
        channel=firing.ticket.channel,
        rule=match.rule.name,
        trigger=match.rule.trigger,
        situation=match.situation,
        way=action.kind,
        target=action.target,
        why=match.why,
        subject=subject if action.kind == "mail" else "",
        text=text,
        team=firing.ticket.team,
        brand=firing.ticket.brand,
        per_hour=match.rule.per_hour,
        rules_version=context.rules.automations.version,
        partition=context.position.partition,
        version=context.position.offset,
        place=len(context.outputs),
    )
    return context.send(Output(asked, KEY)), "", text


def _values(context: FoldContext, firing: Firing) -> dict[str, str]:
    """Returns what a notification may name. The customer's own words and name are told only where the rule's text asks for them."""
    ticket, customer = firing.ticket, context.customer
    return {
        "ticket": firing.ticket_id,
        "rule": firing.match.rule.name,
        "why": firing.match.why,
        "team": ticket.team,
        "channel": ticket.channel,
        "priority": ticket.priority,
        "status": ticket.status,
        "tier": customer.tier,
        "language": ticket.language,
        "brand": context.rules.brands.get(ticket.brand).name,
        "tags": ", ".join(ticket.tags),
        "assignee": ticket.assignee,
        "name": customer.name if is_own(customer, ticket) else "",
        "subject": ticket.request.subject,
        "order_number": ticket.request.order_number,
    }


ACTIONS: dict[str, Callable[[FoldContext, Firing, Action], Acted]] = {
    "set_priority": _set_priority,
    "add_tag": _add_tag,
    "transfer": _transfer,
    "assign": _assign,
    "answer": _answer,
    "survey": _survey,
    **dict.fromkeys(NOTIFICATIONS, _notify),
}

"""Thanks who answers a survey by name, in their language, once; a low score gets an apology and a promise.

What is promised happens: a low score opens a follow-up (see `follow_up`). No machine is thanked, nor an address that wants
nothing more of us; why not is in the `SurveyFact`.
"""

from __future__ import annotations

from schemas.events import SurveyAnswered
from stream_processors.tickets.acknowledge import MAIL_CHANNELS
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.state import Customer, Episode, Survey, Ticket
from stream_processors.tickets.surveys.message import locale_of, outbound, way_to
from stream_processors.tickets.trust import name_for

__all__ = ["step"]


def step(
    context: FoldContext, event: SurveyAnswered, episode: Episode, survey: Survey, *, low: bool
) -> tuple[FoldContext, str]:
    """Thank a person for an answer; `survey` is what was answered before. The second value is that of `SurveyFact.thanked`."""
    ticket, customer = context.ticket, context.customer
    way = _way(customer, ticket)
    address, reason = way[1], ""
    if event.imported or episode.imported:
        reason = "imported"
    elif survey.thanked:
        reason = "already"
    elif not address or (ticket is not None and ticket.request.public):
        reason = "no_address"
    elif (ticket is not None and ticket.request.opened_by_machine) or context.rules.guards.machine(address, {}):
        reason = "machine"
    elif customer.wants_nothing_at(address):
        reason = "opted_out"
    if reason:
        return context, reason
    kind = "sorry" if low else "thanks"
    return _write(context, event, episode, ticket, kind, way), "sent"


def _way(customer: Customer, ticket: Ticket | None) -> tuple[str, str]:
    """Returns where the ticket was answered; when it is gone, the customer's own address if that is one for mail."""
    if ticket is not None:
        return way_to(customer, ticket)
    kind, _, value = customer.customer_id.partition(":")
    return ("email", value) if kind == "email" else ("", "")


def _write(
    context: FoldContext,
    event: SurveyAnswered,
    episode: Episode,
    ticket: Ticket | None,
    kind: str,
    way: tuple[str, str],
) -> FoldContext:
    customer = context.customer
    locale = locale_of(event.language, ticket.language if ticket else "", customer.language)
    written = context.rules.surveys.write(
        kind, locale, name_for(customer, ticket, way[1]), mail=way[0] in MAIL_CHANNELS
    )
    return context.write(outbound(context, episode, ticket, "thanks", way, locale, written))

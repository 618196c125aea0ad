"""thank: who answers a survey is thanked by name, in their language, once; a low score gets an apology and a promise.

What is promised happens: a low score opens a follow-up (see `follow_up`). No machine is thanked, nor an address that wants
nothing more of us; why not is in the `SurveyFact`.
"""

from __future__ import annotations

from schemas.events import LOCALES, SurveyAnswered
from schemas.facts import Outbound
from schemas.identity import event_id, mail_message_id
from stream_processors.tickets import episodes
from stream_processors.tickets.acknowledge import MAIL_CHANNELS, reply_subject
from stream_processors.tickets.invite import automatic, way_to
from stream_processors.tickets.progress import threading
from stream_processors.tickets.state import Customer, Episode, Survey, Ticket
from stream_processors.tickets.turn import Turn

__all__ = ["step"]


def step(turn: Turn, event: SurveyAnswered, episode: Episode, survey: Survey, *, low: bool) -> tuple[Turn, str]:
    """Thank a person for an answer; `survey` is what was answered before. The second value is that of `SurveyFact.thanked`."""
    ticket, customer = turn.ticket, turn.customer
    channel, address = _way(customer, ticket)
    reason = ""
    if event.imported or episode.imported:
        reason = "imported"
    elif survey.thanked:
        reason = "already"
    elif not address or (ticket is not None and ticket.public):
        reason = "no_address"
    elif (ticket is not None and ticket.by_machine) or turn.rules.guards.machine(address, {}):
        reason = "machine"
    elif customer.wants_nothing_at(address):
        reason = "opted_out"
    if reason:
        return turn, reason
    kind = "sorry" if low else "thanks"
    return episodes.happen(_write(turn, event, episode, ticket, kind, channel, address), episode, "thanked"), "sent"


def _way(customer: Customer, ticket: Ticket | None) -> tuple[str, str]:
    """Where the ticket was answered; when it is gone, the customer's own address if that is one for mail."""
    if ticket is not None:
        return way_to(customer, ticket)
    kind, _, value = customer.customer_id.partition(":")
    return ("email", value) if kind == "email" else ("", "")


def _write(
    turn: Turn, event: SurveyAnswered, episode: Episode, ticket: Ticket | None, kind: str, channel: str, address: str
) -> Turn:
    customer, domain, mail = turn.customer, turn.rules.mail_domain, channel in MAIL_CHANNELS
    known = (event.language, ticket.language if ticket else "", customer.language)
    locale = next((each for each in known if each in LOCALES), "en")
    written = turn.rules.surveys.write(kind, locale, customer.name, mail=mail)
    return turn.write(
        Outbound(
            **episodes.base(turn, episode),
            outbound_id=event_id("survey-thanks", episode.ticket_id, str(episode.number)),
            ticket_id=episode.ticket_id,
            kind="thanks",
            channel=channel,
            address=address,
            sender=f"support+{episode.ticket_id}@{domain}" if mail else "",
            customer_name=customer.name,
            subject=reply_subject(written.subject, episode.ticket_id).removeprefix("Re: ") if mail else "",
            text=written.text,
            locale=locale,
            message_id=mail_message_id(episode.ticket_id, f"thanks.{episode.number}", domain) if mail else "",
            thread_id=ticket.thread_ids[-1] if ticket and ticket.thread_ids else "",
            headers={**(threading(ticket) if ticket else {}), **automatic(domain)} if mail else {},
            causation_depth=event.causation_depth + 1,
        )
    )

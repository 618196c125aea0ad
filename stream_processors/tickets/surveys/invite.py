"""Asks about each resolution episode once, or deliberately not, and either is a fact.

The invitation is due some minutes after the solve (of a chat: after its end) and leaves with the tick of that deadline,
so a reopening in between cancels it. It goes where answers of ours go, in the customer's language, with a link that is
signed for this episode and names who solved it.
"""

from __future__ import annotations

from msgspec.structs import replace

from schemas.events import ChatEnded
from schemas.facts import InvitationFact
from schemas.survey_link import SurveyLink, survey_id
from stream_processors.rules.surveys import MOST_INVITATIONS
from stream_processors.tickets.acknowledge import MAIL_CHANNELS
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.handle import was_answered
from stream_processors.tickets.lookup import find
from stream_processors.tickets.observations import SurveyInvited
from stream_processors.tickets.resolution import episodes
from stream_processors.tickets.state import Episode, Ticket
from stream_processors.tickets.surveys.message import locale_of, outbound, way_to
from stream_processors.tickets.trust import name_for

__all__ = ["REASONS", "cancel", "schedule", "send_due", "step", "taken_over"]

#: Why somebody was not asked.
REASONS = (
    "imported",  # history is not asked
    "no_secret",  # this worker has nothing to sign links with
    "channel_off",
    "reopened",  # before it was due
    "already_answered",  # in the chat window
    "merged",  # the ticket changed hands: whoever has it now was not the one who was helped
    "ticket_gone",
    "public",  # whoever reads the link there could vote
    "machine",
    "no_address",
    "opted_out",
    "cap",
)


def step(context: FoldContext) -> FoldContext:
    """Asks about a chat that a person answered when it ends, solved or not."""
    event, ticket = context.event, context.ticket
    if type(event) is not ChatEnded or ticket is None or ticket.milestones.first_response_at is None:
        return context
    if not was_answered(ticket, event):
        return context
    episode = episodes.remember(context)
    return context if episode.invitation.asked else schedule(episodes.put(context, episode), episode)


def schedule(context: FoldContext, episode: Episode, *, by_rule: bool = False) -> FoldContext:
    """Decide when to ask about an episode, or at once that we do not; a rule may ask on channels that are off."""
    ticket, surveys = context.ticket, context.rules.surveys
    assert ticket is not None
    if episode.invitation.asked:
        return context
    if reason := _never(context, episode, ticket, by_rule):
        return _withhold(context, episode, reason)
    wait = surveys.after_micros
    if ticket.conversation.ended_chat and ticket.conversation.thread_ids[-1:] == (ticket.conversation.ended_chat,):
        wait = surveys.chat_after_micros
    return episodes.put(context, replace(episode, invitation=replace(episode.invitation, invite_at=context.now + wait)))


def _never(context: FoldContext, episode: Episode, ticket: Ticket, by_rule: bool) -> str:
    """Returns a reason that is known from the start and does not change."""
    if ticket.imported or context.event.imported:
        return "imported"
    if not by_rule and episode.channel not in context.rules.surveys.channels:
        return "channel_off"
    return "no_secret" if context.signing is None else ""


def cancel(context: FoldContext, episode: Episode, reason: str) -> FoldContext:
    """Do not ask after all, if it has not been decided yet."""
    return context if episode.invitation.invite_at is None else _withhold(context, episode, reason)


def taken_over(context: FoldContext, brought: tuple[Episode, ...], version_offset: int) -> FoldContext:
    """Takes over the episodes of a ticket that changed hands; what was not asked is not asked any more."""
    for each in brought:
        episode = replace(each, version_offset=version_offset)
        context = cancel(episodes.put(context, episode), episode, "merged")
    return context


def send_due(context: FoldContext) -> FoldContext:
    """At a tick: invite, or withhold with the reason."""
    for each in context.customer.episodes:
        if each.invitation.invite_at is not None and each.invitation.invite_at <= context.now:
            ticket = find(context.customer, each.ticket_id, context.event.customer_tag)
            reason = _reason(context, each, ticket)
            context = _withhold(context, each, reason) if reason or ticket is None else _send(context, each, ticket)
    return context


def _reason(context: FoldContext, episode: Episode, ticket: Ticket | None) -> str:
    if episode.survey is not None and episode.survey.answered:
        return "already_answered"
    if ticket is None:
        return "ticket_gone"
    if context.signing is None:
        return "no_secret"
    if ticket.request.public:
        return "public"
    _, address = way_to(context.customer, ticket)
    if not address:
        return "no_address"
    if ticket.request.opened_by_machine or context.rules.guards.machine(address, {}):
        return "machine"
    if context.customer.wants_nothing_at(address):
        return "opted_out"
    cap = context.rules.surveys.cap
    recent = sum(1 for at in context.customer.invited if at > context.now - cap.micros)
    return "cap" if recent >= cap.count else ""


def _send(context: FoldContext, episode: Episode, ticket: Ticket) -> FoldContext:
    surveys, customer, signing = context.rules.surveys, context.customer, context.signing
    assert signing is not None
    way = way_to(customer, ticket)
    locale = locale_of(ticket.language, customer.language)
    expires = context.now + surveys.link_micros
    brand = context.rules.brands.get(episode.brand)
    link = signing.link(
        SurveyLink(episode.ticket_id, episode.number, episode.agent, expires, locale, brand.slug), brand.survey_url
    )
    written = surveys.write(
        "invitation", locale, name_for(customer, ticket, way[1]), mail=way[0] in MAIL_CHANNELS, link=link
    )
    message = outbound(context, episode, ticket, "invitation", way, locale, written)
    invited = (*customer.invited, context.now)[-min(surveys.cap.count, MOST_INVITATIONS) :]
    context = context.replace(customer=replace(customer, invited=invited)).write(message)
    context = _decided(
        context,
        replace(episode, invitation=replace(episode.invitation, invited=True)),
        outcome="sent",
        locale=locale,
        texts_version=surveys.version,
        outbound_id=message.outbound_id,
        expires_at=expires,
    )
    return episodes.observe(context, episode, SurveyInvited)


def _withhold(context: FoldContext, episode: Episode, reason: str) -> FoldContext:
    return _decided(context, episode, outcome="withheld", reason=reason)


def _decided(context: FoldContext, episode: Episode, **fields: object) -> FoldContext:
    fact = InvitationFact(
        **context.fact_header(episode),
        ticket_id=episode.ticket_id,
        episode=episode.number,
        survey_id=survey_id(SurveyLink(episode.ticket_id, episode.number, "", 0)),
        channel=episode.channel,
        team=episode.team,
        agent_id=episode.agent,
        solved_at=episode.solved_at,
        **fields,  # type: ignore[arg-type]
    )
    decided = replace(episode.invitation, asked=True, invite_at=None)
    return episodes.put(context, replace(episode, invitation=decided)).write(fact)

"""Finds, changes, records and forgets the solved episodes of a customer."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from schemas.clock import MICROS
from schemas.facts import ResolutionFact
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.observations import Observation
from stream_processors.tickets.state import Customer, Episode, Ticket, TicketSla

__all__ = ["as_then", "find", "forget_old", "observe", "of_ticket", "put", "record", "remember"]

#: Settled episodes that a customer keeps at most, and all that one keeps at most. Lists and bounces are senders, too, and
#: are solved some forty times a day; the second bound is for one that is solved every ten minutes for a week.
KEPT_SETTLED, MOST_EPISODES = 20, 1000
_GRACE_MICROS = 86_400 * MICROS


def find(customer: Customer, ticket: str, number: int) -> Episode | None:
    """Returns the episode of this ticket and number."""
    for episode in reversed(customer.episodes):
        if episode.number == number and episode.ticket_id == ticket:
            return episode
    return None


def of_ticket(customer: Customer, ticket: str) -> tuple[Episode, ...]:
    """Returns those of one ticket, oldest first."""
    return tuple(each for each in customer.episodes if each.ticket_id == ticket)


def remember(context: FoldContext) -> Episode:
    """Returns the episode of the ticket as it is now: the one that is known, or a new one."""
    ticket = context.ticket
    assert ticket is not None
    known = find(context.customer, context.ticket_id, ticket.episode)
    return known or Episode(
        ticket_id=context.ticket_id,
        number=ticket.episode,
        channel=ticket.channel,
        team=ticket.team or context.team,
        agent=ticket.assignee,
        priority=ticket.priority,
        policy=ticket.sla.policy,
        tags=ticket.tags,
        touched_at=context.now,
        imported=ticket.imported,
        version_offset=0 if ticket.adopted is None else ticket.adopted.version_offset,
        brand=ticket.brand,
    )


def put(context: FoldContext, episode: Episode, *, at: int | None = None) -> FoldContext:
    """Returns the context whose customer knows this episode so; `at` is when this came about, now if not given."""
    customer = context.customer
    episode = replace(episode, touched_at=max(episode.touched_at, context.now if at is None else at))
    known = list(customer.episodes)
    for place, each in enumerate(known):
        if each.number == episode.number and each.ticket_id == episode.ticket_id:
            known[place] = episode
            break
    else:
        known.append(episode)
    return context.replace(customer=replace(customer, episodes=tuple(known)))


def as_then(episode: Episode) -> Ticket:
    """Returns a ticket as it was then, for the dimensions of the windows."""
    return Ticket(
        number=0,
        channel=episode.channel,
        created_at=0,
        team=episode.team,
        priority=episode.priority,
        imported=episode.imported,
        sla=TicketSla(policy=episode.policy),
        brand=episode.brand,
    )


def observe(
    context: FoldContext, episode: Episode, kind: type[Observation], *values: Any, at: int | None = None
) -> FoldContext:
    """Tells the later steps what became of an episode, in the dimensions that it had."""
    observation = kind(context.now if at is None else at, as_then(episode), *values)
    return context.replace(observed=(*context.observed, observation))


def record(context: FoldContext, episode: Episode, *, decided_at: int | None = None, reason: str = "") -> FoldContext:
    """Write the row of a solved episode."""
    if episode.solved_at is None:
        return context
    return context.write(
        ResolutionFact(
            **context.fact_header(episode),
            ticket_id=episode.ticket_id,
            episode=episode.number,
            solved_at=episode.solved_at,
            decide_at=episode.decide_at,
            channel=episode.channel,
            team=episode.team,
            agent_id=episode.agent,
            priority=episode.priority,
            tags=list(episode.tags),
            public_answers=episode.answers.public_answers,
            fcr=episode.fcr,
            decided_at=decided_at,
            reason=reason,
            imported=episode.imported,
        )
    )


def forget_old(context: FoldContext) -> FoldContext:
    """Forgets episodes of which nothing can come any more, and the oldest of a customer who has too many."""
    known, surveys = context.customer.episodes, context.rules.surveys
    since = context.now - max(surveys.link_micros, surveys.resolution_micros) - _GRACE_MICROS
    if len(known) <= KEPT_SETTLED and known[0].touched_at >= since:
        return context  # nearly always
    kept = [each for each in known if not _is_settled(each) or each.touched_at >= since]
    settled = [each for each in kept if _is_settled(each)]
    for each in settled[: max(0, len(settled) - KEPT_SETTLED)]:
        kept.remove(each)
    for each in kept[: max(0, len(kept) - MOST_EPISODES)]:
        kept.remove(each)
        if each.fcr is None:
            context = record(context, each, reason="forgotten")
    if len(kept) == len(known):
        return context
    return context.replace(customer=replace(context.customer, episodes=tuple(kept)))


def _is_settled(episode: Episode) -> bool:
    undecided = episode.fcr is None and episode.solved_at is not None and not episode.imported
    followed = episode.follow_up is None or episode.follow_up.done
    return episode.invitation.invite_at is None and not undecided and followed

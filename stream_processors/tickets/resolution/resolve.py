"""Decides each time that a ticket is solved whether that was first contact resolution.

First contact resolution (FCR): solved in exactly one public answer of a person, not reopened, and no contact about one of
its reasons (why-tags; good news aside) on another ticket, all within `resolution_days` of the solve: [solve, solve + 7 d).

- It is NULL until it is decided: by whatever falsifies it, at that moment, or else by a tick exactly at the end.
- A chat conversation is one answer, however many lines it has; what an agent writes by mail when it is over, is another.
  What an agent writes after the solve is an answer, too.
- Solved without any public answer it is no FCR; that is known at the end only, for the answer may come after the solve.
- Evidence from before the end that arrives later corrects the row, with a higher version.
- History is decided as its own events pass; no tick waits for it.
"""

from __future__ import annotations

from msgspec.structs import replace

from schemas.events import CallEnded, MessageReceived, StatusChanged, TagCorrected, Tick
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.observations import FcrCorrected, FcrKept, FcrLost, Suppressed
from stream_processors.tickets.resolution import episodes
from stream_processors.tickets.state import Customer, Episode, EpisodeAnswers, Ticket
from stream_processors.tickets.surveys import invite

__all__ = ["next_deadline", "settle", "step"]


def next_deadline(customer: Customer) -> int | None:
    """Returns when (micros) a tick is next due for an invitation or a decision; never for history."""
    dues = [
        due
        for each in customer.episodes
        if not each.imported
        for due in (
            each.invitation.invite_at,
            each.decide_at if each.fcr is None and each.solved_at is not None else None,
        )
        if due is not None
    ]
    return min(dues, default=None)


def settle(context: FoldContext) -> FoldContext:
    """Before anything else: what is due by now. Invitations wait for a tick, so that a late reopening still cancels them."""
    if not context.customer.episodes:
        return context
    if type(context.event) is Tick:
        context = invite.send_due(context)
    now = context.now
    for each in context.customer.episodes:
        if each.fcr is None and each.decide_at <= now and each.solved_at is not None:
            if each.answers.public_answers == 1:
                context = _decide(context, each, True, each.decide_at)
            else:
                context = _decide(context, each, False, each.decide_at, "no_answer")
    return episodes.forget_old(context)


def step(context: FoldContext) -> FoldContext:
    """Follow the ticket: solved, reopened, answered again, tagged otherwise; and what its contact says of others."""
    ticket, event = context.ticket, context.event
    if ticket is None:
        return context
    if context.opened and isinstance(event, MessageReceived) and event.headers and context.has_observed(Suppressed):
        opened_by_machine = bool(context.rules.guards.machine("", event.headers))
        context = context.on_ticket(request=replace(ticket.request, opened_by_machine=opened_by_machine))
    solved = ticket.status == "solved"
    if not solved and not context.customer.episodes:
        return context
    before = context.ticket_before
    if before is not None and ticket.episode > before.episode:
        context = _reopened(context, before)
    if solved and (before is None or before.status != "solved"):
        context = _solved(context)
    elif context.replied_at is not None:
        context = _answered_again(context)
    if isinstance(event, TagCorrected):
        context = _tagged(context, event)
    elif isinstance(event, MessageReceived | CallEnded):
        reasons = {tag for tag, at in context.customer.reasons if at == context.now}
        context = _contacted_again(context, reasons, context.now)
    return context


# -- one ticket -------------------------------------------------------------------------------------------------------


def _solved(context: FoldContext) -> FoldContext:
    ticket, now = context.ticket, context.now
    assert ticket is not None
    agent = context.event.agent_id if isinstance(context.event, StatusChanged) else ""
    episode = replace(
        episodes.remember(context),
        team=ticket.team or context.team,
        agent=agent or ticket.assignee,
        priority=ticket.priority,
        policy=ticket.sla.policy,
        tags=ticket.tags,
        solved_at=now,
        decide_at=now + context.rules.surveys.resolution_micros,
        imported=ticket.imported,
    )
    episode = _counted(context, episode)
    context = invite.schedule(episodes.put(context, episode), episode)
    if episode.answers.public_answers > 1:
        return _decide(context, _now(context, episode), False, now, "several_answers")
    return episodes.record(context, episode)


def _reopened(context: FoldContext, before: Ticket) -> FoldContext:
    episode = episodes.find(context.customer, context.ticket_id, before.episode)
    if episode is None:
        return context
    context = invite.cancel(context, episode, "reopened")
    return _falsify(context, _now(context, episode), "reopened")


def _answered_again(context: FoldContext) -> FoldContext:
    """Counts a public answer in an episode that was solved already."""
    ticket = context.ticket
    assert ticket is not None
    known = episodes.find(context.customer, context.ticket_id, ticket.episode)
    if known is None:
        return context
    episode = _counted(context, known)
    context = episodes.put(context, episode)
    if episode.solved_at is None or episode.fcr is False or context.now >= episode.decide_at:
        return context
    return (
        _falsify(context, episode, "several_answers")
        if episode.answers.public_answers > 1
        else episodes.record(context, episode)
    )


def _counted(context: FoldContext, episode: Episode) -> Episode:
    """Returns the episode with the public answers of people since the ticket was opened or reopened."""
    ticket = context.ticket
    assert ticket is not None
    of_ticket = episodes.of_ticket(context.customer, episode.ticket_id)
    earlier = max((each.answers.replies_until for each in of_ticket if each.number < episode.number), default=0)
    answers = max(0, ticket.counts.public_replies - earlier)
    if ticket.channel == "chat":
        before = max((each.answers.answers_until for each in of_ticket if each.number < episode.number), default=0)
        answers = max(min(answers, 1), ticket.conversation.answers - before)
    return replace(episode, answers=EpisodeAnswers(ticket.counts.public_replies, ticket.conversation.answers, answers))


# -- the same reason again --------------------------------------------------------------------------------------------


def _tagged(context: FoldContext, event: TagCorrected) -> FoldContext:
    """Follows a correction of the reasons of a ticket: of what was solved, and of what came after something that was."""
    ticket = context.ticket
    assert ticket is not None
    known = episodes.find(context.customer, context.ticket_id, ticket.episode)
    if known is not None and known.solved_at is not None and known.tags != ticket.tags:
        known = replace(known, tags=ticket.tags)
        context = episodes.put(context, known)
        if known.fcr is None:
            context = episodes.record(context, known)
    return _contacted_again(context, set(event.add) & set(ticket.tags), ticket.created_at)


def _contacted_again(context: FoldContext, reasons: set[str], at: int) -> FoldContext:
    """Falsifies what was solved about these reasons on other tickets: the customer contacted us about them at `at`."""
    if not reasons:
        return context
    tags = context.rules.taxonomy.tags
    for each in context.customer.episodes:
        if each.fcr is False or each.solved_at is None or each.ticket_id == context.ticket_id:
            continue
        if each.solved_at < at < each.decide_at and any(
            tag in reasons and tag in tags and tags[tag].valence != "good" for tag in each.tags
        ):
            context = _falsify(context, each, "contacted_again")
    return context


# -- deciding ---------------------------------------------------------------------------------------------------------


def _falsify(context: FoldContext, episode: Episode, reason: str) -> FoldContext:
    """Decides that it was no FCR after all, if this came within the days."""
    if episode.solved_at is None or episode.fcr is False:
        return context
    if reason != "contacted_again" and context.now >= episode.decide_at:
        return context
    if episode.fcr:
        context = episodes.observe(context, episode, FcrCorrected, at=episode.decide_at)
    return _decide(context, episode, False, context.now, reason)


def _decide(context: FoldContext, episode: Episode, fcr: bool, at: int, reason: str = "") -> FoldContext:
    decided = replace(episode, fcr=fcr)
    context = episodes.observe(episodes.put(context, decided, at=at), decided, FcrKept if fcr else FcrLost, at=at)
    return episodes.record(context, decided, decided_at=at, reason=reason)


def _now(context: FoldContext, episode: Episode) -> Episode:
    """Returns the episode as the context knows it by now."""
    found = episodes.find(context.customer, episode.ticket_id, episode.number)
    assert found is not None
    return found

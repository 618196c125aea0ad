"""resolve: each time that a ticket is solved, and whether that was first contact resolution.

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
from stream_processors.tickets.context import Turn
from stream_processors.tickets.resolution import episodes
from stream_processors.tickets.state import Customer, Episode, Ticket
from stream_processors.tickets.surveys import invite

__all__ = ["next_deadline", "settle", "step"]


def next_deadline(customer: Customer) -> int | None:
    """When (micros) a tick is next due for an invitation or a decision; never for history."""
    dues = [
        due
        for each in customer.episodes
        if not each.imported
        for due in (each.invite_at, each.decide_at if each.fcr is None and each.solved_at is not None else None)
        if due is not None
    ]
    return min(dues, default=None)


def settle(turn: Turn) -> Turn:
    """Before anything else: what is due by now. Invitations wait for a tick, so that a late reopening still cancels them."""
    if not turn.customer.episodes:
        return turn
    if type(turn.event) is Tick:
        turn = invite.send_due(turn)
    now = turn.now
    for each in turn.customer.episodes:
        if each.fcr is None and each.decide_at <= now and each.solved_at is not None:
            if each.public_answers == 1:
                turn = _decide(turn, each, True, each.decide_at)
            else:
                turn = _decide(turn, each, False, each.decide_at, "no_answer")
    return episodes.forget_old(turn)


def step(turn: Turn) -> Turn:
    """Follow the ticket: solved, reopened, answered again, tagged otherwise; and what its contact says of others."""
    ticket, event = turn.ticket, turn.event
    if ticket is None:
        return turn
    if turn.opened and isinstance(event, MessageReceived) and event.headers and _was_suppressed(turn):
        turn = turn.on_ticket(by_machine=bool(turn.rules.guards.machine("", event.headers)))
    solved = ticket.status == "solved"
    if not solved and not turn.customer.episodes:
        return turn
    before = next((each for each in turn.before.tickets if each.number == ticket.number), None)
    if before is not None and ticket.episode > before.episode:
        turn = _reopened(turn, before)
    if solved and (before is None or before.status != "solved"):
        turn = _solved(turn)
    elif turn.replied_at is not None:
        turn = _answered_again(turn)
    if isinstance(event, TagCorrected):
        turn = _tagged(turn, event)
    elif isinstance(event, MessageReceived | CallEnded):
        reasons = {tag for tag, at in turn.customer.reasons if at == turn.now}
        turn = _contacted_again(turn, reasons, turn.now)
    return turn


def _was_suppressed(turn: Turn) -> bool:
    return any(each.name == "suppressed" for each in turn.happened)


# -- one ticket -------------------------------------------------------------------------------------------------------


def _solved(turn: Turn) -> Turn:
    ticket, now = turn.ticket, turn.now
    assert ticket is not None
    agent = turn.event.agent_id if isinstance(turn.event, StatusChanged) else ""
    episode = replace(
        episodes.remember(turn),
        team=ticket.team or turn.team,
        agent=agent or ticket.assignee,
        priority=ticket.priority,
        policy=ticket.policy,
        tags=ticket.tags,
        solved_at=now,
        decide_at=now + turn.rules.surveys.resolution_micros,
        imported=ticket.imported,
    )
    episode = _counted(turn, episode)
    turn = invite.schedule(episodes.put(turn, episode), episode)
    if episode.public_answers > 1:
        return _decide(turn, _now(turn, episode), False, now, "several_answers")
    return episodes.record(turn, episode)


def _reopened(turn: Turn, before: Ticket) -> Turn:
    episode = episodes.find(turn.customer, turn.ticket_id, before.episode)
    if episode is None:
        return turn
    turn = invite.cancel(turn, episode, "reopened")
    return _falsify(turn, _now(turn, episode), "reopened")


def _answered_again(turn: Turn) -> Turn:
    """A public answer in an episode that was solved already."""
    ticket = turn.ticket
    assert ticket is not None
    known = episodes.find(turn.customer, turn.ticket_id, ticket.episode)
    if known is None:
        return turn
    episode = _counted(turn, known)
    turn = episodes.put(turn, episode)
    if episode.solved_at is None or episode.fcr is False or turn.now >= episode.decide_at:
        return turn
    return _falsify(turn, episode, "several_answers") if episode.public_answers > 1 else episodes.record(turn, episode)


def _counted(turn: Turn, episode: Episode) -> Episode:
    """With the public answers of people since the ticket was opened or reopened."""
    ticket = turn.ticket
    assert ticket is not None
    of_ticket = episodes.of_ticket(turn.customer, episode.ticket_id)
    earlier = max((each.replies_until for each in of_ticket if each.number < episode.number), default=0)
    answers = max(0, ticket.public_replies - earlier)
    if ticket.channel == "chat":
        before = max((each.answers_until for each in of_ticket if each.number < episode.number), default=0)
        answers = max(min(answers, 1), ticket.answers - before)
    return replace(episode, replies_until=ticket.public_replies, answers_until=ticket.answers, public_answers=answers)


# -- the same reason again --------------------------------------------------------------------------------------------


def _tagged(turn: Turn, event: TagCorrected) -> Turn:
    """A person corrected the reasons of a ticket: of what was solved, and of what came after something that was."""
    ticket = turn.ticket
    assert ticket is not None
    known = episodes.find(turn.customer, turn.ticket_id, ticket.episode)
    if known is not None and known.solved_at is not None and known.tags != ticket.tags:
        known = replace(known, tags=ticket.tags)
        turn = episodes.put(turn, known)
        if known.fcr is None:
            turn = episodes.record(turn, known)
    return _contacted_again(turn, set(event.add) & set(ticket.tags), ticket.created_at)


def _contacted_again(turn: Turn, reasons: set[str], at: int) -> Turn:
    """The customer contacted us at `at` about these reasons: what other tickets were solved about them was not enough."""
    if not reasons:
        return turn
    tags = turn.rules.taxonomy.tags
    for each in turn.customer.episodes:
        if each.fcr is False or each.solved_at is None or each.ticket_id == turn.ticket_id:
            continue
        if each.solved_at < at < each.decide_at and any(
            tag in reasons and tag in tags and tags[tag].valence != "good" for tag in each.tags
        ):
            turn = _falsify(turn, each, "contacted_again")
    return turn


# -- deciding ---------------------------------------------------------------------------------------------------------


def _falsify(turn: Turn, episode: Episode, reason: str) -> Turn:
    """It was no FCR after all, if this came within the days."""
    if episode.solved_at is None or episode.fcr is False:
        return turn
    if reason != "contacted_again" and turn.now >= episode.decide_at:
        return turn
    if episode.fcr:
        turn = episodes.happen(turn, episode, "fcr_corrected", at=episode.decide_at)
    return _decide(turn, episode, False, turn.now, reason)


def _decide(turn: Turn, episode: Episode, fcr: bool, at: int, reason: str = "") -> Turn:
    decided = replace(episode, fcr=fcr)
    turn = episodes.happen(episodes.put(turn, decided, at=at), decided, "fcr_kept" if fcr else "fcr_lost", at=at)
    return episodes.record(turn, decided, decided_at=at, reason=reason)


def _now(turn: Turn, episode: Episode) -> Episode:
    """The episode as the turn knows it by now."""
    found = episodes.find(turn.customer, episode.ticket_id, episode.number)
    assert found is not None
    return found

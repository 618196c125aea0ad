"""Judges a status that arrives late by what is known to have happened after it."""

from __future__ import annotations

from itertools import pairwise

from msgspec.structs import replace

from stream_processors.tickets.state import Ticket, TicketConversation

__all__ = ["all_answered", "overtaken", "solved_at", "solves_earlier"]


def all_answered(ticket: Ticket) -> TicketConversation:
    """Returns the conversation of a ticket that ended: nobody waits any more, but an answer from before may still arrive."""
    conversation = ticket.conversation
    return replace(conversation, unanswered=(), waiting_since=None, unanswered_at_solve=conversation.unanswered)


def overtaken(ticket: Ticket, status: str, at: int) -> str:
    """Returns what a status of `at` has become by now, if it arrives after a later solve, message or status."""
    if status == "closed":
        return status
    at = max(at, ticket.created_at)  # an agent's clock may be a little slow
    solved_at, status_at = ticket.milestones.last_solved_at, ticket.milestones.status_at
    if ticket.status == "solved" and solved_at is not None and at < solved_at:
        return "solved"
    if status in ("solved", "pending", "hold") and any(each > at for each in ticket.conversation.unanswered):
        return "open"
    if status_at is not None and at < status_at:
        return ticket.status
    answered_at = ticket.milestones.last_response_at
    is_before_answer = answered_at is not None and at < answered_at  # which put the ticket on pending, if it was open
    return "pending" if status in ("new", "open") and ticket.status == "pending" and is_before_answer else status


def solves_earlier(ticket: Ticket, at: int) -> bool:
    """Returns true when a solve at `at` that arrives late is the one that counts.

    The ticket was solved later in the same episode, and nobody wrote in between: a message would have reopened it.
    """
    solved_at, answered_at = ticket.milestones.last_solved_at, ticket.milestones.last_response_at
    if ticket.status != "solved" or solved_at is None or not _taken_up_at(ticket) <= at < solved_at:
        return False
    if answered_at is not None and answered_at > at:
        return False
    return not any(each > at for each in ticket.conversation.unanswered_at_solve)


def _taken_up_at(ticket: Ticket) -> int:
    """Returns since when the ticket's last episode goes on."""
    changes, since = ticket.sla.status_history, ticket.created_at
    for before, change in pairwise(changes):
        if before.status in ("solved", "closed") and change.status not in ("solved", "closed"):
            since = change.at
    return since


def solved_at(ticket: Ticket, at: int) -> Ticket:
    """Returns the ticket as solved at `at`, and not when it was solved again."""
    milestones, changes = ticket.milestones, ticket.sla.status_history
    first = milestones.first_solved_at
    milestones = replace(
        milestones, last_solved_at=at, first_solved_at=at if first == milestones.last_solved_at else first
    )
    if changes and changes[-1].status == "solved":
        kept = tuple(each for each in changes[:-1] if each.at < at) or changes[:1]
        changes = (*kept, replace(changes[-1], at=max(at, kept[-1].at)))
    return replace(ticket, milestones=milestones, sla=replace(ticket.sla, status_history=changes))

"""Tells the followers of a ticket what became of it: who had it before a transfer, and who asked to follow it.

| what happened                         | outcome    |
|---------------------------------------|------------|
| it was solved                         | `solved`   |
| it was closed without being solved    | `closed`   |
| the customer, or an agent, took it up | `reopened` |

A notice is a fact, which `python -m sinks webhooks` delivers to the help desk. Nobody is told what they did themselves.
"""

from __future__ import annotations

from schemas.facts import FollowerNotice
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.state import Ticket

__all__ = ["tell"]


def tell(context: FoldContext) -> FoldContext:
    """Writes a notice to each follower of the ticket, if this event decided something that they wait for."""
    ticket, before = context.ticket, context.ticket_before
    if ticket is None or before is None or not (outcome := _outcome(ticket, before)):
        return context
    actor = getattr(context.event, "agent_id", "")
    return context.write(
        *(
            FollowerNotice(
                **context.base,
                ticket_id=context.ticket_id,
                episode=ticket.episode,
                agent_id=follower,
                outcome=outcome,
                team=ticket.team,
                by=actor,
                subject=ticket.request.subject,
            )
            for follower in ticket.routing.followers
            if follower != actor
        )
    )


def _outcome(ticket: Ticket, before: Ticket) -> str:
    if ticket.episode > before.episode:
        return "reopened"
    if ticket.status == before.status:
        return ""
    if ticket.status == "solved":
        return "solved"
    return "closed" if ticket.status == "closed" and before.status != "solved" else ""

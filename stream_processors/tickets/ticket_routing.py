"""Holds what a ticket remembers of its team, of who follows it, and of who was asked to take it.

The rules at the top of `state` hold here as well.
"""

from __future__ import annotations

import msgspec

__all__ = ["TicketOffer", "TicketRouting"]


class TicketOffer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds the last offer of a ticket to an agent, whose answer may still come when it is over (micros).

    outcome  `open accepted declined missed withdrawn`
    reason   of the assignment that comes of it
    before   the agents of the offers before it
    """

    offer_id: str
    agent: str
    team: str
    offered_at: int
    expires_at: int
    reason: str = ""
    outcome: str = "open"
    before: tuple[str, ...] = ()


class TicketRouting(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds how a ticket came to its team, and who follows it.

    ref           names the last decision that the router was told of: its answers to others come too late (ADR 47)
    rule          by what the team was chosen: `rule:NAME`, or one of `rules.teams.CHOSEN_BY`, `transfer`, `overflow`
    placed        somebody moved it, or it waited too long elsewhere: no rule chooses the team any more
    priority_set  a person set its priority: no rule changes it any more
    followers     agents who are told what becomes of it
    offer         the last offer of it to an agent; None while there was none
    gave_back     who gave it back or away last, until somebody else has it: they are not preferred for it
    """

    ref: str = ""
    rule: str = ""
    placed: bool = False
    priority_set: bool = False
    followers: tuple[str, ...] = ()
    gave_back: str = ""
    offer: TicketOffer | None = None

"""Says to whom a ticket may be offered, for how long, and what becomes of agents who miss offers (ADR 51).

A ticket that is offered is held by its agent as far as room is concerned, and waits as far as its customer is. It goes to the
next best agent when its own declines it, misses it, or is not there any more; to one who passed only when nobody else has
room. Everybody may pass so often (`MOST_ROUNDS`); then it is assigned, as where nothing is offered.

Who misses `MOST_MISSED` offers in a row is away until they are reported as something else than online, say themselves
that they are back, or take a ticket that they had missed. Reports of `online` that a program repeats do not end it.
"""

from __future__ import annotations

from msgspec.structs import replace

from schemas.clock import MICROS
from schemas.events import PresenceChanged
from stream_processors.routing.live_team import LiveTeam
from stream_processors.routing.state import Agent, Offers, QueueEntry

__all__ = [
    "MOST_MISSED",
    "MOST_ROUNDS",
    "away_for",
    "count_open",
    "forgive",
    "is_late_tick",
    "is_paused",
    "miss",
    "next_offer",
    "stays_away",
]

#: An agent who misses so many offers in a row is away.
MOST_MISSED = 3
#: A ticket that so many times everybody with room did not take is offered no more.
MOST_ROUNDS = 3
#: So many agents who passed are remembered; then a new round begins.
_MOST_PASSED = 50
#: A tick that comes so much later than its time, or than the offer lasted, shows that the pipeline stood still.
_LATE_MICROS = 5 * MICROS
_NEVER_OFFERED = Offers()


def next_offer(entry: QueueEntry, agent: str, seconds: int, at: int) -> Offers | None:
    """Returns the offer of a waiting ticket to an agent from a moment on; None: it is assigned instead."""
    known = entry.offers or _NEVER_OFFERED
    rounds, passed = known.rounds, known.passed
    if agent in passed or len(passed) >= _MOST_PASSED:
        rounds, passed = rounds + 1, ()
    return None if rounds >= MOST_ROUNDS else Offers(at + seconds * MICROS, rounds, passed)


def is_late_tick(offers: Offers, seconds: int, noticed_at: int) -> bool:
    """Returns true for an offer whose end was noticed so late that its agent may never have seen it; once only."""
    return not offers.renewed and noticed_at - offers.until > max(seconds * MICROS, _LATE_MICROS)


def count_open(live: LiveTeam, agent: str, step: int) -> None:
    """Counts an offer that is open to an agent."""
    number = live.offered.get(agent, 0) + step
    others = {name: count for name, count in live.offered.items() if name != agent}
    live.offered = {**others, agent: number} if number > 0 else others


def miss(live: LiveTeam, agent: str) -> bool:
    """Counts an offer that an agent missed; returns true when they are away because of it."""
    missed = live.missed.get(agent, 0) + 1
    live.missed = {**live.missed, agent: missed}
    known = live.roster.get(agent)
    if missed < MOST_MISSED or known.status != "online":
        return False
    live.roster.set(agent, replace(known, status="away"))
    return True


def forgive(live: LiveTeam, agent: str) -> bool:
    """Forgets what an agent missed; returns true when they are back because of it."""
    if agent not in live.missed:
        return False
    known = live.roster.get(agent)
    returns = is_paused(live, agent)
    live.missed = {name: count for name, count in live.missed.items() if name != agent}
    if returns and not known.silent:
        live.roster.set(agent, replace(known, status="online"))
        return True
    return False


def is_paused(live: LiveTeam, agent: str) -> bool:
    """Returns true for an agent who is away because of missed offers."""
    return live.missed.get(agent, 0) >= MOST_MISSED and live.roster.get(agent).status == "away"


def stays_away(live: LiveTeam, event: PresenceChanged) -> bool:
    """Returns true for a report that does not end an absence for missed offers. Any other one forgets what was missed."""
    if event.agent_id not in live.missed:
        return False
    if event.status == "online" and not event.returned and live.roster.get(event.agent_id).status != "offline":
        return is_paused(live, event.agent_id)
    live.missed = {name: count for name, count in live.missed.items() if name != event.agent_id}
    return False


def away_for(agent: Agent, missed: int) -> str:
    """Returns why an agent is not there, as presence facts say it; '' as it was reported."""
    if agent.silent and agent.status != "online":
        return "silent"
    return "missed_offers" if missed >= MOST_MISSED and agent.status == "away" else ""

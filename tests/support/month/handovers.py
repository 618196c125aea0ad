"""What the simulator's staff never does and real staff do: hand a ticket to another team, put it on hold, take it up again,
find that it is about something else.

Decided from the ticket's id and the seed, as the simulator's own decisions are, when somebody first gets the ticket.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

from producers.simulation.planned import Planned
from schemas.clock import MICROS
from schemas.events import Event, StatusChanged, TagCorrected, Transferred
from schemas.facts import AssignmentFact, Fact, TicketFact
from schemas.identity import event_id
from tests.support.month.actors import Actor

__all__ = ["Handovers"]

SOURCE = "colleagues"
_TRANSFERRED, _HELD, _TAKEN_UP = 0.12, 0.24, 0.30
_FOUND_OUT, _AT_ONCE = 0.18, 0.5
#: What tickets turn out to be about.
_REASONS = ("delivery.carrier_delay", "delivery.order_status", "product.defective", "payment.card_declined")
_MINUTE = 60
_UNFINISHED = ("new", "open", "pending", "hold")
#: Where a ticket must stand for what was planned to make sense.
_STANDS = {"hold": ("new", "open", "pending"), "open": ("hold", "solved"), "solved": _UNFINISHED}


class Handovers(Actor):
    """Turns facts into plans, as a `Director` does."""

    def __init__(self, seed: int, teams: Iterable[str]) -> None:
        self._seed, self._teams = seed, sorted(teams)
        self._statuses: dict[str, str] = {}
        self._tags: dict[str, list[str]] = {}
        self._met: set[str] = set()

    def saw(self, fact: Fact) -> list[Planned]:
        """What follows from a fact."""
        if isinstance(fact, TicketFact):
            self._statuses[fact.ticket_id], self._tags[fact.ticket_id] = fact.status, fact.tags
        if not isinstance(fact, AssignmentFact) or not fact.agent_id or fact.ticket_id in self._met:
            return []
        self._met.add(fact.ticket_id)
        return list(self._plans(fact, Random(f"{self._seed}:{fact.ticket_id}:colleagues")))

    def stands(self, planned: Planned) -> bool:
        """Whether something planned still makes sense; what others planned is theirs to judge."""
        event = planned.thing
        if not isinstance(event, StatusChanged | Transferred) or event.source != SOURCE:
            return True
        status = self._statuses[planned.ticket]
        return status in (_STANDS[event.status] if isinstance(event, StatusChanged) else _UNFINISHED)

    def _plans(self, fact: AssignmentFact, rng: Random) -> Iterator[Planned]:
        draw, at = rng.random(), fact.at
        if rng.random() < _FOUND_OUT:
            yield self._corrects(fact, rng)
        if draw < _TRANSFERRED:
            for _ in range(rng.choice((1, 1, 2))):
                at += round(rng.uniform(0.2, 20) * _MINUTE * MICROS)
                team = rng.choice([each for each in self._teams if each != fact.team])
                yield self._planned(Transferred, fact, at, to_team=team)
        elif draw < _HELD:
            at += round(rng.uniform(0.2, 30) * _MINUTE * MICROS)
            yield self._planned(StatusChanged, fact, at, status="hold")
            at += round(rng.uniform(5, 20 * 60) * _MINUTE * MICROS)
            yield self._planned(StatusChanged, fact, at, status="open")
        elif draw < _TAKEN_UP:
            at += round(rng.uniform(2 * 60, 60 * 60) * _MINUTE * MICROS)
            yield self._planned(StatusChanged, fact, at, status="open")
            at += round(rng.uniform(5, 10 * 60) * _MINUTE * MICROS)
            yield self._planned(StatusChanged, fact, at, status="solved")

    def _corrects(self, fact: AssignmentFact, rng: Random) -> Planned:
        at = fact.at + round(
            (rng.uniform(0.5, 40) if rng.random() < _AT_ONCE else rng.uniform(40, 8000)) * _MINUTE * MICROS
        )
        about = rng.choice(_REASONS)
        wrong = [each for each in self._tags.get(fact.ticket_id, ()) if each != about and rng.random() < 0.7]
        return self._planned(TagCorrected, fact, at, add=[about], remove=wrong)

    def _planned(self, kind: type[Any], fact: AssignmentFact, at: int, **said: object) -> Planned:
        event: Event = kind(
            event_id=event_id(SOURCE, fact.ticket_id, str(at)),
            occurred_at=at,
            received_at=at,
            customer_tag=fact.customer_tag,
            source=SOURCE,
            ticket_id=fact.ticket_id,
            agent_id=fact.agent_id,
            **said,
        )
        return Planned(at, event.event_id, event, fact.ticket_id)

"""Customers who want no more messages at their number, and some who want them again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

from producers.simulation.planned import Planned
from schemas.clock import MICROS
from schemas.events import ConsentChanged, Event, MessageReceived
from schemas.identity import event_id
from tests.support.month.actors import Actor

__all__ = ["OptOuts"]

SOURCE = "wishes"
_STOPS, _STARTS = 0.35, 0.4
_HOUR = 3600 * MICROS


class OptOuts(Actor):
    """Whoever sends STOP, sooner or later after their first SMS."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._met: set[str] = set()

    def heard(self, event: Event, ticket: str) -> Iterable[Planned]:
        if not isinstance(event, MessageReceived) or event.channel != "sms" or event.address in self._met:
            return ()
        self._met.add(event.address)
        return self._opt_outs(event, Random(f"{self._seed}:{event.address}:wishes"))

    def _opt_outs(self, event: MessageReceived, rng: Random) -> Iterator[Planned]:
        if rng.random() < _STOPS:
            at = event.occurred_at + round(rng.uniform(0.01, 2) * _HOUR)
            yield self._consent(event, at, "stop")
            if rng.random() < _STARTS:
                yield self._consent(event, at + round(rng.uniform(1, 40) * _HOUR), "start")

    def _consent(self, event: MessageReceived, at: int, wish: str) -> Planned:
        changed = ConsentChanged(
            event_id=event_id(SOURCE, event.address, wish),
            occurred_at=at,
            received_at=at,
            customer_tag=event.customer_tag,
            channel="sms",
            source=SOURCE,
            customer_id=event.customer_id,
            address=event.address,
            wish=wish,
            keyword=wish.upper(),
        )
        return Planned(at, changed.event_id, changed)

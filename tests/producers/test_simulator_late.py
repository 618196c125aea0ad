"""A simulator that starts after its day: everything that was planned is published, and it ends."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, cast

from producers.customers.brands import BrandChooser
from producers.publisher import Outcome, Receipt
from producers.simulation.day import plan_day
from producers.simulation.shop import Shop
from producers.sources.simulator import play
from schemas.clock import MICROS
from schemas.events import Event
from schemas.process import Health
from schemas.settings import ProducerSettings

START = 1_772_409_600 * MICROS


@dataclass
class Taken:
    """Stands for a publisher; Kafka has everything at once."""

    events: list[Event] = field(default_factory=list)
    brands: BrandChooser = field(default_factory=lambda: BrandChooser(None, "support.example"))

    def connect(self) -> None:
        """Is connected."""

    def submit(self, event: Event) -> Future[Receipt]:
        self.events.append(event)
        done: Future[Receipt] = Future()
        done.set_result(Receipt(Outcome.PUBLISHED, event.event_id))
        return done

    def wait(self, future: Future[Receipt]) -> Receipt:
        return future.result()


def test_a_day_that_is_over_before_the_simulator_starts_is_published() -> None:
    taken = Taken()
    shop = Shop(contacts=60, seed=1, start=START, agents=False)
    summary = play(cast(Any, taken), ProducerSettings(), shop, Health(), threading.Event())
    planned = {each.at for each in plan_day(1, 60, START) if shop.end is None or each.at < shop.end}
    assert {event.occurred_at for event in taken.events} == planned
    assert summary.published.total() == len(taken.events)

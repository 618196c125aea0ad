"""People who turn out to be known already: who writes from one address and calls from another is one customer."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from producers.simulation.people import Person
from producers.simulation.planned import Planned
from schemas.clock import MICROS
from schemas.events import CallEnded, CustomersMerged, Event, MessageReceived
from schemas.identity import customer_tag, event_id
from tests.support.month.actors import Actor

__all__ = ["DuplicateCustomers"]

SOURCE = "kin"
_FOUND_OUT, _BY_MAIL = 0.6, 0.8
_HOUR = 3600 * MICROS
_CHANNELS = ("email", "phone", "social")


class DuplicateCustomers(Actor):
    """Somebody who looks for customers that are one person, and finds many of them hours or days later."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._people: dict[str, Person] = {}
        self._met: dict[Person, list[str]] = {}

    def opens(self, seed: int, contacts: int, start: int, people: list[Person]) -> Iterable[Planned]:
        for person in people:
            for channel in _CHANNELS:
                self._people.setdefault(person.customer_id(channel), person)  # numbers are not ours to give out
        return ()

    def heard(self, event: Event, ticket: str) -> Iterable[Planned]:
        """Every further name under which a person contacts us."""
        if not isinstance(event, MessageReceived | CallEnded) or not ticket:
            return ()
        person = self._people.get(event.customer_id)
        if person is None:
            return ()
        names = self._met.setdefault(person, [])
        if event.customer_id in names:
            return ()
        names.append(event.customer_id)
        rng = Random(f"{self._seed}:{person.number}:{len(names)}")
        if len(names) == 1 or rng.random() >= _FOUND_OUT:
            return ()
        mail = person.customer_id("email")
        into = mail if mail in names and Random(f"{self._seed}:{person.number}").random() < _BY_MAIL else names[0]
        return [self._merged(each, into, event.occurred_at, rng) for each in names if each != into]

    def _merged(self, origin: str, into: str, at: int, rng: Random) -> Planned:
        at += round((rng.uniform(0.01, 0.7) if rng.random() < 0.65 else rng.uniform(1, 60)) * _HOUR)
        merged = CustomersMerged(
            event_id=event_id(SOURCE, origin, into, str(at)),
            occurred_at=at,
            received_at=at,
            customer_tag=customer_tag(origin),
            source=SOURCE,
            from_customer_id=origin,
            into_customer_id=into,
            agent_id="mei",
        )
        return Planned(at, merged.event_id, merged)

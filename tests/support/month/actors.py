"""Who does in the month what nobody does in the live simulator. Decided from the seed, as its own decisions are."""

from __future__ import annotations

from collections.abc import Iterable

from producers.simulation.people import Person
from producers.simulation.planned import Planned
from schemas.events import Event
from schemas.facts import Fact

__all__ = ["Actor"]


class Actor:
    """Plans things that happen. What an actor leaves out, it has nothing to say to."""

    def opens(self, seed: int, contacts: int, start: int, people: list[Person]) -> Iterable[Planned]:
        """A day begins, with so many contacts by these people."""
        return ()

    def saw(self, fact: Fact) -> Iterable[Planned]:
        """What follows from a fact."""
        return ()

    def heard(self, event: Event, ticket: str) -> Iterable[Planned]:
        """What follows from something that happened, to a ticket or to none ('')."""
        return ()

    def dresses(self, event: Event) -> Event:
        """The event as it reaches us."""
        return event

    def stands(self, planned: Planned) -> bool:
        """Whether something planned, by whomever, still makes sense."""
        return True

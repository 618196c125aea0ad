"""Plays what is reported of agents: who comes, goes, vanishes, and sources that fall silent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.events import PresenceChanged
from tests.support.routing.world import Person

if TYPE_CHECKING:
    from tests.support.routing.simulation import Desk


class Staff:
    """Reports agents to the router of a desk, as long as their source is not silent."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.silent_sources: set[str] = set()

    def report(self, person: Person, status: str) -> None:
        person.here = status == "online"
        if person.source in self.silent_sources:
            return
        self._say(person, status)

    def beat(self, person: Person) -> None:
        if person.here and person.source not in self.silent_sources:
            self._say(person, "online")

    def comes_back(self, person: Person) -> None:
        if person.here and person.source not in self.silent_sources:
            self._say(person, "online", returned=True)

    def vanish(self, person: Person) -> None:
        person.here = False

    def _say(self, person: Person, status: str, **fields: Any) -> None:
        self._desk.offering.reported(person.name, status)
        base = self._desk.base("presence", person.name, person.source)
        self._desk.fold(
            PresenceChanged(**base, agent_id=person.name, team=person.team, status=status, **fields), person.team
        )

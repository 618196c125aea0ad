"""Rules that hold at every step of a simulated help desk."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Protocol

from schemas.clock import MICROS
from tests.support.routing.world import LIMITS, WEIGHTS, Person, Ticket

Group = tuple[str, str, tuple[str, ...]]


class Desk(Protocol):
    """What is judged: the tickets, who is there, and who waits with which place, by team, channel, language and skills."""

    now: int
    tickets: dict[str, Ticket]
    hands: dict[str, dict[str, Ticket]]
    people: dict[str, Person]
    overflow: Mapping[str, int]
    waiting: dict[str, dict[Group, dict[str, tuple[Any, ...]]]]

    def place(self, ticket: Ticket) -> tuple[Any, ...]: ...


class Judge:
    """Judges what the router did, from the tickets and agents of the desk alone."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def _room(self, person: Person, channel: str) -> bool:
        held = self._desk.hands.get(person.name, {}).values()
        used = sum((WEIGHTS[each.channel] for each in held), Fraction(0))
        same = sum(each.channel == channel for each in held)
        limit = LIMITS.get(channel, LIMITS["default"])
        return person.status == "online" and same < limit and used + WEIGHTS[channel] <= 1

    def _suited(self, team: str, group: tuple[str, str, tuple[str, ...]]) -> list[Person]:
        _, language, skills = group
        there = [each for each in self._desk.people.values() if each.team == team and each.status != "offline"]
        speaking = [each for each in there if language in each.languages] or there
        return [each for each in speaking if set(skills) <= set(each.skills)] or speaking

    def assignment(self, ticket: Ticket, agent: str) -> None:
        person = self._desk.people[agent]
        assert self._room(person, ticket.channel), "nobody is given more than their capacity"
        group = (ticket.channel, ticket.language, tuple(ticket.skills))
        assert person in self._suited(ticket.team, group), "who has it suits it"
        mine = self._desk.place(ticket)
        for group, places in self._desk.waiting[ticket.team].items():
            if not places or min(places.values()) >= mine or not self._room(person, group[0]):
                continue
            assert person not in self._suited(ticket.team, group), "the first in the order of service is first"

    def step(self, team: str) -> None:
        for group, places in self._desk.waiting[team].items():
            if not places:
                continue
            assert not any(self._room(each, group[0]) for each in self._suited(team, group)), "nobody waits in vain"
            limit = self._desk.overflow.get(group[0], self._desk.overflow.get("default"))
            if limit is not None:
                for ticket in places:
                    waits = self._desk.tickets[ticket]
                    over = not waits.fallback or self._desk.now - waits.eligible_at <= limit * MICROS
                    assert over or self._desk.now == waits.since, "nobody waits beyond the overflow limit"

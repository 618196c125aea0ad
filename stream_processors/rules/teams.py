"""Holds the teams that answer, and decides which of them gets a ticket.

The first routing rule whose conditions all hold decides, if its team answers in the language; otherwise the owner of the
ticket's tags; otherwise a fallback. What was decided once for the same attributes is remembered, so that a contact costs
one look-up however many rules there are.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from schemas.calendars import Calendar
from stream_processors.rules.routing_policy import RoutingPolicy

__all__ = ["CHOSEN_BY", "LIVE", "Attributes", "Decision", "RoutingRule", "Team", "Teams"]

#: By what a team was chosen, where no rule did: the owner of the tags; the fallback because nobody owns them, because the
#: owner does not answer in the language, or because it is closed.
CHOSEN_BY = ("owner", "fallback", "language", "hours")
#: Channels on which nobody waits until a team opens again.
LIVE = frozenset(("chat", "phone", "in_person", "bot"))
#: Decisions that are remembered; attributes come from outside, so there is no end to them.
_REMEMBERED = 10_000


class Attributes(NamedTuple):
    """The attributes that a team is chosen by; `order_value` is the number of thresholds of the rules that it reaches."""

    owner: str
    tier: str
    language: str
    channel: str
    brand: str
    order_value: int


class Decision(NamedTuple):
    """A team, by what it was chosen (`rule:NAME` or one of `CHOSEN_BY`), and skill → level that its agent should have."""

    team: str
    chosen_by: str
    skills: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class RoutingRule:
    """A rule: what must hold (attribute → values, of which one must), from which order value on (minor unit), and where the ticket goes.

    `team` '' leaves the owner of the tags, or the fallback; such a rule only asks for skills.
    """

    name: str
    when: Mapping[str, frozenset[str]]
    team: str
    skills: Mapping[str, int]
    least_value: int = 0


@dataclass(frozen=True, slots=True)
class Team:
    """A team; empty `languages` mean all. `signatures` are by language, below what its people write by mail.

    skills    skill → level that every ticket of it asks for
    hours     when it answers; None for always
    fallback  the team that gets what it cannot answer; '' for that of all teams
    """

    slug: str
    name: str
    languages: tuple[str, ...] = ()
    signatures: Mapping[str, str] = field(default_factory=dict)
    routing: RoutingPolicy = field(default_factory=RoutingPolicy)
    skills: Mapping[str, int] = field(default_factory=dict)
    hours: Calendar | None = None
    fallback: str = ""

    def signature(self, locale: str) -> str:
        """Returns its signature in this language, in English where it has none, '' where it has none at all."""
        return self.signatures.get(locale) or self.signatures.get("en", "")

    def answers_in(self, language: str) -> bool:
        """Returns true when the team answers in this language; '' suits every team."""
        return not self.languages or not language or language in self.languages

    def affinity_micros(self, channel: str) -> int | None:
        """Returns how long after the last contact the previous agent is preferred; None for always."""
        affinity = self.routing.affinity
        seconds = affinity.get(channel, affinity.get("default"))
        return None if seconds is None else seconds * 1_000_000


@dataclass(frozen=True, slots=True)
class Teams:
    """Holds all teams by slug, and the rules by which they are chosen; `version` is that of the file's content."""

    teams: dict[str, Team]
    fallback: str
    version: str
    rules: tuple[RoutingRule, ...] = ()
    _values: tuple[int, ...] = ()
    _ask_skills: bool = False
    #: By attributes, as a plain tuple: a named one takes ten times as long to make.
    _remembered: dict[tuple[Any, ...], Decision] = field(default_factory=dict, compare=False, repr=False)

    def __contains__(self, team: str) -> bool:
        return team in self.teams

    @property
    def names(self) -> Container[str]:
        """The slugs of all teams."""
        return self.teams

    @property
    def needs_order_value(self) -> bool:
        """True when a rule asks for the value of an order."""
        return bool(self._values)

    @property
    def ask_skills(self) -> bool:
        """True when some ticket may ask for a skill."""
        return self._ask_skills

    def decide(
        self,
        owner: str | None,
        language: str,
        *,
        tier: str = "",
        channel: str = "",
        brand: str = "",
        order_value: int = 0,
        now: int | None = None,
    ) -> Decision:
        """Returns the team for a ticket. On a live channel a team that is closed at `now` gives it to an open fallback."""
        reached = bisect_right(self._values, order_value) if self._values else 0
        known = owner or "", tier, language, channel, brand, reached
        decision = self._remembered.get(known)
        if decision is None:
            decision = self._decide(Attributes(*known))
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[known] = decision
        team = self.teams[decision.team]
        if now is None or team.hours is None or channel not in LIVE or team.hours.is_open(now):
            return decision
        instead = self.teams.get(self.fallback_of(team.slug, language))
        if instead is None or (instead.hours is not None and not instead.hours.is_open(now)):
            return decision
        return Decision(instead.slug, "hours", instead.skills)

    def choose(self, owner: str | None, language: str) -> str:
        """Returns the team for a ticket of which only these are known."""
        return self.decide(owner, language).team

    def fallback_of(self, team: str, language: str) -> str:
        """Returns the team that gets what a team cannot answer, if it answers in the language; '' for none."""
        known = self.teams.get(team)
        for slug in (known.fallback if known is not None else "", self.fallback):
            if slug and slug != team and self.teams[slug].answers_in(language):
                return slug
        return ""

    def overflows_to(self, team: str, language: str, *, overflowed: bool) -> str:
        """Returns the team that gets what waits too long in a team; '' for none.

        What came by an overflow goes on along the fallbacks, but not around in a circle: two teams may be each other's.
        """
        following = self.fallback_of(team, language)
        each, passed = following, {team}
        while overflowed and each and each not in passed:
            passed.add(each)
            each = self.fallback_of(each, language)
        return "" if overflowed and each == team else following

    def _decide(self, wanted: Attributes) -> Decision:
        asked: Mapping[str, int] | None = None
        for rule in self.rules:
            if not self._holds(rule, wanted):
                continue
            if not rule.team:
                asked = rule.skills if asked is None else asked
            elif self.teams[rule.team].answers_in(wanted.language):
                return self._to(rule.team, f"rule:{rule.name}", {**rule.skills, **(asked or {})})
        slug, chosen_by = self._without_rules(wanted)
        return self._to(slug, chosen_by, asked or {})

    def _without_rules(self, wanted: Attributes) -> tuple[str, str]:
        owner = self.teams.get(wanted.owner)
        if owner is None:
            return self.fallback, "fallback"
        if owner.answers_in(wanted.language):
            return owner.slug, "owner"
        return self.fallback_of(owner.slug, wanted.language) or self.fallback, "language"

    def _holds(self, rule: RoutingRule, wanted: Attributes) -> bool:
        if rule.least_value and bisect_right(self._values, rule.least_value) > wanted.order_value:
            return False
        return all(getattr(wanted, name) in allowed for name, allowed in rule.when.items())

    def _to(self, team: str, chosen_by: str, skills: Mapping[str, int]) -> Decision:
        return Decision(team, chosen_by, {**self.teams[team].skills, **skills})

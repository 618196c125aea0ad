"""Every version of the rules, and which one is in force at a moment of the log.

A version is in force from its `effective_from` until that of the next one. A record is folded with the version that was
in force when we received it (`time_of`), so a replay, today or in a year, uses what was used then.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from typing import NamedTuple

from schemas.calendars import Calendar
from schemas.events import Event
from schemas.published import IncidentChanged
from stream_processors.rules import incidents
from stream_processors.rules.ruleset import Rules

__all__ = ["ALWAYS", "RulesetHistory", "RulesetVersion", "time_of"]

#: `effective_from` of the first version: since the beginning of time.
ALWAYS = 0
_EMPTY = "the history is empty: no rules were published yet"
_BEFORE_ALL, _AFTER_ALL = -(2**63), 2**63


class RulesetVersion(NamedTuple):
    """Rules that are in force from `effective_from` (micros on the log's axis) on."""

    effective_from: int
    rules: Rules


def time_of(event: Event) -> int:
    """Returns the moment (micros) whose rules an event is folded with: when we received it.

    Not when it happened: a customer's wrong clock or a mail that was under way for days must not choose our rules, and
    rules become known before they take effect only in our own time. Imported history is the exception, for it is folded
    as of then: by the time at which it happened, if that is before it was imported. Both times stand in the record, so
    every replay comes to the same version.
    """
    if event.imported:
        return min(event.occurred_at, event.received_at)
    return event.received_at


class RulesetHistory:
    """Holds all versions in the order in which they take effect. `at` is asked for every record and takes under 1 µs.

    The first version is in force for everything before it, too. Of two that take effect at one moment the one that was
    added later counts.

    Incidents begin and end between versions: `at` returns the version in force with those that go on at that moment.
    """

    __slots__ = ("_calendars", "_changes", "_rules", "_since", "_starts", "_until", "_versions", "_with_incidents")

    def __init__(self, *versions: RulesetVersion) -> None:
        self._versions: list[RulesetVersion] = []
        self._starts: list[int] = []
        self._calendars: dict[tuple[str, str], Calendar] = {}
        self._since = self._until = 0  # an empty span: nothing is remembered
        self._rules: Rules | None = None
        self._changes: list[IncidentChanged] = []
        self._with_incidents: dict[tuple[int, int], Rules] = {}
        for version in versions:
            self.add(version)

    @classmethod
    def of(cls, rules: Rules | RulesetHistory) -> RulesetHistory:
        """Returns a history of one version that is always in force; a history is returned as it is."""
        return rules if isinstance(rules, RulesetHistory) else cls(RulesetVersion(ALWAYS, rules))

    def __len__(self) -> int:
        return len(self._versions)

    @property
    def versions(self) -> tuple[RulesetVersion, ...]:
        """All versions, in the order in which they take effect."""
        return tuple(self._versions)

    def add(self, version: RulesetVersion) -> None:
        """Adds a version; from now on `at` knows it."""
        place = bisect_right(self._starts, version.effective_from)
        self._starts.insert(place, version.effective_from)
        self._versions.insert(place, version)
        policies, calendars = version.rules.policies.version, version.rules.calendars.calendars
        for name, calendar in calendars.items():
            self._calendars.setdefault((policies, name), calendar)
        self._forget()

    def add_incident(self, change: IncidentChanged) -> None:
        """Adds the beginning or the end of an incident; from now on `at` knows it."""
        place = bisect_right(self._changes, change.effective_from, key=lambda each: each.effective_from)
        self._changes.insert(place, change)
        self._forget()

    def _forget(self) -> None:
        self._since = self._until = 0
        self._with_incidents.clear()

    def at(self, micros: int) -> Rules:
        """Returns the rules in force at a moment.

        Raises:
            LookupError: there is no version yet.
        """
        if self._since <= micros < self._until:
            return self._rules  # type: ignore[return-value]  # a span is remembered with its rules
        return self._look_up(micros)

    def version_at(self, micros: int) -> RulesetVersion:
        """Returns the version in force at a moment. Raises LookupError as `at` does."""
        if not self._versions:
            raise LookupError(_EMPTY)
        return self._versions[max(0, bisect_right(self._starts, micros) - 1)]

    def calendar(self, name: str, policy_version: str) -> Calendar | None:
        """Returns the calendar of this name as it was beside the policies of this version.

        A running clock keeps the calendar with which it started, whatever later versions made of it. The version of
        policies that use calendars depends on the calendars, too, so this is always the same one. None when no version
        of the rules has those policies: they are of a state from before versions were kept.
        """
        return self._calendars.get((policy_version, name))

    def _look_up(self, micros: int) -> Rules:
        if not self._versions:
            raise LookupError(_EMPTY)
        place = max(0, bisect_right(self._starts, micros) - 1)
        self._rules = rules = self._versions[place].rules
        self._since = self._starts[place] if place else _BEFORE_ALL
        self._until = self._starts[place + 1] if place + 1 < len(self._starts) else _AFTER_ALL
        if self._changes:
            self._rules = rules = self._told(micros, place, rules)
        return rules

    def _told(self, micros: int, place: int, rules: Rules) -> Rules:
        """Returns the rules of the version at `place` with the incidents that go on, and narrows the remembered span to these."""
        count = bisect_right(self._changes, micros, key=lambda each: each.effective_from)
        if count:
            self._since = max(self._since, self._changes[count - 1].effective_from)
        if count < len(self._changes):
            self._until = min(self._until, self._changes[count].effective_from)
        known = self._with_incidents.get((place, count))
        if known is None:
            known = replace(rules, incidents=incidents.in_force(self._changes[:count]))
            self._with_incidents[place, count] = known
        return known

"""Decides which published rules count. Pure: the records of the topic `rules` come as arguments.

Every process that reads the same records counts the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from schemas.published import IncidentChanged, RulesPublished

__all__ = ["PublishedRuleset", "PublishedRulesets"]


class PublishedRuleset(NamedTuple):
    """Rules that were published and count. `number` counts them from 0, in the order of the topic."""

    number: int
    record: RulesPublished

    @property
    def version(self) -> str:
        """The version of the content: 12 hexadecimal characters."""
        return self.record.version


class PublishedRulesets:
    """Holds the published rules that count, in the order of the topic.

    The first record counts always. Any other counts when the broker stored it by its `append_by`: a later one might
    take effect for records that were folded without it. A late copy of rules that are published already says nothing new:
    workers that start together on an empty topic all publish the same first record.

    incidents  the changes of incidents that came in time, in the order of the topic
    """

    def __init__(self) -> None:
        self._all: list[PublishedRuleset] = []
        self.incidents: list[IncidentChanged] = []

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[PublishedRuleset]:
        return iter(self._all)

    def add(self, record: RulesPublished, appended_at: int) -> PublishedRuleset | None:
        """Takes the next record, stored by the broker at `appended_at` (wall micros); returns None when it does not count."""
        if self._all and appended_at > record.append_by:
            return None
        ruleset = PublishedRuleset(len(self._all), record)
        self._all.append(ruleset)
        return ruleset

    def add_incident(self, record: IncidentChanged, appended_at: int) -> bool:
        """Takes the next change of an incident, stored by the broker at `appended_at`; returns false when it came too late."""
        in_time = appended_at <= record.append_by
        if in_time:
            self.incidents.append(record)
        return in_time

    def repeats(self, record: RulesPublished) -> bool:
        """Returns true when the content of a record is in force at its moment anyway: it asks for nothing new."""
        in_force = self.in_force(record.effective_from)
        return in_force is not None and in_force.version == record.version

    def in_force(self, at: int) -> PublishedRuleset | None:
        """Returns the rules that a record of this moment (pipeline micros) is folded with; None before the first."""
        begun = [each for each in self._all if each.record.effective_from <= at]
        return max(begun, key=lambda each: (each.record.effective_from, each.number), default=None)

    @property
    def newest(self) -> PublishedRuleset | None:
        """The rules that were published last, in force already or not."""
        return self._all[-1] if self._all else None

    def last_of(self, version: str) -> int | None:
        """Returns the number under which a version was published last; None when it never was."""
        return self.first_after(-1, version, last=True)

    def first_after(self, number: int, version: str, *, last: bool = False) -> int | None:
        """Returns the number under which a version was published first (or last) after `number`; None when it was not."""
        found = [each.number for each in self._all[number + 1 :] if each.version == version]
        return found[-1 if last else 0] if found else None

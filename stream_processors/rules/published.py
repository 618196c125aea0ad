"""Decides which published rules count, and when a directory of rules has something to publish.

Pure: the records of the topic `rules` and the contents of the directory come as arguments. Every process that reads the
same records counts the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from schemas.clock import MICROS, Clock
from schemas.published import IncidentChanged, RulesPublished

__all__ = ["GUARD_SECONDS", "Directory", "PublishedRuleset", "PublishedRulesets", "offer"]

#: Rules take effect at least so many seconds (wall time) after the broker stored them. A process that read the topic to
#: its end not longer ago than half of that knows every version in force by now, if clocks agree within the other half.
GUARD_SECONDS = 2.0


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
        begun = [each for each in self._all if each.record.effective_from <= record.effective_from]
        in_force = max(begun, key=lambda each: (each.record.effective_from, each.number), default=None)
        return in_force is not None and in_force.version == record.version

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


def offer(
    files: Mapping[str, bytes], version: str, mail_domain: str, *, clock: Clock, wall: int, start: int, by: str
) -> RulesPublished:
    """Returns the record that publishes rules from `start` (pipeline micros) on, written at `wall` (wall micros)."""
    begins = clock.wall_origin + (start - clock.origin) / clock.speed
    return RulesPublished(
        version=version,
        effective_from=start,
        append_by=int(begins - GUARD_SECONDS * MICROS),
        mail_domain=mail_domain,
        files=dict(files),
        published_by=by,
        at=clock.at(wall),
    )


class Directory:
    """Follows one process's directory of rules, and decides when its content is to be published.

    `number` is the number of the published rules that the directory corresponds to; -1 for none. A content is to be
    published when it was never published before this process started, or when it is a change seen by this process that
    was not published after `number`. So two processes whose directories differ do not publish alternately. Several that
    see the same changes publish each change once. Going back to an earlier content is a change like any other.
    """

    def __init__(self) -> None:
        self.version = ""
        self.number = -1

    def wants(self, version: str, published: PublishedRulesets) -> bool:
        """Returns true when this content, now in the directory, is to be published. `published` is read to its end."""
        if version == self.version:
            return False
        known = published.last_of(version) if not self.version else published.first_after(self.number, version)
        if known is None:
            return True
        self.version, self.number = version, known
        return False

    def was_published(self, version: str, published: PublishedRulesets) -> bool:
        """Moves `number` to the content that was published; returns false when it does not count: it came too late."""
        known = published.first_after(self.number, version, last=True)
        if known is None:
            return False
        self.version, self.number = version, known
        return True

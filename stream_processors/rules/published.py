"""The log of rules as everybody reads it: which publications count, and when a directory has something to publish.

Pure: the log and the contents come as arguments. Whoever reads the same log comes to the same publications, whatever
was going on when they were written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from schemas.clock import MICROS, Clock
from schemas.published import RulesPublished

__all__ = ["GUARD_SECONDS", "Directory", "PublishedRuleset", "PublishedRulesets", "offer"]

#: A publication takes effect at least so long (wall time) after the broker has stored it. Who looked at the end of the
#: log not longer ago than half of that knows every edition that is in force by now, if clocks agree within the rest.
GUARD_SECONDS = 2.0


class PublishedRuleset(NamedTuple):
    """A publication that counts. `number` counts them from 0, in the order of the log."""

    number: int
    record: RulesPublished

    @property
    def version(self) -> str:
        return self.record.version


class PublishedRulesets:
    """The publications of the log that count, in its order.

    The first record of the log counts whatever it says. Any other counts when the broker stored it by its `append_by`:
    a later one might take effect for records that were folded without it.
    """

    def __init__(self) -> None:
        self._all: list[PublishedRuleset] = []

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[PublishedRuleset]:
        return iter(self._all)

    def add(self, record: RulesPublished, appended_at: int) -> PublishedRuleset | None:
        """Take the next record of the log, stored by the broker at `appended_at` (wall micros); None: it counts for nothing."""
        if self._all and appended_at > record.append_by:
            return None
        publication = PublishedRuleset(len(self._all), record)
        self._all.append(publication)
        return publication

    @property
    def newest(self) -> PublishedRuleset | None:
        """The one that was published last, whether or not it is in force already."""
        return self._all[-1] if self._all else None

    def last_of(self, version: str) -> int | None:
        """The number of the last publication of a version; None when it was never published."""
        return self.first_after(-1, version, last=True)

    def first_after(self, number: int, version: str, *, last: bool = False) -> int | None:
        """The number of the first (or last) publication of a version after publication `number`."""
        found = [each.number for each in self._all[number + 1 :] if each.version == version]
        return found[-1 if last else 0] if found else None


def offer(
    files: Mapping[str, bytes], version: str, mail_domain: str, *, clock: Clock, wall: int, start: int, by: str
) -> RulesPublished:
    """The record that publishes rules from `start` (pipeline micros) on, written at `wall` (wall micros)."""
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
    """What one process's directory of rules has to do with the log.

    `place` is the publication that the directory corresponds to. A directory has something to publish when its content
    was never published before this process started, or became something else under this process that stands nowhere
    after `place`. So two processes whose directories differ do not publish in turns; several that see the same changes
    one after another publish each change once, however far apart they see it; and going back to an earlier content, in
    a directory that was up to date, is a change like any other.
    """

    def __init__(self) -> None:
        self.version = ""
        self.place = -1

    def wants(self, version: str, log: PublishedRulesets) -> bool:
        """Whether this content, now in the directory, is to be published. `log` is read to its end."""
        if version == self.version:
            return False
        known = log.last_of(version) if not self.version else log.first_after(self.place, version)
        if known is None:
            return True
        self.version, self.place = version, known
        return False

    def published(self, version: str, log: PublishedRulesets) -> bool:
        """Note that the content was published; False when it does not stand in the log after `place`: it came too late."""
        known = log.first_after(self.place, version, last=True)
        if known is None:
            return False
        self.version, self.place = version, known
        return True

"""Decides when a directory of rules has something to publish, and makes the record.

Pure: what was published (`schemas.rulesets`) and the contents of the directory come as arguments.
"""

from __future__ import annotations

from collections.abc import Mapping

from schemas.clock import MICROS, Clock
from schemas.published import RulesPublished
from schemas.rulesets import PublishedRulesets

__all__ = ["GUARD_SECONDS", "Directory", "offer"]

#: Rules take effect at least so many seconds (wall time) after the broker stored them. A process that read the topic to
#: its end not longer ago than half of that knows every version in force by now, if clocks agree within the other half.
GUARD_SECONDS = 2.0


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

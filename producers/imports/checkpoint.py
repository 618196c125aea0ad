"""Keeps the position up to which Kafka has an import, in a small file beside the input, so that a restart resumes.

It is written only after Kafka has the events before it. Events after the last writing are published again, with the
same ids. `Overlap` keeps them few enough for the worker to recognise all of them.
"""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any

import structlog

__all__ = ["MOST_AGAIN", "Checkpoint", "Overlap"]

#: A customer's events that a killed import may publish twice. The worker remembers the last 256 ids of each customer.
MOST_AGAIN = 200
_SAVE_SECONDS = 0.5

log = structlog.get_logger("producers.import")


class Checkpoint:
    """The state file of one import, which `about` identifies; a file of another import counts as none."""

    def __init__(self, path: Path | None, about: dict[str, Any]) -> None:
        self.path, self.about = path, about
        self._saved_at = 0.0
        self._writable = True

    @classmethod
    def beside(cls, source: str, state: Path | None, about: dict[str, Any]) -> Checkpoint:
        """Returns the file that the user named, else `.NAME.import` beside the input; standard input is not remembered."""
        if state is None and source != "-":
            place = Path(source).resolve()
            state = place.with_name(f".{place.name}.import")
        return cls(state, about)

    def load(self) -> dict[str, Any] | None:
        """Returns the content of the checkpoint of this very import, or None."""
        if self.path is None:
            return None
        try:
            found = json.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log.warning("state_unreadable", file=str(self.path), problem=str(error), then="starting from the beginning")
            return None
        if not isinstance(found, dict) or found.get("about") != self.about:
            log.warning("state_of_another_import", file=str(self.path), then="starting from the beginning")
            return None
        return found

    def due(self) -> bool:
        """Says if it is time to save again."""
        return time.monotonic() - self._saved_at > _SAVE_SECONDS

    def save(self, **position: Any) -> None:
        """Writes the checkpoint, all or nothing. A place that cannot be written is logged once; only resuming is lost."""
        self._saved_at = time.monotonic()
        if self.path is None or not self._writable:
            return
        temporary = self.path.with_name(self.path.name + ".tmp")
        try:
            temporary.write_text(json.dumps({"about": self.about, **position}), "utf-8")
            temporary.replace(self.path)
        except OSError as error:
            self._writable = False
            log.warning("state_not_written", file=str(self.path), problem=str(error), fix="name another one by --state")


class Overlap:
    """Counts, by customer, what would be published again if the process were killed now."""

    def __init__(self) -> None:
        self._unsaved: deque[str] = deque()
        self._counts: Counter[str] = Counter()

    def submitted(self, tag: str) -> bool:
        """Counts an event; says if the customer has the most that may be unsaved, so that everything must be saved next."""
        self._counts[tag] += 1
        return self._counts[tag] >= MOST_AGAIN

    def settled(self, tag: str) -> None:
        """Notes that an event of this customer is durable."""
        self._unsaved.append(tag)

    def saved(self) -> None:
        """Notes that the checkpoint covers everything settled."""
        counts = self._counts
        for tag in self._unsaved:
            if counts[tag] > 1:
                counts[tag] -= 1
            else:
                del counts[tag]
        self._unsaved.clear()

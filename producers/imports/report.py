"""Reports an import: counts for the terminal, and every refusal with its reason in a file of JSON lines."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from schemas.errors import ConfigurationError, Refused

__all__ = ["Report"]

_SHOWN_PROBLEMS = 20
#: Customers whose last time is kept, to notice a history that is out of order.
_MOST_CUSTOMERS = 1_000_000


@dataclass
class Report:
    """The outcome of an import.

    outcomes      published, duplicate, dead_lettered (or good, bad of a dry run): events, and refused inputs
    left_out      parts of an export that are no events on purpose, by kind
    already       events (lines of JSON lines) that an earlier start had published
    next_line     where `--from-line` goes on: all lines before it are durable
    out_of_order  events that are older than the one before of the same customer
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    unit: str = "events"
    blank: int = 0
    already: int = 0
    next_line: int = 1
    out_of_order: int = 0
    seconds: float = 0.0
    finished: bool = False
    remembered: bool = False
    _file: TextIO | None = None
    _last: dict[str, int] = field(default_factory=dict)

    @property
    def taken(self) -> int:
        """The number of inputs with an outcome."""
        return sum(self.outcomes.values())

    def write_to(self, path: Path | None, *, again: bool) -> None:
        """Keeps every refusal in this file too; `again` adds to what an earlier start wrote.

        Raises:
            ConfigurationError: it cannot be written.
        """
        if path is None:
            return
        try:
            self._file = path.open("a" if again else "w", encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"cannot be written: {error.strerror}", where=str(path)) from error

    def close(self) -> None:
        """Closes the file of refusals."""
        if self._file is not None:
            self._file.close()

    def refuse(self, place: str, record: int, own_id: str, refused: Refused) -> None:
        """Counts a refusal under its reason, shows the first ones and writes all."""
        self.reasons[refused.reason] += 1
        if len(self.problems) < _SHOWN_PROBLEMS:
            self.problems.append(f"{place} {record}: {refused}")
        if self._file is not None:
            line = {"record": record, "id": own_id, "reason": refused.reason, "detail": refused.detail or str(refused)}
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._file.flush()

    def leave_out(self, kinds: Counter[str]) -> None:
        """Counts what was left out on purpose, by kind."""
        self.left_out.update(kinds)

    def told(self, tag: str, at: int) -> None:
        """Notes an event of this customer at this time, in the order of publishing."""
        last = self._last
        if last.get(tag, 0) > at:
            self.out_of_order += 1
        elif tag in last or len(last) < _MOST_CUSTOMERS:
            last[tag] = at

    def rows(self) -> list[tuple[str, str]]:
        """Returns the table for the terminal, with a count per line."""
        rows = [(outcome.replace("_", " "), f"{count:,}") for outcome, count in self.outcomes.items()]
        rows += [(f"  {reason}", f"{count:,}") for reason, count in self.reasons.items()]
        rows += [("taken", f"{self.taken:,}")]
        rows += [("already there", f"{self.already:,}")] if self.already else []
        rows += [(f"left out: {kind}", f"{count:,}") for kind, count in sorted(self.left_out.items())]
        rows += [("blank", f"{self.blank:,}")] if self.unit == "lines" else []
        rows += [("out of order", f"{self.out_of_order:,}")] if self.out_of_order else []
        return [*rows, ("per second", f"{self.taken / max(self.seconds, 0.001):,.0f}")]

    def own_id(self, raw: bytes) -> str:
        """Returns the id that an input says it has, for the report; '' when it says none."""
        try:
            body: Any = json.loads(raw)
        except (ValueError, RecursionError):
            return ""
        return str(body.get("id", ""))[:200] if isinstance(body, dict) else ""

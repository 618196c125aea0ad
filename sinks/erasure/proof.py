"""Looks for a person in every record, row and file that it can reach, and says what it looked at and what it found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clickhouse_connect.driver.client import Client

from schemas.settings import SinkSettings
from sinks.erasure import files, tables
from sinks.erasure.log import LogScan, scan, until_request
from sinks.erasure.person import Person

__all__ = ["Proof", "prove"]


@dataclass(frozen=True)
class Proof:
    """Holds what a search for a person looked at and found."""

    log: LogScan
    rows: Sequence[tables.Rows]
    files: files.Files
    attachments: int
    opted_out: int
    old_parts: int

    @property
    def found(self) -> int:
        """Counts what was found: records, states, rows and files."""
        states = len(self.log.states) - self.opted_out
        rows = sum(each.theirs for each in self.rows)
        return len(self.log.theirs) + len(self.log.older) + states + rows + len(self.files.holding) + self.attachments

    @property
    def is_clean(self) -> bool:
        """Returns true when nothing was found."""
        return self.found == 0

    def lines(self) -> list[str]:
        """Returns what is printed."""
        log, lines = self.log, []
        theirs = Counter(each.topic for each in (*log.theirs, *log.older))
        states = Counter(each.topic for each in log.states.values())
        for topic in sorted(log.looked):
            count = theirs[topic] + states[topic]
            also = f", {log.others[topic]} mentions by others" if log.others[topic] else ""
            lines.append(
                f"topic {topic}: {log.looked[topic]} records, {log.looked_bytes[topic]} bytes: {count} found{also}"
            )
        for each in self.rows:
            also = f", {each.others} mentions by others" if each.others else ""
            lines.append(f"table {each.table}: {each.looked} rows: {each.theirs} found{also}")
        if self.old_parts:
            lines.append(f"ClickHouse removes {self.old_parts} parts that nothing reads any more within 8 minutes")
        lines.append(f"attachments: {self.attachments} found")
        lines.append(
            f"files: {self.files.looked} files, {self.files.looked_bytes} bytes: {len(self.files.holding)} found"
        )
        lines += [f"  {path}" for path in self.files.holding]
        if self.opted_out:
            lines.append("kept: that they want no messages, as digests of the addresses")
        lines.append("nothing found" if self.is_clean else f"{self.found} found")
        return lines


async def prove(
    settings: SinkSettings,
    client: Client,
    person: Person,
    folders: Sequence[Path] = (),
    *,
    after: Mapping[str, int] | None = None,
) -> Proof:
    """Searches everything. With `after`, the last offset of a request by tag, what they wrote since then is not counted.

    Raises:
        Unavailable: Kafka or ClickHouse does not answer.
    """
    log = await scan(settings, person, counts=until_request(settings, after or {}))
    stored = tables.found(client, person)
    digests = sum(each.key[:1] == b"c" for each in log.states.values()) if after is not None else 0
    held = files.count_attachments(settings, person)
    looked = files.found(files.roots(settings, folders), person)
    return Proof(log, stored, looked, held, digests, tables.old_parts(client))

"""Runs an import as its options say, and prints its report."""

from __future__ import annotations

import csv
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from producers.imports import exports, jsonl, reader
from producers.imports.report import Report
from producers.publisher import Publisher
from producers.text.fields import time_zone_problem
from schemas.errors import ConfigurationError
from schemas.process import EXIT_USAGE, Health
from schemas.settings import ProducerSettings

__all__ = ["Command", "read_tags"]

#: Gives the publisher, the probes, and the event that ends the process.
Process = Callable[[], AbstractContextManager[tuple[Publisher, Health, threading.Event]]]


@dataclass(frozen=True)
class Command:
    """The options of the command."""

    path: str
    format: str = "auto"
    dry_run: bool = False
    live: bool = False
    from_line: int = 1
    sort: bool = False
    state: Path | None = None
    again: bool = False
    report: Path | None = None
    account: str = ""
    time_zone: str = ""
    tags: Path | None = None

    def run(self, settings: ProducerSettings, process: Process) -> int:
        """Imports, or only reports what an import would do. Returns 2 when a dry run found something wrong.

        Raises:
            ConfigurationError: options that contradict each other, a file that cannot be read, nothing to import.
            Unavailable: Kafka does not answer.
        """
        kind = self._format()
        self._check(kind)
        streamed = kind == "jsonl" and not self.sort and not Path(self.path).is_dir()
        if self.dry_run:
            report = self._dry(kind, streamed, settings)
            _summary(f"{self.path}: nothing was published", report)
        else:
            with process() as (publisher, health, stop):
                # Kafka's client has a thread of its own; with the usual 5 ms each of its wake-ups would cost us 5 ms.
                sys.setswitchinterval(0.0005)
                report = self._import(kind, streamed, settings, publisher, health, stop)
            _summary(self._title(report, streamed), report)
        if report.out_of_order and streamed:
            _warn(f"{report.out_of_order:,} events are older than the one before of the same customer: --sort helps")
        if not report.taken and not report.blank and not report.already and report.finished:
            raise ConfigurationError("there is nothing to import", where=self.path)
        return EXIT_USAGE if self.dry_run and report.outcomes["bad"] else 0

    def _format(self) -> str:
        if self.format != "auto" and self.format not in reader.FORMATS:
            known = ", ".join(("auto", *reader.FORMATS))
            raise ConfigurationError(f"{self.format!r} is not a format", where="--format", fix=f"one of {known}")
        if self.format != "auto":
            return self.format
        return "jsonl" if self.path == "-" else reader.detect(Path(self.path))

    def _check(self, kind: str) -> None:
        if self.path == "-" and (kind != "jsonl" or self.sort):
            raise ConfigurationError("only JSON lines come from standard input, as they are", where="-")
        if self.from_line > 1 and (kind != "jsonl" or self.sort):
            raise ConfigurationError("lines are counted in unsorted JSON lines only", where="--from-line")
        if self.live and kind not in ("jsonl", "mbox"):
            raise ConfigurationError(f"an export of {kind} is history", where="--live")
        if problem := time_zone_problem(self.time_zone):
            raise ConfigurationError(problem, where="--time-zone")

    def _export(self, kind: str) -> exports.Export:
        tags = read_tags(self.tags) if self.tags else {}
        return exports.Export(Path(self.path), kind, self.live, self.account, self.time_zone, tags)

    def _dry(self, kind: str, streamed: bool, settings: ProducerSettings) -> Report:
        if streamed:
            return jsonl.dry_run(
                self.path, settings, live=self.live, from_line=self.from_line, report_to=self.report
            )  # fmt: skip
        return exports.dry_run(self._export(kind), settings, report_to=self.report)

    def _import(
        self,
        kind: str,
        streamed: bool,
        settings: ProducerSettings,
        publisher: Publisher,
        health: Health,
        stop: threading.Event,
    ) -> Report:
        if streamed:
            return jsonl.run(
                self.path, publisher, settings, live=self.live, from_line=self.from_line, health=health, stop=stop,
                state=self.state, again=self.again, report_to=self.report,
            )  # fmt: skip
        return exports.run(
            self._export(kind), publisher, settings, health=health, stop=stop,
            state=self.state, again=self.again, report_to=self.report,
        )  # fmt: skip

    def _title(self, report: Report, streamed: bool) -> str:
        if not report.finished:
            how = f"go on with --from-line {report.next_line}" if streamed else "the same command goes on"
            return f"{self.path}: stopped; {how}"
        if report.already and not report.taken:
            return f"{self.path}: Kafka has all of it already; --again publishes it once more"
        return self.path


def read_tags(path: Path) -> dict[str, str]:
    """Reads `their tag,our why-tag`, one pair per line.

    Raises:
        ConfigurationError: with file and line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [(number, row) for number, row in enumerate(csv.reader(file), start=1) if any(row)]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot be read: {error}", where=str(path)) from error
    for number, row in rows:
        if len(row) != 2 or not all(each.strip() for each in row):
            raise ConfigurationError("a line is: their tag,our tag", where=f"{path}:{number}")
    return {theirs.strip(): ours.strip() for _, (theirs, ours) in rows}


def _summary(title: str, report: Report) -> None:
    console = Console()
    console.print(title, soft_wrap=True, markup=False, highlight=False)
    table = Table()
    table.add_column("")
    table.add_column(report.unit, justify="right")
    for name, count in report.rows():
        table.add_row(name, count, end_section=name == "taken")
    console.print(table)
    for problem in report.problems:
        console.print(problem, style="red", soft_wrap=True, markup=False, highlight=False)


def _warn(text: str) -> None:
    Console().print(text, style="yellow", soft_wrap=True, markup=False, highlight=False)

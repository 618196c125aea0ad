"""JSON-lines history from a file or standard input, several thousand events a second.

Event ids are deterministic, so a file may be imported again: what Kafka has already is dropped downstream. A broken
line becomes a dead letter that carries its line number, and the rest of the file goes on.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import structlog
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from producers.channels import history
from producers.intake import Intake
from producers.publisher import MAX_RECORD_BYTES, Publisher, Receipt
from schemas.errors import ConfigurationError, Refused, Unavailable
from schemas.events import Event
from schemas.process import Health
from schemas.settings import ProducerSettings

__all__ = ["Report", "dry_run", "lines", "run"]

_IN_FLIGHT = 5_000
_SHOWN_PROBLEMS = 20
_REPORT_SECONDS = 5.0

log = structlog.get_logger("producers.jsonl")


@dataclass
class Report:
    """What became of a file. `next_line` is where `--from-line` goes on: all lines before it are durable."""

    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    blank: int = 0
    next_line: int = 1
    seconds: float = 0.0
    finished: bool = False

    @property
    def taken(self) -> int:
        return sum(self.outcomes.values())

    def refuse(self, number: int, problem: str) -> None:
        if len(self.problems) < _SHOWN_PROBLEMS:
            self.problems.append(f"line {number}: {problem}")


@dataclass(frozen=True)
class Line:
    """One line that is not blank; `raw` is its first part only when `total_bytes` is above the limit."""

    number: int
    raw: bytes
    total_bytes: int


def lines(file: BinaryIO, max_bytes: int, advance: Callable[[int], None] = lambda _: None) -> Iterator[Line | None]:
    """The lines from the first on, None for blank ones; `advance` hears how many bytes were read."""
    number = 0
    while True:
        raw = file.readline(max_bytes + 1)
        if not raw:
            return
        number += 1
        total = len(raw)
        if total > max_bytes and not raw.endswith(b"\n"):
            raw = raw[:MAX_RECORD_BYTES]
            while rest := file.readline(1 << 20):
                total += len(rest)
                if rest.endswith(b"\n"):
                    break
        advance(total)
        yield Line(number, raw.rstrip(b"\r\n"), total) if raw.strip() else None


def run(
    path: str,
    publisher: Publisher,
    settings: ProducerSettings,
    *,
    live: bool,
    from_line: int,
    health: Health,
    stop: threading.Event,
) -> Report:
    """Publish every line from `from_line` on; returns early, with everything durable, when `stop` is set.

    Raises:
        ConfigurationError: the file cannot be read.
        Unavailable: Kafka does not answer; the text says where to go on.
    """
    report, started = Report(next_line=from_line), time.perf_counter()
    intake = Intake(publisher, history.CHANNEL, _normaliser(path, settings, live))
    pending: deque[tuple[Line, Future[Receipt]]] = deque()

    def settle(most: int) -> None:
        while len(pending) > most:
            line, future = pending[0]
            receipt = publisher.wait(future)
            pending.popleft()
            report.outcomes[receipt.outcome] += 1
            report.next_line = line.number + 1
            if receipt.reason:
                report.reasons[receipt.reason] += 1
                report.refuse(line.number, receipt.reason)
            health.beat()

    try:
        publisher.connect()
        health.ready = True
        with _opened(path) as (file, size), _progress(size, report) as advance:
            found = lines(file, settings.max_body_bytes, advance)
            for line in found if size is not None else _stoppable(found, stop):
                if stop.is_set():
                    break
                if line is None:
                    report.blank += 1
                elif line.number >= from_line:
                    refused = _too_long(line, settings.max_body_bytes)
                    origin = f"{path}:{line.number}"
                    future = intake.take(line.raw, origin=origin, refused=refused, total_bytes=line.total_bytes)
                    pending.append((Line(line.number, b"", 0), future))
                    settle(_IN_FLIGHT)
            settle(0)
            report.finished = not stop.is_set()
    except Unavailable as error:
        raise Unavailable(f"{error}; go on with --from-line {report.next_line}") from error
    finally:
        report.seconds = time.perf_counter() - started
    return report


def dry_run(path: str, settings: ProducerSettings, *, live: bool, from_line: int) -> Report:
    """Normalise every line and publish nothing."""
    report, started = Report(next_line=from_line), time.perf_counter()
    normalise = _normaliser(path, settings, live)
    with _opened(path) as (file, size), _progress(size, report) as advance:
        for line in lines(file, settings.max_body_bytes, advance):
            if line is None:
                report.blank += 1
            elif line.number >= from_line:
                try:
                    if refused := _too_long(line, settings.max_body_bytes):
                        raise refused
                    normalise(line.raw)
                    report.outcomes["good"] += 1
                except Refused as error:
                    report.outcomes["bad"] += 1
                    report.reasons[error.reason] += 1
                    report.refuse(line.number, str(error))
                report.next_line = line.number + 1
    report.seconds, report.finished = time.perf_counter() - started, True
    return report


def _normaliser(path: str, settings: ProducerSettings, live: bool) -> Callable[[bytes], Event]:
    clock, source = settings.pipeline_clock, f"import:{Path(path).name if path != '-' else 'stdin'}"
    return lambda raw: history.normalise(raw, now=clock.now(), source=source, live=live)


def _too_long(line: Line, limit: int) -> Refused | None:
    if line.total_bytes <= limit:
        return None
    return Refused("too_large", f"the line has {line.total_bytes} bytes, the limit is {limit}")


@contextmanager
def _opened(path: str) -> Iterator[tuple[BinaryIO, int | None]]:
    if path == "-":
        # Not sys.stdin: a thread may still be reading when the interpreter ends, which would abort over its lock.
        yield open(0, "rb", buffering=1 << 20, closefd=False), None  # noqa: SIM115
        return
    try:
        size = Path(path).stat().st_size
        file = Path(path).open("rb", buffering=1 << 20)  # noqa: SIM115 - only its opening may fail as a wrong path
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", where=path) from error
    with file:
        yield file, size


def _stoppable(found: Iterator[Line | None], stop: threading.Event) -> Iterator[Line | None]:
    """The same lines; ends when `stop` is set even while a pipe is silent, which a blocking read would not notice."""
    waiting: queue.Queue[tuple[bool, Line | None]] = queue.Queue(_IN_FLIGHT)

    def read() -> None:
        for line in found:
            waiting.put((True, line))
        waiting.put((False, None))

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while not stop.is_set():
        try:
            more, line = waiting.get(timeout=0.2)
        except queue.Empty:
            continue
        if not more:
            return
        yield line


@contextmanager
def _progress(size: int | None, report: Report) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, a log line now and then elsewhere."""
    console = Console(stderr=True)
    started = last = time.monotonic()
    if not console.is_terminal:

        def note(_: int) -> None:
            nonlocal last
            if time.monotonic() - last > _REPORT_SECONDS:
                last = time.monotonic()
                log.info("progress", events=report.taken, per_second=round(report.taken / (last - started)))

        yield note
        return
    columns = (TextColumn("import"), BarColumn(), DownloadColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        task, read, shown = bar.add_task("import", total=size, rate=""), 0, 0.0

        def advance(count: int) -> None:
            nonlocal read, shown
            read += count
            if (now := time.monotonic()) - shown > 0.1:
                shown = now
                bar.update(task, completed=read, rate=f"{report.taken / max(now - started, 0.001):,.0f} events/s")

        yield advance

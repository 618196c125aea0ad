"""Imports JSON-lines history from a file or standard input, several thousand events a second.

Event ids are deterministic, so a file may be imported again: what Kafka has already is dropped downstream. A broken
line becomes a dead letter that carries its line number, and the rest of the file goes on. A checkpoint beside
the file keeps the position (`producers.imports.checkpoint`): a second start resumes there, also when lines were added.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

from producers.imports.checkpoint import Checkpoint
from producers.imports.formats import history
from producers.imports.progress import progress
from producers.imports.report import Report
from producers.imports.sender import IN_FLIGHT, Sender, Sent
from producers.intake import Intake
from producers.publisher import MAX_RECORD_BYTES, Publisher
from schemas.dead_letter.headers import InputContext
from schemas.errors import ConfigurationError, Refused, Unavailable
from schemas.events import Event
from schemas.process import Health
from schemas.settings import ProducerSettings

__all__ = ["dry_run", "lines", "run"]

#: Bytes before the position that must be unchanged; otherwise the import starts again.
_COMPARED_BYTES = 65_536


@dataclass(frozen=True)
class Line:
    """One line that is not blank; `raw` is its first part only when `total_bytes` is above the limit.

    `end` is the offset behind it, in bytes.
    """

    number: int
    raw: bytes
    total_bytes: int
    end: int = 0


def lines(
    file: BinaryIO, max_bytes: int, advance: Callable[[int], None] = lambda _: None, *, number: int = 0, end: int = 0
) -> Iterator[Line | None]:
    """Yields the lines from here on, None for blank ones; `advance` hears how many bytes were read.

    `number` lines and `end` bytes are before the place where the file stands.
    """
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
        end += total
        yield Line(number, raw.rstrip(b"\r\n"), total, end) if raw.strip() else None


class _Normaliser:
    """Makes events of lines and keeps the last one, because the intake returns only a future."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.tag, self.refused = "", Refused("")

    def __call__(self, raw: bytes, given: InputContext) -> Event:
        self.tag = ""
        try:
            event = history.event(raw, given)
        except Refused as error:
            self.refused = error
            raise
        self.tag = event.customer_tag
        if self.tag:
            self._report.told(self.tag, event.occurred_at)
        return event


def run(
    path: str,
    publisher: Publisher,
    settings: ProducerSettings,
    *,
    live: bool,
    from_line: int,
    health: Health,
    stop: threading.Event,
    state: Path | None = None,
    again: bool = False,
    report_to: Path | None = None,
) -> Report:
    """Publishes every line from `from_line` on; returns early, with everything durable, when `stop` is set.

    It begins at the checkpoint unless `from_line` or `again` is given.

    Raises:
        ConfigurationError: the file cannot be read, the report cannot be written.
        Unavailable: Kafka does not answer; the text says where to go on.
    """
    checkpoint = Checkpoint.beside(path, state, {"format": "jsonl", "live": live})
    with _opened(path) as (file, size):
        number, end = (0, 0) if again or from_line > 1 else _position(path, file, size, checkpoint)
        report = Report(unit="lines", next_line=max(from_line, number + 1), already=number)
        report.remembered = checkpoint.path is not None and size is not None
        report.write_to(report_to, again=number > 0)
        started = time.perf_counter()
        normalise = _Normaliser(report)

        def settled(position: tuple[int, int]) -> None:
            report.next_line = position[0] + 1
            if size is not None:
                checkpoint.save(line=position[0], bytes=position[1], digest=_digest(path, position[1]))

        sender = Sender(publisher, report, checkpoint, health, settled)
        intake = Intake(publisher, history.CHANNEL, normalise, source=_source(path), imported=not live)
        try:
            publisher.connect()
            health.ready = True
            with progress("import", size, lambda: report.taken, done=end) as advance:
                found = lines(file, settings.max_body_bytes, advance, number=number, end=end)
                for line in found if size is not None else _stoppable(found, stop):
                    if stop.is_set():
                        break
                    if line is None:
                        report.blank += 1
                    elif line.number >= from_line:
                        sender.add(_take(line, intake, normalise, path, settings, report))
                sender.settle(0)
                report.finished = not stop.is_set()
        except Unavailable as error:
            sender.save()
            raise Unavailable(f"{error}; go on with --from-line {report.next_line}") from error
        finally:
            report.seconds = time.perf_counter() - started
            report.close()
        sender.save()
    return report


def _take(
    line: Line, intake: Intake, normalise: _Normaliser, path: str, settings: ProducerSettings, report: Report
) -> Sent:
    refused = _too_long(line, settings.max_body_bytes)
    normalise.tag, normalise.refused = "", refused or Refused("defect")
    future = intake.take(line.raw, origin=f"{path}:{line.number}", refused=refused, total_bytes=line.total_bytes)
    position = (line.number, line.end)
    if normalise.tag:
        return Sent(future, position, normalise.tag, "line", line.number)
    own_id = report.own_id(line.raw) if refused is None else ""
    return Sent(future, position, "", "line", line.number, own_id, normalise.refused)


def dry_run(
    path: str, settings: ProducerSettings, *, live: bool, from_line: int, report_to: Path | None = None
) -> Report:
    """Normalises every line and publishes nothing."""
    report, started = Report(unit="lines", next_line=from_line), time.perf_counter()
    report.write_to(report_to, again=False)
    normalise, now = _Normaliser(report), settings.pipeline_clock.now
    with _opened(path) as (file, size), progress("check", size, lambda: report.taken) as advance:
        for line in lines(file, settings.max_body_bytes, advance):
            if line is None:
                report.blank += 1
            elif line.number >= from_line:
                try:
                    if refused := _too_long(line, settings.max_body_bytes):
                        raise refused
                    normalise(line.raw, InputContext(received_at=now(), source=_source(path), imported=not live))
                    report.outcomes["good"] += 1
                except Refused as error:
                    report.outcomes["bad"] += 1
                    report.refuse("line", line.number, report.own_id(line.raw), error)
                report.next_line = line.number + 1
    report.seconds, report.finished = time.perf_counter() - started, True
    report.close()
    return report


def _source(path: str) -> str:
    return f"import:{Path(path).name if path != '-' else 'stdin'}"


def _position(path: str, file: BinaryIO, size: int | None, checkpoint: Checkpoint) -> tuple[int, int]:
    """Returns the lines and bytes that Kafka has, and seeks there; (0, 0) when this is another file."""
    known: dict[str, Any] | None = checkpoint.load() if size is not None else None
    if known is None or size is None:
        return 0, 0
    number, end = known.get("line"), known.get("bytes")
    if not isinstance(number, int) or not isinstance(end, int) or end > size:
        return 0, 0
    if _digest(path, end) != known.get("digest"):
        return 0, 0
    file.seek(end)
    return number, end


def _digest(path: str, end: int) -> str:
    """Returns the digest of the bytes just before a position."""
    with Path(path).open("rb") as file:
        file.seek(max(0, end - _COMPARED_BYTES))
        return blake2b(file.read(min(end, _COMPARED_BYTES)), digest_size=16).hexdigest()


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
    """Yields the same lines; ends when `stop` is set even while a pipe is silent, which a blocking read would not notice."""
    waiting: queue.Queue[tuple[bool, Line | None]] = queue.Queue(IN_FLIGHT)

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

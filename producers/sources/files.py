"""Takes mail on disk: a maildir, an mbox, a folder of `.eml` files, or one such file; once, or watched.

A mail is moved only after Kafka has it, so whatever is still waiting after a crash is published again, under the same
event id, and is dropped downstream:

    maildir   new/X ─▶ cur/X:2,S        refused: ─▶ refused/X
    folder    X.eml ─▶ done/X.eml       refused: ─▶ refused/X.eml
    mbox      is never changed; when watched, a file `.NAME.offset` beside it holds the position
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol

import structlog

from producers.intake import Intake
from producers.publisher import MAX_RECORD_BYTES, Outcome, Publisher, Receipt
from producers.sources.mail_intake import mail_intake
from producers.storage.attachments import AttachmentStore
from schemas.errors import ConfigurationError, Refused, Unavailable
from schemas.process import Health
from schemas.settings import ProducerSettings

__all__ = ["Folder", "MailSource", "Maildir", "Mbox", "SingleFile", "WaitingMail", "open_source", "run"]

POLL_SECONDS = 0.2
#: A file without changes for so many seconds is complete, also when it is seen for the first time.
_SETTLED_SECONDS = 2.0
_IN_FLIGHT = 200
_RETRY_SECONDS = 1.0
_FROM_LINE = re.compile(rb"^From \S.*\d{4}(?: [+-]\d{4})?\s*$")

log = structlog.get_logger("producers.files")


@dataclass(frozen=True)
class WaitingMail:
    """One mail that waits at `path`. `raw` is only its first part when `total_bytes` is more."""

    raw: bytes
    total_bytes: int
    path: Path
    origin: str
    kept_at: str = ""
    refused: Refused | None = None
    end: int = 0


class MailSource(Protocol):
    """A place with mails. `finish` is called when Kafka has the mail, as an event or as a dead letter."""

    name: str

    #: The number of files that the last look skipped because they were growing.
    growing: int

    def waiting(self, *, settled_only: bool) -> Iterator[WaitingMail]:
        """Yields the mails to take now; with `settled_only` none that may still be written to."""
        ...

    def finish(self, mail: WaitingMail, receipt: Receipt) -> None:
        """Moves or marks a mail that Kafka has."""
        ...


@dataclass
class Tally:
    """The outcomes of the mails of one run."""

    outcomes: Counter[str] = field(default_factory=Counter)

    def add(self, receipt: Receipt) -> None:
        self.outcomes[receipt.outcome] += 1

    @property
    def taken(self) -> int:
        return sum(self.outcomes.values())


def open_source(path: Path, *, max_bytes: int, imported: bool, watched: bool) -> MailSource:
    """Returns the source at `path`; its kind is found by looking at it.

    Raises:
        ConfigurationError: there is nothing, or nothing that holds mail.
    """
    if path.is_dir():
        if (path / "new").is_dir() and (path / "cur").is_dir():
            return Maildir(path, max_bytes, with_read=imported)
        return Folder(path, max_bytes)
    if not path.is_file():
        raise ConfigurationError("there is nothing", where=str(path), fix="give a maildir, an mbox or a folder of .eml")
    with path.open("rb") as file:
        start = file.read(1000)
    if start.startswith(b"From ") or (watched and not start.strip() and path.suffix != ".eml"):
        return Mbox(path, max_bytes, remember=watched)
    if watched:
        raise ConfigurationError("one file cannot be watched", where=str(path), fix="watch its folder, or an mbox")
    return SingleFile(path, max_bytes)


class Folder:
    """A folder of `.eml` files. Hidden and temporary files are left alone, growing ones wait until they stop."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path, self.name, self._max_bytes = path, f"folder:{path}", max_bytes
        self._seen: dict[str, tuple[int, int]] = {}
        self.growing = 0

    def waiting(self, *, settled_only: bool) -> Iterator[WaitingMail]:
        """Yields the files of the folder, oldest first, that nobody writes to."""
        seen: dict[str, tuple[int, int]] = {}
        ready = []
        for entry in _entries(self.path):
            if entry.name.startswith((".", "~")) or not entry.name.lower().endswith(".eml"):
                continue
            with contextlib.suppress(FileNotFoundError):
                if entry.is_file():
                    stat = entry.stat()
                    seen[entry.name] = (stat.st_size, stat.st_mtime_ns)
                    old = abs(time.time() - stat.st_mtime) > _SETTLED_SECONDS
                    if not settled_only or old or self._seen.get(entry.name) == seen[entry.name]:
                        ready.append(entry.name)
        self._seen, self.growing = seen, len(seen) - len(ready)
        for name in sorted(ready):
            yield from _read(self.path / name, self._max_bytes, self.path / "refused" / name)

    def finish(self, mail: WaitingMail, receipt: Receipt) -> None:
        """Moves a mail to `done`, or to where refused ones are kept."""
        refused = receipt.outcome is Outcome.DEAD_LETTERED
        _move(mail.path, Path(mail.kept_at) if refused else self.path / "done" / mail.path.name)


class Maildir:
    """A maildir. Files in `new` are complete; `with_read` also takes those in `cur` (history)."""

    growing = 0

    def __init__(self, path: Path, max_bytes: int, *, with_read: bool = False) -> None:
        self.path, self.name, self._max_bytes, self._with_read = path, f"maildir:{path}", max_bytes, with_read
        self._read_once: set[str] = set()

    def waiting(self, *, settled_only: bool) -> Iterator[WaitingMail]:
        """Yields new mails, and mails that a reader has seen when asked for."""
        for folder in ("new", "cur") if self._with_read else ("new",):
            for name in sorted(entry.name for entry in _entries(self.path / folder) if not entry.name.startswith(".")):
                if folder == "new" or name not in self._read_once:
                    yield from _read(self.path / folder / name, self._max_bytes, self.path / "refused" / name)

    def finish(self, mail: WaitingMail, receipt: Receipt) -> None:
        """Marks a mail as seen, or moves a refused one away."""
        if receipt.outcome is Outcome.DEAD_LETTERED:
            _move(mail.path, Path(mail.kept_at))
        elif mail.path.parent.name == "new":
            moved = _move(mail.path, self.path / "cur" / (mail.path.name.partition(":2,")[0] + ":2,S"))
            self._read_once.add(moved.name)
        else:
            self._read_once.add(mail.path.name)


class SingleFile:
    """One file that holds one mail; it stays where it is."""

    growing = 0

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path, self.name, self._max_bytes = path, f"file:{path}", max_bytes
        self._done = False

    def waiting(self, *, settled_only: bool) -> Iterator[WaitingMail]:
        """Yields the one file, once."""
        if not self._done:
            yield from _read(self.path, self._max_bytes, self.path)

    def finish(self, mail: WaitingMail, receipt: Receipt) -> None:
        """Notes that the file was taken."""
        self._done = True


class Mbox:
    """An mbox file (mboxrd quoting). With `remember`, the position survives a restart."""

    growing = 0

    def __init__(self, path: Path, max_bytes: int, *, remember: bool = False) -> None:
        self.path, self.name, self._max_bytes = path, f"mbox:{path}", max_bytes
        self._memory = path.with_name(f".{path.name}.offset") if remember else None
        self._offset = self._size = 0
        if self._memory is not None:
            with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
                self._offset = int(json.loads(self._memory.read_text("utf-8"))["offset"])

    def waiting(self, *, settled_only: bool) -> Iterator[WaitingMail]:
        """Yields the mails behind the remembered offset."""
        stat = self.path.stat()
        if stat.st_size < self._offset:  # truncated or replaced: a new mailbox
            self._offset = 0
        settled = stat.st_size == self._size or abs(time.time() - stat.st_mtime) > _SETTLED_SECONDS
        self._size = stat.st_size
        if stat.st_size == self._offset:
            return
        with self.path.open("rb") as file:
            file.seek(self._offset)
            for start, end, raw, total in _split(file, self._offset, self._max_bytes):
                last = end >= stat.st_size
                if last and settled_only and not settled:
                    return
                origin = f"{self.path}#{start}"
                yield WaitingMail(raw, total, self.path, origin, origin, _refused(total, self._max_bytes), end)

    def finish(self, mail: WaitingMail, receipt: Receipt) -> None:
        """Saves the offset behind the mail."""
        self._offset = mail.end
        if self._memory is not None:
            temporary = self._memory.with_name(self._memory.name + ".tmp")
            temporary.write_text(json.dumps({"offset": mail.end}), "utf-8")
            temporary.replace(self._memory)


def run(
    source: MailSource,
    publisher: Publisher,
    settings: ProducerSettings,
    *,
    watch: bool,
    imported: bool,
    health: Health,
    stop: threading.Event,
) -> Tally:
    """Takes every mail that waits; with `watch` goes on until `stop` is set, even while Kafka is away.

    Raises:
        Unavailable: Kafka or the attachment store does not answer, and this is not a watch.
        ConfigurationError: the attachment store cannot be one.
    """
    store = AttachmentStore.of(settings)
    intake, tally = mail_intake(publisher, settings, store, source=source.name, imported=imported), Tally()
    deadline = time.monotonic() + _SETTLED_SECONDS * 5
    while True:
        try:
            publisher.connect()
            health.kafka.heard()
            health.ready, health.problem = True, ""
            _sweep(source, intake, tally, settled_only=watch or isinstance(source, Folder), health=health, stop=stop)
        except Unavailable as error:
            if not watch:
                raise
            health.ready, health.problem = False, str(error)
            health.kafka.silent() if not publisher.connected else health.kafka.heard()
            log.warning("waiting_for_kafka", problem=str(error))
            health.beat()  # waiting for Kafka counts as alive
            if stop.wait(_RETRY_SECONDS):
                return tally
        health.beat()
        if not watch and not source.growing:
            return tally
        if not watch and time.monotonic() > deadline:
            log.warning("left_alone", growing=source.growing, source=source.name)
            return tally
        if stop.wait(POLL_SECONDS):
            return tally


def _sweep(
    source: MailSource, intake: Intake, tally: Tally, *, settled_only: bool, health: Health, stop: threading.Event
) -> None:
    """Takes every mail that waits now; at most `_IN_FLIGHT` are handed over and not yet confirmed."""
    pending: deque[tuple[WaitingMail, Future[Receipt]]] = deque()
    mails = source.waiting(settled_only=settled_only)
    while True:
        room = 0 if stop.is_set() else _IN_FLIGHT - len(pending)
        for mail in islice(mails, room):
            take = partial(intake.take, origin=mail.origin, kept_at=mail.kept_at, refused=mail.refused)
            pending.append((replace(mail, raw=b""), take(mail.raw, total_bytes=mail.total_bytes)))
        if not pending:
            return
        mail, future = pending.popleft()
        receipt = intake.publisher.wait(future)
        tally.add(receipt)
        source.finish(mail, receipt)
        health.beat()
        if receipt.outcome is Outcome.DEAD_LETTERED:
            log.warning("refused", origin=mail.origin, reason=receipt.reason)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", where=str(folder)) from error


def _read(path: Path, max_bytes: int, kept_at: Path) -> Iterator[WaitingMail]:
    """Yields the mail in a file; nothing when another process has taken it. What cannot be read is refused, not skipped."""
    kept = str(kept_at)
    try:
        with path.open("rb") as file:
            total = os.fstat(file.fileno()).st_size
            raw = file.read(MAX_RECORD_BYTES if total > max_bytes else total)
        yield WaitingMail(raw, total, path, str(path), kept, _refused(total, max_bytes))
    except FileNotFoundError:
        return
    except OSError as error:
        yield WaitingMail(b"", 0, path, str(path), kept, Refused("unreadable", f"{path}: {error.strerror}"))


def _refused(total: int, max_bytes: int) -> Refused | None:
    return Refused("too_large", f"the mail has {total} bytes, the limit is {max_bytes}") if total > max_bytes else None


def _move(path: Path, target: Path) -> Path:
    """Renames a file; a name that is taken gets a number, so nothing is overwritten."""
    free, number = target, 1
    try:
        target.parent.mkdir(exist_ok=True)
        while free.exists():
            free, number = target.with_name(f"{target.stem}.{number}{target.suffix}"), number + 1
        with contextlib.suppress(FileNotFoundError):
            path.rename(free)
    except OSError as error:
        raise ConfigurationError(
            f"cannot be moved to {free}: {error.strerror}", where=str(path), fix="the producer must own the folder"
        ) from error
    return free


def _split(file: Iterable[bytes], offset: int, max_bytes: int) -> Iterator[tuple[int, int, bytes, int]]:
    """Yields `(start, end, raw, total bytes)` of every mail of an mbox; of a mail above the limit only the first part."""
    start = end = offset
    raw = bytearray()
    after_blank = True
    for line in file:
        if after_blank and end > start and _FROM_LINE.match(line):
            yield start, end, bytes(raw), end - start
            start, raw = end, bytearray()
        end += len(line)
        after_blank = line in (b"\n", b"\r\n")
        if line.startswith(b">") and line.lstrip(b">").startswith(b"From "):
            line = line[1:]
        if end - start <= max_bytes:
            raw += line
        elif len(raw) < MAX_RECORD_BYTES:
            raw += line[: MAX_RECORD_BYTES - len(raw)]
    if end > start:
        yield start, end, bytes(raw), end - start

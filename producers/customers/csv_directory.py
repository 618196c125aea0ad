"""Knows customers from a CSV file, which is read again when it changes. Its format: `directory.py`."""

from __future__ import annotations

import csv
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import structlog

from producers.customers.identities import Identities
from producers.customers.profiles import COLUMNS, UNKNOWN, Profile, answered, has_kind, profile_of
from schemas import metrics
from schemas.errors import ConfigurationError, Refused

__all__ = ["CsvDirectory", "check_file"]

_LOOK_SECONDS = 1.0
_MOST_PROBLEMS_SHOWN = 20

log = structlog.get_logger("producers.directory")


def check_file(path: Path) -> None:
    """Reads the header of a directory's file.

    Raises:
        ConfigurationError: the file or its header cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            _header(csv.DictReader(lines), path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, error) from error


class CsvDirectory:
    """Holds a file in memory and answers at once.

    A change is read on a thread of its own; until then the old content counts.
    """

    def __init__(self, path: Path, identities: Identities, *, timeout: float = 0.3) -> None:
        self.path, self.timeout = path, timeout
        self._identities = identities
        self._looked_at = time.monotonic()
        self._lock = threading.Lock()
        self._reading = False
        self._stamp = self._stamped()
        try:
            self._profiles = self._read()
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise _unreadable(path, error) from error

    def __len__(self) -> int:
        return len(self._profiles)

    def ask(self, customer_id: str) -> Future[Profile]:
        """Returns the profile; there is nothing to wait for."""
        self._look()
        profile = self._profiles.get(customer_id)
        metrics.DIRECTORY_LOOKUPS.labels("unknown" if profile is None else "found").inc()
        return answered(profile or UNKNOWN)

    def give_up(self, customer_id: str) -> Profile:
        """Returns the profile."""
        return self._profiles.get(customer_id, UNKNOWN)

    def close(self) -> None:
        """Does nothing: no file is open."""

    def _look(self) -> None:
        """Looks once a second whether the file changed."""
        now = time.monotonic()
        if now - self._looked_at < _LOOK_SECONDS:
            return
        with self._lock:
            if self._reading or now - self._looked_at < _LOOK_SECONDS:
                return
            self._looked_at = now
            stamp = self._stamped()
            if stamp == self._stamp:
                return
            self._reading, self._stamp = True, stamp
        threading.Thread(target=self._read_again, name="directory", daemon=True).start()

    def _read_again(self) -> None:
        try:
            self._profiles = self._read()
            log.info("directory_read", path=str(self.path), addresses=len(self._profiles))
        except (OSError, UnicodeDecodeError, csv.Error, ConfigurationError) as error:
            log.warning("directory_unreadable", path=str(self.path), problem=str(error), fix="the old content counts")
        finally:
            self._reading = False

    def _stamped(self) -> tuple[int, ...]:
        try:
            found = self.path.stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> dict[str, Profile]:
        profiles: dict[str, Profile] = {}
        problems = 0
        with self.path.open(encoding="utf-8-sig", newline="") as lines:
            for line, problem in self._rows(csv.DictReader(lines), profiles):
                problems += 1
                if problems <= _MOST_PROBLEMS_SHOWN:
                    log.warning("directory_line", where=f"{self.path}:{line}", problem=problem, fix="it is left out")
        if problems > _MOST_PROBLEMS_SHOWN:
            log.warning("directory_lines", path=str(self.path), wrong=problems, shown=_MOST_PROBLEMS_SHOWN)
        return profiles

    def _rows(self, reader: csv.DictReader[str], profiles: dict[str, Profile]) -> Iterator[tuple[int, str]]:
        """Fills `profiles`; yields the line and the problem of each row that cannot be used."""
        names = reader.fieldnames = _header(reader, self.path)
        for row in reader:
            if None in row:
                yield reader.line_num, f"has more fields than the header, which has {len(names)}"
                continue
            try:
                address = self._address((row.get("address") or "").strip())
                profile = profile_of(row, self._identities)
            except ValueError as error:
                yield reader.line_num, str(error)
                continue
            if address in profiles:
                yield reader.line_num, f"{row['address']!r} is there already, the first line counts"
                continue
            profiles[address] = profile
            if profile.customer_id:
                profiles.setdefault(profile.customer_id, profile)

    def _address(self, text: str) -> str:
        kind = "" if has_kind(text) else "email:" if "@" in text.lstrip("@") else "tel:"
        try:
            return self._identities.customer_id(f"{kind}{text}")
        except Refused as refused:
            raise ValueError(refused.detail or "there is no address") from refused


def _unreadable(path: Path, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"cannot be read: {getattr(error, 'strerror', '') or error}",
        where=str(path),
        fix="see DESKSTREAM_DIRECTORY_URL",
    )


def _header(reader: csv.DictReader[str], path: Path) -> list[str]:
    names = [(name or "").strip().lower() for name in reader.fieldnames or ()]
    unknown = [name for name in names if name not in COLUMNS]
    if unknown or "address" not in names:
        wrong = "there is no column 'address'" if "address" not in names else f"{unknown[0]!r} is not a column"
        raise ConfigurationError(wrong, where=f"{path}:1", fix=f"the header is {','.join(COLUMNS)}")
    return names

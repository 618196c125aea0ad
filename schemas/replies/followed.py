"""Reads the directory of wording lists and prewritten answers, and again when a file of it changes."""

from __future__ import annotations

import threading
import time
from functools import cache
from pathlib import Path
from typing import NamedTuple

import structlog

from schemas import metrics
from schemas.errors import ConfigurationError
from schemas.replies import answers_file, wording_file
from schemas.replies.answers import AnswerBanks
from schemas.replies.wording import WordingLists

__all__ = ["SHIPPED", "Replies", "RepliesDirectory", "load", "shipped"]

SHIPPED = Path(__file__).parent / "shipped"
#: Between two looks at the directory; and how long a file must be left alone before it is read.
LOOK_SECONDS, SETTLE_SECONDS = 2.0, 0.5

log = structlog.get_logger("replies")


class Replies(NamedTuple):
    """Holds what helps agents to answer."""

    wording: WordingLists
    answers: AnswerBanks


def load(directory: Path | None = None) -> Replies:
    """Returns the lists and the banks of a directory; without one, those that ship. A kind of file that it lacks is the shipped one.

    Raises:
        ConfigurationError: with file and line of the first mistake.
    """
    if directory is not None and not directory.is_dir():
        raise ConfigurationError("is not a directory", where=str(directory), fix="name the directory of answers.yaml")
    root = directory or SHIPPED
    has_lists = any(root.glob("wording.*.yaml"))
    has_answers = any(root.glob("answers*.yaml"))
    if directory is not None and not has_lists and not has_answers:
        fix = "name the directory of answers.yaml and wording.<language>.yaml"
        raise ConfigurationError("holds neither answers nor lists of wording", where=str(directory), fix=fix)
    return Replies(
        wording_file.load_all(root if has_lists else SHIPPED), answers_file.load_all(root if has_answers else SHIPPED)
    )


@cache
def shipped() -> Replies:
    """Returns the lists and banks that ship, which are read once."""
    return load()


class RepliesDirectory:
    """Holds what a directory says now, or said when it was valid. A change that is invalid is logged and changes nothing.

    Safe to use from several threads.

    Raises:
        ConfigurationError: at the start, a file is invalid.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._seen = _fingerprint(directory)
        self._in_force = load(directory) if directory is not None else shipped()
        self._next_look = time.monotonic() + LOOK_SECONDS
        self._looking = threading.Lock()
        metrics.REPLIES_REFUSED.set(0)

    @property
    def replies(self) -> Replies:
        """The lists and banks in force."""
        if (
            self._directory is not None
            and time.monotonic() >= self._next_look
            and self._looking.acquire(blocking=False)
        ):
            try:
                self._next_look = time.monotonic() + LOOK_SECONDS
                self._look(self._directory)
            finally:
                self._looking.release()
        return self._in_force

    def _look(self, directory: Path) -> None:
        seen = _fingerprint(directory)
        if seen == self._seen or any(0 <= time.time() - changed / 1e9 < SETTLE_SECONDS for _, _, changed, _ in seen):
            return
        self._seen = seen
        try:
            self._in_force = load(directory)
        except (ConfigurationError, OSError) as error:
            metrics.REPLIES_REFUSED.set(1)
            log.error("replies_invalid", problem=str(error), fix="what was in force stays in force")
        else:
            metrics.REPLIES_REFUSED.set(0)
            log.info("replies_read", answers=sum(len(bank.answers) for bank in self._in_force.answers.banks))


def _fingerprint(directory: Path | None) -> tuple[tuple[str, int, int, int], ...]:
    """Returns name, inode, time and size of each file; a link that is pointed elsewhere, as Kubernetes does, changes them, too."""
    if directory is None:
        return ()
    found = []
    for path in sorted(directory.glob("*.yaml")):
        try:
            told = path.stat()
        except OSError:
            continue
        found.append((path.name, told.st_ino, told.st_mtime_ns, told.st_size))
    return tuple(found)

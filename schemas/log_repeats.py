"""Writes a warning that a library repeats once, and then how often it came.

Without Kafka its clients log hundreds of lines a second, and the line that says why is lost among them. A message is known
by its logger, its level and its template, without the values put into it.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from typing import Any, TextIO

__all__ = ["MOST_KINDS", "WINDOW_SECONDS", "RepeatsCounted"]

#: A message that goes on is written once in so many seconds, with its count.
WINDOW_SECONDS = 30.0
#: Messages that are counted at one time. Any others are written as they come.
MOST_KINDS = 500
#: A template with fewer alphabetic characters of its own says nothing: then the message is its own template.
_TELLING_CHARACTERS = 8
_VALUE = re.compile(r"%[-#0-9. +]*[a-z]|0x[0-9a-f]+|[0-9]+")
_LONGEST = 300

_Kind = tuple[str, int, str]


class _Repeated:
    __slots__ = ("count", "last", "timer")

    def __init__(self) -> None:
        self.count = 0
        self.last: logging.LogRecord | None = None
        self.timer: threading.Timer | None = None


class RepeatsCounted(logging.StreamHandler[TextIO]):
    """Writes each kind of warning when it comes first; while it goes on, the last one and a count after each window.

    What is less than a warning is written as it comes. After a window without the message, the next is a first one again.
    """

    def __init__(self, stream: TextIO, window_seconds: float = WINDOW_SECONDS) -> None:
        super().__init__(stream)
        self._window_seconds = window_seconds
        self._repeated: dict[_Kind, _Repeated] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Writes or counts a record. Called with the handler's lock held."""
        if record.levelno < logging.WARNING:
            return super().emit(record)
        kind = _kind(record)
        known = self._repeated.get(kind)
        if known is not None:
            known.count += 1
            known.last = record
            return None
        # Python 3.11 hangs when it starts a thread while it ends.
        if len(self._repeated) < MOST_KINDS and not sys.is_finalizing():
            self._begin(kind)
        return super().emit(record)

    def close(self) -> None:
        """Writes the counts that are not written yet."""
        with self.lock or threading.RLock():
            for known in self._repeated.values():
                if known.timer is not None:
                    known.timer.cancel()
                self._write_count(known)
            self._repeated.clear()
        super().close()

    def _begin(self, kind: _Kind) -> None:
        known = self._repeated[kind] = _Repeated()
        known.timer = threading.Timer(self._window_seconds, self._end, (kind, known))
        known.timer.daemon = True
        try:
            known.timer.start()
        except RuntimeError:  # no more threads, as at the end of the process: written as it comes
            del self._repeated[kind]

    def _end(self, kind: _Kind, known: _Repeated) -> None:
        with self.lock or threading.RLock():
            if self._repeated.get(kind) is not known:
                return
            del self._repeated[kind]
            if known.count:
                self._write_count(known)
                self._begin(kind)

    def _write_count(self, known: _Repeated) -> None:
        if known.last is None:
            return
        last = logging.makeLogRecord(vars(known.last))
        last.msg, last.args = _text(known.last) + f" (this message came {known.count} more times)", None
        last.exc_info = last.exc_text = None
        super().emit(last)


def _kind(record: logging.LogRecord) -> _Kind:
    template: Any = record.msg
    told = _VALUE.sub("", template if isinstance(template, str) else "")
    if sum(character.isalpha() for character in told) < _TELLING_CHARACTERS:
        told = _VALUE.sub("", _text(record))
    return record.name, record.levelno, told[:_LONGEST]


def _text(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # arguments that do not fit: logging reports it when it writes the record
        return str(record.msg)

"""Notes in a local file what a service took, so that a sink that is killed before the delivery fact does not repeat it.

A delivery fact is durable in Kafka some milliseconds after the service's answer, and minutes later while Kafka is away. This
log has the answer before anything else happens. A line survives a killed process or container, not a lost disk: it is
not forced to the disk, for that would cost every message more than a lost machine costs some.

The file and the one before it hold about 20,000 messages, far more than can lack their fact. Sinks on one machine may share
a folder: each line is one append.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import structlog

from schemas.errors import ConfigurationError
from schemas.settings import SinkSettings

__all__ = ["SentLog"]

MOST_BYTES = 1 << 20
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
log = structlog.get_logger()


class SentLog:
    """Appends to the file, and holds what it said at the last `reload`. Without a folder it holds nothing.

    Raises:
        ConfigurationError: the folder cannot be written.
    """

    def __init__(self, settings: SinkSettings) -> None:
        folder = settings.delivery_sent_log_dir
        self._path = folder / f"{settings.namespace}delivery.jsonl" if folder else None
        self._taken: dict[str, str] = {}
        self._file = -1
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._open(self._path)
        except OSError as error:
            raise ConfigurationError(
                f"{self._path}: {error.strerror}", where="DESKSTREAM_DELIVERY_SENT_LOG_DIR"
            ) from error

    def note(self, outbound_id: str, answer: str) -> None:
        """Notes that a service took a message. A file that cannot be written is logged and stops nothing."""
        if self._path is None:
            return
        try:
            os.write(self._file, msgspec.json.encode((outbound_id, answer)) + b"\n")
            if os.fstat(self._file).st_size > MOST_BYTES:
                self._begin_new_file(self._path)
        except OSError as error:
            log.warning("sent_log_not_written", path=str(self._path), error=str(error))

    def reload(self) -> None:
        """Reads what this process and those before it noted; called when partitions are assigned."""
        if self._path is None:
            return
        self._taken.clear()
        for path in (_before(self._path), self._path):
            for line in path.read_bytes().splitlines() if path.exists() else ():
                try:
                    outbound_id, answer = msgspec.json.decode(line, type=tuple[str, str])
                except msgspec.DecodeError:  # the disk was full
                    continue
                self._taken[outbound_id] = answer

    def answer_to(self, outbound_id: str) -> str | None:
        """Returns the answer with which a service took a message; None when the log has none."""
        return self._taken.get(outbound_id)

    def close(self) -> None:
        """Closes the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open(self, path: Path) -> None:
        self.close()
        self._file = os.open(path, _FLAGS, 0o600)

    def _begin_new_file(self, path: Path) -> None:
        """Keeps the full file as the one before, unless another process has just done so."""
        if path.exists() and os.path.samestat(path.stat(), os.fstat(self._file)):
            path.replace(_before(path))
        self._open(path)


def _before(path: Path) -> Path:
    return path.with_suffix(".before.jsonl")

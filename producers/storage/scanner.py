"""Asks a virus scanner about a file, by the INSTREAM command of clamd; many scanners speak it."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from schemas.errors import ConfigurationError, Unavailable
from schemas.text import error_line

__all__ = ["Scanner"]

_SETTING = "DESKSTREAM_ATTACHMENTS_SCANNER"
_PORT, _CHUNK_BYTES, _ANSWER_BYTES = 3310, 1 << 16, 4_096
_RETRY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Scanner:
    """A scanner at `host:port`, or at the Unix socket `path`. Each file has a connection of its own, and `seconds` in all."""

    host: str = ""
    port: int = _PORT
    path: str = ""
    seconds: float = 20.0

    @classmethod
    def parse(cls, address: str, seconds: float) -> Scanner | None:
        """Reads `clamd://host:3310` or `unix:///run/clamd.sock`; None for ''.

        Raises:
            ConfigurationError: it is neither.
        """
        if not address.strip():
            return None
        fix = "write clamd://host:3310 or unix:///run/clamav/clamd.ctl"
        try:
            parts = urlsplit(address.strip())
            if parts.scheme == "clamd" and parts.hostname:
                return cls(parts.hostname, parts.port or _PORT, seconds=seconds)
        except ValueError as error:
            raise ConfigurationError(f"{address!r}: {error}", where=_SETTING, fix=fix) from error
        if parts.scheme == "unix" and parts.path and not parts.netloc:
            return cls(path=parts.path, seconds=seconds)
        raise ConfigurationError(f"{address!r} is no address of a scanner", where=_SETTING, fix=fix)

    def finding(self, data: bytes) -> str:
        """Returns what is wrong with a file: the name of a virus, or why it cannot be scanned; '' when nothing is.

        Raises:
            Unavailable: the scanner does not answer; ask again later.
        """
        try:
            with self._connected() as connection:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has seen enough, and says what
                    for part in _instream(data):
                        connection.sendall(part)
                answer = _answer(connection)
        except OSError as error:
            raise Unavailable(
                f"the scanner does not answer: {error_line(error, 200)}", retry_after=_RETRY_SECONDS
            ) from error
        said = answer.partition(":")[2].strip()
        if said == "OK":
            return ""
        if said.endswith(" FOUND"):
            return said.removesuffix(" FOUND").strip() or "FOUND"
        if "size limit" in answer:  # it stays so, however often it is asked
            return "larger than the scanner takes"
        raise Unavailable(f"the scanner answers {answer[:200]!r}", retry_after=_RETRY_SECONDS)

    def _connected(self) -> socket.socket:
        if not self.path:
            connection = socket.create_connection((self.host, self.port), self.seconds)
        else:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(self.seconds)
            try:
                connection.connect(self.path)
            except BaseException:
                connection.close()
                raise
        return connection


def _instream(data: bytes) -> Iterator[bytes]:
    """Yields the command, the file in chunks behind their lengths, and a chunk of no bytes."""
    yield b"zINSTREAM\0"
    for start in range(0, len(data), _CHUNK_BYTES):
        chunk = data[start : start + _CHUNK_BYTES]
        yield struct.pack(">I", len(chunk)) + chunk
    yield struct.pack(">I", 0)


def _answer(connection: socket.socket) -> str:
    """Returns the answer up to its zero byte. A scanner that has enough of a large file answers before its end."""
    answer = b""
    while b"\0" not in answer and len(answer) < _ANSWER_BYTES:
        part = connection.recv(_ANSWER_BYTES)
        if not part:
            break
        answer += part
    return answer.partition(b"\0")[0].decode("utf-8", "replace").strip()

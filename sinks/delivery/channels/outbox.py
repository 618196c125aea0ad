"""Writes the messages of channels without an adapter as JSON lines to `<DESKSTREAM_OUTBOX_DIR>/<channel>.jsonl`."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import msgspec

from schemas.facts import Outbound
from schemas.settings import SinkSettings
from sinks.delivery.adapter import REST, Attempt, ServiceUnavailable, Undeliverable

CHANNELS = (REST,)
_CHANNEL = re.compile(r"[a-z][a-z_]{0,30}")


class Outbox:
    """Appends one line per message, whole, before `deliver` returns."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    async def deliver(self, message: Outbound, earlier: Attempt | None = None) -> str:
        """Appends a message; returns the file's name.

        Raises:
            Undeliverable: no folder is set, or the channel cannot be a file's name.
            ServiceUnavailable: the file cannot be written.
        """
        if self._folder is None or not _CHANNEL.fullmatch(message.channel):
            raise Undeliverable("refused", "no_adapter", f"no adapter for the channel {message.channel[:40]!r}")
        path = self._folder / f"{message.channel}.jsonl"
        line = msgspec.json.encode(message) + b"\n"
        try:
            await asyncio.to_thread(_append, path, line)
        except OSError as error:
            raise ServiceUnavailable(f"{path}: {error.strerror}") from error
        return path.name

    async def close(self) -> None:
        """Does nothing: files are open only while they are written."""


def connect(settings: SinkSettings) -> Outbox:
    """Returns the adapter; without a folder it refuses every message."""
    return Outbox(settings.outbox_dir)


def _append(path: Path, line: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file:
        file.write(line)

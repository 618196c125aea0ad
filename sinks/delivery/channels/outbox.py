"""The stand-in for channels that have no adapter yet: one JSON line per message in `<outbox>/<channel>.jsonl`."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import msgspec

from schemas.facts import Outbound
from schemas.settings import SinkSettings
from sinks.delivery.adapter import REST, Away, Tried, Undeliverable

CHANNELS = (REST,)
_CHANNEL = re.compile(r"[a-z][a-z_]{0,30}")


class Outbox:
    """Appends; a line is in the file, as a whole, when `deliver` returns."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    async def deliver(self, message: Outbound, tried: Tried | None = None) -> str:
        if self._folder is None or not _CHANNEL.fullmatch(message.channel):
            raise Undeliverable("refused", "no_adapter", f"no adapter for the channel {message.channel[:40]!r}")
        path = self._folder / f"{message.channel}.jsonl"
        line = msgspec.json.encode(message) + b"\n"
        try:
            await asyncio.to_thread(_append, path, line)
        except OSError as error:
            raise Away(f"{path}: {error.strerror}") from error
        return path.name

    async def close(self) -> None:
        pass


def connect(settings: SinkSettings) -> Outbox:
    return Outbox(settings.outbox_dir)


def _append(path: Path, line: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file:
        file.write(line)

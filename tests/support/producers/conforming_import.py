"""History from a file. The command runs in this process, where its counters are read; what is killed is a real process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from producers.imports.cli import Command
from producers.publisher import Publisher
from schemas.errors import Unavailable
from schemas.process import Health
from schemas.settings import ProducerSettings
from tests.conftest import Deployment
from tests.support.producers.conformance import (
    MAIL_BYTES,
    PUBLISH_SECONDS,
    Answer,
    Balance,
    Becomes,
    Channel,
    Process,
    Site,
)
from tests.support.producers.log_reader import Counts

LINES = 20_000


class Here(Process):
    """The process of the tests: nothing to start. `child` is what is killed."""

    child: subprocess.Popen[bytes] | None = None

    def launch(self, site: Site) -> None:
        pass

    def wait(self) -> None:
        pass

    def ask_to_stop(self) -> None:
        pass

    def kill(self) -> None:
        child, self.child = self.child, None
        if child is not None:
            assert child.poll() is None, "it ended before it was killed"
            child.kill()
            child.wait()

    def balance(self) -> Balance:
        now = Counts.now()
        assert now.balanced
        return now.since(Counts(0, 0, 0, 0))

    def refused(self) -> int:
        return 0


class Import(Channel):
    """Received means: the command ends with 0. It does not, while Kafka is away, and is started again."""

    process: Here
    name = "import"
    exempt: ClassVar[Mapping[str, str]] = {"forged": "a file of ours, given by hand"}
    oversize = Becomes.DEAD_LETTER
    garbled = Becomes.DEAD_LETTER
    twice = (1, 1, 0, 0)  # a second start knows that Kafka has all of it
    early = True

    def __init__(self) -> None:
        self.process = Here("import")

    def open(self, site: Site) -> None:
        self._deployment: Deployment = site.deployment
        self._folder: Path = site.folder
        self._published = 0.0

    def offer(self, number: int, seconds: float = 90.0) -> Answer:
        return self._import(self._file(str(number), [_line(f"{number}")]))

    def offer_oversize(self) -> Answer:
        return self._import(self._file("huge", [_line("huge", text="x" * MAIL_BYTES)]))

    def offer_garbled(self) -> Answer:
        return self._import(self._file("garbled", ['{"type": "message_received", "text": "\xe9t\xe9"}'], "latin-1"))

    def offer_at_length(self, number: int) -> Answer:
        path = self._file(f"{number}-long", (_line(f"{number}-{each}") for each in range(LINES)))
        return self._import(path)

    def length(self) -> int:
        return LINES

    def before_length(self) -> None:
        self._published = Counts.now().published

    def under_way(self) -> bool:
        """Some of the long file is in Kafka, and the rest is not."""
        return Counts.now().published - self._published >= 500

    def hang(self, number: int) -> None:
        path = self._file(str(number), [_line(f"{number}")])
        environment = {**os.environ, **self._deployment.env}
        self.process.child = subprocess.Popen(
            [sys.executable, "-m", "producers", "import", str(path)],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def _file(self, name: str, lines: Iterator[str] | list[str], charset: str = "utf-8") -> Path:
        path = self._folder / f"{name}.jsonl"
        if not path.exists():
            path.write_text("".join(f"{each}\n" for each in lines), charset)
        return path

    def _import(self, path: Path) -> Answer:
        settings = self._deployment.settings(
            ProducerSettings, publish_timeout_seconds=PUBLISH_SECONDS, max_body_bytes=MAIL_BYTES
        )

        @contextmanager
        def process() -> Iterator[tuple[Publisher, Health, threading.Event]]:
            with Publisher(settings, linger_ms=20) as publisher:
                yield publisher, Health(), threading.Event()

        interval = sys.getswitchinterval()
        try:
            return Answer.RECEIVED if Command(str(path), format="jsonl").run(settings, process) == 0 else Answer.REFUSED
        except Unavailable:
            return Answer.LATER
        finally:
            sys.setswitchinterval(interval)


def _line(own_id: str, text: str = "Where is my parcel?") -> str:
    number = sum(map(ord, own_id))
    said = {
        "type": "message_received",
        "id": f"suite-{own_id}",
        "occurred_at": "2025-11-03T09:00:00Z",
        "channel": "email",
        "customer_id": f"email:ann{number % 50}@example.org",
        "text": text,
    }
    return json.dumps(said)


CHANNELS: list[Channel] = [Import()]

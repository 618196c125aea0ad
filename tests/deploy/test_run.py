"""`make run` stops what it started when its terminal is closed: there is nobody left who could press Ctrl-C."""

from __future__ import annotations

import errno
import io
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from deploy.local import run

#: A terminal that was closed is no terminal any more; rich then writes nothing.
NO_TERMINAL = errno.ENOTTY


class ClosedTerminal(io.StringIO):
    """Takes some writes, then fails as a terminal or a pipe whose reader is gone."""

    def __init__(self, code: int, writes: int) -> None:
        super().__init__()
        self.code, self.writes = code, writes

    def write(self, text: str) -> int:
        self.writes -= 1
        if self.writes < 0 and self.code != NO_TERMINAL:
            raise OSError(self.code, os.strerror(self.code))
        return super().write(text)

    def isatty(self) -> bool:
        return self.writes >= 0 or self.code != NO_TERMINAL


class Processes:
    """Stands in for the pipeline, and counts how often it was stopped. `poll` may do something."""

    def __init__(self, poll: Any) -> None:
        self.poll, self.stopped = poll, 0
        self.places = SimpleNamespace(
            example=Path("e"), inbox=Path("i"), maildir=Path("m"), env=Path("v"), data=Path("d")
        )
        self.http_url = "http://127.0.0.1:1"

    def start(self) -> None: ...

    def processes(self) -> tuple[()]:
        return ()

    def observer(self) -> Any:
        return SimpleNamespace(start=lambda: None, stop=lambda: None, latest=lambda processes: None)

    def stop(self) -> list[str]:
        self.stopped += 1
        return []


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "REFRESH_SECONDS", 0.0)
    monkeypatch.setattr(run, "page", lambda *_: "page")
    monkeypatch.setattr(run, "status_line", lambda *_: "status")


@pytest.mark.parametrize("writes", [0, 1, 5, 20])
@pytest.mark.parametrize("code", [errno.EIO, errno.EPIPE, NO_TERMINAL])
def test_everything_is_stopped_once_the_terminal_is_gone(code: int, writes: int) -> None:
    pipeline = Processes(lambda: None)
    try:
        assert run.run(pipeline, Console(file=ClosedTerminal(code, writes)), view=True) == 0  # type: ignore[arg-type]
    except SystemExit:
        assert code == errno.EPIPE  # rich ends the program where nobody reads
    assert pipeline.stopped == 1


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("view", [True, False])
def test_a_signal_stops_everything(number: signal.Signals, view: bool) -> None:
    before = signal.getsignal(number)
    pipeline = Processes(lambda: os.kill(os.getpid(), number))
    assert run.run(pipeline, Console(file=io.StringIO(), force_terminal=True), view=view) == 0  # type: ignore[arg-type]
    assert pipeline.stopped == 1
    assert signal.getsignal(number) is before


def test_another_error_is_shown_and_everything_stopped() -> None:
    def poll() -> None:
        raise OSError(errno.ENOSPC, "no space left")

    pipeline = Processes(poll)
    with pytest.raises(OSError, match="no space left"):
        run.run(pipeline, Console(file=io.StringIO()), view=False)  # type: ignore[arg-type]
    assert pipeline.stopped == 1

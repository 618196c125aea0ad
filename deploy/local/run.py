"""Runs everything with a simulated shop, and shows it on the terminal: `python -m deploy.local run`."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live

from deploy.local.observe import Observer, Snapshot
from deploy.local.pipeline import ROOT, Pipeline
from deploy.local.view import TryIt, page, status_line

REFRESH_SECONDS, STATUS_SECONDS = 0.5, 5.0


def run(pipeline: Pipeline, console: Console, *, view: bool) -> int:
    """Runs until Ctrl-C or SIGTERM, which stop everything; returns the exit code.

    Raises:
        ConfigurationError, Unavailable, TopicMismatch: the message says in one line what is wrong; nothing runs any more.
    """
    with stop_on_sigterm():
        try:
            pipeline.start()
        except KeyboardInterrupt:
            return 0
        observer = pipeline.observer()
        observer.start()
        try:
            (_live if view else _lines)(pipeline, observer, console)
        except KeyboardInterrupt:
            pass
        finally:
            with deaf():
                last = observer.latest(pipeline.processes())
                _stop(pipeline, observer, console, last)
    return 0


def try_it(pipeline: Pipeline) -> TryIt:
    """Returns the three commands for a second terminal."""
    places = pipeline.places
    python = Path(sys.executable)
    command = python.relative_to(ROOT) if python.is_relative_to(ROOT) else python
    form = "-d name=Ann -d email=ann@example.org -d subject='My parcel' -d message='Where is order 10023?'"
    return TryIt(
        form=f"curl {form} {pipeline.http_url}/v1/form",
        mail=f"cp {short(places.example)} {short(places.inbox)}/; ls {short(places.maildir)}/new   (edit it first, if you like)",
        query=f'. {short(places.env)}; {command} -m sinks query "SELECT ticket_id, channel, team, tags FROM tickets_current LIMIT 5"',  # noqa: S608
    )


def short(path: Path) -> Path:
    """Returns the path relative to the current folder, when it is below that."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


@contextmanager
def stop_on_sigterm() -> Iterator[None]:
    """Treats SIGTERM as Ctrl-C inside its block."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def deaf() -> Iterator[None]:
    """Ignores Ctrl-C and SIGTERM inside its block, so that the stop is not interrupted."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _live(pipeline: Pipeline, observer: Observer, console: Console) -> None:
    commands = try_it(pipeline)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            pipeline.poll()
            snapshot = observer.latest(pipeline.processes())
            live.update(page(snapshot, commands, console.width, console.height), refresh=True)
            time.sleep(REFRESH_SECONDS)


def _lines(pipeline: Pipeline, observer: Observer, console: Console) -> None:
    for name, command in try_it(pipeline).lines():
        say(console, f"{name:7} {command}")
    shown = time.monotonic()
    while True:
        pipeline.poll()
        if time.monotonic() - shown >= STATUS_SECONDS:
            shown = time.monotonic()
            say(console, status_line(observer.latest(pipeline.processes())))
        time.sleep(REFRESH_SECONDS)


def say(console: Console, line: str) -> None:
    """Prints one plain line without markup or wrapping."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _stop(pipeline: Pipeline, observer: Observer, console: Console, last: Snapshot) -> None:
    say(console, "Stopping ...")
    began = time.monotonic()
    observer.stop()
    killed = pipeline.stop()
    say(console, status_line(last))
    late = f" ({', '.join(killed)} had to be killed)" if killed else ""
    where = short(pipeline.places.data)
    say(
        console,
        f"Stopped in {time.monotonic() - began:.1f} s{late}. The data is in {where}; the next run goes on from here.",
    )

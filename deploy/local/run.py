"""Runs everything with a simulated shop, and shows it on the terminal: `python -m deploy.local run`."""

from __future__ import annotations

import errno
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from deploy.local.observe import Observer, Snapshot
from deploy.local.pipeline import ROOT, Pipeline
from deploy.local.view import TryIt, page, status_line

REFRESH_SECONDS, STATUS_SECONDS = 0.5, 5.0
#: Errors of writing to a terminal that was closed, or to a pipe that nobody reads.
TERMINAL_GONE = (errno.EIO, errno.EPIPE)


def run(pipeline: Pipeline, console: Console, *, view: bool) -> int:
    """Runs until Ctrl-C, SIGTERM or the end of its terminal, which stop everything; returns the exit code.

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
        except OSError as error:
            if error.errno not in TERMINAL_GONE:
                raise
        finally:
            with deaf():
                last = observer.latest(pipeline.processes())
                _stop(pipeline, observer, console, last)
    return 0


def try_it(pipeline: Pipeline) -> TryIt:
    """Returns what to try from a second terminal, and in a browser."""
    places = pipeline.places
    python = Path(sys.executable)
    command = python.relative_to(ROOT) if python.is_relative_to(ROOT) else python
    form = "-d name=Ann -d email=ann@example.org -d subject='My parcel' -d message='Where is order 10023?'"
    return TryIt(
        form=f"curl {form} {pipeline.http_url}/v1/form",
        mail=f"cp {short(places.example)} {short(places.inbox)}/; ls {short(places.maildir)}/new   (edit it first, if you like)",
        query=f'. {short(places.env)}; {command} -m sinks query "SELECT ticket_id, channel, team, tags FROM tickets_current LIMIT 5"',  # noqa: S608
        help_pages=f"{pipeline.http_url}/help",
    )


def short(path: Path) -> Path:
    """Returns the path relative to the current folder, when it is below that."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


@contextmanager
def stop_on_sigterm() -> Iterator[None]:
    """Treats SIGTERM, and SIGHUP of a terminal that is closed, as Ctrl-C inside its block."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    with _handled(interrupt, signal.SIGTERM, signal.SIGHUP):
        yield


@contextmanager
def deaf() -> Iterator[None]:
    """Ignores Ctrl-C, SIGTERM and SIGHUP inside its block, so that the stop is not interrupted."""
    with _handled(signal.SIG_IGN, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        yield


@contextmanager
def _handled(handler: Any, *numbers: signal.Signals) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _live(pipeline: Pipeline, observer: Observer, console: Console) -> None:
    commands = try_it(pipeline)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while console.is_terminal:  # until it is closed
            pipeline.poll()
            snapshot = observer.latest(pipeline.processes())
            live.update(page(snapshot, commands, console.width, console.height), refresh=True)
            time.sleep(REFRESH_SECONDS)


def _lines(pipeline: Pipeline, observer: Observer, console: Console) -> None:
    commands = try_it(pipeline)
    for name, command in (*commands.lines(), ("help", commands.help_pages)):
        say(console, f"{name:7} {command}")
    shown = time.monotonic()
    while True:
        pipeline.poll()
        if time.monotonic() - shown >= STATUS_SECONDS:
            shown = time.monotonic()
            say(console, status_line(observer.latest(pipeline.processes())))
        time.sleep(REFRESH_SECONDS)


def say(console: Console, line: str) -> None:
    """Prints one plain line without markup or wrapping; nothing where the terminal is gone."""
    try:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    except OSError as error:
        if error.errno not in TERMINAL_GONE:
            raise


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

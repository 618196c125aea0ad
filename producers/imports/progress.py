"""Shows the progress of an import: a bar with rate and remaining time on a terminal, log lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["progress"]

_LOG_SECONDS = 5.0
_DRAW_SECONDS = 0.1

log = structlog.get_logger("producers.import")


@contextmanager
def progress(
    what: str, total: int | None, taken: Callable[[], int], *, done: int = 0, console: Console | None = None
) -> Iterator[Callable[[int], None]]:
    """Yields a function that hears by how much the import went on, in the unit of `total` (None: unknown).

    `taken` counts the events for the rate; `done` is what an earlier start did.
    """
    screen = console or Console(stderr=True)
    started = shown = time.monotonic()
    at = done

    def rate() -> float:
        return taken() / max(time.monotonic() - started, 0.001)

    if not screen.is_terminal:

        def note(step: int) -> None:
            nonlocal at, shown
            at += step
            if (now := time.monotonic()) - shown > _LOG_SECONDS:
                shown = now
                percent = {"percent": round(100 * at / total)} if total else {}
                log.info("progress", doing=what, events=taken(), per_second=round(rate()), **percent)

        yield note
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=screen, transient=True) as bar:
        task = bar.add_task(what, total=total, completed=done, rate="")

        def draw(step: int) -> None:
            nonlocal at, shown
            at += step
            if (now := time.monotonic()) - shown > _DRAW_SECONDS:
                shown = now
                bar.update(task, completed=at, rate=f"{rate():,.0f} events/s")

        yield draw
        bar.update(task, completed=at)

"""The commands `python -m sinks dlq list|show|replay|raw`."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Table as Grid
from rich.text import Text

from schemas.dead_letter import options
from schemas.dead_letter.record import Choice, DeadLetter, age
from schemas.settings import SinkSettings, load
from schemas.terminal import SINK_EXIT_CODES as EXIT_CODES
from schemas.terminal import out, plain, say

app = typer.Typer(help="Dead letters: what could not be processed, why, and how to send it back.", no_args_is_help=True)


@app.command("list", epilog=EXIT_CODES)
@options.selecting(named=False)
def list_(
    selection: options.Selection,
    limit: Annotated[int, typer.Option(min=1, help="show so many, the newest")] = 50,
    everything: Annotated[bool, typer.Option("--all", help="also those that were replayed")] = False,
) -> None:
    """Show the dead letters of every topic, newest last."""
    from schemas.dead_letter import reader as dead_letter_reader

    settings = load(SinkSettings)
    wanted = selection.choice(settings).takes
    chosen = asyncio.run(
        dead_letter_reader.dead_letters(settings, wanted=wanted, include_replayed=everything, bodies=False)
    )
    if chosen:
        out().print(_grid(chosen[-limit:]))
    hidden = len(chosen) - min(limit, len(chosen))
    say(
        f"{len(chosen)} dead letter{'' if len(chosen) == 1 else 's'}"
        + (f", {hidden} older ones not shown" if hidden else "")
    )


def _grid(dead_letters: Sequence[DeadLetter]) -> Grid:
    now_ms = int(time.time() * 1000)
    grid = Grid(show_edge=False, header_style="bold", pad_edge=False)
    for name in ("dead letter", "reason", "stage", "origin", "error", "age"):
        grid.add_column(name, overflow="fold", no_wrap=name not in ("origin", "error"))
    for each in dead_letters:
        texts = (each.place, each.reason, *(each.headers.get(name, "") for name in ("stage", "origin", "error")))
        grid.add_row(*(Text(plain(text)) for text in texts), age(now_ms - each.timestamp_ms))
    return grid


@app.command("show", epilog=EXIT_CODES)
def show(place: options.Place) -> None:
    """Show one dead letter: its story, the traceback, and its bytes, decoded where that is possible."""
    from sinks.dead_letters import reader as dead_letters_reader

    settings = load(SinkSettings)
    dead_letter = asyncio.run(dead_letters_reader.find(settings, place))
    terminal = out()
    story = dict(dead_letter.headers)
    traceback = story.pop("traceback", "")
    for name, value in {
        "dead letter": dead_letter.place,
        "key": dead_letters_reader.preview(dead_letter.key or b""),
        **story,
    }.items():
        terminal.print(Text(f"{name:<13} {plain(value)}"))
    terminal.print(Text(f"{'bytes':<13} {len(dead_letter.value)}"))
    if traceback:
        terminal.print(Text("\n" + plain(traceback, keep="\n")))
    terminal.print(Text("\n" + dead_letters_reader.preview(dead_letter.value)))
    if not dead_letters_reader.target(dead_letter, settings):
        terminal.print(Text("\n" + _advice(dead_letter)))


@app.command("replay", epilog=EXIT_CODES)
@options.selecting(named=True)
def replay(selection: options.Selection, dry_run: options.DryRun = False) -> None:
    """Send dead letters back to where they came from, with their original key. Do it after the cause is repaired.

    A dead letter is replayed once; doing it again finds nothing to do. What fails again becomes a new dead letter.

    Raw inputs of a producer are no records that could be sent back: `python -m producers replay`, with the same options,
    puts them through their channel again.
    """
    from schemas.dead_letter import reader as dead_letter_reader
    from sinks.dead_letters import reader as dead_letters_reader

    settings = load(SinkSettings)
    selection.require_named("dlq replay")
    choice = selection.choice(settings)
    chosen = asyncio.run(dead_letter_reader.dead_letters(settings, wanted=choice.takes))
    for place in _missing(choice, chosen):
        asyncio.run(dead_letters_reader.find(settings, place))  # raises when there never was one
        say(f"{place}: this dead letter was replayed before")
    if dry_run:
        for dead_letter in chosen:
            if where := dead_letters_reader.target(dead_letter, settings):
                say(f"{dead_letter.place}: would go to {where}")
    count, left = asyncio.run(dead_letters_reader.replay(settings, chosen, dry_run=dry_run))
    say(f"{count} {'would be replayed' if dry_run else 'replayed'}")
    for dead_letter in left:
        say(_advice(dead_letter))
    if left:
        say(f"{len(left)} left where they are: only their producer can take them again (python -m producers replay)")


def _missing(choice: Choice, chosen: list[DeadLetter]) -> list[str]:
    """Returns the places that were named and hold no dead letter that waits for a replay."""
    return sorted(":".join(map(str, each)) for each in choice.positions - {found.position for found in chosen})


def _advice(dead_letter: DeadLetter) -> str:
    """Returns the command that replays what no topic takes back."""
    place = dead_letter.place
    if dead_letter.headers.get("stage") == "webhooks":
        return f"{place}: a webhook. Repair the cause, then: python -m sinks {dead_letter.producer}"
    producer = dead_letter.producer or dead_letter.headers.get("origin", "") or "its producer"
    return f"{place}: raw input of {producer}. Repair the cause, then: python -m producers replay {place}"


@app.command("raw", epilog=EXIT_CODES)
def raw(place: options.Place) -> None:
    """Write the raw bytes of one dead letter to standard output, for example into a file to import again."""
    from sinks.dead_letters import reader as dead_letters_reader

    sys.stdout.buffer.write(asyncio.run(dead_letters_reader.find(load(SinkSettings), place)).value)

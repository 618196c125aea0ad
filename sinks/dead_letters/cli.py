"""`python -m sinks dlq`: see dead letters, why they are dead, and send them back."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Annotated

import typer
from rich.table import Table as Grid
from rich.text import Text

from schemas.dead_letter import options
from schemas.dead_letter.record import Choice, Letter, age
from schemas.settings import SinkSettings, load
from schemas.terminal import SINK_EXIT_CODES as EXIT_CODES
from schemas.terminal import out, plain, say

app = typer.Typer(help="Dead letters: what could not be processed, why, and how to send it back.", no_args_is_help=True)


@app.command("list", epilog=EXIT_CODES)
def list_(
    reason: options.Reason = "",
    topic: options.Topic = "",
    source: options.Source = "",
    stage: options.Stage = "",
    error: options.Error = "",
    since: options.Since = "",
    until: options.Until = "",
    limit: Annotated[int, typer.Option(min=1, help="show so many, the newest")] = 50,
    everything: Annotated[bool, typer.Option("--all", help="also those that were replayed")] = False,
) -> None:
    """Show the dead letters of every topic, newest last."""
    from schemas.dead_letter import reader as dead_letter_reader

    settings = load(SinkSettings)
    choice = options.choice(
        settings, topic=topic, reason=reason, source=source, stage=stage, error=error, since=since, until=until
    )
    chosen = asyncio.run(
        dead_letter_reader.letters(settings, wanted=choice.takes, include_replayed=everything, bodies=False)
    )
    now = int(time.time() * 1000)
    grid = Grid(show_edge=False, header_style="bold", pad_edge=False)
    for name, fold in (
        ("letter", False),
        ("reason", False),
        ("stage", False),
        ("origin", True),
        ("error", True),
        ("age", False),
    ):
        grid.add_column(name, overflow="fold", no_wrap=not fold)
    for letter in chosen[-limit:]:
        story = letter.headers
        texts = (letter.place, letter.reason, story.get("stage", ""), story.get("origin", ""), story.get("error", ""))
        grid.add_row(*(Text(plain(text)) for text in texts), age(now - letter.timestamp_ms))
    if chosen:
        out().print(grid)
    hidden = len(chosen) - min(limit, len(chosen))
    say(
        f"{len(chosen)} dead letter{'' if len(chosen) == 1 else 's'}"
        + (f", {hidden} older ones not shown" if hidden else "")
    )


@app.command("show", epilog=EXIT_CODES)
def show(
    place: Annotated[str, typer.Argument(metavar="TOPIC:PARTITION:OFFSET", help="as `dlq list` shows it")],
) -> None:
    """Show one dead letter: its story, the traceback, and its bytes, decoded where that is possible."""
    from sinks.dead_letters import reader as dead_letters_reader

    settings = load(SinkSettings)
    letter = asyncio.run(dead_letters_reader.find(settings, place))
    terminal = out()
    story = dict(letter.headers)
    traceback = story.pop("traceback", "")
    for name, value in {"letter": letter.place, "key": dead_letters_reader.preview(letter.key or b""), **story}.items():
        terminal.print(Text(f"{name:<13} {plain(value)}"))
    terminal.print(Text(f"{'bytes':<13} {len(letter.value)}"))
    if traceback:
        terminal.print(Text("\n" + plain(traceback, keep="\n")))
    terminal.print(Text("\n" + dead_letters_reader.preview(letter.value)))
    if not dead_letters_reader.target(letter, settings):
        terminal.print(Text("\n" + _by_hand(letter)))


@app.command("replay", epilog=EXIT_CODES)
def replay(
    places: options.Places = None,
    every: options.Every = False,
    reason: options.Reason = "",
    topic: options.Topic = "",
    source: options.Source = "",
    stage: options.Stage = "",
    error: options.Error = "",
    since: options.Since = "",
    until: options.Until = "",
    dry_run: options.DryRun = False,
) -> None:
    """Send dead letters back to where they came from, with their original key. Do it after the cause is repaired.

    A letter is replayed once; doing it again finds nothing to do. What fails again becomes a new letter.

    Raw inputs of a producer are no records that could be sent back: `python -m producers replay`, with the same options,
    puts them through their channel again.
    """
    from schemas.dead_letter import reader as dead_letter_reader
    from sinks.dead_letters import reader as dead_letters_reader

    settings = load(SinkSettings)
    options.require_one(places, every, "dlq replay")
    choice = options.choice(
        settings, places=places, topic=topic, reason=reason, source=source, stage=stage, error=error, since=since,
        until=until,
    )  # fmt: skip
    chosen = asyncio.run(dead_letter_reader.letters(settings, wanted=choice.takes))
    for place in _missing(choice, chosen):
        asyncio.run(dead_letters_reader.find(settings, place))  # raises when there never was one
        say(f"{place}: this letter was replayed before")
    if dry_run:
        for letter in chosen:
            if where := dead_letters_reader.target(letter, settings):
                say(f"{letter.place}: would go to {where}")
    count, by_hand = asyncio.run(dead_letters_reader.replay(settings, chosen, dry_run=dry_run))
    say(f"{count} {'would be replayed' if dry_run else 'replayed'}")
    for letter in by_hand:
        say(_by_hand(letter))
    if by_hand:
        say(f"{len(by_hand)} left where they are: only their producer can take them again (python -m producers replay)")


def _missing(choice: Choice, chosen: list[Letter]) -> list[str]:
    """Of the places that were named, those where no letter waits."""
    return sorted(":".join(map(str, spot)) for spot in choice.spots - {letter.spot for letter in chosen})


def _by_hand(letter: Letter) -> str:
    if letter.headers.get("stage") == "webhooks":
        return f"{letter.place}: a webhook. Repair the cause, then: python -m sinks {letter.producer}"
    producer = letter.producer or letter.headers.get("origin", "") or "its producer"
    return f"{letter.place}: raw input of {producer}. Repair the cause, then: python -m producers replay {letter.place}"


@app.command("raw", epilog=EXIT_CODES)
def raw(
    place: Annotated[str, typer.Argument(metavar="TOPIC:PARTITION:OFFSET", help="as `dlq list` shows it")],
) -> None:
    """Write the raw bytes of one dead letter to standard output, for example into a file to import again."""
    from sinks.dead_letters import reader as dead_letters_reader

    sys.stdout.buffer.write(asyncio.run(dead_letters_reader.find(load(SinkSettings), place)).value)

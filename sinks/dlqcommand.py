"""`python -m sinks dlq`: see dead letters, why they are dead, and send them back."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table as Grid
from rich.text import Text

from schemas.errors import ConfigurationError
from schemas.settings import SinkSettings, load
from schemas.topics import DEAD_LETTERS
from sinks.terminal import EXIT_CODES, out, plain, say

if TYPE_CHECKING:
    from sinks import dlq

app = typer.Typer(help="Dead letters: what could not be processed, why, and how to send it back.", no_args_is_help=True)
Reason = Annotated[str, typer.Option("--reason", "-r", help="only letters with this reason")]
TopicName = Annotated[str, typer.Option("--topic", "-t", help="only this dead-letter topic, for example facts.dlq")]


@app.command("list", epilog=EXIT_CODES)
def list_(
    reason: Reason = "",
    topic: TopicName = "",
    limit: Annotated[int, typer.Option(min=1, help="show so many, the newest")] = 50,
    everything: Annotated[bool, typer.Option("--all", help="also those that were replayed")] = False,
) -> None:
    """Show the dead letters of every topic, newest last."""
    from sinks import dlq

    settings = load(SinkSettings)
    _known(topic, settings)
    found = asyncio.run(dlq.letters(settings, include_replayed=everything))
    chosen = dlq.choose(found, reason=reason, topic=topic, namespace=settings.namespace)
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
        grid.add_row(*(Text(plain(text)) for text in texts), dlq.age(now - letter.timestamp_ms))
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
    from sinks import dlq

    settings = load(SinkSettings)
    letter = asyncio.run(dlq.find(settings, place))
    terminal = out()
    story = dict(letter.headers)
    traceback = story.pop("traceback", "")
    for name, value in {"letter": letter.place, "key": dlq.preview(letter.key or b""), **story}.items():
        terminal.print(Text(f"{name:<13} {plain(value)}"))
    terminal.print(Text(f"{'bytes':<13} {len(letter.value)}"))
    if traceback:
        terminal.print(Text("\n" + plain(traceback, keep="\n")))
    terminal.print(Text("\n" + dlq.preview(letter.value)))
    if not dlq.target(letter, settings):
        terminal.print(Text("\n" + _by_hand(letter)))


@app.command("replay", epilog=EXIT_CODES)
def replay(
    place: Annotated[str, typer.Argument(metavar="[TOPIC:PARTITION:OFFSET]", help="one letter")] = "",
    every: Annotated[
        bool, typer.Option("--all", help="every letter, or those that --reason and --topic leave")
    ] = False,
    reason: Reason = "",
    topic: TopicName = "",
) -> None:
    """Send dead letters back to where they came from, with their original key. Do it after the cause is repaired.

    A letter is replayed once; doing it again finds nothing to do. What fails again becomes a new letter.
    """
    from sinks import dlq

    settings = load(SinkSettings)
    _known(topic, settings)
    if bool(place) == every:
        raise ConfigurationError("name one letter, or say --all", where="dlq replay")
    waiting = asyncio.run(dlq.letters(settings))
    if place:
        wanted = dlq.parse_place(place, settings)
        chosen = [letter for letter in waiting if (letter.topic, letter.partition, letter.offset) == wanted]
        if not chosen:
            asyncio.run(dlq.find(settings, place))  # raises when there never was one
            say("0 replayed: this letter was replayed before")
            return
    else:
        chosen = dlq.choose(waiting, reason=reason, topic=topic, namespace=settings.namespace)
    count, by_hand = asyncio.run(dlq.replay(settings, chosen))
    say(f"{count} replayed")
    for letter in by_hand:
        say(_by_hand(letter))
    if by_hand:
        say(f"{len(by_hand)} left where they are: only their producer can take them again")


def _by_hand(letter: dlq.Letter) -> str:
    if letter.headers.get("stage") == "webhooks":
        return f"{letter.place}: a webhook. Repair the cause, then: python -m sinks {letter.headers['producer']}"
    producer = letter.headers.get("producer", "") or letter.headers.get("origin", "") or "its producer"
    return (
        f"{letter.place}: raw input of {producer}. Repair the cause, save the bytes "
        f"(python -m sinks dlq raw {letter.place} > file) and give the file to that producer again."
    )


@app.command("raw", epilog=EXIT_CODES)
def raw(
    place: Annotated[str, typer.Argument(metavar="TOPIC:PARTITION:OFFSET", help="as `dlq list` shows it")],
) -> None:
    """Write the raw bytes of one dead letter to standard output, for example into a file to import again."""
    from sinks import dlq

    sys.stdout.buffer.write(asyncio.run(dlq.find(load(SinkSettings), place)).value)


def _known(topic: str, settings: SinkSettings) -> None:
    names = {name for known in DEAD_LETTERS for name in (known.name, settings.topic(known))}
    if topic and topic not in names:
        raise ConfigurationError(
            f"{topic!r} is no dead-letter topic", where="--topic", fix=", ".join(known.name for known in DEAD_LETTERS)
        )

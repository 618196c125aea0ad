"""The options by which every command chooses dead letters: the same names, the same meaning."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from schemas.dead_letter.record import Choice, parse_spot, parse_time, require_topic
from schemas.errors import ConfigurationError
from schemas.settings import Settings

Places = Annotated[
    list[str] | None, typer.Argument(metavar="TOPIC:PARTITION:OFFSET", help="these letters, as `dlq list` shows")
]
Every = Annotated[bool, typer.Option("--all", help="every letter, or those that the other options leave")]
Topic = Annotated[str, typer.Option("--topic", "-t", help="only this dead-letter topic, for example facts.dlq")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="only letters with this reason")]
Source = Annotated[
    str, typer.Option("--source", "-s", help="only of this producer, or with this in their origin: social-meta, imap:")
]
Stage = Annotated[str, typer.Option("--stage", help="only those that failed in this step")]
Error = Annotated[str, typer.Option("--error", "-e", help="only those with this in their error or traceback")]
Since = Annotated[str, typer.Option("--since", help="only those not older than this: 2h, 3d, 2026-03-02T10:00:00Z")]
Until = Annotated[str, typer.Option("--until", help="only older ones than this: 2h, 3d, 2026-03-02T10:00:00Z")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="say what would become of each letter; change nothing")]


def choice(
    settings: Settings,
    *,
    places: list[str] | None = None,
    topic: str = "",
    reason: str = "",
    source: str = "",
    stage: str = "",
    error: str = "",
    since: str = "",
    until: str = "",
) -> Choice:
    """What the options say.

    Raises:
        ConfigurationError: a topic, a place or a time is none.
    """
    require_topic(topic, settings)
    now_ms = int(time.time() * 1000)
    return Choice(
        topic=topic,
        reason=reason,
        source=source,
        stage=stage,
        error=error,
        since_ms=parse_time(since, now_ms=now_ms, where="--since"),
        until_ms=parse_time(until, now_ms=now_ms, where="--until"),
        spots=frozenset(parse_spot(place, settings) for place in places or ()),
        namespace=settings.namespace,
    )


def require_one(places: list[str] | None, every: bool, where: str) -> None:
    """Letters are named, or all are meant: a replay of everything is nothing that happens by leaving something out.

    Raises:
        ConfigurationError: neither, or both.
    """
    if bool(places) == every:
        raise ConfigurationError("name letters, or say --all", where=where)

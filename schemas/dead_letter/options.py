"""The options by which every command selects dead letters: the same names, the same meaning."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import Parameter
from typing import Annotated, Any

import typer

from schemas.dead_letter.record import Choice, parse_position, parse_time, require_topic
from schemas.errors import ConfigurationError
from schemas.settings import Settings

__all__ = ["DryRun", "Place", "Selection", "selecting"]

Place = Annotated[str, typer.Argument(metavar="TOPIC:PARTITION:OFFSET", help="as `dlq list` shows it")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="say what would become of each dead letter; change nothing")]

_PLACES = Annotated[
    list[str] | None, typer.Argument(metavar="TOPIC:PARTITION:OFFSET", help="these dead letters, as `dlq list` shows")
]
_EVERY = Annotated[bool, typer.Option("--all", help="every dead letter, or those that the other options leave")]
_TOPIC = "only this dead-letter topic, for example facts.dlq"
_SOURCE = "only of this producer, or with this in their origin: social-meta, imap:"
_FILTERS: dict[str, Any] = {
    "reason": typer.Option("--reason", "-r", help="only dead letters with this reason"),
    "topic": typer.Option("--topic", "-t", help=_TOPIC),
    "source": typer.Option("--source", "-s", help=_SOURCE),
    "stage": typer.Option("--stage", help="only those that failed in this step"),
    "error": typer.Option("--error", "-e", help="only those with this in their error or traceback"),
    "since": typer.Option("--since", help="only those not older than this: 2h, 3d, 2026-03-02T10:00:00Z"),
    "until": typer.Option("--until", help="only older ones than this: 2h, 3d, 2026-03-02T10:00:00Z"),
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Holds the options that select dead letters, as they were typed."""

    places: Sequence[str] | None = None
    every: bool = False
    reason: str = ""
    topic: str = ""
    source: str = ""
    stage: str = ""
    error: str = ""
    since: str = ""
    until: str = ""

    def choice(self, settings: Settings) -> Choice:
        """Returns which dead letters the options mean.

        Raises:
            ConfigurationError: a topic, a place or a time is none.
        """
        require_topic(self.topic, settings)
        now_ms = int(time.time() * 1000)
        return Choice(
            topic=self.topic,
            reason=self.reason,
            source=self.source,
            stage=self.stage,
            error=self.error,
            since_ms=parse_time(self.since, now_ms=now_ms, where="--since"),
            until_ms=parse_time(self.until, now_ms=now_ms, where="--until"),
            positions=frozenset(parse_position(place, settings) for place in self.places or ()),
            namespace=settings.namespace,
        )

    def require_named(self, where: str) -> None:
        """Accepts either places or `--all`, so that nobody replays everything by leaving something out.

        Raises:
            ConfigurationError: neither, or both.
        """
        if bool(self.places) == self.every:
            raise ConfigurationError("name dead letters, or say --all", where=where)


def selecting(*, named: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a Typer command the options of a `Selection`, in place of its first parameter.

    named  with the places of dead letters as arguments, and `--all`
    """
    ours = [_parameter(name, "", Annotated[str, option]) for name, option in _FILTERS.items()]
    if named:
        ours = [_parameter("places", None, _PLACES), _parameter("every", False, _EVERY), *ours]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        _, *theirs = inspect.signature(command, eval_str=True).parameters.values()

        @functools.wraps(command)
        def run(**typed: Any) -> None:
            command(Selection(**{each.name: typed.pop(each.name) for each in ours}), **typed)

        parameters = [*ours, *(each.replace(kind=Parameter.KEYWORD_ONLY) for each in theirs)]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        del run.__wrapped__
        return run

    return decorate


def _parameter(name: str, default: Any, annotation: Any) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)

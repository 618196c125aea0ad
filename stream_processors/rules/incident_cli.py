"""`python -m stream_processors incident`: switches on and off what customers are told of an incident."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import typer

from schemas.clock import MICROS
from schemas.errors import ConfigurationError, Unavailable
from schemas.events import CHANNELS, LOCALES
from schemas.process import guarded
from schemas.published import IncidentChanged
from schemas.settings import WorkerSettings, load
from stream_processors.rules import incidents, ruleset
from stream_processors.rules.cli import me, table, time_text
from stream_processors.rules.published import GUARD_SECONDS
from stream_processors.rules.topic import RulesTopic, wall_micros

cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""Tell customers what is out of order, in every acknowledgement by mail and chat, from when it begins until it ends.

    `incident begin payments --text en="Card payments fail. We are on it." --text ja="..." --tag "payment.*"`, later
    `incident end payments`. All workers tell it from the same instant, DESKSTREAM_RULES_LEAD_SECONDS after the command; no
    file of the rules changes. What has no text in a language is told in English.

    Reads DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS and DESKSTREAM_NAMESPACE.

    Exit codes: 0 done, 2 the arguments are wrong, 3 Kafka does not answer.""",
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="What you call it, such as `payments`.")]
By = Annotated[str, typer.Option("--by", help="Who says so; default: user@host.")]
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


@cli.command()
def begin(
    name: Name,
    text: Annotated[
        list[str], typer.Option("--text", metavar="LANGUAGE=TEXT", help=f"Of {', '.join(LOCALES)}; en is needed.")
    ],
    tag: Annotated[
        list[str], typer.Option("--tag", help="Tell it only contacts about this tag, or a group: `payment.*`.")
    ] = [],  # noqa: B006
    channel: Annotated[list[str], typer.Option("--channel", help="Tell it only on this channel.")] = [],  # noqa: B006
    brand: Annotated[list[str], typer.Option("--brand", help="Tell it only customers of this brand (a slug).")] = [],  # noqa: B006
    by: By = "",
) -> None:
    """Begin to tell of an incident, or tell other words or other customers of one that goes on."""

    async def work(settings: WorkerSettings) -> None:
        rules = ruleset.load(settings.config_dir, settings.mail_domain)
        tags = [each for one in tag for each in _tags(one, rules.taxonomy.tags)]
        _known("--channel", channel, CHANNELS)
        _known("--brand", brand, rules.brands.brands)
        print(await change(settings, name, by, texts=texts_of(text), tags=tags, channels=channel, brands=brand))

    _run(work)


@cli.command()
def end(name: Name, by: By = "") -> None:
    """End an incident: nobody is told of it any more."""

    async def work(settings: WorkerSettings) -> None:
        print(await change(settings, name, by))

    _run(work)


@cli.command("list")
def list_() -> None:
    """List the incidents that go on, and what is told of them."""

    async def work(settings: WorkerSettings) -> None:
        async with RulesTopic.opened(settings) as topic:
            print(listing(topic.published.incidents))

    _run(work)


def texts_of(given: list[str]) -> dict[str, str]:
    """Returns the texts by language of `LANGUAGE=TEXT` as they were given.

    Raises:
        ConfigurationError: one is not so, or cannot be told.
    """
    texts: dict[str, str] = {}
    for each in given:
        locale, equals, text = each.partition("=")
        if not equals:
            raise ConfigurationError(
                f"{each!r} names no language", where="--text", fix='write en="Card payments fail."'
            )
        texts[locale.strip()] = text.strip()
    if problem := incidents.problem_of(texts):
        raise ConfigurationError(problem, where="--text", fix='write --text en="Card payments fail. We are on it."')
    return texts


def listing(changes: list[IncidentChanged]) -> str:
    """Returns the incidents that go on, or are about to, as a table."""
    ordered = sorted(changes, key=lambda each: each.effective_from)
    newest = {each.incident: each for each in ordered}
    rows = [
        (
            each.name,
            time_text(newest[each.name].effective_from),
            newest[each.name].published_by,
            " ".join((*newest[each.name].tags, *newest[each.name].channels, *newest[each.name].brands)) or "all",
            f"{locale}: {text}",
        )
        for each in incidents.in_force(ordered)
        for locale, text in each.texts.items()
    ]
    return table(("incident", "since", "by", "told to", "text"), rows) if rows else "No incident goes on."


async def change(settings: WorkerSettings, name: str, by: str, **fields: Any) -> str:
    """Publishes the beginning of an incident, or without `fields` its end; returns what was done.

    Raises:
        ConfigurationError: the name is none, or an incident that does not go on is to end.
        Unavailable: Kafka does not answer, or stored it too late.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"{name!r} is no name", where="NAME", fix="small letters, digits, - and _")
    async with RulesTopic.opened(settings) as topic:
        going_on = [each.name for each in incidents.in_force(topic.published.incidents)]
        if not fields and name not in going_on:
            raise ConfigurationError("does not go on", where=name, fix=f"going on: {', '.join(going_on) or 'none'}")
        wall, clock = wall_micros(), settings.pipeline_clock
        lead = int(settings.rules_lead_seconds * MICROS)
        record = IncidentChanged(
            incident=name,
            effective_from=clock.at(wall + lead),
            append_by=wall + lead - int(GUARD_SECONDS * MICROS),
            published_by=by or me(),
            at=clock.at(wall),
            **fields,
        )
        await topic.publish(record)
        await topic.look()
        if record not in topic.published.incidents:
            raise Unavailable(f"the change of {name} was stored too late and does not count; try again")
    return f"{name} {'begins' if fields else 'ends'} at {time_text(record.effective_from)}"


def _tags(wanted: str, tags: Any) -> list[str]:
    found = [tag for tag in tags if tag.startswith(wanted[:-1])] if wanted.endswith(".*") else [wanted]
    if not found or found[0] not in tags:
        raise ConfigurationError(f"{wanted!r} is not a tag of the taxonomy", where="--tag")
    return found


def _known(option: str, given: list[str], known: Any) -> None:
    for each in given:
        if each not in known:
            raise ConfigurationError(f"{each!r} is not known", where=option, fix=f"one of {', '.join(known) or 'none'}")


def _run(work: Callable[[WorkerSettings], Coroutine[Any, Any, None]]) -> None:
    raise SystemExit(guarded(lambda: asyncio.run(work(load(WorkerSettings)))))

"""`python -m stream_processors rules`: see, check and publish the rules, from any machine that reaches Kafka."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.clock import MICROS, from_micros, to_micros
from schemas.errors import ConfigurationError, Unavailable
from schemas.process import guarded, user
from schemas.rulesets import PublishedRuleset, PublishedRulesets
from schemas.settings import WorkerSettings, load
from stream_processors.rules import ruleset
from stream_processors.rules.published import GUARD_SECONDS, offer
from stream_processors.rules.topic import RulesTopic, wall_micros
from stream_processors.rules.versions import ALWAYS

cli = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""See, check and publish the rules: policies, calendars, taxonomy, templates, teams, guards, notices.

    The topic `rules` keeps every version. A worker publishes its own directory (DESKSTREAM_CONFIG_DIR) when that
    changes; these commands do the same by hand. No restart is needed.

    `list`, `show` and `publish` read DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS and DESKSTREAM_NAMESPACE; the version of rules
    depends on DESKSTREAM_MAIL_DOMAIN, too.

    Exit codes: 0 done, 2 the rules or the arguments are wrong, 3 Kafka does not answer.""",
)
Version = Annotated[str, typer.Argument(help="A version as `list` shows it, or its first characters.")]
RulesDirectory = Annotated[Path, typer.Argument(metavar="DIR", help="The directory of policies.yaml.")]


@cli.command("list")
def list_() -> None:
    """List every version in the order in which it takes effect, and mark the one in force now."""

    async def work(settings: WorkerSettings) -> None:
        async with RulesTopic.opened(settings) as topic:
            print(listing(topic.published, settings.pipeline_clock.now()))

    _run(work)


@cli.command()
def show(
    version: Version,
    file: Annotated[str, typer.Argument(help="Print this file of it, such as policies.yaml.")] = "",
    to: Annotated[Path | None, typer.Option("--to", help="Write all its files into this new directory.")] = None,
) -> None:
    """Show a version: its files, one of them, or all of them as a directory to edit and publish."""

    async def work(settings: WorkerSettings) -> None:
        async with RulesTopic.opened(settings) as topic:
            ruleset_ = chosen(topic.published, version)
        files = ruleset_.record.files
        if file and file not in files:
            raise ConfigurationError(f"has no file {file!r}", where=ruleset_.version, fix=", ".join(sorted(files)))
        if to is not None:
            _write(to, {file: files[file]} if file else files)
            print(f"{1 if file else len(files)} files of {ruleset_.version} are in {to}")
        elif file:
            typer.echo(files[file], nl=False)
        else:
            print(contents(ruleset_))

    _run(work)


@cli.command()
def publish(
    directory: RulesDirectory,
    begins: Annotated[
        str, typer.Option("--from", metavar="ISO_TIME", help="When they take effect, pipeline time: 2027-01-01T00:00Z.")
    ] = "",
    by: Annotated[str, typer.Option("--by", help="Who publishes; default: user@host.")] = "",
) -> None:
    """Publish a directory of rules; without --from it takes effect after DESKSTREAM_RULES_LEAD_SECONDS.

    Rules never take effect in the past: what was folded stays as it is. To go back to an earlier version, publish it
    again: `show VERSION --to DIR`, then `publish DIR`.
    """

    async def work(settings: WorkerSettings) -> None:
        files = ruleset.read_files(directory, settings.brands_file)
        rules = ruleset.of_files(files, settings.mail_domain, shown_as=str(directory), brands_file=settings.brands_file)
        async with RulesTopic.opened(settings) as topic:
            print(await _publish(topic, settings, files, rules.version, begins, by or me()))

    _run(work)


@cli.command()
def check(directory: RulesDirectory) -> None:
    """Validate a directory of rules; connects to nothing. Names file, line and reason of the first mistake."""

    def work() -> None:
        settings = load(WorkerSettings)
        files = ruleset.read_files(directory, settings.brands_file)
        rules = ruleset.of_files(files, settings.mail_domain, shown_as=str(directory), brands_file=settings.brands_file)
        parts = ("policies", rules.policies.version), ("calendars", rules.calendars.version), (
            "taxonomy",
            rules.taxonomy.version,
        )  # fmt: skip
        print(f"rules are valid: version {rules.version}, " + ", ".join(f"{name} {version}" for name, version in parts))

    raise SystemExit(guarded(work))


# -- what is shown ------------------------------------------------------------------------------------------------


def listing(published: PublishedRulesets, now: int) -> str:
    """Returns all versions as a table, in the order in which they take effect; `now` is pipeline micros."""
    if not len(published):
        return "No rules were published yet: the first worker publishes its own."
    ordered = sorted(published, key=lambda each: (each.record.effective_from, each.number))
    begun = [each for each in ordered if each.record.effective_from <= now]
    in_force = begun[-1] if begun else ordered[0]
    rows = [
        (
            time_text(each.record.effective_from),
            each.version,
            "in force" if each is in_force else "to come" if each.record.effective_from > now else "",
            each.record.published_by,
            time_text(each.record.at),
        )
        for each in ordered
    ]
    return table(("effective from", "version", "", "published by", "published at"), rows)


def contents(published: PublishedRuleset) -> str:
    """Returns one version as text: when, by whom and for when it was published, and its files."""
    record = published.record
    head = [
        f"version         {record.version}",
        f"effective from  {time_text(record.effective_from)}",
        f"published       {time_text(record.at)} by {record.published_by}",
        f"mail domain     {record.mail_domain}",
        "",
    ]
    rows = [(name, f"{len(content):,}") for name, content in sorted(record.files.items())]
    return "\n".join((*head, table(("file", "bytes"), rows)))


def chosen(published: PublishedRulesets, version: str) -> PublishedRuleset:
    """Returns the newest rules of the one version that begins so.

    Raises:
        ConfigurationError: none does, or several do.
    """
    found = {each.version: each for each in published if version and each.version.startswith(version)}
    if len(found) != 1:
        problem = f"{len(found)} versions begin so: {', '.join(found)}" if found else "was never published"
        raise ConfigurationError(problem, where=version, fix="see `python -m stream_processors rules list`")
    return next(iter(found.values()))


def start_of(text: str, *, now: int, lead_seconds: float, speed: float) -> int:
    """Returns when rules take effect (pipeline micros): after the lead, or at the time given.

    Raises:
        ConfigurationError: it is no time, has no zone, or is too soon for all workers to know in time.
    """
    if not text:
        return now + int(lead_seconds * MICROS * speed)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"{text!r} is no time", where="--from", fix="write 2027-01-01T00:00Z") from None
    if moment.tzinfo is None:
        raise ConfigurationError(f"{text!r} names no time zone", where="--from", fix=f"write {text}Z for UTC")
    start, earliest = to_micros(moment), now + int((GUARD_SECONDS + 1) * MICROS * speed)
    if start < earliest:
        raise ConfigurationError(
            f"{text} is past: rules never change what was folded", where="--from", fix=f"after {time_text(earliest)}"
        )
    return start


def time_text(micros: int) -> str:
    """Returns a time (micros) in UTC, or `always` for the beginning of all time."""
    if micros <= ALWAYS:
        return "always"
    return from_micros(micros).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns rows as lines with even columns."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


# -- what is done -------------------------------------------------------------------------------------------------


async def _publish(
    topic: RulesTopic, settings: WorkerSettings, files: dict[str, bytes], version: str, begins: str, by: str
) -> str:
    newest, clock = topic.published.newest, settings.pipeline_clock
    if newest is not None and newest.version == version and not begins:
        return f"{version} was published last already; nothing to do"
    wall = wall_micros()
    start = start_of(begins, now=clock.at(wall), lead_seconds=settings.rules_lead_seconds, speed=clock.speed)
    if newest is None and not begins:
        start = ALWAYS
    record = offer(files, version, settings.mail_domain, clock=clock, wall=wall, start=start, by=by)
    before = len(topic.published)
    await topic.publish(record)
    await topic.look()
    if not any(each.record == record for each in list(topic.published)[before:]):
        raise Unavailable(f"{version} was stored too late and does not count; try again")
    return f"{version} takes effect {'for all time' if start == ALWAYS else f'from {time_text(start)} on'}"


def _run(work: Callable[[WorkerSettings], Coroutine[Any, Any, None]]) -> None:
    raise SystemExit(guarded(lambda: asyncio.run(work(load(WorkerSettings)))))


def me() -> str:
    """Returns `user@host` of whoever runs the command."""
    return f"{user()}@{socket.gethostname()}"


def _write(directory: Path, files: dict[str, bytes]) -> None:
    if directory.exists() and any(directory.iterdir()):
        raise ConfigurationError("is not empty", where=str(directory), fix="name a new directory")
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

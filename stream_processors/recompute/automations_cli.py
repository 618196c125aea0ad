"""`python -m stream_processors automations`: lists the rules that act by themselves, and tries them on the log."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from schemas import codec, secret_check
from schemas.clock import MICROS, from_micros, to_micros
from schemas.errors import CodecError, ConfigurationError
from schemas.facts import AutomationFact
from schemas.process import guarded
from schemas.settings import WorkerSettings, load
from stream_processors.recompute import dry_run as trial
from stream_processors.recompute.log import Log, progress_bar
from stream_processors.rules import ruleset
from stream_processors.rules.automations import Rule
from stream_processors.rules.ruleset import Rules
from stream_processors.rules.spelling import closest

__all__ = ["HELP", "automations", "listed", "since_when", "table"]

HELP = """List the rules of automations.yaml in their order, or show what they would have done.

    python -m stream_processors automations
    python -m stream_processors automations --dry-run --config new-rules --all

`--dry-run` reads the log of contacts from its beginning, folds it under these rules, and prints what they would have done in the
last week (`--since`): a line for each action, done or withheld and why, and a summary per rule. Whatever the rules in force did
then is left out, and what one rule sets off in another is followed. Limits of notifications are counted. Nothing is changed,
nobody is notified, and workers go on meanwhile.

`--all` tries the rules as well that are switched off with `enabled: false`; `--rule NAME` shows one of them.

Exit codes: 0 done, 2 the rules or arguments are wrong, 3 Kafka does not answer.
"""
_DURATION = re.compile(r"(\d{1,5})([hd])")
_HOURS = {"h": 1, "d": 24}


def automations(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what they would have done.")] = False,
    config: Annotated[
        Path | None, typer.Option("--config", help="The directory of automations.yaml; default: that of the workers.")
    ] = None,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="From when on: 12h, 7d, or a time such as 2026-03-02T09:00Z.")
    ] = "7d",
    everything: Annotated[bool, typer.Option("--all", help="Try rules that are switched off, too.")] = False,
    rule: Annotated[str, typer.Option("--rule", metavar="NAME", help="Show this rule alone.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=0, help="Show so many actions, the last ones; 0 for all.")] = 40,
) -> None:
    """Lists or tries the rules; ends the process."""
    raise SystemExit(guarded(lambda: _run(dry_run, config, since, everything, rule, limit)))


def _run(dry_run: bool, config: Path | None, since: str, everything: bool, name: str, limit: int) -> int:
    settings = load(WorkerSettings)
    root = config or settings.config_dir or ruleset.SHIPPED
    files = ruleset.read_files(root, settings.brands_file)
    rules = ruleset.of_files(files, settings.mail_domain, shown_as=str(root), brands_file=settings.brands_file)
    known = sorted((*rules.automations.rules, *rules.automations.off), key=lambda rule: rule.place)
    names = [rule.name for rule in known]
    if name and name not in names:
        raise ConfigurationError(f"{name!r} is not a rule", where="--rule", fix=closest(name, names))
    if not dry_run:
        on = {rule.name for rule in rules.automations.rules}
        typer.echo(listed([(rule, rule.name in on) for rule in known if name in ("", rule.name)]))
        return 0
    now = settings.pipeline_clock.now()
    begin = since_when(since, now)
    tried = trial.with_all(rules) if everything else rules
    if not tried.automations.rules:
        typer.echo(
            f"No rule of {root} is switched on." + (f" Try --all: {len(known)} are switched off." if known else "")
        )
        return 0
    secret_check.use(settings)
    facts = asyncio.run(_fold_all(settings, tried, now))
    shown = [fact for fact in facts if fact.at >= begin and name in ("", fact.rule)]
    typer.echo(table(sorted(shown, key=lambda fact: (fact.at, fact.ticket_id)), limit))
    return 0


async def _fold_all(settings: WorkerSettings, rules: Rules, until: int) -> list[AutomationFact]:
    acted: dict[str, AutomationFact] = {}
    for_desk = []
    async with Log.opened(settings) as log:
        with progress_bar() as progress:
            bar = progress.add_task("dry run", total=log.records_total)
            for partition in log.partitions:
                fold = trial.DryRun(rules, partition.partition)
                async for records in log.records(partition):
                    for record in records:
                        try:
                            event = codec.decode(record.value or b"")
                        except CodecError:
                            continue
                        acted |= {fact.firing_id: fact for fact in fold.take(event) if isinstance(fact, AutomationFact)}
                    progress.advance(bar, len(records))
                acted |= {fact.firing_id: fact for fact in fold.end(until) if isinstance(fact, AutomationFact)}
                for_desk.append(fold.for_desk)
    acted |= {fact.firing_id: fact for fact in trial.told(rules, for_desk, until)}
    return list(acted.values())


def since_when(text: str, now: int) -> int:
    """Returns the time (micros) that somebody means by `7d`, `12h` or a time in ISO 8601, UTC unless it says otherwise.

    Raises:
        ConfigurationError: it is none of them.
    """
    if found := _DURATION.fullmatch(text):
        return now - int(found[1]) * _HOURS[found[2]] * 3600 * MICROS
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        fix = "write for example 7d, 12h or 2026-03-02T09:00Z"
        raise ConfigurationError(f"{text!r} is neither a duration nor a time", where="--since", fix=fix) from None
    return to_micros(at if at.tzinfo else at.replace(tzinfo=UTC))


def listed(rules: Sequence[tuple[Rule, bool]]) -> str:
    """Returns rules for a person to read; each with true when it is switched on."""
    if not rules:
        return "There are no rules: write some in automations.yaml (deploy/docs/rules.md)."
    rows = []
    for rule, on in rules:
        keys = sorted(key for key in rule.keys if key)
        named = f"{', '.join(keys[:3])}{f' and {len(keys) - 3} more' if len(keys) > 3 else ''}"
        if rule.stay_micros:
            named += f" for {rule.stay_micros / MICROS / 3600:g} h"
        what = ", ".join(f"{action.kind} {action.target}".strip() for action in rule.actions)
        rows.append((rule.name, "on" if on else "off", f"{rule.trigger} {named}".strip(), what))
    return _aligned(("rule", "", "when", "then"), rows)


def table(facts: Sequence[AutomationFact], limit: int) -> str:
    """Returns what rules did, the last `limit` of them, and a summary per rule and action."""
    if not facts:
        return "No rule would have done anything."
    kept = facts[-limit:] if limit else facts
    rows = [
        (
            from_micros(fact.at).strftime("%Y-%m-%d %H:%M"),
            fact.rule,
            fact.ticket_id or "-",
            fact.why,
            f"{fact.action} {fact.target}".strip(),
            fact.reason or fact.outcome,
        )
        for fact in kept
    ]
    lines = [_aligned(("when (UTC)", "rule", "ticket", "why", "action", "outcome"), rows)]
    if len(kept) < len(facts):
        lines.append(f"... the last {len(kept)} of {len(facts)}; --limit 0 shows all")
    return "\n".join((*lines, "", _summary(facts)))


def _summary(facts: Iterable[AutomationFact]) -> str:
    done, withheld = Counter[tuple[str, str]](), dict[tuple[str, str], Counter[str]]()
    tickets: dict[tuple[str, str], set[str]] = {}
    for fact in facts:
        key = fact.rule, fact.action
        tickets.setdefault(key, set()).add(fact.ticket_id)
        done[key] += fact.outcome == "done"
        withheld.setdefault(key, Counter()).update([fact.reason] if fact.reason else [])
    rows = [
        (
            *key,
            str(len(tickets[key] - {""})),
            str(done[key]),
            ", ".join(f"{reason} {count}" for reason, count in withheld[key].most_common()) or "-",
        )
        for key in sorted(tickets)
    ]
    return _aligned(("rule", "action", "tickets", "done", "withheld"), rows)


def _aligned(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = ("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in (head, *rows))
    return "\n".join(line.rstrip() for line in lines)

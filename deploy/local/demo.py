"""Plays one fixed day at high speed, and checks that every contact is accounted for: `python -m deploy.local demo`."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from deploy.local import balance
from deploy.local.desk_summary import DeskSummary, read_desk
from deploy.local.metric_samples import buckets, quantile, total
from deploy.local.observe import Observer, Snapshot
from deploy.local.pipeline import PRODUCERS, WORKERS, Pipeline, Plan
from deploy.local.run import STATUS_SECONDS, deaf, say, short, stop_on_sigterm
from deploy.local.supervisor import ProcessStatus
from deploy.local.view import MB, status_line
from schemas.clock import from_micros
from schemas.errors import ConfigurationError, Unavailable
from sinks.clickhouse.connection import connect

DAY_STARTS = 1_772_409_600_000_000  # Monday 2026-03-02 00:00 UTC
LEAD_SECONDS = 8.0  # the processes start in this time; then the day begins
DRAIN_SECONDS = 120.0
MARK = ".deskstream-demo"


def demo(console: Console, data: Path, *, contacts: int, seed: int, speed: float, workers: int) -> int:
    """Plays the day and checks it; returns 0 when it balances, otherwise 1.

    Raises:
        ConfigurationError: the data directory holds something that is not an earlier demo.
        Unavailable: a server or a process stopped answering.
    """
    prepare(data)
    simulate = ("--contacts", str(contacts), "--seed", str(seed), "--start", from_micros(DAY_STARTS).isoformat())
    plan = Plan(data, speed=speed, start=DAY_STARTS, lead=LEAD_SECONDS, workers=workers, simulate=simulate)
    pipeline = Pipeline(plan, lambda line: say(console, line))
    began = time.monotonic()
    with stop_on_sigterm():
        try:
            pipeline.start()
            observer = pipeline.observer()
            observer.start()
            try:
                _play(pipeline, observer, console)
                _drain(pipeline, console)
                observer.gather()
                return _account(pipeline, observer, console, time.monotonic() - began)
            finally:
                with deaf():
                    observer.stop()
                    pipeline.stop()
        except KeyboardInterrupt:
            say(console, "Stopped before the day was over.")
            return 1


def prepare(data: Path) -> None:
    """Empties the data directory of an earlier demo.

    Raises:
        ConfigurationError: the directory holds something else.
    """
    if data.exists() and any(data.iterdir()) and not (data / MARK).exists():
        raise ConfigurationError(
            "it is not empty and not from an earlier demo", where=str(data), fix="choose another --data"
        )
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    (data / MARK).touch()


def _play(pipeline: Pipeline, observer: Observer, console: Console) -> None:
    """Shows the status until the simulator has ended."""
    shown = 0.0
    while not pipeline.supervisor.finished("simulator"):
        pipeline.poll()
        if time.monotonic() - shown >= STATUS_SECONDS:
            shown = time.monotonic()
            say(console, status_line(observer.latest(pipeline.processes())))
        time.sleep(0.25)


def _drain(pipeline: Pipeline, console: Console) -> None:
    """Waits until the workers have processed everything and stops them, then waits for the sinks.

    Deadlines become ticks while time goes on: only stopped workers write nothing more.
    """
    say(console, "The day is over. Waiting until everything is processed ...")
    pipeline.supervisor.stop_stage(PRODUCERS)
    settings = pipeline.settings()
    workers, sinks = settings.group("").rstrip("-"), ("clickhouse", "delivery")
    _await_lag(pipeline, [workers])
    pipeline.supervisor.stop_stage(WORKERS)
    _await_lag(pipeline, [settings.group(name) for name in sinks])


def _await_lag(pipeline: Pipeline, groups: Sequence[str]) -> None:
    """Waits until these groups were at the end of their topics twice in a row."""
    settings, end, calm = pipeline.settings(), time.monotonic() + DRAIN_SECONDS, 0
    while calm < 2:
        pipeline.poll()
        behind = balance.lag(settings, settings.group("").rstrip("-"))
        calm = calm + 1 if not any(behind[group] for group in groups) else 0
        if time.monotonic() > end:
            what = ", ".join(f"{group} {behind[group]:,} records behind" for group in groups)
            raise Unavailable(f"not drained after {DRAIN_SECONDS:.0f} s: {what}; see {pipeline.places.logs}")
        time.sleep(0.3)


# -- the balance ----------------------------------------------------------------------------------------------------


def _account(pipeline: Pipeline, observer: Observer, console: Console, seconds: float) -> int:
    settings, places = pipeline.settings(), pipeline.places
    client = connect(settings)
    desk = read_desk(client, pipeline.clock.now())
    log, ledger = balance.read_log(settings), balance.read_ledger(client)
    received = balance.read_received(places.maildir, settings.outbox_dir or places.outbox)
    findings = balance.check(published(pipeline, observer), log, ledger, received)
    snapshot = observer.latest(pipeline.processes())
    for table in (
        _day(desk),
        _sla(desk, pipeline.clock.speed),
        _rows(desk),
        _usage(snapshot.processes),
        _flow(snapshot, observer, log, seconds),
        _dead_letters(log.dead_letters),
        _balance(findings),
    ):
        if table is not None:
            console.print(table)
    wrong = [finding for finding in findings if not finding.holds]
    if not wrong:
        say(console, f"It balances: every contact is accounted for. The data is in {short(places.data)}.")
        return 0
    for finding in wrong:
        say(console, f"does not balance: {finding.statement}: {finding.detail}")
    return 1


def published(pipeline: Pipeline, observer: Observer) -> int:
    """Returns how many records the producers published: by what each logged at its end, else by its last metrics.

    A producer may publish between the last look at its metrics and its end: at midnight the help pages say which articles
    there are.
    """
    summary = pipeline.supervisor.log_path("simulator").read_text(errors="replace")
    counts = re.findall(r"^together +([\d,]+)$", summary, re.MULTILINE)
    if not counts:
        raise Unavailable("the simulator left no count of what it published")
    others = 0
    for name in ("producer-http", "producer-mail"):
        told = published_at_end(pipeline.supervisor.log_path(name).read_text(errors="replace"))
        counted = total(observer.samples(name), "deskstream_contacts_published_total")
        others += int(counted) if told is None else told
    return int(counts[-1].replace(",", "")) + others


def published_at_end(log: str) -> int | None:
    """Returns what a producer's log says at its end that it published; None when it did not end in order."""
    told = re.findall(r'^\{.*"published": (\d+).*"event": "drained"', log, re.MULTILINE)
    return int(told[-1]) if told else None


def _grid(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


def _day(desk: DeskSummary) -> Table:
    table = _grid("The day", "", "count")
    for name, channel in sorted(desk.channels.items(), key=lambda item: -item[1].contacts):
        table.add_row(f"contacts by {name}", f"{channel.contacts:,}")
    table.add_row("contacts", f"{desk.contacts:,}", end_section=True)
    for language, count in sorted(desk.languages.items(), key=lambda item: -item[1]):
        table.add_row(f"tickets in {language or 'an unknown language'}", f"{count:,}")
    for brand, count in sorted(desk.brands.items(), key=lambda item: -item[1]):
        table.add_row(f"tickets of {brand or 'no brand'}", f"{count:,}")
    table.add_row("tickets", f"{desk.tickets:,}")
    table.add_row("tickets solved", f"{desk.solved:,}")
    table.add_row("tickets with a why-tag", _part(desk.tagged, desk.tickets), end_section=True)
    table.add_row("acknowledgements sent", f"{desk.acknowledged:,}")
    for reason, count in sorted(desk.suppressed.items()):
        table.add_row(f"suppressed: {reason}", f"{count:,}")
    table.add_section()
    for tag in desk.tags[:5]:
        table.add_row(f"tag {tag.tag}", f"{tag.tickets:,}")
    table.add_section()
    mean = "-" if desk.csat_mean is None else f"{desk.csat_mean:.2f}"
    table.add_row("CSAT, mean", mean)
    table.add_row("CSAT, answers", f"{desk.csat_answers:,}")
    table.add_row("CSAT, 1 or 2", _part(desk.csat_low, desk.csat_answers))
    return table


def _sla(desk: DeskSummary, speed: float) -> Table:
    title = f"SLA clocks (at this speed a second of this machine is {speed / 60:.0f} minutes of the day)"
    table = _grid(title, "clock", "met", "breached", "still running")
    for name, clock in sorted(desk.clocks.items()):
        share = _part(clock.breached, clock.met + clock.breached)
        table.add_row(name.replace("_", " "), f"{clock.met:,}", share, f"{clock.running:,}")
    return table


def _rows(desk: DeskSummary) -> Table:
    table = _grid("Rows in ClickHouse", "table", "rows")
    for name, rows in sorted(desk.rows.items()):
        table.add_row(name, f"{rows:,}")
    return table


def _usage(processes: Sequence[ProcessStatus]) -> Table:
    table = _grid("Processes", "process", "peak MB", "CPU s", "restarts")
    for process in processes:
        table.add_row(process.name, f"{process.peak_rss // MB:,}", f"{process.cpu_seconds:.1f}", str(process.restarts))
    table.add_section()
    peak, cpu = sum(process.peak_rss for process in processes), sum(process.cpu_seconds for process in processes)
    table.add_row("all", f"{peak // MB:,}", f"{cpu:.1f}", "")
    return table


def _flow(snapshot: Snapshot, observer: Observer, log: balance.Log, seconds: float) -> Table:
    table = _grid("The pipeline", "", "")
    table.add_row("records in contact-events", f"{log.records:,}")
    table.add_row("of these ticks", f"{log.ticks:,}")
    table.add_row("received by producers", f"{snapshot.flow.received:,}")
    table.add_row("published", f"{snapshot.flow.published:,}")
    table.add_row("duplicates", f"{snapshot.flow.duplicates:,}")
    table.add_row("contacts and agents' events, per second", f"{log.produced / seconds:.1f}")
    for name, metric in (("visible in ClickHouse", "visible"), ("handed over to the customer", "delivery")):
        delay = _whole_delay(observer, f"deskstream_{metric}_seconds")
        table.add_row(f"{name} after, median and p99", delay)
    table.add_row("whole demo", f"{seconds:.0f} s")
    return table


def _whole_delay(observer: Observer, metric: str) -> str:
    counts: dict[float, float] = {}
    for process in ("sink-clickhouse", "sink-delivery"):
        for bound, count in buckets(observer.samples(process), metric).items():
            counts[bound] = counts.get(bound, 0.0) + count
    median, p99 = quantile(0.5, counts), quantile(0.99, counts)
    return "-" if median is None or p99 is None else f"{median:.2f} s, {p99:.2f} s"


def _dead_letters(dead_letters: Sequence[balance.DeadLetter]) -> Table | None:
    if not dead_letters:
        return None
    table = _grid("Dead letters", "topic", "reason", "error", "count")
    groups: dict[tuple[str, str, str], int] = {}
    for each in dead_letters:
        key = each.topic, each.reason, each.error
        groups[key] = groups.get(key, 0) + 1
    for (topic, reason, error), count in sorted(groups.items(), key=lambda item: -item[1])[:10]:
        table.add_row(topic, reason, error[:80], f"{count:,}")
    return table


def _balance(findings: Sequence[balance.Finding]) -> Table:
    table = Table(title="The balance", title_justify="left", title_style="bold", header_style="dim")
    for column in ("", "statement", "counts"):
        table.add_column(column)
    for finding in findings:
        table.add_row(
            "ok" if finding.holds else "NO", finding.statement, finding.detail, style="" if finding.holds else "red"
        )
    return table


def _part(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole:.0%})" if whole else f"{part:,}"

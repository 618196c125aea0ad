"""Runs the command line of everything that leaves Kafka: `python -m sinks`. Only this module reads the environment."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Coroutine
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer
import uvloop
from rich.table import Table as Grid
from rich.text import Text

from schemas import secret_check
from schemas.errors import ConfigurationError, Unavailable
from schemas.metrics import BUILD_INFO
from schemas.process import EXIT_PROTECTED, Health, configure_logging, guarded, patiently, serve_probes
from schemas.settings import SinkSettings, help_text, load
from schemas.terminal import SINK_EXIT_CODES as EXIT_CODES
from schemas.terminal import out, plain, say
from sinks.clickhouse.why import why
from sinks.dead_letters import cli
from sinks.delivery import cli as delivery_cli
from sinks.erasure.cli import erase, export_customer
from sinks.matrix.cli import matrix
from sinks.staffing.cli import staffing

EXAMPLE = '`python -m sinks query "SELECT * FROM ticket_summary"`'
HELP = f"""
Writes facts to ClickHouse, sends messages to customers and webhooks to other systems, and manages dead letters.

Start with: {EXAMPLE}

{EXIT_CODES}

**Settings** (environment) [default]

{help_text(SinkSettings)}
"""
app = typer.Typer(
    help=HELP,
    rich_markup_mode="markdown",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(cli.app, name="dlq")
recompute_app = typer.Typer(
    help="Shows or removes the tables of recomputations (python -m stream_processors recompute).", no_args_is_help=True
)
app.add_typer(recompute_app, name="recompute")
app.add_typer(delivery_cli.app, name="delivery")
webhooks_app = typer.Typer(invoke_without_command=True)
app.add_typer(webhooks_app, name="webhooks")
Check = Annotated[
    bool, typer.Option("--check", help="Check the configuration, print ok, and exit; connects to nothing.")
]


@app.command(epilog=EXIT_CODES)
def clickhouse(check: Check = False) -> None:
    """Writes every fact from Kafka to its ClickHouse table, until SIGTERM.

    Offsets are committed after the rows are in. While ClickHouse does not answer, nothing is committed and the insert is
    retried. A record that no table takes goes to facts.dlq with its reason; the rows around it go in. Run at most one
    per partition.
    """
    from sinks.clickhouse import connection, inserter, migrate, sink
    from sinks.clickhouse.avro_file import shapes

    settings = load(SinkSettings)
    known = shapes()
    plan = migrate.read()
    if check:
        say(f"ok: {len(known)} kinds of record, {len(plan)} migrations")
        return
    inserter.begin_at_zero()
    health = _begin(settings, "clickhouse")
    connection.create_database(settings)
    client = connection.connect(settings)
    if settings.sink_migrate:
        migrate.migrate(client, say=lambda name: say(f"applying {name}"))
        migrate.replace_views(client, cost_per_hour=settings.cost_per_handled_hour)
    _serve(settings, health, sink.consume(settings, client, health))


@delivery_cli.app.callback(epilog=EXIT_CODES)
def delivery(
    context: typer.Context,
    check: Check = False,
    connect: Annotated[
        bool, typer.Option("--connect", help="with --check: also connect to the SMTP server, encrypt and log in")
    ] = False,
) -> None:
    """Sends acknowledgements and replies over the customers' channels, each once, until SIGTERM.

    E-mail goes to the SMTP server of DESKSTREAM_SMTP_HOST and _PORT; channels without an adapter write JSON lines to
    DESKSTREAM_OUTBOX_DIR. The table `deliveries` has the outcome of each message; a message that no service takes goes
    to outbound.dlq. An address that bounces or complains is suppressed: `suppressed` lists them, `release` ends one.
    """
    if context.invoked_subcommand:
        return
    from sinks.delivery import first_time, mail_reports, message_delivery
    from sinks.delivery import sink as delivery_sink
    from sinks.delivery.adapter import adapters

    settings = load(SinkSettings)
    found = adapters(settings)
    if check:
        lines = asyncio.run(found.check()) if connect else []
        for line in [f"ok: channels {', '.join(found.channels)}", *found.to_publish, *lines]:
            say(plain(line))
        return
    if connect:
        raise ConfigurationError("it does nothing without --check", where="--connect")
    message_delivery.begin_at_zero()
    first_time.begin_at_zero()
    mail_reports.begin_at_zero()
    health = _begin(settings, "delivery")
    _serve(settings, health, delivery_sink.run(settings, found, health))


@app.command(epilog=EXIT_CODES)
def migrate(
    check: Check = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="change nothing; check that every migration of this build is applied")
    ] = False,
    wait: Annotated[float, typer.Option(min=0, help="try again for so many seconds before giving up")] = 0.0,
) -> None:
    """Creates the database if it is missing, applies new migrations, replaces the views.

    Each migration is applied once and recorded with its checksum; an edited one is refused. Two may run at once.
    On Kubernetes the sink's init container runs `--verify --wait 600`.
    """
    from sinks.clickhouse import connection
    from sinks.clickhouse import migrate as steps

    settings = load(SinkSettings)
    plan = steps.read()
    if check:
        say(f"ok: {len(plan)} migrations")
        return
    if verify:
        count = patiently(lambda: steps.verify(connection.connect(settings)), wait)
        say(f"all {count} migrations are applied")
        return
    patiently(lambda: connection.create_database(settings), wait)
    client = connection.connect(settings)
    done = steps.migrate(client, say=lambda name: say(f"applying {name}"))
    views = steps.replace_views(client, cost_per_hour=settings.cost_per_handled_hour)
    say(f"{len(done)} of {len(plan)} migrations applied now, {len(views)} views replaced")


@app.command(epilog=EXIT_CODES)
def rewind(
    wait: Annotated[float, typer.Option(min=0, help="try again for so many seconds before giving up")] = 0.0,
) -> None:
    """Makes the ClickHouse sink read the topics of facts from their beginning again, to fill an empty database.

    Refused while a ClickHouse sink runs. Existing rows stay as they are: the same fact is the same row.
    Facts older than the topics' retention (30 days) are not in Kafka: see deploy/operations/backup-and-restore.md.
    """
    from schemas.admin import forget_offsets

    settings = load(SinkSettings)
    patiently(lambda: forget_offsets(settings, settings.group("clickhouse")), wait)
    say("the ClickHouse sink begins at the start of its topics when it starts next")


@app.command(epilog=EXIT_CODES)
def query(
    sql: Annotated[str, typer.Argument(help="One SELECT; - reads it from standard input.")],
    fmt: Annotated[
        str, typer.Option("--format", "-f", help="table, json (one object a line) or csv (formulas guarded by a ')")
    ] = "table",
    limit: Annotated[int, typer.Option(min=0, help="show so many rows of a table; 0 shows all")] = 200,
) -> None:
    """Runs a query on ClickHouse, read-only.

    Useful views: tickets_current, sla_status, ticket_metrics, ticket_summary, tag_ranking, csat_by_channel,
    acknowledgement_times, customer_timeline, sender_verification, suppressed_addresses; windows_1h, quantiles_1h and
    backlog_1h, the same of 5m, 24h and 7d.

    Example: python -m sinks query "SELECT tag, tickets, quadrant FROM tag_ranking LIMIT 10"
    """
    from sinks.clickhouse import connection
    from sinks.clickhouse.query import ask

    settings = load(SinkSettings)
    client = connection.connect(settings)
    text, rows = ask(client, sys.stdin.read() if sql == "-" else sql, fmt=fmt, limit=limit)
    sys.stdout.write(text)
    if rows >= 0:
        shown = f", the first {limit} are shown" if limit and rows > limit else ""
        print(f"({rows} row{'' if rows == 1 else 's'}{shown})", file=sys.stderr)


for command in (staffing, matrix, why, erase, export_customer):
    app.command(epilog=EXIT_CODES)(command)

RunName = Annotated[str, typer.Argument(metavar="NAME", help="The name of the recomputation (`--into`).")]
Begins = Annotated[str, typer.Option("--from", metavar="ISO_TIME", help="tickets created at or after this")]
Ends = Annotated[str, typer.Option("--to", metavar="ISO_TIME", help="tickets created before this")]


@recompute_app.command("show", epilog=EXIT_CODES)
def recompute_show(
    name: RunName,
    begins: Begins = "",
    ends: Ends = "",
    limit: Annotated[int, typer.Option(min=0, help="differences to show; 0 for all")] = 40,
) -> None:
    """Shows each ticket whose clocks differ between a recomputation and the live tables, and a summary by policy and clock."""
    from sinks.clickhouse import recompute

    print(recompute.show(load(SinkSettings), name, begins, ends, limit=limit))


@recompute_app.command("drop", epilog=EXIT_CODES)
def recompute_drop(name: RunName) -> None:
    """Removes the tables of a recomputation. The live ones stay as they are."""
    from sinks.clickhouse import recompute

    recompute.drop(load(SinkSettings), name)


@recompute_app.command("begin", hidden=True)
def recompute_begin(name: RunName, begins: Begins = "", ends: Ends = "", replace: bool = False) -> None:
    """Makes the tables of a recomputation."""
    from sinks.clickhouse import recompute

    recompute.begin(load(SinkSettings), name, begins, ends, replace=replace)


@recompute_app.command("fill", hidden=True)
def recompute_fill(name: RunName) -> None:
    """Fills the tables of a recomputation from standard input."""
    from sinks.clickhouse import recompute

    recompute.fill(load(SinkSettings), name, sys.stdin.buffer)


@webhooks_app.callback(epilog=EXIT_CODES)
def webhooks(context: typer.Context, check: Check = False) -> None:
    """Sends facts to the systems that subscribe to them, signed, until SIGTERM.

    Subscriptions are in the YAML file of DESKSTREAM_WEBHOOKS_FILE: name, url, secret (or secrets: two while it is
    changed), facts (a list, or "*"), and optionally channels, teams, start (beginning or now), enabled. A changed file
    takes effect within seconds; an invalid one is refused in the log, and the subscriptions stay as they were.

    Each fact is a POST of {"id", "type", "occurred_at", "version", "data"}. Deskstream-Signature covers method, path, time,
    Idempotency-Key and body, and names the subscription as its key (deploy/docs/signed-requests.md). Deskstream-Delivery is
    an id that is the same in every attempt: drop a fact whose id you have seen. Facts of one customer come in the order of
    their topic; keep the highest version of an id.

    2xx means received. After 408, 425, 429, 5xx or no answer the fact is retried, with growing waits or as Retry-After
    says, for DESKSTREAM_WEBHOOK_RETRY_SECONDS; then it becomes a dead letter. 410 switches the subscription off until a
    restart. After any other answer, redirections among them, it becomes a dead letter at once. After many failures in a
    row nothing is read until one attempt succeeds.

    Every attempt is a row of the table `webhook_deliveries`.
    """
    if context.invoked_subcommand:
        return
    from sinks.webhooks import delivery_log, server, subscriptions

    settings = load(SinkSettings)
    found = subscriptions.read(settings.webhooks_file, allow_private=settings.webhook_allow_private)
    if check:
        say(f"ok: {len(found)} subscription{'' if len(found) == 1 else 's'}")
        return
    delivery_log.begin_at_zero(subscription.name for subscription in found)
    health = _begin(settings, "webhooks")
    _serve(settings, health, server.serve(settings, found, health))


@webhooks_app.command("list", epilog=EXIT_CODES)
def webhooks_list() -> None:
    """Shows every subscription, the state of its circuit breaker, and its lag in records.

    State: new (nothing was read yet), closed (the receiver works), open and half_open (it fails), off (it answered 410),
    disabled (by the file).
    """
    from sinks.webhooks import status

    settings, found = _subscriptions()
    grid = Grid(show_edge=False, header_style="bold", pad_edge=False)
    for column in ("name", "state", "since", "lag", "facts", "url"):
        grid.add_column(column, overflow="fold", justify="right" if column == "lag" else "left")
    for each in asyncio.run(status.statuses(settings, found)):
        ours = each.subscription
        since = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(each.since)) if each.since else ""
        grid.add_row(ours.name, each.state, since, str(each.lag), ", ".join(ours.names), Text(plain(ours.url)))
    out().print(grid)


@webhooks_app.command("test", epilog=EXIT_CODES)
def webhooks_test(name: Annotated[str, typer.Argument(metavar="NAME", help="as `webhooks list` shows it")]) -> None:
    """Sends a signed ping to a subscriber and prints the answer; exit code 3 when it is not 2xx."""
    from sinks.webhooks import admin as webhooks_admin
    from sinks.webhooks.retry_decision import is_delivered
    from sinks.webhooks.subscriptions import named

    settings, found = _subscriptions()
    answer = asyncio.run(webhooks_admin.ping(settings, named(found, name)))
    detail = f": {answer.detail}" if answer.detail else ""
    line = plain(f"{answer.status_text} after {answer.seconds * 1000:.0f} ms{detail}")
    if not is_delivered(answer.status):
        raise Unavailable(f"{name}: {line}")
    print(line)


@webhooks_app.command("replay", epilog=EXIT_CODES)
def webhooks_replay(
    name: Annotated[str, typer.Argument(metavar="NAME", help="as `webhooks list` shows it")],
) -> None:
    """Sends the dead letters of a subscription again, oldest first; those that are refused stay.

    Each keeps its Deskstream-Delivery, and goes to this subscriber only. A dead letter is replayed once.
    """
    from sinks.webhooks import admin as webhooks_admin
    from sinks.webhooks.subscriptions import named

    settings, found = _subscriptions()
    subscription = named(found, name)

    async def replay() -> webhooks_admin.Replayed:
        return await webhooks_admin.replay(settings, subscription, await webhooks_admin.waiting(settings, subscription))

    done = asyncio.run(replay())
    say(f"{done.delivered} replayed" + (f", {done.left} left" if done.left else ""))
    for problem in done.problems:
        say(plain(problem))
    if done.left:
        raise Unavailable(f"{name} did not take all of them")


def _subscriptions() -> tuple[SinkSettings, Any]:
    from sinks.webhooks import subscriptions

    settings = load(SinkSettings)
    return settings, subscriptions.read(settings.webhooks_file, allow_private=settings.webhook_allow_private)


def _begin(settings: SinkSettings, sink: str) -> Health:
    """Sets up logging, the metrics and the probes of the process of a sink."""
    from sinks import kafka

    process = f"sink-{sink}"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # nothing is held yet; the sink's own handler comes later
    configure_logging(settings)
    secret_check.use(settings)
    try:
        BUILD_INFO.labels(process, version("deskstream")).set(1)
    except PackageNotFoundError:
        BUILD_INFO.labels(process, "unknown").set(1)
    kafka.begin_at_zero(sink)
    health = Health()
    serve_probes(settings, health)
    return health


def _serve(settings: SinkSettings, health: Health, work: Coroutine[Any, Any, None]) -> None:
    from aiokafka.errors import KafkaError

    from sinks.clickhouse.inserter import TooManyRefused

    try:
        uvloop.run(work)
    except TooManyRefused as error:
        say(f"deskstream: {error}; stopped before the commit")
        raise typer.Exit(EXIT_PROTECTED) from error
    except KafkaError as error:
        raise Unavailable(f"Kafka gave up on us: {error!r}; nothing unfinished was committed") from error


def main() -> int:
    """Runs the command line; returns the exit code, see EXIT_CODES."""

    def run() -> int | None:
        try:
            result = app(standalone_mode=False, prog_name="python -m sinks")
        except Exception as error:
            show = getattr(error, "show", None)  # click's own errors: wrong usage
            if show is None:
                raise
            show()
            return int(getattr(error, "exit_code", 2))
        return result if isinstance(result, int) else 0

    return guarded(run)


if __name__ == "__main__":
    sys.exit(main())

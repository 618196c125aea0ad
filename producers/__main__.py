"""`python -m producers mail|imap|smtp|http|chat|import|simulate`: everything that brings contacts into Kafka."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from producers.channels import generic_fields
from producers.customers import directory
from producers.endpoint import endpoints
from producers.publisher import Publisher
from producers.sources import files
from producers.text import privacy
from schemas.dead_letter import options
from schemas.errors import ConfigurationError
from schemas.process import Health, configure_logging, guarded, serve_probes
from schemas.settings import ChatSettings, ProducerSettings, help_text, load

CHAT_HELP = f"""
Serve live chat: a WebSocket at /chat, the widget at /widget.js, a page that shows it at /, and the protocol as
AsyncAPI at /asyncapi.json.

A web page has chat with one line: `<script src="https://chat.example/widget.js" async></script>`. It is offered in
business hours and while the router reports free slots; otherwise the visitor leaves a message that is answered by
e-mail. A line is acknowledged to the visitor only when Kafka has it, and sent again until then.

Example

DESKSTREAM_CHAT_HOURS="mon-fri 09:00-18:00" DESKSTREAM_CHAT_TIME_ZONE=Asia/Tokyo python -m producers chat

**Settings of chat** (environment) [default]

{help_text(ChatSettings, only="_CHAT_")}
"""
HELP = f"""
Bring contacts into Kafka. A source is told "received" only when Kafka has the contact durably; what cannot become a
contact goes to the dead-letter topic with its raw bytes and the reason.

SIGTERM finishes what is under way and exits 0.

Exit codes: 0 done or drained · 1 defect · 2 usage or configuration · 3 Kafka does not answer.

**Settings** (environment) [default]

{help_text(ProducerSettings)}
"""

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="markdown", help=HELP)
log = structlog.get_logger("producers")

Check = Annotated[bool, typer.Option("--check", help="validate settings and input, then exit without publishing")]


@app.command("mail")
def mail(
    path: Annotated[Path, typer.Argument(help="a maildir, an mbox, a folder of .eml files, or one .eml file")],
    watch: Annotated[bool, typer.Option("--watch", help="go on: take new mail within half a second")] = False,
    imported: Annotated[
        bool,
        typer.Option("--imported", help="history: a mail happened at its Date; a maildir's read mail is taken too"),
    ] = False,
    check: Check = False,
) -> None:
    """Take e-mail from disk; what PATH is, is found out by looking at it.

    A mail is moved only after Kafka has it (maildir: new → cur; folder: → done/; refused: → refused/), so nothing is
    lost or doubled by a crash. An mbox is never changed. One run ends when nothing waits any more.

    Examples

    python -m producers mail inbox/ --watch

    python -m producers mail archive.mbox --imported
    """

    def work() -> int:
        settings = _settings()
        if not watch or path.exists():
            source = _source(path, settings, watch, imported)
        else:
            path.mkdir(parents=True)  # a folder to drop .eml files into
            source = _source(path, settings, watch, imported)
        if check:
            print(f"{source.name} and the settings are valid")
            return 0
        with _process(settings, "mail") as (publisher, health, stop):
            tally = files.run(source, publisher, settings, watch=watch, imported=imported, health=health, stop=stop)
        log.info("done", source=source.name, taken=tally.taken, **tally.outcomes)
        return 0

    raise SystemExit(guarded(work))


@app.command("imap")
def imap(
    once: Annotated[bool, typer.Option("--once", help="take what waits now, then end")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="log in to every mailbox and count what waits; change and publish nothing")
    ] = False,
) -> None:
    """Take e-mail from the mailboxes in DESKSTREAM_IMAP_ACCOUNTS, told of new mail by IDLE, or polling.

    A mail is marked as read only after Kafka has it. What people read before us is taken all the same, because the
    last UID is remembered in DESKSTREAM_IMAP_STATE_DIR. A mail above DESKSTREAM_MAX_BODY_BYTES stays in its mailbox;
    its first part becomes a dead letter that says where it is kept.

    The setting is a list of URLs, or the path of a .yaml or .json file with such a list; there, `password_file` and
    `auth: xoauth2` may stand beside the `url`. In a URL, @ in a name is %40 and a comma is %2C.

    Examples

    DESKSTREAM_IMAP_ACCOUNTS=imaps://support%40shop.example:s3cret@imap.shop.example/INBOX python -m producers imap

    DESKSTREAM_IMAP_ACCOUNTS=/etc/deskstream/mailboxes.yaml python -m producers imap --check
    """

    def work() -> int:
        from producers.sources.imap import accounts as imap_accounts
        from producers.sources.imap import mailbox as mailboxes

        settings = _settings()
        accounts = imap_accounts.parse(settings.imap_accounts.get_secret_value())
        if check:
            with Publisher(settings) as idle_publisher:
                for name, count in mailboxes.check(accounts, idle_publisher, settings).items():
                    print(f"{name}: {count} waiting")
            return 0
        with _process(settings, "imap") as (publisher, health, stop):
            if once:
                taken = mailboxes.once(accounts, publisher, settings, stop)
            else:
                taken = mailboxes.watch(accounts, publisher, settings, health, stop)
        log.info("done", mailboxes=len(accounts), taken=taken)
        return 0

    raise SystemExit(guarded(work))


@app.command("smtp")
def smtp(
    lmtp: Annotated[
        bool, typer.Option("--lmtp", help="speak LMTP, for a mail server on our side of the network")
    ] = False,
    check: Check = False,
) -> None:
    """Take e-mail as an SMTP or LMTP server, for the domains in DESKSTREAM_SMTP_LISTEN_DOMAINS only.

    250 is answered only when Kafka has the mail; while Kafka does not answer it is 451, and the client keeps the mail.
    Other domains are 550, mail above DESKSTREAM_MAX_BODY_BYTES is 552. With DESKSTREAM_SMTP_TLS_CERT there is
    STARTTLS; a renewed certificate is taken up without a restart.

    Examples

    DESKSTREAM_MAIL_DOMAIN=shop.example DESKSTREAM_SMTP_LISTEN_PORT=2525 python -m producers smtp

    Postfix hands over to `--lmtp` with: mailbox_transport = lmtp:inet:deskstream.internal:8025
    """

    def work() -> int:
        from producers.sources import smtp as server

        settings = _settings()
        if check:
            server.tls_context(settings)
            print("the settings are valid")
            return 0
        with _process(settings, "lmtp" if lmtp else "smtp") as (publisher, health, stop):
            server.serve(settings, publisher, health, stop, lmtp=lmtp)
        return 0

    raise SystemExit(guarded(work))


@app.command("http")
def http(check: Check = False) -> None:
    """Serve the contact form and the signed endpoint: GET /, POST /v1/form, POST /v1/events, and GET /docs.

    202 is answered only when Kafka has the contact; while Kafka does not answer it is 503 with Retry-After.

    Example

    DESKSTREAM_HTTP_PORT=8080 DESKSTREAM_WEBHOOK_SECRETS=s3cret python -m producers http

    curl -d email=ann@example.org -d message='Where is my parcel?' http://127.0.0.1:8080/v1/form
    """

    def work() -> int:
        from producers.sources.http import server  # FastAPI is slow to import and only needed here

        settings = _settings()
        if check:
            print("the settings are valid")
            return 0
        if not settings.webhook_secrets.get_secret_value():
            log.warning("signed_endpoint_off", fix="set DESKSTREAM_WEBHOOK_SECRETS to switch /v1/events on")
        with _process(settings, "http") as (publisher, health, stop):
            server.serve(settings, publisher, health, stop)
        return 0

    raise SystemExit(guarded(work))


@app.command(
    "chat",
    help=CHAT_HELP,
)
def chat(
    asyncapi: Annotated[bool, typer.Option("--asyncapi", help="print the protocol's description and exit")] = False,
    check: Check = False,
) -> None:
    def work() -> int:
        from producers.channels.chat_hours import Hours
        from producers.sources.chat import server
        from producers.sources.chat.pages import document

        if asyncapi:
            sys.stdout.write(document().decode())
            return 0
        settings = load(ChatSettings)
        _prepare(settings)
        Hours.parse(settings.chat_hours, settings.chat_time_zone)
        if check:
            print("the settings are valid")
            return 0
        with _process(settings, "chat") as (publisher, health, stop):
            # Kafka's client has a thread of its own; with the usual 5 ms each of its wake-ups would cost us 5 ms.
            sys.setswitchinterval(0.0005)
            server.serve(settings, publisher, health, stop)
        return 0

    raise SystemExit(guarded(work))


@app.command(
    "import",
    help=f"""
    Import history: JSON lines, an mbox, or the export of another help desk (Zendesk, Freshdesk, Chatwoot). PATH is a
    file, a folder with the files of one export, or - for JSON lines on standard input.

    Each of the JSON lines is an object as POST /v1/events takes it, with its own time:

    `{{"type": "message_received", "occurred_at": "2025-11-03T09:12:00+08:00", "id": "old-1", "channel": "email",
    "customer_id": "email:ann@example.org", "thread_id": "c-1", "subject": "Late", "text": "Where is my order?"}}`

    `{{"type": "agent_replied", "occurred_at": "2025-11-03T10:40:00+08:00", "id": "old-2",
    "customer_id": "email:ann@example.org", "thread_ref": "c-1", "agent_id": "mei", "text": "On its way."}}`

    Types: {", ".join(generic_fields.KINDS)}.

    A ticket's id is not known beforehand: what belongs to one names its customer and its conversation (`thread_ref`),
    or, if the ticket exists, its id. `id` makes a second import harmless; without it the whole line does.

    An export is read to its end and published in the order of its times. JSON lines are published as they are read,
    unless --sort is given; lines that are older than the one before of the same customer are counted.

    What is broken becomes a dead letter with its file and record, and the rest goes on; --report lists all of it.
    `.NAME.import` beside the input remembers how far Kafka has it: the same command goes on there, after a kill too.
    """,
)
def import_(
    path: Annotated[str, typer.Argument(metavar="PATH", help="a file, a folder, or - for standard input")],
    format_: Annotated[
        str, typer.Option("--format", help="auto, jsonl, mbox, zendesk, freshdesk or chatwoot")
    ] = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what is wrong; publish nothing; exit 2 if any")
    ] = False,
    live: Annotated[bool, typer.Option("--live", help="not history: clocks run and customers are answered")] = False,
    from_line: Annotated[int, typer.Option(min=1, help="JSON lines: go on from this line, the first is 1")] = 1,
    sort: Annotated[bool, typer.Option("--sort", help="JSON lines: read all, then publish in order of time")] = False,
    state: Annotated[Path | None, typer.Option(help="remember how far it is here instead of beside the input")] = None,
    again: Annotated[bool, typer.Option("--again", help="from the beginning, whatever is remembered")] = False,
    report: Annotated[Path | None, typer.Option(help="write every refusal here, as JSON lines")] = None,
    account: Annotated[str, typer.Option(help="tells two accounts of the same help desk apart")] = "",
    time_zone: Annotated[str, typer.Option(help="of times that do not say it (CSV), such as Asia/Tokyo")] = "",
    tags: Annotated[Path | None, typer.Option(help="CSV: their tag,our why-tag")] = None,
    check: Check = False,
) -> None:
    def work() -> int:
        from producers.imports.cli import Command

        settings = _settings()
        command = Command(
            path, format=format_, dry_run=dry_run or check, live=live, from_line=from_line, sort=sort, state=state,
            again=again, report=report, account=account, time_zone=time_zone, tags=tags,
        )  # fmt: skip
        return command.run(settings, lambda: _process(settings, "import", linger_ms=50))

    raise SystemExit(guarded(work))


@app.command(
    "replay",
    help="""
    Take dead letters of producers again: what a channel refused, or failed at, goes through the same channel once more,
    after its parser was mended or the configuration corrected. A letter keeps all that the channel reads, and when and
    where it was received: the contact is the one that it would have been, with its own id and its own time.

    Says of every letter what became of it:

    `accepted` its events are in Kafka now · `duplicate` they were there already · `refused again` why, and it stays

    A letter is replayed once; doing it again finds nothing to do. Killed in the middle, the same command goes on, and
    publishes nothing twice. Signatures and tokens are not kept and not asked for again: they were verified before the
    letter was written. A `stale_delivery`, which somebody may have recorded, and the presence of agents, which was true
    then, are taken only when they are named.

    Examples

    python -m sinks dlq list --source email --reason defect

    python -m producers replay --all --source email --reason defect --dry-run

    python -m producers replay --all --source email --reason defect

    python -m producers replay --all --error KeyError --since 2d

    python -m producers replay contact-events.dlq:0:17 contact-events.dlq:3:4

    Records that a worker or a sink could not process are no raw inputs: python -m sinks dlq replay.

    Exit codes: 0 all were taken · 1 defect · 2 usage, or a letter was refused again · 3 Kafka or the attachment store
    does not answer.
    """,
)
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
    def work() -> int:
        from producers.replay.cli import Command

        # Beside a process that serves them, in the same pod: its port is taken.
        settings = _settings().model_copy(update={"metrics_port": 0})
        options.require_one(places, every, "replay")
        choice = options.choice(
            settings, places=places, topic=topic, reason=reason, source=source, stage=stage, error=error,
            since=since, until=until,
        )  # fmt: skip
        return Command(settings, choice, dry_run).run(lambda: _process(settings, "replay", linger_ms=20))

    raise SystemExit(guarded(work))


@app.command("simulate")
def simulate(
    contacts: Annotated[
        int | None, typer.Option(min=1, help="play one day with so many contacts; default 1200")
    ] = None,
    contacts_per_day: Annotated[
        int | None, typer.Option(min=1, help="play a shop that never closes, with so many contacts a day")
    ] = None,
    seed: Annotated[int, typer.Option(help="the same seed is the same day")] = 7,
    start: Annotated[
        str, typer.Option(help="the day's first moment, such as 2026-03-02T08:00:00Z; default: the pipeline clock")
    ] = "",
    duration: Annotated[float | None, typer.Option(min=0, help="hours to play; default: one day, or for ever")] = None,
    agents: Annotated[bool, typer.Option("--agents/--no-agents", help="whether anybody answers")] = True,
    absent_file: Annotated[
        Path | None, typer.Option(help="while this file exists agents do nothing: see promises break, and alerts")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0, help="instead: send so many events a second, 0 flat out; no agents, no clock")
    ] = None,
    check: Check = False,
) -> None:
    """Play a shop on the pipeline's clock: customers, orders, machines, and agents who answer what is assigned.

    The end of the day, or SIGTERM, ends it; it prints what it published.

    Examples

    python -m producers simulate --contacts 500 --seed 3

    python -m producers simulate --rate 0 --contacts 100000
    """

    def work() -> int:
        from producers.sources import simulator

        settings = _settings()
        if contacts is not None and contacts_per_day is not None:
            raise ConfigurationError("give one of --contacts and --contacts-per-day", where="simulate")
        shop = simulator.Shop.of(
            contacts=contacts, contacts_per_day=contacts_per_day, seed=seed, agents=agents, hours=duration,
            start=start or None, now=settings.pipeline_clock.now(), absent=absent_file,
        )  # fmt: skip
        if check:
            print("the settings are valid")
            return 0
        with _process(settings, "simulate", linger_ms=5) as (publisher, health, stop):
            if rate is None:
                summary = simulator.play(publisher, settings, shop, health, stop)
            else:
                count = shop.contacts
                summary = simulator.flood(publisher, settings, health, stop, seed=seed, count=count, rate=rate)
        print("\n".join(summary.lines()))
        return 0

    raise SystemExit(guarded(work))


@app.command("surveys")
def surveys(
    link: Annotated[
        str, typer.Option("--link", metavar="TICKET", help="print the link to the survey of a ticket, and exit")
    ] = "",
    episode: Annotated[int, typer.Option(min=1, help="with --link: which time it was solved")] = 1,
    agent: Annotated[str, typer.Option(help="with --link: who solved it")] = "",
    locale: Annotated[str, typer.Option(help="with --link: en, zh-Hans, zh-Hant or ja")] = "en",
    days: Annotated[float, typer.Option(min=0, help="with --link: how long it is valid")] = 30.0,
    check: Check = False,
) -> None:
    """Serve the survey pages, under signed links that expire: GET /s/TOKEN shows, only POST votes.

    CSAT 1-5, CES 1-7, a comment; after a low score, what went wrong. In the customer's language and English. Opening a
    link changes nothing, because mail scanners open links; a vote that no person could have made so fast is marked.

    Needs DESKSTREAM_SURVEY_SECRETS, which whoever writes the links has too. `python -m producers http` serves them as well.

    Example

    python -m producers surveys --link ABCDEFGHIJKL-1 --locale ja
    """

    def work() -> int:
        from producers.sources.http import server
        from producers.sources.http.survey import link_to

        settings = _settings()
        if link:
            print(link_to(settings, link, episode=episode, agent=agent, locale=locale, days=days))
            return 0
        if check:
            print("the settings are valid")
            return 0
        with _process(settings, "surveys") as (publisher, health, stop):
            server.serve(settings, publisher, health, stop, process="surveys")
        return 0

    raise SystemExit(guarded(work))


@app.command("kiosk-token")
def kiosk_token(
    name: Annotated[str, typer.Argument(help="the device's name, such as dublin-1: it is the place")],
) -> None:
    """Print the token of a kiosk, to be sent as `Authorization: Bearer TOKEN`. Needs DESKSTREAM_KIOSK_SECRETS."""

    def work() -> int:
        from producers.security.device import device_token
        from producers.sources.http.webhooks import secrets_of

        secrets = secrets_of(_settings(), "kiosk_secrets")
        if not secrets:
            raise ConfigurationError("it is empty", where="DESKSTREAM_KIOSK_SECRETS", fix="set a long random text")
        print(device_token(name.strip()[:100], secrets))
        return 0

    raise SystemExit(guarded(work))


def _endpoint_command(process: str) -> None:
    """`python -m producers <process>`: the endpoints of one kind of source, in a process of their own."""
    served = endpoints(process)
    lines = "\n\n".join(
        f"`POST {endpoint.path}` {endpoint.summary} (DESKSTREAM_{endpoint.secrets.upper()})" for endpoint in served
    )

    def command(check: Check = False) -> None:
        def work() -> int:
            from producers.sources.http import server

            settings = _settings()
            if check:
                print("the settings are valid")
                return 0
            with _process(settings, process) as (publisher, health, stop):
                server.serve(settings, publisher, health, stop, process=process)
            return 0

        raise SystemExit(guarded(work))

    app.command(
        process,
        help=f"""
        Serve the webhooks of {process}, on DESKSTREAM_HTTP_HOST and DESKSTREAM_HTTP_PORT.

        {lines}

        Each is answered as received only when Kafka has it, needs its secret (in brackets), and is described at /docs.
        `python -m producers http` serves them all in one process.
        """,
    )(command)


for _process_name in sorted({endpoint.process for endpoint in endpoints()}):
    _endpoint_command(_process_name)


def _settings() -> ProducerSettings:
    settings = load(ProducerSettings)
    _prepare(settings)
    return settings


def _prepare(settings: ProducerSettings) -> None:
    """What is wrong with the settings is said before anything is connected to; from here on secrets are masked."""
    configure_logging(settings)
    directory.check(settings)
    privacy.also(privacy.read_patterns(settings.mask_file))


def _source(path: Path, settings: ProducerSettings, watch: bool, imported: bool) -> files.MailSource:
    return files.open_source(path, max_bytes=settings.max_body_bytes, imported=imported, watched=watch)


@contextmanager
def _process(
    settings: ProducerSettings, name: str, *, linger_ms: int = 0
) -> Iterator[tuple[Publisher, Health, threading.Event]]:
    """What every producer has: a publisher, probes, and an event that SIGTERM and SIGINT set."""
    stop, health = threading.Event(), Health()

    def ask_to_stop(*_: Any) -> None:
        stop.set()

    before: list[tuple[signal.Signals, Any]] = [
        (number, signal.signal(number, ask_to_stop)) for number in (signal.SIGTERM, signal.SIGINT)
    ]
    stop_probes: Callable[[], None] = serve_probes(settings, health)
    try:
        with (
            contextlib.closing(directory.enricher(settings)) as enrich,
            Publisher(settings, linger_ms=linger_ms, enrich=enrich) as publisher,
        ):
            log.info("started", producer=name, kafka=settings.kafka_bootstrap_servers)
            yield publisher, health, stop
    finally:
        stop_probes()
        for number, handler in before:
            signal.signal(number, handler)
    if stop.is_set():
        log.info("drained", producer=name)


if __name__ == "__main__":
    app()

"""Holds the commands that take e-mail, and the simulator: `python -m producers mail|imap|smtp|simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import structlog
import typer

from producers.publisher import Publisher
from producers.sources import files
from producers.sources.process import Check, load_settings, running
from schemas.errors import ConfigurationError
from schemas.process import guarded
from schemas.settings import ProducerSettings

__all__ = ["imap", "mail", "simulate", "smtp"]

log = structlog.get_logger("producers")


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
        settings = load_settings()
        if not watch or path.exists():
            source = _source(path, settings, watch, imported)
        else:
            path.mkdir(parents=True)  # a folder to drop .eml files into
            source = _source(path, settings, watch, imported)
        if check:
            print(f"{source.name} and the settings are valid")
            return 0
        with running(settings, "mail") as (publisher, health, stop):
            tally = files.run(source, publisher, settings, watch=watch, imported=imported, health=health, stop=stop)
        log.info("done", source=source.name, taken=tally.taken, **tally.outcomes)
        return 0

    raise SystemExit(guarded(work))


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

    The setting is a list of URLs, or the path of a .yaml or .json file with such a list; there, `password_file`,
    `brand`, `auth: xoauth2` and `oauth` may stand beside the `url`. In a URL, @ in a name is %40 and a comma is %2C.

    Examples

    DESKSTREAM_IMAP_ACCOUNTS=imaps://support%40shop.example:s3cret@imap.shop.example/INBOX python -m producers imap

    DESKSTREAM_IMAP_ACCOUNTS=/etc/deskstream/mailboxes.yaml python -m producers imap --check
    """

    def work() -> int:
        from producers.sources.imap import accounts as imap_accounts
        from producers.sources.imap import mailbox as mailboxes

        settings = load_settings()
        accounts = imap_accounts.parse(settings.imap_accounts.get_secret_value())
        if check:
            with Publisher(settings) as idle_publisher:
                mailboxes.check(
                    accounts, idle_publisher, settings, lambda name, count: print(f"{name}: {count} waiting")
                )
            return 0
        mailboxes.begin_unconnected(accounts)
        with running(settings, "imap") as (publisher, health, stop):
            if once:
                taken = mailboxes.once(accounts, publisher, settings, stop)
            else:
                taken = mailboxes.watch(accounts, publisher, settings, health, stop)
        log.info("done", mailboxes=len(accounts), taken=taken)
        return 0

    raise SystemExit(guarded(work))


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

        settings = load_settings()
        if check:
            server.tls_context(settings)
            print("the settings are valid")
            return 0
        with running(settings, "lmtp" if lmtp else "smtp") as (publisher, health, stop):
            server.serve(settings, publisher, health, stop, lmtp=lmtp)
        return 0

    raise SystemExit(guarded(work))


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
        from producers.simulation.shop import Shop
        from producers.sources import simulator

        settings = load_settings()
        if contacts is not None and contacts_per_day is not None:
            raise ConfigurationError("give one of --contacts and --contacts-per-day", where="simulate")
        shop = Shop.of(
            contacts=contacts, contacts_per_day=contacts_per_day, seed=seed, agents=agents, hours=duration,
            start=start or None, now=settings.pipeline_clock.now(), absent=absent_file,
        )  # fmt: skip
        if check:
            print("the settings are valid")
            return 0
        with running(settings, "simulate", linger_ms=5) as (publisher, health, stop):
            if rate is None:
                summary = simulator.play(publisher, settings, shop, health, stop)
            else:
                count = shop.contacts
                summary = simulator.flood(publisher, settings, health, stop, seed=seed, count=count, rate=rate)
        print("\n".join(summary.lines()))
        return 0

    raise SystemExit(guarded(work))


def _source(path: Path, settings: ProducerSettings, watch: bool, imported: bool) -> files.MailSource:
    return files.open_source(path, max_bytes=settings.max_body_bytes, imported=imported, watched=watch)

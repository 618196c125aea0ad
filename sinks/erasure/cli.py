"""The commands `python -m sinks erase` and `export-customer`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from schemas import secret_check
from schemas.errors import ConfigurationError
from schemas.process import EXIT_PROTECTED, user
from schemas.settings import SinkSettings, load
from schemas.terminal import plain, say
from sinks.clickhouse import connection
from sinks.erasure.access import export as write_archive
from sinks.erasure.erase import Options
from sinks.erasure.erase import erase as carry_out
from sinks.erasure.person import named
from sinks.erasure.proof import Proof
from sinks.erasure.proof import prove as search
from sinks.erasure.request import waiting

__all__ = ["erase", "export_customer"]

Customer = Annotated[
    str, typer.Argument(metavar="CUSTOMER", help="address, telephone number (+...), customer id, tag or ticket id")
]
Also = Annotated[
    list[Path],
    typer.Option(
        "--also", metavar="FOLDER", help="look into this folder as well: states of workers, files of producers"
    ),
]
WHAT = """This forgets the customer for good, and everybody who was merged with them:
  open tickets are closed and dropped, the router lets go of them
  rows go from every table of ClickHouse, attachments from their store, lines from the files of sinks
  records go from every topic, for which Kafka cleans the topics concerned: minutes, with more load on the brokers
Kept: that they want no messages (as digests), figures that name nobody, a row in `erasures` that names nobody."""


def erase(
    customer: Customer = "",
    due: Annotated[
        bool, typer.Option("--due", help="carry out all requests that came to /v1/events and wait; for cron")
    ] = False,
    prove: Annotated[
        bool, typer.Option("--prove", help="erase nothing: look for them everywhere, print what is there")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask whether you are sure")] = False,
    by: Annotated[str, typer.Option("--by", help="who asked for it, for the audit row; the user by default")] = "",
    also: Also = [],  # noqa: B006 - typer reads it
    wait: Annotated[float, typer.Option(min=1, help="seconds to wait for workers and sinks")] = 120.0,
    remove: Annotated[float, typer.Option(min=1, help="seconds to wait until Kafka has removed the records")] = 600.0,
) -> None:
    """Forgets a customer everywhere, then looks for them in every record, row and file and prints what it looked at.

    Workers and the ClickHouse sink must run. It may be run again at any time: it goes on where it stopped, and does nothing when
    nothing is stored. A message that comes later starts a new customer. Exit code 4: something was found at the end.

    Example: python -m sinks erase ann@example.org
    """
    settings = load(SinkSettings)
    secret_check.use(settings)
    if bool(customer) == due or (due and prove):
        raise ConfigurationError("give a customer, or --due", where="CUSTOMER", fix="python -m sinks erase --help")
    for folder in also:
        if not folder.is_dir():
            raise ConfigurationError("there is no such folder", where=f"--also {folder}")
    if due:
        people = asyncio.run(waiting(settings))
        say(f"{len(people)} request{'' if len(people) == 1 else 's'} wait")
    else:
        people = [(named(customer), by or user())]
    if prove:
        _show(asyncio.run(search(settings, connection.connect(settings), people[0][0], also)))
        return
    if not people:
        return
    say(WHAT)
    if not yes and not _sure():
        say("nothing was changed")
        return
    is_clean = True
    for person, who in people:
        options = Options(who, tuple(also), wait, remove)
        proof = asyncio.run(carry_out(settings, person, options, lambda line: say(plain(line))))
        _show(proof)  # at once: the next one may find Kafka away
        is_clean = is_clean and proof.is_clean
    if not is_clean:
        raise typer.Exit(EXIT_PROTECTED)


def _sure() -> bool:
    try:
        return typer.confirm("Go on?", default=False, err=True)
    except typer.Abort as error:
        raise ConfigurationError(
            "nobody is there to ask", where="CUSTOMER", fix="--yes goes on without asking"
        ) from error


def _show(proof: Proof) -> None:
    for line in proof.lines():
        print(plain(line))


def export_customer(
    customer: Customer,
    to: Annotated[Path, typer.Option("--to", metavar="FILE.zip", help="the archive; it must not be there yet")],
) -> None:
    """Writes all that is stored of a customer, and of everybody merged with them, into one archive: JSON and a page to read.

    What was sent to them, told of them and measured is in it too. Others are named in what they wrote: read it before you send it.

    Example: python -m sinks export-customer ann@example.org --to ann.zip
    """
    settings = load(SinkSettings)
    secret_check.use(settings)
    if to.exists():
        raise ConfigurationError("it is there already", where=f"--to {to}", fix="give another name")
    for line in asyncio.run(write_archive(settings, named(customer), to)):
        say(line)
    say(f"written: {to}")

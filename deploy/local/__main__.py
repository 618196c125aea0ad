"""Runs the command line of Deskstream on this machine: `python -m deploy.local`."""

from __future__ import annotations

import asyncio
import errno
import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from schemas.errors import ConfigurationError
from schemas.process import guarded

DATA = Path(".data")
EXIT_CODES = (
    "Exit codes: 0 done, or stopped by Ctrl-C or SIGTERM · 1 a defect, or a balance that does not add up "
    "· 2 wrong usage or configuration · 3 Kafka or ClickHouse cannot be reached or started."
)
app = typer.Typer(
    help="""Runs Deskstream on this machine: Kafka, ClickHouse and every process of the pipeline, in one data directory.

    `run` simulates a shop that never closes. `demo` plays one fixed day and checks its balance. `up` starts the servers
    alone.

    DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS and DESKSTREAM_CLICKHOUSE_URL name servers to use instead of starting them.""",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

Data = Annotated[Path, typer.Option("--data", help="the directory of all data; the next run continues with it")]


@app.command(epilog=EXIT_CODES)
def run(
    speed: Annotated[
        float,
        typer.Option(min=0.1, max=1440, help="pipeline seconds per second; 60: a day takes 24 minutes; 1: wall clock"),
    ] = 60.0,
    contacts_per_day: Annotated[int, typer.Option(min=1, help="contacts in a simulated day")] = 4000,
    data: Data = DATA,
    view: Annotated[bool, typer.Option("--view/--no-view", help="a page on the terminal, or a line every 5 s")] = True,
    workers: Annotated[
        int, typer.Option(min=1, max=4, help="stream-processing workers; they share the partitions")
    ] = 1,
    simulate: Annotated[bool, typer.Option("--simulate/--no-simulate", help="simulate customers and agents")] = True,
    seed: Annotated[int, typer.Option(help="the seed of the simulated days")] = 7,
) -> None:
    """Starts everything and shows what happens; Ctrl-C stops it.

    Only the customers and agents are simulated. Drop an .eml file into DATA/inbox or post the form: its acknowledgement
    arrives in the maildir DATA/outbox-mail. Logs are in DATA/logs.

    Example: python -m deploy.local run --speed 1 --no-simulate
    """
    from deploy.local.pipeline import Pipeline, Plan
    from deploy.local.run import run as show
    from deploy.local.run import say

    console = Console(stderr=False)
    arguments = ("--contacts-per-day", str(contacts_per_day), "--seed", str(seed))
    plan = Plan(data, speed=speed, workers=workers, simulate=arguments if simulate else None)
    pipeline = Pipeline(plan, lambda line: say(console, line))
    _end(lambda: show(pipeline, console, view=view and console.is_terminal), data)


@app.command(epilog=EXIT_CODES)
def demo(
    contacts: Annotated[int, typer.Option(min=10, help="contacts of the day")] = 2000,
    seed: Annotated[int, typer.Option(help="another number is another day")] = 7,
    speed: Annotated[float, typer.Option(min=1, max=7200, help="1440: the day takes a minute")] = 1440.0,
    data: Annotated[Path, typer.Option("--data", help="emptied first; nothing else may be in it")] = DATA / "demo",
    workers: Annotated[int, typer.Option(min=1, max=4)] = 1,
) -> None:
    """Plays one fixed day, waits until it is processed, and checks that every contact is accounted for.

    Exit code 0 when everything balances. Exit code 1 when something does not: it is listed, and the data is kept.
    """
    from deploy.local.demo import demo as play

    console = Console(width=None if sys.stdout.isatty() else 120)
    _end(lambda: play(console, data, contacts=contacts, seed=seed, speed=speed, workers=workers), data)


@app.command(epilog=EXIT_CODES)
def up(
    data: Data = DATA,
    kafka_port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one")] = 0,
    clickhouse_port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one")] = 0,
) -> None:
    """Starts Kafka and ClickHouse alone, with topics, and prints their addresses; Ctrl-C stops them."""
    from deploy.local.pipeline import write_env
    from deploy.local.run import stop_on_sigterm
    from deploy.local.stack import Stack

    def work() -> int:
        with stop_on_sigterm(), Stack(data, kafka_port, clickhouse_port) as stack:
            _create_topics(stack.env)
            write_env(data / "env", stack.env)
            for name, value in stack.env.items():
                print(f"export {name}={value}", flush=True)
            print(f"Running. In another terminal: . {data / 'env'}", flush=True)
            while True:
                time.sleep(60)

    _end(work, data)


@app.command(epilog=EXIT_CODES)
def topics() -> None:
    """Creates the topics that are missing on the Kafka of DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS, and verifies the others."""
    _end(lambda: _create_topics({}))


@app.command(hidden=True)
def mailbox(
    maildir: Path,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 2525,
    host: str = "127.0.0.1",
) -> None:
    """Runs the demo's SMTP server, which stores every message in a maildir."""
    from deploy.local.mailbox import serve

    logging.basicConfig(level=logging.WARNING)

    def work() -> int:
        asyncio.run(serve(maildir, host, port))
        return 0

    _end(work)


def _create_topics(env: dict[str, str]) -> int:
    from deploy.local.pipeline import settings_of
    from schemas.admin import create_topics
    from schemas.settings import Settings

    created = create_topics(settings_of(Settings, env))
    print(f"{len(created)} topics created, the others verified", flush=True)
    return 0


def _end(work: Callable[[], int], data: Path = DATA) -> None:
    def checked() -> int:
        try:
            return work()
        except PermissionError as error:
            raise ConfigurationError(f"cannot write: {error.strerror}", where=str(error.filename)) from error
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise ConfigurationError(
                "the disk is full: everything was stopped",
                where=str(data),
                fix="make room; the next run goes on from here",
            ) from error

    raise SystemExit(guarded(checked))


if __name__ == "__main__":
    app()

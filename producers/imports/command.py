"""Holds the command that imports history: `python -m producers import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from producers.channels import generic_fields
from producers.sources.process import Check, load_settings, running
from schemas.process import guarded

__all__ = ["HELP", "import_"]

HELP = f"""
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
"""


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
    """Runs the import, or its dry run."""

    def work() -> int:
        from producers.imports.cli import Command

        settings = load_settings()
        command = Command(
            path, format=format_, dry_run=dry_run or check, live=live, from_line=from_line, sort=sort, state=state,
            again=again, report=report, account=account, time_zone=time_zone, tags=tags,
        )  # fmt: skip
        return command.run(settings, lambda: running(settings, "import", linger_ms=50))

    raise SystemExit(guarded(work))

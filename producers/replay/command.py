"""Holds the command that replays dead letters of producers: `python -m producers replay`."""

from __future__ import annotations

from producers.sources.process import load_settings, running
from schemas.dead_letter import options
from schemas.process import guarded

__all__ = ["HELP", "replay"]

HELP = """
    Take dead letters of producers again: what a channel refused, or failed at, goes through the same channel once more,
    after its parser was mended or the configuration corrected. A dead letter keeps all that the channel reads, and when and
    where it was received: the contact is the one that it would have been, with its own id and its own time.

    Says of every dead letter what became of it:

    `accepted` its events are in Kafka now · `duplicate` they were there already · `refused again` why, and it stays

    A dead letter is replayed once; doing it again finds nothing to do. Killed in the middle, the same command goes on, and
    publishes nothing twice. Signatures and tokens are not kept and not asked for again: they were verified before the
    dead letter was written. A `stale_delivery`, which somebody may have recorded, and the presence of agents, which was true
    then, are taken only when they are named.

    Examples

    python -m sinks dlq list --source email --reason defect

    python -m producers replay --all --source email --reason defect --dry-run

    python -m producers replay --all --source email --reason defect

    python -m producers replay --all --error KeyError --since 2d

    python -m producers replay contact-events.dlq:0:17 contact-events.dlq:3:4

    Records that a worker or a sink could not process are no raw inputs: python -m sinks dlq replay.

    Exit codes: 0 all were taken · 1 defect · 2 usage, or a dead letter was refused again · 3 Kafka or the attachment store
    does not answer.
"""


@options.selecting(named=True)
def replay(selection: options.Selection, dry_run: options.DryRun = False) -> None:
    """Replays the selected dead letters and exits with the code that `HELP` tells."""

    def work() -> int:
        from producers.replay.cli import Command

        # Beside a process that serves them, in the same pod: its port is taken.
        settings = load_settings().model_copy(update={"metrics_port": 0})
        selection.require_named("replay")
        command = Command(settings, selection.choice(settings), dry_run)
        return command.run(lambda: running(settings, "replay", linger_ms=20))

    raise SystemExit(guarded(work))

"""`python -m stream_processors recompute`: folds the whole log again under other rules, beside the live tables.

This process reads Kafka and folds; `python -m sinks recompute` beside it owns ClickHouse. Between them runs a pipe of
frames: four bytes with the length, then a fact as it would stand in Kafka. An empty frame ends the facts, and a summary
of the run in JSON follows it. A pipe that ends without the empty frame leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from schemas import codec, secret_check
from schemas.clock import MICROS
from schemas.errors import CodecError
from schemas.facts import Fact
from schemas.process import guarded
from schemas.record_key import name_of
from schemas.settings import WorkerSettings, load
from stream_processors.recompute.engine import HandedOver, Recomputation
from stream_processors.recompute.log import Log, progress_bar
from stream_processors.recompute.reorder_buffer import ReorderBuffer
from stream_processors.rules import ruleset
from stream_processors.rules.ruleset import Rules
from stream_processors.rules.surveys import Signing
from stream_processors.tickets.processor import TicketsProcessor

__all__ = ["HELP", "recompute"]

HELP = """Recompute all clocks and metrics under other rules, beside the live ones, and show where they differ.

The live tables say what was promised *then*: facts carry the policy and calendar that were in force, and changing the
rules never rewrites them. A recomputation folds the log as if the given rules had always been in force.

    python -m stream_processors recompute --config new-rules --into stricter_mail

reads `contact-events` from its beginning to its end as it is now, folds every record with the rules in `new-rules` (a
directory that `rules show VERSION --to DIR` wrote and you edited), and writes the facts into a database of their own,
`<database>_recompute_stricter_mail`, with all tables and views of the live one. Then it prints, ticket by ticket, the
clocks whose policy, target, deadline or state differs, and a summary by policy and clock. The database stays:
`SELECT * FROM deskstream_recompute_stricter_mail.differences`; `python -m sinks recompute show NAME` prints it again,
`drop NAME` removes it.

It reads only: no consumer group, no state, no topic and no message to anybody is touched, and workers go on meanwhile.
Events that reached us late were folded late. `--reorder 10` folds those that were at most ten minutes late in the order
in which they happened: `--config` with the rules in force and `--reorder` shows what lateness alone changed.

A second run under the same name is refused without `--replace`. An interrupted run leaves nothing. The customers of one
partition are in memory at a time. Agents' answers and assignments are those of the log; tags are found anew.

Settings: DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS, DESKSTREAM_NAMESPACE, DESKSTREAM_CLICKHOUSE_URL and _DATABASE.

Exit codes: 0 done, 2 the rules or arguments are wrong or the name is taken, 3 Kafka or ClickHouse does not answer.
"""
_WRITTEN_AT = 1 << 20
#: A ticket that changes hands more often, each time to a partition before its own, stands as in the log from there on.
_MOST_HANDS = 10


def recompute(
    config: Annotated[
        Path, typer.Option("--config", help="The directory of policies.yaml: the rules to recompute with.")
    ],
    into: Annotated[
        str, typer.Option("--into", metavar="NAME", help="Name of this run; default: the version of the rules.")
    ] = "",
    begin: Annotated[
        str, typer.Option("--from", metavar="ISO_TIME", help="Compare tickets that were created at or after this.")
    ] = "",
    end: Annotated[
        str, typer.Option("--to", metavar="ISO_TIME", help="Compare tickets that were created before this.")
    ] = "",
    reorder: Annotated[
        float,
        typer.Option("--reorder", min=0, metavar="MINUTES", help="Fold events that came so late where they happened."),
    ] = 0.0,
    former_reorder: Annotated[float, typer.Option("--heal", min=0, hidden=True)] = 0.0,
    replace: Annotated[bool, typer.Option("--replace", help="Replace an earlier run of this name.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Show so many differences; 0 for all.")] = 40,
) -> None:
    """Runs a recomputation and shows its differences; ends the process."""
    if former_reorder:  # the name of `--reorder` in the release before
        print("--heal is deprecated and works for one more release: use --reorder", file=sys.stderr)
    within = round((reorder or former_reorder) * 60 * MICROS)
    raise SystemExit(guarded(lambda: _recompute(config, into, begin, end, within, replace, limit)))


def _recompute(config: Path, into: str, begin: str, end: str, within: int, replace: bool, limit: int) -> int:
    settings = load(WorkerSettings)
    secret_check.use(settings)
    files = ruleset.read_files(config, settings.brands_file)
    rules = ruleset.of_files(files, settings.mail_domain, shown_as=str(config), brands_file=settings.brands_file)
    name = into or rules.version
    span = [*(["--from", begin] if begin else []), *(["--to", end] if end else [])]
    if code := _sink("begin", name, *span, *(["--replace"] if replace else [])):
        return code
    sink = subprocess.Popen(_command("fill", name), stdin=subprocess.PIPE)
    assert sink.stdin is not None
    try:
        with suppress(BrokenPipeError):  # it says itself what is wrong
            asyncio.run(_fold_all(settings, rules, name, within, sink.stdin))
    finally:
        with suppress(BrokenPipeError):
            sink.stdin.close()
        code = sink.wait()
    if code:
        return code
    return _sink("show", name, *span, "--limit", str(limit))


def _sink(*words: str) -> int:
    return subprocess.run(_command(*words), check=False).returncode


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "sinks", "recompute", *words]


# -- reading and folding --------------------------------------------------------------------------------------------


async def _fold_all(settings: WorkerSettings, rules: Rules, name: str, within: int, pipe: IO[bytes]) -> None:
    """Folds one partition after the other to its end as it is now."""
    frames, refused, folded = _Frames(pipe), Counter[str](), 0
    until = settings.pipeline_clock.now()
    signing = Signing.of(settings.survey_url, settings.survey_secrets.get_secret_value())
    processor = TicketsProcessor(rules, signing=signing)
    async with Log.opened(settings) as log:
        handed_over = await _handed_over(log, processor, within)
        with progress_bar() as progress:
            bar = progress.add_task(f"recompute {name}", total=log.records_total)
            for partition in log.partitions:
                fold = Recomputation(processor, partition.partition, _buffer(within), handed_over)
                async for records in log.records(partition):
                    for record in records:
                        if record.value is None:
                            continue
                        try:
                            event = codec.decode(record.value)
                        except CodecError:
                            fold.refused["undecodable"] += 1
                            continue
                        frames.write(fold.take(event))
                    progress.advance(bar, len(records))
                frames.write(fold.end(until))
                refused, folded = refused + fold.refused, folded + fold.folded
    summary = {"rules": rules.version, "policies": rules.policies.version, "until": until, "events": folded,
               "facts": frames.count, "refused": dict(refused), "cut": log.cut}  # fmt: skip
    frames.end(summary)


async def _handed_over(log: Log, processor: TicketsProcessor, within: int) -> HandedOver:
    """Returns the tickets as they change hands in this run, whichever partition is folded first; none without merges."""
    handed_over, moved = HandedOver(), set[bytes]()
    headers = {
        codec.MARKER + codec.fingerprint(each) for kind in HandedOver.KINDS for each in codec.versions(kind).values()
    }
    for partition in log.partitions:
        async for records in log.records(partition):
            moved.update(name_of(each.key) for each in records if (each.value or b"")[: codec.HEADER_BYTES] in headers)
    for _ in range(_MOST_HANDS if moved else 0):
        before = dict(handed_over.known)
        for partition in log.partitions:
            fold = Recomputation(processor, partition.partition, _buffer(within), handed_over)
            async for records in log.records(partition):
                for record in records:
                    if name_of(record.key) in moved:
                        with suppress(CodecError):
                            deque(fold.take(codec.decode(record.value or b"")), maxlen=0)
            deque(fold.end(0), maxlen=0)
        if handed_over.known == before:
            break
    return handed_over


def _buffer(within: int) -> ReorderBuffer | None:
    return ReorderBuffer(within) if within else None


class _Frames:
    """Writes frames into the pipe to the sink; blocks while the sink is behind."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe, self._buffer, self.count = pipe, bytearray(), 0

    def write(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            value = codec.encode(fact)
            self._buffer += len(value).to_bytes(4, "big") + value
            self.count += 1
        if len(self._buffer) >= _WRITTEN_AT:
            self._flush()

    def end(self, summary: dict[str, Any]) -> None:
        self._buffer += bytes(4) + json.dumps(summary).encode()
        self._flush()

    def _flush(self) -> None:
        self._pipe.write(self._buffer)
        self._pipe.flush()
        self._buffer = bytearray()

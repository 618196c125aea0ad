"""`python -m tests.benchmarks.group_fold` prints `fold_us_per_contact`: the fold's CPU time per contact, without Kafka.

Both processors decode, fold and encode the records of the recorded log, states included. A contact is a message or a call
of a customer; what follows from it (answers, assignments, ticks, ...) is in its price. Each repeat is a process of its own,
so that no cache knows a text already.

`--against DIR` compares with another checkout: each round runs both, in turns as to which is first, each in a process
of its own, over the log that it recorded: it is a build's own doing which ticks there are. A checkout from before this module gets it and what it uses from the commit that added it:

    git worktree add DIR COMMIT
    git -C DIR checkout ADDED -- tests/support/proof tests/benchmarks/group_fold.py
"""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from schemas import codec
from schemas.errors import CodecError
from schemas.events import CallEnded, MessageReceived
from tests.benchmarks.figures import Figure
from tests.support.proof.fold import Partition, processors, records_of
from tests.support.proof.log import LOG, Log, read

DESCRIPTION = "CPU microseconds per contact of decode, fold and encode, without Kafka, over the recorded log"
ROOT = Path(__file__).parents[2]
REPEATS, ROUNDS = 5, 7
#: One part in so many of each partition is folded before the clock starts.
WARM_UP_PARTS = 10


def run(bench: Any) -> list[Figure]:
    return [Figure("fold_us_per_contact", round(repeated(ROOT, LOG, REPEATS), 1), "µs CPU")]


def repeated(checkout: Path, log: Path, repeats: int) -> float:
    """Returns the median of so many processes."""
    return median(_in_checkout(checkout, log) for _ in range(repeats))


def once(log: Log) -> float:
    """Returns CPU microseconds per contact. The first records of each partition only warm up."""
    made, parts = processors(log.rules), []
    for name, pairs in log.records.items():
        processor, number = name.split("/")
        partition, records = Partition(made[processor], int(number)), records_of(pairs)
        begin = len(records) // WARM_UP_PARTS
        for _ in partition.fold(records[:begin]):
            pass
        parts.append((partition, records[begin:]))
    gc.collect()
    began = time.process_time()
    for partition, records in parts:
        for _ in partition.fold(records):
            pass
    cpu_seconds = time.process_time() - began
    return cpu_seconds / sum(_is_contact(record.value) for _, records in parts for record in records) * 1e6


def _is_contact(value: bytes) -> bool:
    try:
        return isinstance(codec.decode(value), MessageReceived | CallEnded)
    except CodecError:
        return False


def compare(other: Path, log: Path | None, rounds: int) -> str:
    """Returns the medians of both checkouts, and that of the ratio per round."""
    pairs = []
    logs = {checkout: log or checkout / LOG.relative_to(ROOT) for checkout in (ROOT, other)}
    for number in range(rounds):
        order = (ROOT, other) if number % 2 else (other, ROOT)
        figures = {checkout: _in_checkout(checkout, logs[checkout]) for checkout in order}
        pairs.append((figures[ROOT], figures[other]))
        print(f"round {number + 1}: {figures[ROOT]:.1f} here, {figures[other]:.1f} there", file=sys.stderr)
    here, there = (median(side) for side in zip(*pairs, strict=True))
    ratio = median(ours / theirs for ours, theirs in pairs)
    return f"fold_us_per_contact {here:.1f} here, {there:.1f} in {other.name}, ratio {ratio:.3f}"


def _in_checkout(checkout: Path, log: Path) -> float:
    command = [sys.executable, "-m", "tests.benchmarks.group_fold", "--once", "--log", str(log)]
    env = {**os.environ, "PYTHONPATH": str(checkout)}
    answer = subprocess.run(command, cwd=checkout, env=env, check=True, capture_output=True, text=True)
    return float(answer.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", type=Path, help="the recorded log (default: that of each checkout)")
    parser.add_argument("--once", action="store_true", help="measure once, in this process")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="processes per figure; the median counts")
    parser.add_argument("--against", type=Path, metavar="DIR", help="compare with another checkout")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds of a comparison")
    given = parser.parse_args()
    log = given.log and given.log.resolve()
    if given.against is not None:
        print(compare(given.against.resolve(), log, given.rounds))
    else:
        log = log or LOG
        print(f"{once(read(log)) if given.once else repeated(ROOT, log, given.repeats):.1f}")


if __name__ == "__main__":
    main()

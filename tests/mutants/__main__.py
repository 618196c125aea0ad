"""`make mutants`: change the code a little, one place at a time; some test must fail.

Without a path a sample of places is drawn over all modules, each line as likely as another; the same seed draws the same
places as long as their code stays. With a path (a file, a folder, or a part of one's name) every place in it is tried.

A change is tried first on the tests that call the changed function and stand closest to it, then on the rest of those
that could notice, until one fails or the time for one change is over. What survives has to stand in `accepted.yaml`,
with the reason why it changes no result.

    python -m tests.mutants [PATH ...] [--sample N] [--seed N] [--says WORDS ...]

`--says` takes only the changes that say one of these words, as they were printed: to see whether a new test kills them.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.mutants.changes import Mutant, mutants
from tests.mutants.choice import chosen
from tests.mutants.pool import Job, Pool, grouped
from tests.mutants.reach import Plugin, Reach, Test, recorded, sources

ACCEPTED = Path(__file__).with_name("accepted.yaml")
SEED, SAMPLE, WORKERS = 12, 300, 2
LEAST_KILLED = 0.92  #: of a sample
#: A mutant's tests may take so many times the processor's time that they took unchanged, and so many seconds more.
TIMEOUT_FACTOR, GRACE_SECONDS = 2, 10
#: Tests of these seconds run first; only if they all pass, the others are imported as well.
CLOSEST_SECONDS, MOST_SECONDS = 5.0, 120.0
NO_END, NO_IMPORT = "no end", "the code is not imported"


@dataclass
class Outcome:
    """One mutant and what became of it. `killer` is a test, NO_END or NO_IMPORT; '' for a survivor."""

    file: str
    mutant: Mutant
    tests: list[Test]
    killer: str = ""

    @property
    def alive(self) -> bool:
        return not self.killer and bool(self.tests)

    def __str__(self) -> str:
        return f"{self.file}:{self.mutant.line} {self.mutant.says}"


class Runner(Plugin):
    """Runs the given tests in their order, and reports the first that fails."""

    def __init__(self, names: Sequence[str], every: bool = False) -> None:
        self.place = {name: number for number, name in enumerate(names)}
        self.every = every
        self.failed: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = sorted((each for each in items if each.nodeid in self.place), key=lambda it: self.place[it.nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)
            if not self.every:
                self.say(report.nodeid.encode())
                os._exit(1)

    def done(self, code: int) -> None:
        if code not in (0, 1):
            self.say(NO_IMPORT.encode())
        elif self.every:
            self.say("\n".join(self.failed).encode())


# -- trying -----------------------------------------------------------------------------------------------------------


def tried(outcomes: list[Outcome], pool: Pool) -> None:
    """Try every mutant, and once more without any change each test that has killed one: it has to pass."""
    count = [0]

    def job(outcome: Outcome, tests: list[Test], others: list[Test]) -> Job:
        names = [test.name for test in tests]
        cpu_seconds = TIMEOUT_FACTOR * sum(test.seconds for test in tests) + GRACE_SECONDS

        def then(ended: Job) -> Job | None:
            outcome.killer = ended.result.decode() or (NO_END if ended.timed_out else "")
            if others and not outcome.killer:
                return job(outcome, others, [])
            count[0] += 1
            if outcome.alive:
                print(f"  {count[0]}/{len(outcomes)} survives: {outcome}", flush=True)
            print(f"  {count[0]}/{len(outcomes)}", end="\r", file=sys.stderr, flush=True)
            return None

        changed = outcome.file, outcome.mutant.source
        return Job(list(grouped(names)), Runner(names), cpu_seconds, changed, then=then)

    first = [_split(outcome.tests) for outcome in outcomes]
    pool.run(job(outcome, *tests) for outcome, tests in zip(outcomes, first, strict=True) if outcome.tests)
    killers = {outcome.killer: test for outcome in outcomes for test in outcome.tests if test.name == outcome.killer}
    by_file = [list(names) for _, names in groupby(sorted(killers), key=lambda name: name.partition("::")[0])]
    again = [Job(list(grouped(names)), Runner(names, every=True), 600.0) for names in by_file]
    pool.run(again)
    unreliable = {name for each in again for name in each.result.decode().split("\n") if name}
    for outcome in outcomes:
        if outcome.killer in unreliable:
            print(f"  {outcome.killer} fails without any change as well: {outcome} counts as alive")
            outcome.killer = ""


def _split(tests: list[Test]) -> tuple[list[Test], list[Test]]:
    """The tests that run first, and the others."""
    seconds = 0.0
    for place, test in enumerate(tests):
        seconds += test.seconds
        if seconds > CLOSEST_SECONDS:
            return tests[: place + 1], tests[place + 1 :]
    return tests, []


# -- what is tried ----------------------------------------------------------------------------------------------------


def drawn(root: Path, seed: int) -> Iterator[tuple[str, Mutant]]:
    """Every line, and of each line one change, mixed by the seed. Where one stands depends on nothing but its own code."""
    lines: list[tuple[str, str, str]] = []
    for file in sources(root):
        for line, found in _by_line(root, file).items():
            lines.append((sha256(f"{seed} {file} {found[0].says}".encode()).hexdigest(), file, str(line)))
    for key, file, line in sorted(lines):
        found = _by_line(root, file)[int(line)]
        yield file, found[int(key, 16) % len(found)]


@functools.lru_cache(8)
def _by_line(root: Path, file: str) -> dict[int, list[Mutant]]:
    by_line: dict[int, list[Mutant]] = defaultdict(list)
    for mutant in mutants((root / file).read_text("utf-8")):
        by_line[mutant.line].append(mutant)
    return by_line


def whole(root: Path, paths: Sequence[str]) -> list[tuple[str, Mutant]]:
    """Every change of the files that have one of these in their path."""
    files = [file for file in sources(root) if any(path in file for path in paths)]
    return [(file, mutant) for file in files for mutant in mutants((root / file).read_text("utf-8"))]


# -- the whole --------------------------------------------------------------------------------------------------------


def accepted() -> dict[tuple[str, str], str]:
    """(file, what the mutant says) → why it changes no result."""
    entries = yaml.safe_load(ACCEPTED.read_text("utf-8")) or []
    return {(entry["file"], mutant): entry["why"] for entry in entries for mutant in entry["mutants"]}


def table(outcomes: list[Outcome]) -> str:
    """Per package: places tried, killed, alive, of these accepted, and places that no test without the stack reaches."""
    known = accepted()
    rows: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        rows["/".join(outcome.file.split("/")[:2]).removesuffix(".py")].append(outcome)
    rows["all"] = outcomes
    lines = [f"{'':34}{'tried':>7}{'killed':>8}{'alive':>7}{'accepted':>10}{'%':>7}{'only on the stack':>20}"]
    for name, each in sorted(rows.items(), key=lambda row: (row[0] == "all", row[0])):
        alive = [outcome for outcome in each if outcome.alive]
        agreed = sum(1 for outcome in alive if (outcome.file, outcome.mutant.says) in known)
        count = sum(1 for outcome in each if outcome.tests)
        percent = f"{100 * (count - len(alive)) / count:.1f}" if count else ""
        lines.append(
            f"{name:34}{count:7}{count - len(alive):8}{len(alive):7}{agreed:10}{percent:>7}{len(each) - count:20}"
        )
    return "\n".join(lines)


def judged(outcomes: list[Outcome]) -> Iterator[str]:
    """What is wrong: survivors that nobody accepted, and acceptances that are no longer true."""
    known = accepted()
    for outcome in outcomes:
        agreed = (outcome.file, outcome.mutant.says) in known
        if outcome.alive and not agreed:
            yield f"survives: {outcome}"
        if outcome.killer and agreed:
            yield f"is killed although accepted.yaml says that it changes nothing: {outcome}"


def run(pool: Pool, places: Iterable[tuple[str, Mutant]], sample: int | None = None) -> list[Outcome]:
    """Try these changes, or as many of them as make a sample that tests without the stack can try."""
    started = time.monotonic()
    reach: Reach = recorded(pool)
    print(f"{sum(map(len, reach.tests.values()))} tests recorded, {time.monotonic() - started:.0f} s", flush=True)
    for name in reach.failed:
        print(f"  not asked, since it fails without any change: {name}")
    outcomes: list[Outcome] = []
    for file, mutant in places:
        outcomes.append(Outcome(file, mutant, chosen(file, mutant, reach, MOST_SECONDS)))
        if sample and sum(1 for outcome in outcomes if outcome.tests) == sample:
            break
    tried(outcomes, pool)
    return sorted(outcomes, key=lambda outcome: (outcome.file, outcome.mutant.line))


def main(arguments: list[str]) -> int:
    parser = ArgumentParser(
        prog="python -m tests.mutants", description=__doc__, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="*", metavar="PATH", help="try every place of these files or folders")
    parser.add_argument("--sample", type=int, default=SAMPLE, metavar="N", help="places of the sample (%(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, metavar="N", help="of the sample (%(default)s)")
    parser.add_argument("--says", nargs="+", default=(), metavar="WORDS", help="only changes that say one of these")
    parser.add_argument("--workers", type=int, default=WORKERS, metavar="N", help="at a time (%(default)s)")
    given = parser.parse_args(arguments)
    started = time.monotonic()
    pool = Pool(given.workers)
    places = iter(whole(pool.base, given.paths)) if given.paths else drawn(pool.base, given.seed)
    if given.says:
        places = ((file, mutant) for file, mutant in places if any(words in mutant.says for words in given.says))
    outcomes = run(pool, places, None if given.paths else given.sample)
    print(table(outcomes))
    for outcome in outcomes:
        if not outcome.tests:
            print(f"only on the stack: {outcome}")
    wrong = sorted(judged(outcomes))
    killed = sum(1 for outcome in outcomes if outcome.killer)
    if not given.paths and killed < LEAST_KILLED * (killed + sum(1 for outcome in outcomes if outcome.alive)):
        wrong.append(f"less than {LEAST_KILLED:.0%} of the sample are killed")
    print("\n".join(wrong))
    seed = "" if given.paths else f", seed {given.seed}"
    print(f"{len(outcomes)} places{seed}, {(time.monotonic() - started) / 60:.0f} min")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

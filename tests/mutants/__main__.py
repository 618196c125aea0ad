"""`make mutants`: change the code that computes money and pages, a little and one place at a time; some test must fail.

The tests of a file are collected and run once, in this process. Then, for every mutant, a forked child exchanges the code
of the file's functions for the mutant's and runs the same tests, first those that have killed the most, until
one fails or its time is over. What survives is tried again with the property tests. What survives then has to stand in
`accepted.yaml`, with the reason why it changes no result.

    python -m tests.mutants [name of a file ...] [--every N] [--says WORDS ...]

`--says` takes only the mutants that say one of these words, as they were printed: to see whether a new test kills them.
"""

from __future__ import annotations

import ast
import functools
import gc
import importlib
import os
import resource
import sys
import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

import pytest
import yaml

from tests.mutants.changes import Mutant, mutants

ROOT = Path(__file__).parents[2]
ACCEPTED = Path(__file__).with_name("accepted.yaml")
_CASES = "tests/stream_processors/tickets/test_clock_cases.py"
_FIGURES = "tests/stream_processors/tickets/test_measure_cases.py"
_SLA = (
    _CASES,
    _FIGURES,
    "tests/stream_processors/tickets/test_clocks.py",
    "tests/stream_processors/tickets/test_business_clocks.py",
    "tests/stream_processors/tickets/test_chat.py",
    "tests/stream_processors/tickets/test_progress.py",
    "tests/stream_processors/tickets/test_merging.py",
    "tests/stream_processors/tickets/test_rule_changes.py",
    "tests/stream_processors/tickets/test_buckets.py",
    "tests/stream_processors/tickets/test_older_states.py",
    "tests/stream_processors/tickets/test_clock_invariants.py",
)
#: Source file → the tests that have to notice.
TARGETS: dict[str, tuple[str, ...]] = {
    "stream_processors/rules/calendars.py": (
        "tests/stream_processors/rules/test_calendar_cases.py",
        "tests/stream_processors/rules/test_calendars.py",
        "tests/stream_processors/rules/test_calendars_file.py",
    ),
    "stream_processors/tickets/windows/quantile_sketch.py": (
        "tests/stream_processors/tickets/test_quantile_sketch.py",
        _FIGURES,
        "tests/stream_processors/tickets/test_buckets.py",
    ),
    "stream_processors/tickets/windows/buckets.py": (
        _FIGURES,
        "tests/stream_processors/tickets/test_buckets.py",
        "tests/stream_processors/tickets/test_replay.py",
    ),
    "stream_processors/tickets/sla/status_history.py": (
        "tests/stream_processors/tickets/test_status_history.py",
        *_SLA,
    ),
    "stream_processors/tickets/sla/ledger.py": _SLA,
    "stream_processors/tickets/sla/clocks.py": _SLA,
    "stream_processors/tickets/sla/ticket_metrics.py": _SLA,
}
#: A mutant's tests may take so many times the processor's time that they took unchanged, and so many seconds more.
PATIENCE, GRACE_SECONDS = 2, 3


class Verdict(NamedTuple):
    mutant: Mutant
    killer: str  #: '' for a survivor


class Mutator:
    """A pytest plugin that runs the collected tests on every mutant of one file instead of once."""

    def __init__(self, file: str, every: int, says: Sequence[str]) -> None:
        self.module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
        found = list(mutants((ROOT / file).read_text("utf-8")))[::every]
        self.found = [each for each in found if not says or any(words in each.says for words in says)]
        self.file, self.verdicts, self.kills = file, list[Verdict](), Counter[str]()
        self.reported: int | None = None  # in a child: where to say which test failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        plain = [item for item in session.items if not _is_property(item)]
        properties = [item for item in session.items if _is_property(item)]
        limits = [self._run(plain), 0]
        same = Mutant("module", 0, "itself", "itself", ast.parse((ROOT / self.file).read_text("utf-8")))
        if killer := self._try(same, plain, limits[0]):
            raise pytest.UsageError(f"{self.file}: its own code, exchanged for itself, is killed by {killer}")
        for number, mutant in enumerate(self.found, 1):
            killer = self._try(mutant, plain, limits[0])
            if not killer and properties:
                limits[1] = limits[1] or self._run(properties)
                killer = self._try(mutant, properties, limits[1])
            self.verdicts.append(Verdict(mutant, killer))
            if not killer:
                print(f"  {number}/{len(self.found)} survives: {self.file}:{mutant.line} {mutant.says}", flush=True)
            print(f"  {number}/{len(self.found)}", end="\r", file=sys.stderr, flush=True)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if self.reported is not None and report.failed:
            os.write(self.reported, report.nodeid.encode())
            os._exit(1)
        if report.failed:
            raise pytest.UsageError(f"{report.nodeid} fails without any change")

    def _run(self, items: list[pytest.Item]) -> int:
        """Seconds of the processor that a mutant may take for the same."""
        started = time.process_time()
        for place, item in enumerate(items):  # what lives as long as the session is made once
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=items[(place + 1) % len(items)])
        return round(PATIENCE * (time.process_time() - started)) + GRACE_SECONDS

    def _try(self, mutant: Mutant, items: list[pytest.Item], limit: int) -> str:
        """The test that fails, or what else became of the child; '' when all pass."""
        if not items:
            return ""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            self._be(mutant, items, writing, limit)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            killer = pipe.read().decode()  # until the child has ended
        _, status = os.waitpid(child, 0)
        if "::" in killer:
            self.kills[killer] += 1
        return killer or ("" if status == 0 else "timeout or crash")

    def _be(self, mutant: Mutant, items: list[pytest.Item], writing: int, limit: int) -> None:
        """What the child does; it does not come back."""
        self.reported = writing
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (spent := round(time.process_time()) + limit, spent))
        try:
            exchange(self.module, mutant.tree)
            self._run(sorted(items, key=lambda item: -self.kills[item.nodeid]))
        except BaseException:
            os._exit(2)
        os._exit(0)


def _is_property(item: pytest.Item) -> bool:
    return bool(getattr(getattr(item, "obj", None), "is_hypothesis_test", False))


# -- exchanging the code ----------------------------------------------------------------------------------------------


def exchange(module: ModuleType, tree: ast.Module) -> None:
    """Make a loaded module behave as the tree: functions keep their identity, so whoever imported them has the new code."""
    new: dict[str, Any] = {"__name__": module.__name__, "__file__": module.__file__}
    exec(compile(tree, str(module.__file__), "exec"), new)
    for name, value in new.items():
        old = module.__dict__.get(name)
        if name.startswith("__") or old is value:
            continue
        if isinstance(value, type) and value.__module__ == module.__name__:
            for key, member in vars(value).items():
                _exchange(vars(old).get(key), member)
        elif not _exchange(old, value) and getattr(value, "__module__", "") != module.__name__ and old != value:
            _rebind(name, old, value)
    if module.__name__ != "stream_processors.rules.calendars":
        return
    calendar = module.Calendar
    for thing in gc.get_objects():
        if isinstance(thing, calendar):
            thing._years.clear()  # what the unchanged code has computed


def _exchange(old: Any, new: Any) -> bool:
    for name in ("__func__", "fget", "__wrapped__"):
        if hasattr(new, name) and hasattr(old, name):
            return _exchange(getattr(old, name), getattr(new, name))
    if not isinstance(new, FunctionType) or not isinstance(old, FunctionType):
        return False
    if new.__code__.co_filename == old.__code__.co_filename:
        old.__code__, old.__defaults__, old.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__
    return True


def _rebind(name: str, old: Any, value: Any) -> None:
    for module in list(sys.modules.values()):
        if module is not None and getattr(module, "__dict__", {}).get(name) is old:
            setattr(module, name, value)


# -- the whole --------------------------------------------------------------------------------------------------------


def accepted() -> dict[tuple[str, str], str]:
    """(file, what the mutant says) → why it changes no result."""
    entries = yaml.safe_load(ACCEPTED.read_text("utf-8")) or []
    return {(entry["file"], mutant): entry["why"] for entry in entries for mutant in entry["mutants"]}


def judged(file: str, verdicts: list[Verdict]) -> Iterator[str]:
    """What is wrong: survivors that nobody accepted, and acceptances that are no longer true."""
    known = {says for name, says in accepted() if name == file}
    survivors = {verdict.mutant.says: verdict for verdict in verdicts if not verdict.killer}
    for says in survivors.keys() - known:
        yield f"{file}:{survivors[says].mutant.line} survives: {says}"
    for says in known & {verdict.mutant.says for verdict in verdicts if verdict.killer}:
        yield f"{file}: is killed although accepted.yaml says that it changes nothing: {says}"


def main(arguments: list[str]) -> int:
    parser = ArgumentParser(
        prog="python -m tests.mutants", description=__doc__, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "files", nargs="*", metavar="name of a file", help=", ".join(Path(file).stem for file in TARGETS)
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th mutant")
    parser.add_argument("--says", nargs="+", default=(), metavar="WORDS", help="only mutants that say one of these")
    given = parser.parse_args(arguments)
    rules = importlib.import_module("stream_processors.rules.ruleset")
    rules.load = functools.cache(rules.load)
    wrong: list[str] = []
    for file, tests in TARGETS.items():
        if given.files and not any(each in file for each in given.files):
            continue
        started, mutator = time.monotonic(), Mutator(file, given.every, given.says)
        if not mutator.found:
            continue
        options = [
            "-o",
            "addopts=--import-mode=importlib",
            "-p",
            "no:timeout",
            "-p",
            "no:terminal",
            "--hypothesis-seed=0",
        ]
        code = pytest.main([*options, *(str(ROOT / test) for test in tests)], plugins=[mutator])
        if code not in (0, 5) or not mutator.verdicts:
            return int(code) or 1
        killed = sum(1 for each in mutator.verdicts if each.killer)
        took = time.monotonic() - started
        ended = sum(1 for each in mutator.verdicts if "::" not in each.killer) - len(mutator.verdicts) + killed
        print(
            f"{file}: {len(mutator.verdicts)} mutants, {killed} killed ({ended} without end or by a crash), {len(mutator.verdicts) - killed} alive, {took:.0f} s"
        )
        wrong += judged(file, mutator.verdicts)
    print("\n".join(sorted(wrong)))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Records which test reaches which function: the tests that can notice a change are found by themselves.

Every test file without the stack runs once in a child, while the calls of our functions are noted. What a file's import
and its longer-lived fixtures call belongs to all of its tests. The record is kept in `.mutants/`; a file is run
again when it, or one of the sources that it reached, has changed.
"""

from __future__ import annotations

import ast
import gzip
import hashlib
import json
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.mutants.pool import ROOT, Job, Pool

RECORD = ROOT / ".mutants" / "reach.json.gz"
PACKAGES = ("schemas", "producers", "stream_processors", "sinks", "deploy/prometheus")
ALSO = ("deploy/local/view.py", "deploy/local/balance.py")
_STACK = {"stack", "deployment", "migrated"}
_MARKS = ("stack", "benchmark", "soak")
_MOST_CPU_SECONDS = 600.0

Function = tuple[str, str]  #: (file, function)


class Plugin:
    """A pytest plugin for a child of the pool."""

    number = 0
    writing = -1

    def say(self, content: bytes) -> None:
        """Hand the result to the parent."""
        while content:
            content = content[os.write(self.writing, content) :]

    def done(self, code: int) -> None:
        """Say what is left to say when pytest has ended."""

    def pytest_collection_finish(self) -> None:
        if conftest := sys.modules.get("tests.conftest"):
            conftest._share_ports(self.number, 4)


class Recorder(Plugin):
    """Notes the functions that each test calls, its seconds and whether it passed."""

    def __init__(self) -> None:
        self.seen: dict[int, Any] = {}
        self.of_file: dict[int, Any] = {}
        self.items: dict[str, dict[str, Any]] = {}
        self.failed, self.skipped = set[str](), set[str]()

    def _note(self, frame: Any, event: str, value: Any) -> None:
        code = frame.f_code
        self.seen[id(code)] = code

    def _trace(self, on: bool) -> None:
        note = self._note if on else None
        threading.settrace(note)  # type: ignore[arg-type]
        sys.settrace(note)

    def pytest_sessionstart(self) -> None:
        self.seen = self.of_file
        self._trace(True)

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = [item for item in items if not needs_the_stack(item)]

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
        self.seen = {}
        started = time.process_time()
        self._trace(True)
        yield
        seconds = time.process_time() - started
        self.items[item.nodeid] = {
            "seconds": round(seconds, 4),
            "reached": sorted(self._ours(self.seen)),
            "property": bool(getattr(getattr(item, "obj", None), "is_hypothesis_test", False)),
        }
        self.seen = self.of_file

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        before = self.seen
        if fixturedef.scope != "function":
            self.seen = self.of_file
        yield
        self.seen = before

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)
        elif report.skipped:
            self.skipped.add(report.nodeid)

    def _ours(self, seen: dict[int, Any]) -> set[Function]:
        root = f"{Path.cwd()}/"
        return {
            (code.co_filename.removeprefix(root), code.co_qualname.replace("<locals>.", ""))
            for code in list(seen.values())
            if code.co_filename.startswith(root) and "<module>" not in code.co_qualname
        }

    def done(self, code: int) -> None:
        self._trace(False)
        functions: dict[Function, int] = {}

        def numbers(reached: Any) -> list[int]:
            ours = [each for each in reached if is_covered(each[0])]
            return [functions.setdefault(each, len(functions)) for each in ours]

        root = f"{Path.cwd()}/"
        paths = {str(getattr(module, "__file__", None) or "") for module in list(sys.modules.values())}
        said = {
            "code": code,
            "items": {
                name: [item["seconds"], item["property"], numbers(item["reached"])]
                for name, item in self.items.items()
                if name not in self.failed | self.skipped
            },
            "failed": sorted(self.failed & self.items.keys()),
            "file": numbers(sorted(self._ours(self.of_file))),
            "modules": sorted(path.removeprefix(root) for path in paths if path.startswith(root)),
            "functions": list(functions),
        }
        self.say(json.dumps(said).encode())


def needs_the_stack(item: Any) -> bool:
    """True for a test that needs Kafka or ClickHouse, or runs only when asked for."""
    return bool(_STACK.intersection(item.fixturenames)) or any(item.get_closest_marker(mark) for mark in _MARKS)


def is_covered(file: str) -> bool:
    """True for a source file that is mutated."""
    return file in ALSO or any(file.startswith(f"{package}/") for package in PACKAGES)


def sources(root: Path) -> list[str]:
    """Every source file that is mutated."""
    found = [path for package in PACKAGES for path in (root / package).rglob("*.py")]
    return sorted([*(str(path.relative_to(root)) for path in found), *ALSO])


@dataclass
class Test:
    """One test that passes: what it takes, and whether it is a property test."""

    name: str
    seconds: float
    is_property: bool


@dataclass
class Reach:
    """Which tests reach which functions, and which functions mention which names."""

    direct: dict[Function, list[Test]] = field(default_factory=lambda: defaultdict(list))
    by_file: dict[Function, set[str]] = field(default_factory=lambda: defaultdict(set))  #: reached by the whole file
    tests: dict[str, list[Test]] = field(default_factory=dict)  #: test file → its tests
    importing: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  #: source → test files
    failed: list[str] = field(default_factory=list)
    mentions: dict[str, set[Function]] = field(default_factory=lambda: defaultdict(set))
    functions: set[Function] = field(default_factory=set)  #: all there are


def recorded(pool: Pool) -> Reach:
    """The record, brought up to date."""
    root = pool.base
    kept = json.loads(gzip.decompress(RECORD.read_bytes())) if RECORD.exists() else {}
    digests: dict[Path, str] = {}
    files = sorted(str(path.relative_to(root)) for path in (root / "tests").rglob("test_*.py"))
    kept = {name: entry for name, entry in kept.items() if name in files and _is_current(entry, root, digests)}
    missing = [name for name in files if name not in kept]
    jobs = [Job([name], Recorder(), _MOST_CPU_SECONDS) for name in missing]
    pool.run(jobs)
    for job in jobs:
        entry = json.loads(job.result or b'{"code": 70}')
        if entry["code"] not in (0, 1, 5):
            print(f"{job.files[0]} cannot be recorded: {'no end' if job.timed_out else entry['code']}", file=sys.stderr)
            continue
        modules = [*entry.pop("modules"), job.files[0]]
        entry["sources"] = {name: _digest(root / name, digests) for name in modules if (root / name).exists()}
        kept[job.files[0]] = entry
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_bytes(gzip.compress(json.dumps(kept).encode(), 3))
    return _read(kept, root)


def _is_current(entry: dict[str, Any], root: Path, digests: dict[Path, str]) -> bool:
    return all(_digest(root / name, digests) == digest for name, digest in entry["sources"].items())


def _digest(path: Path, known: dict[Path, str]) -> str:
    if path not in known:
        known[path] = hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.exists() else ""
    return known[path]


def _read(kept: dict[str, Any], root: Path) -> Reach:
    reach = Reach()
    for file, entry in kept.items():
        functions = [(name, function) for name, function in entry["functions"]]
        tests = [Test(name, seconds, is_property) for name, (seconds, is_property, _) in entry["items"].items()]
        reach.tests[file] = tests
        for test in tests:
            for number in entry["items"][test.name][2]:
                reach.direct[functions[number]].append(test)
        for number in entry["file"]:
            reach.by_file[functions[number]].add(file)
        for name in entry["sources"]:
            reach.importing[name].add(file)
        reach.failed += entry["failed"]
    for file in sources(root):
        _index(ast.parse((root / file).read_text("utf-8")), file, "", reach)
    return reach


def _index(node: ast.AST, file: str, where: str, reach: Reach) -> None:
    """Note the functions, and in which of them a name is mentioned: a variable, an attribute or a keyword."""
    for child in ast.iter_child_nodes(node):
        inside = where
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inside = f"{where}.{child.name}" if where else child.name
            if not isinstance(child, ast.ClassDef):
                reach.functions.add((file, inside))
        name = getattr(child, "id", None) or getattr(child, "attr", None) or getattr(child, "arg", None)
        if isinstance(name, str) and where:
            reach.mentions[name].add((file, where))
        _index(child, file, inside, reach)

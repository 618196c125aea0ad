"""Runs tests in forked children, each over a copy of the sources that a change may be written into.

The parent has imported pytest and the libraries, and nothing of ours. A child imports our code from its copy, so that
everything notices a change: constants that other modules imported, state made at import, processes that a test starts.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
OPTIONS = ("-o", "addopts=--import-mode=importlib", "-p", "no:cacheprovider", "-p", "no:timeout", "-p", "no:xdist")
#: Libraries that take the longest to import; none of them starts a thread.
_LIBRARIES = (
    *(
        "aiohttp",
        "aiokafka",
        "aiosmtpd.controller",
        "avro.schema",
        "babel",
        "clickhouse_connect",
        "fastapi",
        "fastavro",
    ),
    *(
        "faust",
        "holidays",
        "httpx",
        "hypothesis",
        "hypothesis.strategies",
        "icalendar",
        "imapclient",
        "kafka",
        "msgspec",
    ),
    *("numpy", "orjson", "phonenumbers", "prometheus_client", "psutil", "pydantic_settings", "pytest_timeout", "rich"),
    *(
        "rocksdict",
        "structlog",
        "typer",
        "uvicorn",
        "uvloop",
        "websockets",
        "yaml",
        "xdist",
        "_hypothesis_pytestplugin",
    ),
)


@dataclass
class Job:
    """Runs pytest over `files` with `plugin`, in a copy where `changed` has other contents."""

    files: list[str]
    plugin: Any
    cpu_seconds: float
    changed: tuple[str, str] | None = None
    result: bytes = b""
    timed_out: bool = False
    then: Callable[[Job], Job | None] = field(default=lambda job: None)  #: the job that has to follow, if any


class _Copy:
    """A directory with everything that git knows or would take, and a stamp that is new for every change."""

    def __init__(self, name: str, root: Path) -> None:
        self.name, self.root, self.stamp = name, root / name, int(time.time()) - 1_000_000
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
        ).stdout.decode()
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.root / name)
        for name in (".venv", ".tools"):
            if (ROOT / name).exists():
                (self.root / name).symlink_to(ROOT / name)

    def write(self, name: str, source: str) -> None:
        """Write a source file with a time of its own: what Python has compiled of another content does not count."""
        self.stamp += 1
        (self.root / name).write_text(source, "utf-8")
        os.utime(self.root / name, (self.stamp, self.stamp))


class Pool:
    """Keeps as many children busy as there are copies."""

    def __init__(self, workers: int) -> None:
        for name in _LIBRARIES:
            importlib.import_module(name)
        self._folder = tempfile.TemporaryDirectory(prefix="deskstream-mutants-")
        #: The sources as they are now: somebody may go on working while the mutants are tried.
        self.base = _Copy("as_it_is", Path(self._folder.name)).root
        self._copies = [_Copy(str(number), Path(self._folder.name)) for number in range(workers)]
        gc.collect()
        gc.freeze()

    def run(self, jobs: Iterable[Job]) -> None:
        """Run every job, and what follows from it."""
        waiting, lock = iter(jobs), threading.Lock()

        def take() -> Job | None:
            with lock:
                return next(waiting, None)

        def work(copy: _Copy) -> None:
            while job := take():
                following: Job | None = job
                while following:
                    _run(copy, following)
                    following = following.then(following)

        with ThreadPoolExecutor(len(self._copies)) as threads:
            for each in [threads.submit(work, copy) for copy in self._copies]:
                each.result()


def _run(copy: _Copy, job: Job) -> None:
    before = (copy.root / job.changed[0]).read_text("utf-8") if job.changed else ""
    if job.changed:
        copy.write(*job.changed)
    try:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _be(copy, job, writing)
        os.close(writing)
        # A child on a busy machine, and one that waits: what only sleeps ends some time as well.
        timer = threading.Timer(4 * job.cpu_seconds + 30, _end, (child, job))
        timer.start()
        with os.fdopen(reading, "rb") as pipe:
            job.result = pipe.read()  # until the child has ended
        timer.cancel()
        _end(child)  # what it has started
        _, status = os.waitpid(child, 0)
        job.timed_out = job.timed_out or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU)
    finally:
        if job.changed:
            copy.write(job.changed[0], before)


def _end(child: int, job: Job | None = None) -> None:
    if job:
        job.timed_out = True
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)


def _be(copy: _Copy, job: Job, writing: int) -> None:
    """The child, which does not come back."""
    os.setsid()
    os.set_inheritable(writing, False)
    log = os.open(copy.root.parent / f"{copy.name}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    faulthandler.enable(file=2)
    spent = round(time.process_time() + job.cpu_seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (spent, spent + 5))
    os.chdir(copy.root)
    os.environ["PYTHONPATH"] = str(copy.root)
    sys.path[:] = [str(copy.root), *(path for path in sys.path if path not in ("", str(ROOT)))]
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    code = 70
    try:
        job.plugin.number, job.plugin.writing = int(copy.name), writing
        code = int(pytest.main([*OPTIONS, *job.files], plugins=[job.plugin]))
        job.plugin.done(code)
    finally:
        sys.stdout.flush()
        os._exit(code)


def grouped(items: Iterable[str]) -> Iterator[str]:
    """The files of some tests, each once, in the order of the tests."""
    yield from dict.fromkeys(item.partition("::")[0] for item in items)

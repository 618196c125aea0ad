"""Keeps the pipeline's processes running, and ends them in the order in which nothing is lost.

A child that dies is started again after a pause that doubles; one that ends with exit code 2 is misconfigured, which
no restart mends, so everything stops and its last line is shown. Children are in sessions of their own, so that
Ctrl-C reaches only us and we choose the order; should we be killed, the kernel ends them (`parent_watch.py`).

All methods are called by the main thread: the kernel ties a child to the *thread* that started it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from schemas.backoff import Backoff
from schemas.errors import ConfigurationError, Unavailable
from schemas.process import EXIT_USAGE

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 15.0
STEADY_SECONDS = 30.0  # a child that ran so long starts again with the first pause
LOG_BYTES = 20_000_000  # a longer log is put aside (`.log.1`) when its process starts
PARENT_WATCH = Path(__file__).with_name("parent_watch.py")  # the process dies with us


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A process to keep running.

    argv        the first word is an absolute path
    stage       children of a lower stage are stopped first: 0 producers, 1 workers, 2 sinks, 3 what they deliver to
    ends        it is expected to finish by itself with exit code 0, and is not started again then
    drain       seconds between SIGTERM and SIGKILL
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    stage: int = 0
    ends: bool = False
    drain: float = 3.0


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """A line of the process table. `state` is `running`, `restarting` or `finished`; memory in bytes.

    `peak_rss` and `cpu_seconds` are those seen by `status()`, and stay when the process has ended.
    """

    name: str
    pid: int
    state: str
    restarts: int
    rss: int = 0
    peak_rss: int = 0
    exit_code: int | None = None
    cpu_seconds: float = 0.0


@dataclass(slots=True)
class Usage:
    """What a process uses; `peak_rss` and `cpu_seconds` outlive it. Bytes and seconds."""

    rss: int = 0
    peak_rss: int = 0
    cpu_seconds: float = 0.0

    def see(self, pid: int) -> None:
        """Look at the process; pid 0 is none."""
        self.rss = 0
        if pid:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                self.rss = int(process.memory_info().rss)
                times = process.cpu_times()
                self.cpu_seconds = float(times.user + times.system)
        self.peak_rss = max(self.peak_rss, self.rss)


@dataclass(slots=True)
class _Child:
    spec: ChildSpec
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    backoff: Backoff = field(default_factory=lambda: Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS))
    starts: int = 0
    exit_code: int | None = None
    finished: bool = False
    usage: Usage = field(default_factory=Usage)


class Supervisor:
    """Starts, watches and stops children. `cwd` is where they run; logs are `<log_dir>/<name>.log`."""

    def __init__(
        self,
        specs: Sequence[ChildSpec],
        log_dir: Path,
        *,
        cwd: Path | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._children = [_Child(spec) for spec in specs]
        self._log_dir, self._cwd, self._now = log_dir, cwd, monotonic
        log_dir.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        for child in self._children:
            if child.process is None and not child.finished:
                self._spawn(child)

    def poll(self) -> None:
        """Notice who died, and start again whose pause is over. Call it a few times a second.

        Raises:
            ConfigurationError: a child ended with the exit code for a wrong configuration.
        """
        for child in self._children:
            if child.process is None:
                if not child.finished and self._now() >= child.start_at:
                    self._spawn(child)
                continue
            code = child.process.poll()
            if code is not None:
                self._ended(child, code)

    def stop(self, seconds: float = 10.0) -> list[str]:
        """Stop all, stage by stage, within `seconds`; returns the names of those that had to be killed."""
        end = self._now() + seconds
        killed = []
        for stage in sorted({child.spec.stage for child in self._children}):
            killed += self.stop_stage(stage, end - self._now())
        return killed

    def stop_stage(self, stage: int, seconds: float = 10.0) -> list[str]:
        """Stop the children of one stage within `seconds`, for good; returns the names of those that had to be killed."""
        children = [child for child in self._children if child.spec.stage == stage]
        return self._stop_all(children, self._now() + seconds)

    def status(self) -> list[ProcessStatus]:
        return [self._status(child) for child in self._children]

    def finished(self, name: str) -> bool:
        """Whether a child that `ends` has ended with exit code 0."""
        return any(child.finished for child in self._children if child.spec.name == name)

    def log_path(self, name: str) -> Path:
        return self._log_dir / f"{name}.log"

    def _spawn(self, child: _Child) -> None:
        path = self.log_path(child.spec.name)
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        with path.open("ab") as log:
            try:
                child.process = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(PARENT_WATCH), str(os.getpid()), *child.spec.argv],
                    env={**os.environ, **child.spec.env},
                    cwd=self._cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise Unavailable(f"cannot start {child.spec.name}: {error.strerror}") from error
        child.started_at = self._now()
        child.starts += 1

    def _ended(self, child: _Child, code: int) -> None:
        child.process, child.exit_code = None, code
        if code == 0 and child.spec.ends:
            child.finished = True
            return
        if code == EXIT_USAGE:
            log = self.log_path(child.spec.name)
            raise ConfigurationError(f"{child.spec.name} cannot run: {last_line(log)}", fix=f"its log is {log}")
        if self._now() - child.started_at >= STEADY_SECONDS:
            child.backoff.succeeded()
        child.start_at = self._now() + child.backoff.failed()

    def _stop_all(self, children: list[_Child], end: float) -> list[str]:
        running = [child for child in children if child.process is not None and child.process.poll() is None]
        asked = self._now()
        for child in running:
            _signal(child, signal.SIGTERM)
        killed = []
        for child in running:
            assert child.process is not None
            patience = min(asked + child.spec.drain, end) - self._now()
            try:
                child.process.wait(max(patience, 0.05))
            except subprocess.TimeoutExpired:
                _signal(child, signal.SIGKILL)
                child.process.wait()
                killed.append(child.spec.name)
        for child in children:
            if child.process is not None:
                child.process = None
            child.finished = True
        return killed

    def _status(self, child: _Child) -> ProcessStatus:
        pid = child.process.pid if child.process else 0
        child.usage.see(pid)
        state = "running" if pid else "finished" if child.finished else "restarting"
        restarts = max(child.starts - 1, 0)
        return status_of(child.spec.name, pid, state, child.usage, restarts, child.exit_code)


def status_of(
    name: str, pid: int, state: str, usage: Usage, restarts: int = 0, exit_code: int | None = None
) -> ProcessStatus:
    return ProcessStatus(name, pid, state, restarts, usage.rss, usage.peak_rss, exit_code, usage.cpu_seconds)


def last_line(path: Path) -> str:
    """The last line of a log that says something."""
    with contextlib.suppress(OSError), path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - 8192))
        lines = [line.strip() for line in log.read().decode("utf-8", "replace").splitlines() if line.strip()]
        if lines:
            return lines[-1][:500]
    return "it said nothing"


def _signal(child: _Child, number: signal.Signals) -> None:
    """To the child's whole session: it may have started processes of its own."""
    if child.process is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.process.pid, number)

"""Keeps the pipeline's processes running, and stops them in the order in which nothing is lost.

A process that dies is started again after a pause that doubles. Exit code 2 means a wrong configuration, which no restart
mends: everything stops, and the process's last line is shown. Each process has its own session: Ctrl-C reaches only the
supervisor, which chooses the order. If the supervisor is killed, the kernel ends its processes (`parent_watch.py`).

All methods are called by the main thread: the kernel ties a process to the *thread* that started it.
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
STEADY_SECONDS = 30.0  # after this run time the pauses begin again
LOG_BYTES = 20_000_000  # a longer log is renamed to `.log.1` when its process starts
PARENT_WATCH = Path(__file__).with_name("parent_watch.py")  # ends the process with the supervisor


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A process to keep running.

    argv        the first word is an absolute path
    stage       a lower stage is stopped first: 0 producers, 1 workers, 2 sinks, 3 the servers that they deliver to
    ends        it finishes by itself with exit code 0, and is then not started again
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
    """The status of a process. `state` is `running`, `restarting` or `finished`; memory is in bytes.

    `peak_rss` and `cpu_seconds` are measured by `status()`, and stay when the process has ended.
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
    """Holds the memory in bytes and the CPU seconds of a process; the peak and the CPU seconds stay when it has ended."""

    rss: int = 0
    peak_rss: int = 0
    cpu_seconds: float = 0.0

    def see(self, pid: int) -> None:
        """Measures the process; pid 0 is none."""
        self.rss = 0
        if pid:
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                self.rss = int(process.memory_info().rss)
                times = process.cpu_times()
                self.cpu_seconds = float(times.user + times.system)
        self.peak_rss = max(self.peak_rss, self.rss)


@dataclass(slots=True)
class _ManagedProcess:
    spec: ProcessSpec
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    backoff: Backoff = field(default_factory=lambda: Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS))
    starts: int = 0
    exit_code: int | None = None
    finished: bool = False
    usage: Usage = field(default_factory=Usage)


class Supervisor:
    """Starts, watches and stops processes in the folder `cwd`; their logs are `<log_dir>/<name>.log`."""

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        log_dir: Path,
        *,
        cwd: Path | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._processes = [_ManagedProcess(spec) for spec in specs]
        self._log_dir, self._cwd, self._now = log_dir, cwd, monotonic
        log_dir.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Starts every process that does not run."""
        for managed in self._processes:
            if managed.process is None and not managed.finished:
                self._spawn(managed)

    def poll(self) -> None:
        """Notices processes that ended, and restarts those whose pause is over. Call it a few times a second.

        Raises:
            ConfigurationError: a process ended with the exit code for a wrong configuration.
        """
        for managed in self._processes:
            if managed.process is None:
                if not managed.finished and self._now() >= managed.start_at:
                    self._spawn(managed)
                continue
            code = managed.process.poll()
            if code is not None:
                self._ended(managed, code)

    def stop(self, seconds: float = 10.0) -> list[str]:
        """Stops all, stage by stage, within `seconds`; returns the names of those that had to be killed."""
        end = self._now() + seconds
        killed = []
        for stage in sorted({managed.spec.stage for managed in self._processes}):
            killed += self.stop_stage(stage, end - self._now())
        return killed

    def stop_stage(self, stage: int, seconds: float = 10.0) -> list[str]:
        """Stops the processes of one stage for good within `seconds`; returns the names of those that had to be killed."""
        processes = [managed for managed in self._processes if managed.spec.stage == stage]
        return self._stop_all(processes, self._now() + seconds)

    def status(self) -> list[ProcessStatus]:
        """Measures every process; returns their status."""
        return [self._status(managed) for managed in self._processes]

    def finished(self, name: str) -> bool:
        """Tells whether a process that `ends` has ended with exit code 0."""
        return any(managed.finished for managed in self._processes if managed.spec.name == name)

    def log_path(self, name: str) -> Path:
        """Returns the log file of a process."""
        return self._log_dir / f"{name}.log"

    def _spawn(self, managed: _ManagedProcess) -> None:
        path = self.log_path(managed.spec.name)
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        with path.open("ab") as log:
            try:
                managed.process = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(PARENT_WATCH), str(os.getpid()), *managed.spec.argv],
                    env={**os.environ, **managed.spec.env},
                    cwd=self._cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise Unavailable(f"cannot start {managed.spec.name}: {error.strerror}") from error
        managed.started_at = self._now()
        managed.starts += 1

    def _ended(self, managed: _ManagedProcess, code: int) -> None:
        managed.process, managed.exit_code = None, code
        if code == 0 and managed.spec.ends:
            managed.finished = True
            return
        if code == EXIT_USAGE:
            log = self.log_path(managed.spec.name)
            raise ConfigurationError(f"{managed.spec.name} cannot run: {last_line(log)}", fix=f"its log is {log}")
        if self._now() - managed.started_at >= STEADY_SECONDS:
            managed.backoff.succeeded()
        managed.start_at = self._now() + managed.backoff.failed()

    def _stop_all(self, processes: list[_ManagedProcess], end: float) -> list[str]:
        running = [managed for managed in processes if managed.process is not None and managed.process.poll() is None]
        asked = self._now()
        for managed in running:
            _signal(managed, signal.SIGTERM)
        killed = []
        for managed in running:
            assert managed.process is not None
            timeout = min(asked + managed.spec.drain, end) - self._now()
            try:
                managed.process.wait(max(timeout, 0.05))
            except subprocess.TimeoutExpired:
                _signal(managed, signal.SIGKILL)
                managed.process.wait()
                killed.append(managed.spec.name)
        for managed in processes:
            if managed.process is not None:
                managed.process = None
            managed.finished = True
        return killed

    def _status(self, managed: _ManagedProcess) -> ProcessStatus:
        pid = managed.process.pid if managed.process else 0
        managed.usage.see(pid)
        state = "running" if pid else "finished" if managed.finished else "restarting"
        restarts = max(managed.starts - 1, 0)
        return status_of(managed.spec.name, pid, state, managed.usage, restarts, managed.exit_code)


def status_of(
    name: str, pid: int, state: str, usage: Usage, restarts: int = 0, exit_code: int | None = None
) -> ProcessStatus:
    """Returns the status of a process with this usage."""
    return ProcessStatus(name, pid, state, restarts, usage.rss, usage.peak_rss, exit_code, usage.cpu_seconds)


def last_line(path: Path) -> str:
    """Returns the last line of a log that is not blank."""
    with contextlib.suppress(OSError), path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - 8192))
        lines = [line.strip() for line in log.read().decode("utf-8", "replace").splitlines() if line.strip()]
        if lines:
            return lines[-1][:500]
    return "it said nothing"


def _signal(managed: _ManagedProcess, number: signal.Signals) -> None:
    """Signals the whole session: the process may have started others."""
    if managed.process is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(managed.process.pid, number)

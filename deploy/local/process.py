"""A server as a child process: started on free ports, watched while it starts, stopped for certain.

Children get a process group of their own (Ctrl-C reaches only us, so that we can drain first), a log file, and a pid
file by which the next start ends what a killed run has left behind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from schemas.errors import ConfigurationError, Unavailable

LOOPBACK = "127.0.0.1"
#: Below the range that Linux, macOS and BSD hand out to outgoing connections: a client that polls a port of that range
#: while the server starts may be given this very port for its own end, and connect to itself.
FIRST_PORT, LAST_PORT = 20_000, 32_000
_next_port = 0  # where the next search begins; 0: anywhere
_PARENT_WATCH = Path(__file__).with_name("parent_watch.py")


def free_ports(count: int) -> list[int]:
    """`count` different ports that nothing listens on now. Somebody may still take one before we do: retry then.

    Within one process each call goes on where the last one ended: what was handed out may not be listened on yet.
    """
    global _next_port
    start = _next_port or FIRST_PORT + int.from_bytes(os.urandom(2)) % (LAST_PORT - FIRST_PORT)
    found: list[int] = []
    for step in range(LAST_PORT - FIRST_PORT):
        port = FIRST_PORT + (start + step - FIRST_PORT) % (LAST_PORT - FIRST_PORT)
        if is_free(port):
            found.append(port)
            if len(found) == count:
                _next_port = port + 1
                return found
    raise Unavailable(f"no {count} free ports between {FIRST_PORT} and {LAST_PORT}")


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def require_free(port: int, what: str, setting: str) -> None:
    """Raises ConfigurationError when `port` is in use."""
    if not is_free(port):
        raise ConfigurationError(
            f"port {port} for {what} is in use", where=setting, fix="stop what listens there, or choose another port"
        )


class PortTaken(Unavailable):
    """A port that was free when we looked is not any more: choose another one and start again."""


class Child:
    """One server process. `name` names its log (`<name>.out`) and its pid file (`<name>.pid`) in `data_dir`."""

    def __init__(self, name: str, data_dir: Path) -> None:
        self.name = name
        self.output = data_dir / f"{name}.out"
        self._pid_file = data_dir / f"{name}.pid"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, command: Sequence[str], *, cwd: Path | None = None) -> None:
        """Start `command`, whose first word is an absolute path. It dies when the calling *thread* ends."""
        watched = [sys.executable, "-I", "-S", str(_PARENT_WATCH), str(os.getpid()), *command]
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                watched,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=cwd,
            )
        self._pid_file.write_text(f"{self._process.pid} {psutil.Process(self._process.pid).create_time()}\n")

    def wait_until(self, answers: Callable[[], bool], seconds: float) -> None:
        """Poll `answers` until it is true.

        Raises:
            Unavailable: the process ended, or did not answer in time; the last line of its output says more.
        """
        deadline = time.monotonic() + seconds
        while not answers():
            if not self.running:
                code = self._process.returncode if self._process else None
                raise Unavailable(f"{self.name} ended while it started (exit code {code}): {self.last_words()}")
            if time.monotonic() > deadline:
                raise Unavailable(f"{self.name} does not answer after {seconds:.0f} s: {self.last_words()}")
            time.sleep(0.05)

    def last_words(self) -> str:
        """The last line of the output, or where to look."""
        with contextlib.suppress(OSError):
            if lines := self.output.read_text(errors="replace").strip().splitlines():
                return lines[-1]
        return f"see {self.output}"

    def stop(self, seconds: float = 10.0) -> None:
        """SIGTERM, and SIGKILL for who has not ended after `seconds`. Does nothing when it does not run."""
        if self._process is not None:
            if self.running:
                self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
            self._pid_file.unlink(missing_ok=True)

    def reap(self) -> None:
        """End what an earlier run has left behind: the same pid with the same birth time, never a stranger."""
        with contextlib.suppress(OSError, ValueError, psutil.NoSuchProcess):
            pid, born = self._pid_file.read_text().split()
            orphan = psutil.Process(int(pid))
            if abs(orphan.create_time() - float(born)) < 1:
                orphan.terminate()
                try:
                    orphan.wait(10)
                except psutil.TimeoutExpired:
                    orphan.kill()
                    orphan.wait(10)
        self._pid_file.unlink(missing_ok=True)

"""Runs a server as a process of ours: finds free ports, watches it while it starts, and stops it.

Each server process has its own process group, a log file and a pid file. Ctrl-C reaches only us, so that we can drain
first. The next start ends what a killed run has left behind, by its pid file.
"""

from __future__ import annotations

import contextlib
import os
import secrets
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
#: Below the range that Linux, macOS and BSD give to outgoing connections: a client that polls a port of that range while
#: the server starts may be given this very port for its own end, and connect to itself.
FIRST_PORT, LAST_PORT = 20_000, 32_000
_next_port = 0  # where the next search begins; 0: anywhere
_PARENT_WATCH = Path(__file__).with_name("parent_watch.py")


def free_ports(count: int) -> list[int]:
    """Returns `count` different ports that nothing listens on now. Another process may take one before we do: retry then.

    Within one process each call goes on where the last one ended: a returned port may not be listened on yet.

    Raises:
        Unavailable: there are not so many.
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
    """Tells whether nothing listens on a loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def require_free(port: int, what: str, setting: str) -> None:
    """Checks that a port is free.

    Raises:
        ConfigurationError: the port is in use.
    """
    if not is_free(port):
        raise ConfigurationError(
            f"port {port} for {what} is in use", where=setting, fix="stop what listens there, or choose another port"
        )


class PortTaken(Unavailable):
    """A port was taken between the check and the start: choose another one and start again."""


class ServerProcess:
    """Runs one server. `name` names its log (`<name>.out`) and its pid file (`<name>.pid`) in `data_dir`."""

    def __init__(self, name: str, data_dir: Path) -> None:
        self.name = name
        self.output = data_dir / f"{name}.out"
        self._pid_file = data_dir / f"{name}.pid"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id; None when it does not run."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """True while the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self, command: Sequence[str], *, cwd: Path | None = None) -> None:
        """Starts `command`, whose first word is an absolute path. It ends with the calling *thread*."""
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
        """Polls `answers` until it returns true, at most `seconds`.

        Raises:
            Unavailable: the process ended, or did not answer in time; the message has the last line of its output.
        """
        deadline = time.monotonic() + seconds
        while not answers():
            if not self.running:
                code = self._process.returncode if self._process else None
                raise Unavailable(f"{self.name} ended while it started (exit code {code}): {self.last_line()}")
            if time.monotonic() > deadline:
                raise Unavailable(f"{self.name} does not answer after {seconds:.0f} s: {self.last_line()}")
            time.sleep(0.05)

    def last_line(self) -> str:
        """Returns the last line of the output, or a hint to its file."""
        with contextlib.suppress(OSError):
            if lines := self.output.read_text(errors="replace").strip().splitlines():
                return lines[-1]
        return f"see {self.output}"

    def stop(self, seconds: float = 10.0) -> None:
        """Sends SIGTERM, and SIGKILL after `seconds`. Does nothing when the process does not run."""
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
        """Ends the process of an earlier run: one with the pid and start time of the pid file."""
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


def kept_secret(path: Path) -> str:
    """Returns the secret of a file that is its owner's to read; makes it where there is none."""
    if path.exists() and (kept := path.read_text().strip()):
        return kept
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(made := secrets.token_hex(24))
    return made

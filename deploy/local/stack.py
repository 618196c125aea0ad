"""Starts, checks and stops Kafka and ClickHouse together; one run per data directory."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO

from deploy.local.clickhouse import ClickHouseServer
from deploy.local.kafka import KafkaServer
from deploy.local.process import PortTaken
from schemas.errors import ConfigurationError

MB = 1024 * 1024
MIN_FREE_BYTES = 200 * MB
_ATTEMPTS = 3
KAFKA_VARIABLE, CLICKHOUSE_VARIABLE = "DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS", "DESKSTREAM_CLICKHOUSE_URL"


class Stack:
    """Runs the servers that a deployment on one machine needs.

    A server that DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS or DESKSTREAM_CLICKHOUSE_URL in `environ` (default: this process's)
    names is used, and neither started nor stopped. Port 0 takes a free port. Use it as a context manager,
    from a thread that lives as long as the stack does.
    """

    def __init__(
        self, data_dir: Path, kafka_port: int = 0, clickhouse_port: int = 0, environ: dict[str, str] | None = None
    ) -> None:
        variables = os.environ if environ is None else environ
        self.data_dir = data_dir.absolute()
        self.kafka_bootstrap_servers = variables.get(KAFKA_VARIABLE, "")
        self.clickhouse_url = variables.get(CLICKHOUSE_VARIABLE, "")
        self.kafka = None if self.kafka_bootstrap_servers else KafkaServer(self.data_dir, kafka_port)
        self.clickhouse = None if self.clickhouse_url else ClickHouseServer(self.data_dir, clickhouse_port)
        self._lock: IO[str] | None = None

    def start(self) -> None:
        """Starts our servers and waits until they answer; when anything fails, nothing is left running.

        Raises:
            ConfigurationError: a port is in use, the directory is in use, full, damaged, not writable or not ours.
            Unavailable: the jars cannot be downloaded, or a server does not answer.
        """
        if self._ours:
            with ExitStack() as undo:
                undo.callback(self.stop)
                self._take_directory()
                self._start_servers()
                undo.pop_all()
        if self.kafka:
            self.kafka_bootstrap_servers = self.kafka.bootstrap_servers
        if self.clickhouse:
            self.clickhouse_url = self.clickhouse.url

    def stop(self) -> None:
        """Stops our servers; may be called twice."""
        for server in self._ours:
            server.stop()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def problem(self) -> str:
        """Returns which of our servers have ended, in one line; '' while all run."""
        dead = [server.process for server in self._ours if not server.process.running]
        return "; ".join(f"{process.name} has ended: {process.last_line()}" for process in dead)

    @property
    def _ours(self) -> list[KafkaServer | ClickHouseServer]:
        return [server for server in (self.clickhouse, self.kafka) if server is not None]

    def _start_servers(self) -> None:
        """Launches all, then waits for all, so that they start side by side."""
        for server in self._ours:
            server.process.reap()
        for attempt in range(_ATTEMPTS):
            try:
                for server in self._ours:
                    server.launch()
                for server in self._ours:
                    server.wait()
                return
            except PortTaken:
                if attempt == _ATTEMPTS - 1:
                    raise
                for server in self._ours:
                    server.stop()

    def __enter__(self) -> Stack:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def env(self) -> dict[str, str]:
        """The variables by which processes find this stack."""
        return {KAFKA_VARIABLE: self.kafka_bootstrap_servers, CLICKHOUSE_VARIABLE: self.clickhouse_url}

    def _take_directory(self) -> None:
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            lock = (self.data_dir / "stack.lock").open("a+")
        except OSError as error:
            raise ConfigurationError(
                f"cannot write there: {error.strerror}", where=str(self.data_dir), fix="choose another data directory"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            owner = lock.read().strip() or "another process"
            lock.close()
            raise ConfigurationError(
                f"already in use by process {owner}",
                where=str(self.data_dir),
                fix="stop it, or choose another data directory",
            ) from error
        self._lock = lock
        self._require_space()
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()

    def _require_space(self) -> None:
        free = shutil.disk_usage(self.data_dir).free
        if free < MIN_FREE_BYTES:
            raise ConfigurationError(
                f"the disk is full: {free // MB} MB left, {MIN_FREE_BYTES // MB} MB needed",
                where=str(self.data_dir),
                fix="make room, or choose another data directory",
            )

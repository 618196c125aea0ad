"""Runs the ClickHouse engine as a process: chdb behind its HTTP interface (`clickhouse_front.py`), on loopback."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from pathlib import Path

from deploy.local.process import LOOPBACK, PortTaken, ServerProcess, free_ports, kept_secret, require_free
from schemas.errors import ConfigurationError, Unavailable

START_SECONDS = 60.0
_ROOT = Path(__file__).parents[2]


class ClickHouseServer:
    """Runs one engine on `data_dir/clickhouse`. Port 0 takes a free port, another one at each start.

    `memory` is the limit in MB; 0 is the default of the engine.
    """

    def __init__(self, data_dir: Path, port: int = 0, memory: int = 0) -> None:
        self.data_dir = data_dir / "clickhouse"
        self._wanted_port, self._memory = port, memory
        self._password_file = data_dir / "clickhouse.password"
        self.password = ""
        self.port = 0
        self.process = ServerProcess("clickhouse", data_dir)

    @property
    def url(self) -> str:
        """The address of the HTTP interface, with user and password."""
        return f"http://default:{self.password}@{LOOPBACK}:{self.port}"

    def launch(self) -> None:
        """Starts the process; `wait` returns when it answers.

        Raises:
            ConfigurationError: the port is in use.
        """
        if self._wanted_port:
            require_free(self._wanted_port, "ClickHouse", "clickhouse port")
        self.port = self._wanted_port or free_ports(1)[0]
        self.password = kept_secret(self._password_file)
        module = "deploy.local.clickhouse_front"
        command = [sys.executable, "-m", module, "--data", str(self.data_dir), "--port", str(self.port)]
        command += ["--password-file", str(self._password_file)]
        if self._memory:
            command += ["--memory", str(self._memory)]
        self.process.start(command, cwd=_ROOT)

    def wait(self) -> None:
        """Waits until the engine answers.

        Raises:
            PortTaken: another process took the port meanwhile.
            ConfigurationError: the engine ended; the message has the last line of its output.
            Unavailable: it does not answer.
        """
        try:
            self.process.wait_until(self._answers, START_SECONDS)
        except Unavailable as error:
            if self.process.running:
                raise
            reason = self.process.last_line()
            if "Address already in use" in reason and not self._wanted_port:
                raise PortTaken(f"port {self.port} was taken while ClickHouse started") from error
            raise ConfigurationError(
                f"ClickHouse cannot start: {reason}", where=str(self.data_dir), fix="to start afresh, delete it"
            ) from error

    def stop(self, seconds: float = 10.0) -> None:
        """Stops the engine; kills it after `seconds`."""
        self.process.stop(seconds)

    def _answers(self) -> bool:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://{LOOPBACK}:{self.port}/ping", timeout=1) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

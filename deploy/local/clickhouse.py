"""The ClickHouse engine as a child process: chdb behind its HTTP interface (`clickhouse_front.py`), on loopback."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from pathlib import Path

from deploy.local.child import LOOPBACK, Child, free_ports, require_free

START_SECONDS = 60.0
_ROOT = Path(__file__).parents[2]


class ClickHouseServer:
    """One engine whose tables live in `data_dir/clickhouse`. Port 0 takes a free port, another one at each start."""

    def __init__(self, data_dir: Path, port: int = 0) -> None:
        self.data_dir = data_dir / "clickhouse"
        self._wanted_port = port
        self.port = 0
        self.child = Child("clickhouse", data_dir)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def launch(self) -> None:
        """Start the process; `wait` tells when it answers.

        Raises:
            ConfigurationError: the port is in use.
        """
        if self._wanted_port:
            require_free(self._wanted_port, "ClickHouse", "clickhouse port")
        self.port = self._wanted_port or free_ports(1)[0]
        module = "deploy.local.clickhouse_front"
        command = [sys.executable, "-m", module, "--data", str(self.data_dir), "--port", str(self.port)]
        self.child.start(command, cwd=_ROOT)

    def wait(self) -> None:
        """Wait until it answers.

        Raises:
            Unavailable: it ended or does not answer.
        """
        self.child.wait_until(self._answers, START_SECONDS)

    def stop(self) -> None:
        self.child.stop(10.0)

    def _answers(self) -> bool:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{self.url}/ping", timeout=1) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

"""The real Prometheus and Alertmanager over a running pipeline, for tests: on free ports, in a directory of their own."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from deploy.local.process import free_ports
from deploy.tools import Tools

LOOPBACK = "127.0.0.1"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Program:
    """A child process with a log, that answers at a URL once it is ready."""

    def __init__(self, argv: list[str], log: Path, ready: str) -> None:
        self.log = log
        with log.open("wb") as output:
            self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        deadline = time.monotonic() + 120
        while not self._answers(ready):
            if self.child.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{argv[0]} did not start: {log.read_text()[-2000:]}")
            time.sleep(0.1)

    @staticmethod
    def _answers(url: str) -> bool:
        try:
            with OPENER.open(url, timeout=30) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        self.child.terminate()
        try:
            self.child.wait(30)
        except subprocess.TimeoutExpired:
            self.child.kill()


class Prometheus:
    """`targets` are job → URL of /metrics. It scrapes them, and evaluates the rules, so often (Prometheus durations).

    A scrape may take as long as the time between two, so that is no shorter than a busy machine needs: one that fails
    leaves a gap, and what has to be so *for* a while begins anew.
    """

    def __init__(
        self,
        tools: Tools,
        directory: Path,
        targets: Mapping[str, str],
        *,
        rules: list[Path] | None = None,
        alertmanager: str = "",
        scraped: str = "1s",
        evaluated: str = "1s",
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (port,) = free_ports(1)
        config: dict[str, Any] = {
            "global": {"scrape_interval": scraped, "scrape_timeout": scraped, "evaluation_interval": evaluated},
            "rule_files": [str(path.absolute()) for path in rules or []],
            "scrape_configs": [
                {
                    "job_name": f"deskstream-{name}",
                    "static_configs": [
                        {"targets": [urllib.parse.urlsplit(url).netloc], "labels": {"namespace": "tests"}}
                    ],
                }
                for name, url in targets.items()
            ],
        }
        if alertmanager:
            config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
        path = directory / "prometheus.yml"
        path.write_text(yaml.safe_dump(config))
        self.url = f"http://{LOOPBACK}:{port}"
        self._program = Program(
            [
                str(tools.prometheus),
                f"--config.file={path}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address={LOOPBACK}:{port}",
                "--log.level=warn",
            ],
            directory / "prometheus.log",
            f"{self.url}/-/ready",
        )

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The instant vector (or scalar, as one element) of an expression, now.

        Raises:
            RuntimeError: Prometheus refuses the expression; in its words.
        """
        data = urllib.parse.urlencode({"query": expression}).encode()
        try:
            with OPENER.open(f"{self.url}/api/v1/query", data=data, timeout=60) as answer:
                found = json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["error"]) from error
        return found["result"] if found["resultType"] == "vector" else [{"metric": {}, "value": found["result"]}]

    def stop(self) -> None:
        self._program.stop()


class Alertmanager:
    """With the configuration `config`; `address` is what Prometheus sends to."""

    def __init__(self, tools: Tools, directory: Path, config: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (port,) = free_ports(1)
        self.address = f"{LOOPBACK}:{port}"
        self._program = Program(
            [
                str(tools.alertmanager),
                f"--config.file={config}",
                f"--storage.path={directory / 'data'}",
                f"--web.listen-address={self.address}",
                "--cluster.listen-address=",
                "--log.level=warn",
            ],
            directory / "alertmanager.log",
            f"http://{self.address}/-/ready",
        )

    def stop(self) -> None:
        self._program.stop()


class Receiver:
    """A webhook that keeps every alert it is told of: `alerts` are (receiver, alert) in the order of arrival."""

    def __init__(self) -> None:
        self.alerts: list[tuple[str, dict[str, Any]]] = []
        alerts = self.alerts

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                alerts.extend((told["receiver"], alert) for alert in told["alerts"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self.url = f"http://{LOOPBACK}:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def of(self, name: str, status: str) -> list[tuple[str, dict[str, Any]]]:
        """What was told of an alert with this status, `firing` or `resolved`."""
        return [each for each in self.alerts if each[1]["labels"]["alertname"] == name and each[1]["status"] == status]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def await_that(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """The first true answer of a condition, asked four times a second."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.25)
    return answer

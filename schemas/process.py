"""The conventions of every process: logging, probes, exit codes, and one line for an error a user can cause.

Exit codes: 0 done or drained after SIGTERM · 1 a defect of ours · 2 wrong usage or configuration
· 3 a server that we need does not answer · 4 stopped on purpose to protect the data (dead-letter limits, watchdog).
"""

from __future__ import annotations

import getpass
import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from schemas.errors import ConfigurationError, DeskstreamError, TopicMismatch, Unavailable
from schemas.kafka_contact import KafkaContact
from schemas.log_repeats import RepeatsCounted
from schemas.settings import Settings

T = TypeVar("T")
_SETTINGS = {"Kafka": "DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS", "ClickHouse": "DESKSTREAM_CLICKHOUSE_URL"}
EXIT_DEFECT, EXIT_USAGE, EXIT_UNAVAILABLE, EXIT_PROTECTED = 1, 2, 3, 4


def configure_logging(settings: Settings) -> None:
    """Sends structured logs to stderr: JSON in a cluster, coloured lines on a terminal; those of libraries, too.

    A warning that a library repeats is counted: it is written when it begins, and its count every 30 s and at the end.
    """
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    level = logging.getLevelNamesMapping().get(settings.log_level.upper(), logging.INFO)
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    handler = RepeatsCounted(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, structlog.stdlib.add_log_level, stamp],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
        if as_json
        else logging.Formatter("%(levelname)s %(name)s %(message)s")
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("kafka", "aiokafka", "httpx", "mail.log", "imapclient", "fsspec", "s3fs", "botocore"):
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))
    # kafka.admin cannot read Faust's member metadata; kafka.net.selector times its own coroutines, on a busy machine all of
    # them; what urllib3 tries again, our sinks report themselves.
    for noisier in ("kafka.admin", "kafka.net.selector", "urllib3"):
        logging.getLogger(noisier).setLevel(max(level, logging.ERROR))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            stamp,
            structlog.processors.format_exc_info if as_json else structlog.processors.StackInfoRenderer(),
            structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


class Health:
    """Holds the progress of a process, which the probes show.

    `beat()` is called by the loop whenever it made progress or found nothing to do; `/livez` fails when the last
    beat is older than `stall_seconds`. `/readyz` fails until `ready` is set, and while `unready` says why no work can be
    taken now (a restart would not help, so `/livez` does not fail). `problem` is shown by both. `kafka` counts the seconds in
    which Kafka is away.
    """

    def __init__(self, stall_seconds: float = 60.0) -> None:
        self.stall_seconds = stall_seconds
        self.ready = False
        self.unready = ""
        self.problem = ""
        self.kafka = KafkaContact()
        self._last_beat = time.monotonic()

    def beat(self) -> None:
        """Notes progress."""
        self._last_beat = time.monotonic()

    def live(self) -> tuple[bool, str]:
        """Returns whether there was progress lately, and what /livez says."""
        age = time.monotonic() - self._last_beat
        if age > self.stall_seconds:
            return False, f"no progress for {age:.0f} s{': ' + self.problem if self.problem else ''}"
        return True, self.problem or "ok"

    def takes_work(self) -> tuple[bool, str]:
        """Returns whether work can be taken now, and what /readyz says."""
        if not self.ready:
            return False, self.problem or "starting"
        return not self.unready, self.unready or self.problem or "ok"


def serve_probes(settings: Settings, health: Health) -> Callable[[], None]:
    """Serves /metrics, /livez and /readyz on a thread of their own; returns a function that stops it. Port 0 serves nothing."""
    if not settings.metrics_port:
        return lambda: None

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.split("?")[0]
            if path == "/metrics":
                health.kafka.count()
                return self._answer(200, generate_latest(), CONTENT_TYPE_LATEST)
            if path == "/livez":
                live, why = health.live()
                return self._answer(200 if live else 503, json.dumps({"live": live, "detail": why}).encode())
            if path == "/readyz":
                ready, why = health.takes_work()
                return self._answer(200 if ready else 503, json.dumps({"ready": ready, "detail": why}).encode())
            return self._answer(404, b'{"detail": "try /metrics, /livez or /readyz"}')

        def _answer(self, status: int, body: bytes, content_type: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    try:
        server = ThreadingHTTPServer((settings.metrics_host, settings.metrics_port), Handler)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {settings.metrics_host}:{settings.metrics_port}: {error.strerror}",
            where="DESKSTREAM_METRICS_PORT",
            fix="choose another port",
        ) from error
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return stop


def patiently(work: Callable[[], T], seconds: float, *, pause_seconds: float = 1.0) -> T:
    """Does `work`, again and again while it says that something is missing or away, for `seconds` at most.

    This is how a container waits for the Jobs that make its topics and tables. The problem is said whenever it changes.

    Raises:
        DeskstreamError: what `work` raised last, when the time is over.
    """
    deadline, said = time.monotonic() + seconds, ""
    while True:
        try:
            return work()
        except DeskstreamError as error:
            if time.monotonic() + pause_seconds > deadline:
                raise
            if (problem := str(error)) != said:
                said = problem
                print(f"deskstream: waiting: {problem}", file=sys.stderr, flush=True)
        time.sleep(pause_seconds)


def _where_it_is(problem: str) -> str:
    """Returns what to do about a server that is not there: the setting that names it, and where `make run` wrote its own."""
    setting = _SETTINGS.get(problem.partition(" ")[0])
    return f" (start it, or set {setting}; `. .data/env` does that while `make run` is up)" if setting else ""


def user() -> str:
    """Returns the name of whoever runs a command; `somebody` in a container whose user has none."""
    with suppress(Exception):  # no such user: KeyError, OSError, ImportError
        return getpass.getuser()
    return "somebody"


def guarded(main: Callable[[], int | None]) -> int:
    """Runs an entry point; an error that a user can cause is one line on stderr and an exit code, not a traceback."""
    logging.getLogger("aiokafka").addHandler(
        logging.NullHandler()
    )  # not configured, it would say the same in its words
    try:
        return main() or 0
    except (ConfigurationError, TopicMismatch) as error:
        code, message = EXIT_USAGE, str(error)
    except Unavailable as error:
        code, message = EXIT_UNAVAILABLE, f"{error}{_where_it_is(str(error))}"
    except DeskstreamError as error:
        code, message = EXIT_DEFECT, str(error)
    except KeyboardInterrupt:
        return 0
    print(f"deskstream: {message}", file=sys.stderr)
    return code

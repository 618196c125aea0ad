"""Starts all of Deskstream on this machine: servers, topics, tables, and every process of the pipeline.

`run`, `demo` and the end-to-end tests start the same processes; they differ in clock, simulator and output.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from deploy.local.clock_file import ClockFile
from deploy.local.observe import Observer
from deploy.local.process import LOOPBACK, ServerProcess, free_ports, is_free, kept_secret
from deploy.local.stack import Stack
from deploy.local.supervisor import ProcessSpec, ProcessStatus, Supervisor, Usage, status_of
from producers.sources.http import key_store
from schemas import secret_check
from schemas.admin import create_topics
from schemas.clock import MICROS, Clock
from schemas.errors import Unavailable
from schemas.settings import Settings, SinkSettings, load
from sinks.clickhouse import connection, migrate

S = TypeVar("S", bound=Settings)
ROOT = Path(__file__).parents[2]
HTTP_PORT, SMTP_PORT = 8080, 2525  # taken when they are free
PRODUCERS, WORKERS, SINKS, TARGETS = range(4)  # stages, in the order of stopping
#: The names under which the simulated shop sells.
BRANDS = Path(__file__).with_name("brands.yaml")
#: Their help centre, and the address that `BRANDS` names it by.
HELP, HELP_URL = Path(__file__).with_name("help"), f"http://{LOOPBACK}:{HTTP_PORT}/help"
LOCAL_KEY = "local"  # signs requests to this deployment, and may do everything
MOST_LEAD_SECONDS = 60.0
STOP_SECONDS = 7.0  # for our processes; Kafka needs the rest of the ten
INBOX_README = """\
Put a mail into this folder, as an .eml file, and it becomes a ticket within seconds; its acknowledgement arrives in
the maildir beside this folder (outbox-mail). A mail that was taken is moved to done/.
"""
#: The same mail again is one contact: change its Message-ID, or leave it out and change a word.
EXAMPLE = """\
From: Kenji Sato <kenji@example.jp>
To: support@support.example
Subject: 荷物が届きません
Message-ID: <example-1@example.jp>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

先週注文したケトルがまだ届いていません。注文番号は 10023 です。いつ届きますか？
"""


@dataclass(frozen=True, slots=True)
class Places:
    """Names the files and folders of a data directory."""

    data: Path

    @property
    def inbox(self) -> Path:
        """The folder whose `.eml` files become contacts."""
        return self.data / "inbox"

    @property
    def outbox(self) -> Path:
        """The folder of messages on channels without an adapter."""
        return self.data / "outbox"

    @property
    def maildir(self) -> Path:
        """The maildir of sent e-mails."""
        return self.data / "outbox-mail"

    @property
    def logs(self) -> Path:
        """The folder of the processes' logs."""
        return self.data / "logs"

    @property
    def env(self) -> Path:
        """The file of variables, for a shell."""
        return self.data / "env"

    @property
    def keys(self) -> Path:
        """The file of keys that requests are signed with."""
        return self.data / "keys.yaml"

    @property
    def brands(self) -> Path:
        """The brands of the simulated shop, when its pages have another address than usual."""
        return self.data / "brands.yaml"

    @property
    def absent(self) -> Path:
        """A file that stops the simulated agents while it exists."""
        return self.data / "agents-absent"

    @property
    def example(self) -> Path:
        """An example mail for the inbox."""
        return self.data / "example.eml"


@dataclass(frozen=True, slots=True)
class Plan:
    """Says what to start, and with which clock.

    speed, start, lead   of the pipeline clock: see `ClockFile.resume`; at least `lead` wall seconds pass between the start of
                         the processes and `start`, more on a machine that is slow with topics and tables
    simulate             the simulator's arguments, None for no simulator
    environ              overrides the environment
    """

    data: Path
    speed: float = 1.0
    start: int | None = None
    lead: float = 0.0
    workers: int = 1
    simulate: Sequence[str] | None = None
    environ: Mapping[str, str] | None = None


def lead_seconds(least: float, made: float) -> float:
    """Returns how long the processes take to start, on a machine that made topics and tables in `made` seconds."""
    return max(least, min(made / 2, MOST_LEAD_SECONDS))


class Pipeline:
    """Starts on `start()`, stops on `stop()` or at the end of its `with` block, from the main thread.

    Calls `say` with one line per step while it starts.
    """

    def __init__(self, plan: Plan, say: Callable[[str], None] = lambda line: None) -> None:
        self.plan, self._say_line, self._began = plan, say, time.monotonic()
        self.places = Places(plan.data.absolute())
        self.clock_file = ClockFile(self.places.data / "timeline.json")
        self.clock = Clock()
        self.env: dict[str, str] = {}
        self.metrics: dict[str, str] = {}
        self._stack = Stack(self.places.data, environ={**os.environ, **(plan.environ or {})})
        self._supervisor: Supervisor | None = None
        self._servers = _Servers(self._stack)
        self._kept = 0.0

    def start(self) -> None:
        """Starts everything; when anything fails, nothing is left running.

        Raises:
            ConfigurationError, Unavailable, TopicMismatch: the message says in one line what is wrong.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> list[str]:
        """Stops producers, workers, sinks, then the servers; returns who had to be killed. May be called twice."""
        killed = []
        if self._supervisor is not None:
            killed = self._supervisor.stop(STOP_SECONDS)
            self._supervisor = None
            with contextlib.suppress(OSError):  # on a full disk the time kept a moment ago will do
                self.clock_file.keep(self.clock, _wall(), headroom=0.0)
        self._stack.stop()
        return killed

    def __enter__(self) -> Pipeline:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def supervisor(self) -> Supervisor:
        """The supervisor of the running pipeline."""
        if self._supervisor is None:
            raise RuntimeError("the pipeline does not run")
        return self._supervisor

    @property
    def http_url(self) -> str:
        """The address of the HTTP producer."""
        return f"http://{LOOPBACK}:{self.env['DESKSTREAM_HTTP_PORT']}"

    def settings(self) -> SinkSettings:
        """Returns the settings of this deployment, as its processes read them."""
        return settings_of(SinkSettings, self.env)

    def observer(self) -> Observer:
        """Returns an observer of this deployment."""
        return Observer(self.settings(), self.metrics)

    def poll(self) -> None:
        """Restarts processes that ended, and writes the time of the clock. Call it a few times a second.

        Raises:
            ConfigurationError: a process is misconfigured.
            Unavailable: one of our servers has ended.
        """
        self.supervisor.poll()
        self._servers.check()
        if time.monotonic() - self._kept >= 1.0:
            self.clock_file.keep(self.clock, _wall())
            self._kept = time.monotonic()

    def processes(self) -> list[ProcessStatus]:
        """Returns the status of every process: our servers, the pipeline's, and this one."""
        return [*self._servers.status(), *self.supervisor.status()]

    def _start(self) -> None:
        places = self.places
        self._say("Starting Kafka and ClickHouse (the first time, Kafka is downloaded) ...")
        self._stack.start()
        for folder in (places.inbox, places.outbox, places.maildir, places.logs):
            folder.mkdir(parents=True, exist_ok=True)
        (places.inbox / "README").write_text(INBOX_README)
        if not places.example.exists():
            places.example.write_text(EXAMPLE, "utf-8")
        self.clock = self._clock()
        self.env = self._environment()
        self._say("Creating topics and tables ...")
        began = time.monotonic()
        create_topics(settings_of(Settings, self.env))
        secret_check.register(settings_of(Settings, self.env))
        settings = self.settings()
        connection.create_database(settings)
        client = connection.connect(settings)
        migrate.migrate(client)
        migrate.replace_views(client)
        client.close()
        if self.plan.lead:
            self._begin_after(lead_seconds(self.plan.lead, time.monotonic() - began))
        write_env(places.env, self.env)
        self._say(f"Starting the pipeline; its logs are in {places.logs} ...")
        self._supervisor = Supervisor(self._processes(), places.logs, cwd=ROOT)
        self.clock_file.keep(self.clock, _wall())
        self._supervisor.start()

    def _say(self, line: str) -> None:
        self._say_line(f"{time.monotonic() - self._began:5.1f} s  {line}")

    def _clock(self) -> Clock:
        return self.clock_file.resume(self.plan.speed, _wall(), self.plan.start)

    def _begin_after(self, seconds: float) -> None:
        """Lets the clock begin so many seconds from now: no process has read it yet."""
        clock = self._clock()
        self.clock = replace(clock, wall_origin=clock.wall_origin + int(seconds * MICROS))
        self.env["DESKSTREAM_CLOCK"] = self.clock.spec()

    def _environment(self) -> dict[str, str]:
        places = self.places
        env = {
            **self._stack.env,
            "DESKSTREAM_CLOCK": self.clock.spec(),
            "DESKSTREAM_STATE_DIR": str(places.data / "state"),
            "DESKSTREAM_OUTBOX_DIR": str(places.outbox),
            "DESKSTREAM_ATTACHMENTS_URL": str(places.data / "attachments"),
            "DESKSTREAM_DELIVERY_SENT_LOG_DIR": str(places.data / "delivery"),
            "DESKSTREAM_SMTP_HOST": LOOPBACK,
            "DESKSTREAM_SMTP_PORT": str(_port(SMTP_PORT)),
            "DESKSTREAM_HTTP_PORT": str(_port(HTTP_PORT)),
            "DESKSTREAM_KEYS_FILE": str(_keys(places.keys)),
            "DESKSTREAM_SURVEY_SECRETS": kept_secret(places.data / "survey-secret"),
            "DESKSTREAM_TAG_SECRETS": self._tag_secret(),
            "DESKSTREAM_TOKEN_SECRETS": kept_secret(places.data / "token-secret"),
        }
        env |= {"DESKSTREAM_HELP_CENTRE": str(HELP), "DESKSTREAM_REPLY_TIMES_DAYS": "7"}
        env |= {"DESKSTREAM_SHOW_OPENING_HOURS": "true"}
        ours = {name: value for name, value in os.environ.items() if name.startswith("DESKSTREAM_")}
        given = {**ours, **(self.plan.environ or {})}
        port = given.get("DESKSTREAM_HTTP_PORT", env["DESKSTREAM_HTTP_PORT"])
        env["DESKSTREAM_SURVEY_URL"] = f"http://{LOOPBACK}:{port}"
        if self.plan.simulate is not None:
            env["DESKSTREAM_BRANDS_FILE"] = str(self._brands(port))
        return {**env, **given, **self._stack.env, "DESKSTREAM_CLOCK": self.clock.spec()}

    def _brands(self, port: str) -> Path:
        """Returns the file of brands, whose help centre is at this port."""
        if port == str(HTTP_PORT):
            return BRANDS
        text = BRANDS.read_text("utf-8").replace(HELP_URL, f"http://{LOOPBACK}:{port}/help")
        self.places.brands.write_text(text, "utf-8")
        return self.places.brands

    def _tag_secret(self) -> str:
        """Returns the secret of customer tags; none for data from before there was one, whose tags have no key."""
        path = self.places.data / "tag-secret"
        return "" if self.places.env.exists() and not path.exists() else kept_secret(path)

    def _processes(self) -> list[ProcessSpec]:
        places, smtp = self.places, self.env["DESKSTREAM_SMTP_PORT"]
        workers = [f"worker-{number}" for number in range(self.plan.workers)]
        commands: list[tuple[str, int, list[str]]] = [
            ("mailbox", TARGETS, ["deploy.local", "mailbox", str(places.maildir), "--port", smtp]),
            *((name, WORKERS, ["stream_processors"]) for name in workers),
            ("sink-clickhouse", SINKS, ["sinks", "clickhouse"]),
            ("sink-delivery", SINKS, ["sinks", "delivery"]),
            ("producer-http", PRODUCERS, ["producers", "http"]),
            ("producer-mail", PRODUCERS, ["producers", "mail", str(places.inbox), "--watch"]),
        ]
        if self.env.get("DESKSTREAM_WEBHOOKS_FILE"):
            commands.append(("sink-webhooks", SINKS, ["sinks", "webhooks"]))
        if self.plan.simulate is not None:
            absent = ("--absent-file", str(places.absent))
            commands.append(("simulator", PRODUCERS, ["producers", "simulate", *absent, *self.plan.simulate]))
        ports = free_ports(len(commands))
        specs = []
        for (name, stage, arguments), port in zip(commands, ports, strict=True):
            env = {**self.env, "DESKSTREAM_METRICS_PORT": str(port)}
            if stage == WORKERS:
                env["DESKSTREAM_WORKER_ID"] = name
            if stage == SINKS:
                env["DESKSTREAM_SINK_INSTANCE"] = "0"  # a killed sink gets its partitions back at once
            if stage != TARGETS:
                self.metrics[name] = f"http://{LOOPBACK}:{port}/metrics"
            argv = [sys.executable, "-m", *arguments]
            specs.append(ProcessSpec(name, argv, env, stage, ends=name == "simulator"))
        return specs


class _Servers:
    """Measures our servers and this process for the process table."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._usage: dict[str, Usage] = {}

    def status(self) -> list[ProcessStatus]:
        pids = {process.name: process.pid or 0 for process in self._processes()}
        return [self._line(name, pid) for name, pid in (pids | {"supervisor": os.getpid()}).items()]

    def check(self) -> None:
        for process in self._processes():
            if not process.running:
                raise Unavailable(f"{process.name} ended by itself: {process.last_line()}")

    def _processes(self) -> list[ServerProcess]:
        return [server.process for server in (self._stack.kafka, self._stack.clickhouse) if server is not None]

    def _line(self, name: str, pid: int) -> ProcessStatus:
        usage = self._usage.setdefault(name, Usage())
        usage.see(pid)
        return status_of(name, pid, "running" if usage.rss else "restarting", usage)


def settings_of(kind: type[S], env: Mapping[str, str]) -> S:
    """Returns the settings that a process with this environment reads."""
    fields = {name.removeprefix("DESKSTREAM_").lower(): value for name, value in env.items()}
    return load(kind, **{name: value for name, value in fields.items() if name in kind.model_fields})


def write_env(path: Path, env: Mapping[str, str]) -> None:
    """Writes a file that a shell reads with `. FILE`; only its owner may read it, for it holds secrets."""
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in sorted(env.items())]
    path.touch(mode=0o600)
    path.write_text("# Written at every start. In a shell: . " + shlex.quote(str(path)) + "\n" + "".join(lines))


def _port(wanted: int) -> int:
    return wanted if is_free(wanted) else free_ports(1)[0]


def _keys(path: Path) -> Path:
    """Returns the file of keys; when there is none, with one key that may do everything."""
    if not path.exists():
        key_store.add(path, LOCAL_KEY, ["*"])
    return path


def _wall() -> int:
    return time.time_ns() // 1000

"""Fixtures of all tests that need the running servers: one stack per run, one namespace and database per test.

`--stack=embedded` (default) starts Kafka and the ClickHouse engine from Python packages, `containers` the official
images through Docker, `external` uses the servers that DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS and DESKSTREAM_CLICKHOUSE_URL
name. The same tests run on each.
"""

from __future__ import annotations

import fcntl
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from deploy.local import process
from deploy.tools import Tools, install
from schemas import admin
from schemas.errors import Unavailable
from schemas.settings import Settings, SinkSettings
from sinks.clickhouse import connection, migrate
from tests.support.assertions import watched
from tests.support.faults.summary import pytest_terminal_summary

__all__ = ["pytest_terminal_summary"]

S = TypeVar("S", bound=Settings)

ROOT = Path(__file__).parents[1]
START_SECONDS = 200.0
KAFKA, CLICKHOUSE = "DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS", "DESKSTREAM_CLICKHOUSE_URL"
_directory = pytest.StashKey[Path]()

# Hundreds of processes are started here: none of them shall compile again what another one has compiled.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# The same examples at every run, and no limit of time for one: what CI refuses, anybody sees at their desk.
# `make soak` looks for new ones.
_SLOW_IS_NO_FAILURE = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "print_blob": True}
hypothesis_settings.register_profile("steady", derandomize=True, **_SLOW_IS_NO_FAILURE)
hypothesis_settings.register_profile("searching", **_SLOW_IS_NO_FAILURE)
hypothesis_settings.load_profile("steady")


@dataclass(frozen=True)
class Endpoints:
    """Where the servers of this run listen. `mode` is embedded, containers or external."""

    mode: str
    kafka_bootstrap_servers: str
    clickhouse_url: str


@dataclass(frozen=True)
class Deployment:
    """A namespace with its topics and an empty database, for one test. `env` is what a process of it needs."""

    namespace: str
    database: str
    env: dict[str, str]

    def settings(self, kind: type[S], **overrides: Any) -> S:
        """The settings that a process of this deployment would read; `overrides` win."""
        ours = {name.removeprefix("DESKSTREAM_").lower(): value for name, value in self.env.items()}
        return kind(**{name: value for name, value in ours.items() if name in kind.model_fields} | overrides)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--stack",
        choices=("embedded", "containers", "external"),
        default="embedded",
        help="Kafka and ClickHouse for the tests: embedded (default), containers (Docker), external (by environment)",
    )
    parser.addoption(
        "--soak-minutes", type=float, default=120.0, help="how long the test runs that looks for leaks (default: 120)"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Say at once, and in one line, what would otherwise fail in every test."""
    if hasattr(config, "workerinput"):
        config.stash[_directory] = Path(config.workerinput["stack_directory"])
        _share_ports(int(config.workerinput["workerid"].removeprefix("gw")), int(config.workerinput["workercount"]))
        return
    mode = config.getoption("--stack")
    if mode == "external" and not (os.environ.get(KAFKA) and os.environ.get(CLICKHOUSE)):
        raise pytest.UsageError(f"--stack=external needs {KAFKA} and {CLICKHOUSE}")
    if mode == "containers":
        from tests.support.containers import require_docker

        if problem := require_docker():
            raise pytest.UsageError(problem)
    config.stash[_directory] = Path(tempfile.mkdtemp(prefix="deskstream-tests-"))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Every xdist worker shares the directory, and with it the servers, of the run."""
    node.workerinput["stack_directory"] = str(node.config.stash[_directory])
    node.workerinput["run"] = json.dumps(_me())


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or _directory not in config.stash:
        return
    directory = config.stash[_directory]
    try:
        host = psutil.Process(int((directory / "host.pid").read_text()))
        host.terminate()
        try:
            host.wait(30)
        except psutil.TimeoutExpired:
            host.kill()  # what it started dies with it
    except (OSError, ValueError, psutil.Error):
        pass  # it was never started, or has ended by itself
    shutil.rmtree(directory, ignore_errors=True)


def _share_ports(number: int, workers: int) -> None:
    """Each xdist worker hands out ports of its own: one that is free now is taken when its process has started."""
    each = (process.LAST_PORT - process.FIRST_PORT) // workers
    process.FIRST_PORT += number * each
    process.LAST_PORT = process.FIRST_PORT + each


def pytest_collection_finish() -> None:
    """What is there now lives to the end: no search for garbage need walk it, and RocksDB's store searches at each stop."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first: with one of them last, all other workers would wait for it. Within a file nothing moves."""
    place = {name: number for number, name in enumerate((ROOT / "tests" / "longest.txt").read_text().split())}
    items.sort(key=lambda item: place.get(item.nodeid.partition("::")[0], len(place)))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A property test that passes has asserted something of at least one of its examples."""
    if not getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
        yield
        return
    with watched() as watch:
        outcome = yield
    if not watch.passed and outcome.excinfo is None:
        outcome.force_exception(AssertionError(f"{item.name}: no example has passed an assertion"))


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Endpoints:
    """The running servers, started by the first test that needs them and shared by all xdist workers."""
    mode = request.config.getoption("--stack")
    if mode == "external":
        return Endpoints(mode, os.environ[KAFKA], os.environ[CLICKHOUSE])
    directory = request.config.stash[_directory]
    run = json.loads(request.config.workerinput["run"]) if hasattr(request.config, "workerinput") else _me()
    with (directory / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "host.pid").exists():
            _start_host(mode, directory, run)
    return _await_endpoints(mode, directory)


@pytest.fixture
def deployment(stack: Endpoints, tmp_path: Path) -> Iterator[Deployment]:
    """Topics with a prefix of their own, an empty database and temporary directories; all of it is removed afterwards."""
    with deployed(stack, tmp_path) as deployment:
        yield deployment


@contextmanager
def deployed(stack: Endpoints, folder: Path) -> Iterator[Deployment]:
    """`deployment` for whoever needs it longer than one test; `folder` is where its processes keep their files."""
    name = uuid.uuid4().hex[:8]
    namespace, database = f"t{name}-", f"t{name}"
    env = {
        KAFKA: stack.kafka_bootstrap_servers,
        CLICKHOUSE: stack.clickhouse_url,
        "DESKSTREAM_NAMESPACE": namespace,
        "DESKSTREAM_CLICKHOUSE_DATABASE": database,
        "DESKSTREAM_STATE_DIR": str(folder / "state"),
        "DESKSTREAM_OUTBOX_DIR": str(folder / "outbox"),
    }
    deployment = Deployment(namespace, database, env)
    settings = deployment.settings(Settings)
    admin.create_topics(settings)
    run_sql(stack.clickhouse_url, f"CREATE DATABASE {database}")
    yield deployment
    admin.delete_topics(settings, wait=False)
    run_sql(stack.clickhouse_url, f"DROP DATABASE IF EXISTS {database}")


@pytest.fixture(scope="session")
def tools() -> Tools:
    """The real prometheus, promtool, alertmanager and amtool; the test is skipped where they cannot be had."""
    try:
        return install()
    except Unavailable as error:
        pytest.skip(f"no Prometheus here: {error}")


@pytest.fixture(scope="module")
def migrated(stack: Endpoints) -> Iterator[Any]:
    """A client of a database of its own with all tables and views, shared by the tests of one file."""
    name = f"t{uuid.uuid4().hex[:8]}"
    settings = SinkSettings(clickhouse_url=stack.clickhouse_url, clickhouse_database=name)
    connection.create_database(settings)
    client = connection.connect(settings)
    migrate.migrate(client)
    migrate.replace_views(client)
    yield client
    client.command(f"DROP DATABASE {name}")
    client.close()


def run_sql(url: str, statement: str) -> str:
    """Run one statement over HTTP; the answer as tab-separated text."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    parts = urllib.parse.urlsplit(url)
    user = {"X-ClickHouse-User": parts.username or "default", "X-ClickHouse-Key": parts.password or ""}
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    try:
        with opener.open(urllib.request.Request(address, data=statement.encode(), headers=user), timeout=180) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        raise RuntimeError(error.read().decode(errors="replace")) from error


def _me() -> tuple[int, float]:
    return os.getpid(), psutil.Process().create_time()


def _start_host(mode: str, directory: Path, run: tuple[int, float]) -> None:
    command = [sys.executable, "-m", "tests.support.stack_host", mode, str(directory), *map(str, run)]
    with (directory / "host.log").open("wb") as log:
        host = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    (directory / "host.pid").write_text(str(host.pid))


def _await_endpoints(mode: str, directory: Path) -> Endpoints:
    deadline = time.monotonic() + START_SECONDS
    while not (directory / "endpoints.json").exists():
        if (directory / "error.txt").exists():
            pytest.exit(f"the {mode} stack did not start: {(directory / 'error.txt').read_text()}", returncode=3)
        if time.monotonic() > deadline:
            pytest.exit(f"the {mode} stack did not start within {START_SECONDS:.0f} s", returncode=3)
        time.sleep(0.1)
    return Endpoints(mode, **json.loads((directory / "endpoints.json").read_text()))

"""A row of the fault matrix: a load, a fault, the oracle, one line of counts.

@row(short=Size(contacts=600, faults=2), soak=Size(contacts=60_000, faults=100))
def test_a_killed_worker_costs_nothing(scene: Scene, size: Size) -> None:
    with scene.under_load(size):
        for _ in range(size.faults):
            scene.wait(0.5, 2.0)
            scene.fleet.kill("worker-0")
            scene.faults += 1
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest

from schemas.settings import Settings, SinkSettings, WorkerSettings
from schemas.topics import FACT_TOPICS
from sinks.clickhouse import connection
from tests.conftest import Deployment
from tests.support.faults.brokers import Broker, Brokers
from tests.support.faults.fleet import SINK, WORKER, Fleet, await_drained, behind
from tests.support.faults.load import Load, Mix, Sent
from tests.support.faults.oracle import Counts, judge
from tests.support.faults.proxy import Proxy
from tests.support.timeouts import eventually

SHORT_SECONDS, SOAK_SECONDS = 400, 3 * 3600


class AnyLoad(Protocol):
    """A load of one's own. `accepted` holds what was acknowledged, once it has `finished` without an error."""

    accepted: list[Sent]
    finished: bool

    def start(self) -> None: ...

    def join(self) -> None: ...


@dataclass(frozen=True)
class Size:
    """How much of it: at least so many contacts at this pace, and faults."""

    contacts: int
    faults: int = 1
    per_second: float = 300.0


def row(*, short: Size | None = None, soak: Size | None = None) -> Callable[[Any], Any]:
    """Makes a test a row: `short` is part of `make test`, `soak` of `make soak`."""
    sizes = []
    if short:
        sizes.append(pytest.param(short, marks=pytest.mark.timeout(SHORT_SECONDS), id="short"))
    if soak:
        sizes.append(pytest.param(soak, marks=[pytest.mark.soak, pytest.mark.timeout(SOAK_SECONDS)], id="soak"))

    def mark(test: Any) -> Any:
        return pytest.mark.stack(pytest.mark.parametrize("size", sizes)(test))

    return mark


@dataclass
class Scene:
    """One deployment with its workers, its sink and its load. `env` is what its processes are started with.

    workers      how many; each has a static name, `worker-0` on
    sink         whether there is a ClickHouse sink, and tables to compare
    brokers      those of this row alone, where the fault is theirs
    may_refuse   the row breaks the order of events, so that some are refused
    faults       how many faults the row has done
    goes_on      true while the clock runs fast, so that something is always due and written
    """

    deployment: Deployment
    folder: Path
    record: Callable[[dict[str, Any]], None]
    workers: int = 2
    sink: bool = True
    may_refuse: bool = False
    brokers: Brokers | None = None
    faults: int = 0
    goes_on: bool = False
    env: dict[str, str] = field(default_factory=dict)
    dice: random.Random = field(default_factory=lambda: random.Random(3))
    fleet: Fleet = field(init=False)
    load: AnyLoad = field(init=False)
    counts: Counts = field(init=False)

    def __post_init__(self) -> None:
        self.fleet = Fleet({}, self.folder, {})

    @property
    def settings(self) -> Settings:
        return self.deployment.settings(WorkerSettings)

    @property
    def broker(self) -> Broker:
        """The first of the row's own brokers."""
        assert self.brokers is not None
        return self.brokers.all[0]

    @property
    def proxy(self) -> Proxy:
        """What stands between the processes and the first broker."""
        assert self.broker.proxy is not None
        return self.broker.proxy

    @contextmanager
    def under_load(self, size: Size, mix: Mix | None = None, load: AnyLoad | None = None) -> Iterator[None]:
        """Starts everything, lets the faults happen while the load runs, then drains, judges and records.

        The load goes on until the faults are done, and until it has sent so many contacts; never beyond three times that.
        """
        began = time.monotonic()
        self.start()
        own = Load(self.settings, 3 * size.contacts, size.per_second, mix=mix, least=size.contacts)
        self.begin_load(load or own)
        yield
        own.enough.set()
        self.settle(seconds=150 + size.contacts / 100)
        self.report(began)

    def start(self) -> None:
        """Starts the processes, and the load's producer when they are there."""
        self.fleet.env |= {**self.deployment.env, "DESKSTREAM_SESSION_TIMEOUT_SECONDS": "6", **self.env}
        if self.sink:
            self.fleet.start("sink", SINK)
        for number in range(self.workers):
            self.fleet.start(f"worker-{number}", WORKER)

    def begin_load(self, load: AnyLoad) -> None:
        """Waits until a worker has partitions, then begins."""
        eventually(lambda: any(self.said(name, "partitions ready") for name in self.fleet.running), "a worker")
        self.load = load
        load.start()

    def said(self, name: str, words: str) -> int:
        """Returns how often a process has logged these words."""
        return self.fleet.log_of(name).read_text().count(words)

    def wait(self, low: float, high: float) -> None:
        """Lets a random time pass: faults have no moment of their own. What ends meanwhile is started again."""
        until = time.monotonic() + self.dice.uniform(low, high)
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.25))
            self.fleet.restart_the_dead()

    def settle(self, seconds: float) -> None:
        """Ends the load, waits until everything is read, and ends the processes, each with exit code 0."""
        self.load.join()
        assert self.load.finished and self.load.accepted, "the load did not end well"
        await_drained(self.settings, self.fleet, seconds, goes_on=self.goes_on)
        codes = self.fleet.terminate(*(name for name in self.fleet.running if name != "sink"))
        assert set(codes.values()) == {0}, f"SIGTERM drains and exits with 0: {codes}"
        if self.sink:  # a worker may still have written while it ended
            group = self.settings.group("clickhouse")
            eventually(lambda: not behind(self.settings, group, FACT_TOPICS), "that the sink has all of it")
            assert self.fleet.terminate("sink") == {"sink": 0}

    def report(self, began: float) -> None:
        """Asks the oracle, and leaves the counts for the table at the end of the run."""
        client = connection.connect(self.deployment.settings(SinkSettings)) if self.sink else None
        self.counts = judge(self.settings, client, self.load.accepted, may_refuse=self.may_refuse)
        ended, seconds = len(self.fleet.ended), round(time.monotonic() - began)
        self.record({"faults": self.faults, "ended": ended, **asdict(self.counts), "seconds": seconds})

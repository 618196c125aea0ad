"""Workers are stopped for longer than their session, under load, and wake up when others own their partitions."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from schemas.settings import Settings
from schemas.topics import CONTACT_EVENTS, ROUTING
from stream_processors.routing.processor import RoutingProcessor
from stream_processors.rules import ruleset
from stream_processors.tickets.processor import TicketsProcessor
from tests.support.faults.fleet import Fleet, await_drained
from tests.support.faults.load import Load
from tests.support.faults.ownership import await_, await_committed_to_here, await_holders
from tests.support.faults.recount import difference, facts_in_kafka
from tests.support.faults.states import compare_states, offline, restored

STOPPING = ["-m", "tests.support.faults.stopping_worker"]
NAMES = "worker-0", "worker-1"
#: A worker that is left alone for so long is put out of its group. Brokers of the tests take less than Kafka's own 6 s.
SESSION_SECONDS = "2"


@pytest.fixture
def fleet(deployment: Any, tmp_path: Path) -> Iterator[Fleet]:
    env = {**deployment.env, "DESKSTREAM_LOG_LEVEL": "info", "DESKSTREAM_SESSION_TIMEOUT_SECONDS": SESSION_SECONDS}
    fleet = Fleet(env, tmp_path, dict.fromkeys(NAMES, STOPPING))
    yield fleet
    fleet.end()


def stop(fleet: Fleet, settings: Settings, name: str, moment: str) -> None:
    """Lets a worker stop itself at this moment of its next batch, or stops it at any time."""
    if moment == "any":
        fleet.running[name].send_signal(signal.SIGSTOP)
    else:
        (Path(fleet.env["DESKSTREAM_STATE_DIR"]) / f"{name}.stop").write_text(moment)
    process = psutil.Process(fleet.running[name].pid)
    await_(process.status, psutil.STATUS_STOPPED)


def wake(fleet: Fleet, settings: Settings, name: str) -> None:
    """Wakes a stopped worker, and waits until it has partitions again. It may end itself; then it is started again."""

    def again() -> set[str]:
        fleet.restart_the_dead()
        return {each for each in NAMES if fleet.log_of(each).read_text().count("partitions ready") > before[each]}

    before = {each: fleet.log_of(each).read_text().count("partitions ready") for each in NAMES}
    fleet.running[name].send_signal(signal.SIGCONT)
    await_(again, set(NAMES))
    await_holders(settings, dict.fromkeys(NAMES, 2))


@pytest.mark.stack
@pytest.mark.parametrize(
    ("moments", "per_second"),
    [
        pytest.param(["states", "outputs"], 100.0, marks=pytest.mark.timeout(600), id="short"),
        pytest.param(
            ["any", "states", "any", "outputs", "any"] * 4,
            300.0,
            marks=[pytest.mark.soak, pytest.mark.timeout(3600)],
            id="soak",
        ),
    ],
)
def test_a_worker_that_slept_through_its_session_writes_nothing(
    deployment: Any, fleet: Fleet, record: Any, moments: list[str], per_second: float
) -> None:
    settings, dice = deployment.settings(Settings), random.Random(13)
    await_holders(settings, dict.fromkeys(NAMES, 2))
    load = Load(settings, 1_000_000, per_second)
    load.start()
    for number, moment in enumerate(moments):
        zombie, other = (NAMES, NAMES[::-1])[number % 2]
        time.sleep(dice.uniform(0.3, 0.6))  # a random moment of the load
        stop(fleet, settings, zombie, moment)
        await_holders(settings, {other: 4})
        await_committed_to_here(settings, CONTACT_EVENTS)
        await_committed_to_here(settings, ROUTING)
        wake(fleet, settings, zombie)
    load.enough.set()
    load.join()
    await_drained(settings, fleet, seconds=300)
    assert set(fleet.terminate(*NAMES).values()) == {0}, "SIGTERM drains and exits with 0"

    processors = TicketsProcessor(ruleset.load()), RoutingProcessor()
    states, late = restored(settings, *processors)
    assert late == [], f"{len(late)} states were written by a worker that had lost its partition"
    wanted, facts = offline(settings, *processors)
    kafka, written = facts_in_kafka(settings)
    assert compare_states(states, wanted) == {}, "a changelog that keeps the last record of a key restores every state"
    assert difference(kafka, facts) == {}, "no fact is missing, none is too many, none is another"
    counts = {"events": len(load.sent), "faults": len(moments), "lost": 0, "doubled": 0}
    record(counts | {"facts": len(kafka), "written": written})

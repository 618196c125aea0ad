"""Workers are added, upgraded one by one and taken away under load; afterwards everything is counted."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from schemas import codec
from schemas.events import AgentReplied, Event, MessageReceived
from schemas.process import EXIT_PROTECTED
from schemas.settings import Settings
from stream_processors.routing.processor import RoutingProcessor
from stream_processors.rules import ruleset
from stream_processors.tickets.processor import TicketsProcessor
from tests.support.faults.fleet import WORKER, Fleet, await_drained
from tests.support.faults.load import Load
from tests.support.faults.ownership import await_, await_holders
from tests.support.faults.recount import difference, facts_in_kafka, facts_offline
from tests.support.faults.versions import encoder, version_of

OLDER = ["-m", "tests.support.faults.older_worker"]
EVERYBODY = [f"worker-{number}" for number in range(4)]


@pytest.fixture
def fleet(deployment: Any, tmp_path: Path) -> Iterator[Fleet]:
    env = {**deployment.env, "DESKSTREAM_LOG_LEVEL": "info", "DESKSTREAM_SESSION_TIMEOUT_SECONDS": "6"}
    fleet = Fleet(env, tmp_path, {})
    yield fleet
    fleet.end()


def mixed_producers() -> Callable[[Event], bytes]:
    """Every other reply of an agent comes from a producer that is one release behind."""
    turn, earlier = count(), encoder(AgentReplied, 1)
    return lambda event: earlier(event) if isinstance(event, AgentReplied) and next(turn) % 2 else codec.encode(event)


def restart(fleet: Fleet, name: str, command: list[str]) -> None:
    """As a rolling update does: SIGTERM, the new one in its place, and on when that is ready."""
    assert fleet.terminate(name) == {name: 0}, (
        f"SIGTERM drains and exits with 0: {fleet.log_of(name).read_text()[-600:]}"
    )
    before = ready(fleet, name)
    fleet.start(name, command)
    await_(lambda: ready(fleet, name) > before, True)


def ready(fleet: Fleet, name: str) -> int:
    return fleet.log_of(name).read_text().count("partitions ready")


@pytest.mark.stack
@pytest.mark.parametrize(
    ("rounds", "per_second"),
    [
        pytest.param(1, 60.0, marks=pytest.mark.timeout(900), id="short"),
        pytest.param(6, 150.0, marks=[pytest.mark.soak, pytest.mark.timeout(3600)], id="soak"),
    ],
)
def test_nothing_is_lost_or_doubled_while_workers_are_added_upgraded_and_taken_away(
    deployment: Any, fleet: Fleet, record: Any, rounds: int, per_second: float
) -> None:
    settings = deployment.settings(Settings)
    load = Load(settings, 1_000_000, per_second, mixed_producers())
    fleet.start("worker-0", OLDER)
    load.start()
    await_holders(settings, {"worker-0": 4})
    for _ in range(rounds):
        for name, command in zip(EVERYBODY[1:], (OLDER, WORKER, WORKER), strict=True):
            fleet.start(name, command)
        await_holders(settings, dict.fromkeys(EVERYBODY, 1))
        for name in reversed(EVERYBODY):
            restart(fleet, name, WORKER)
        assert set(fleet.terminate(*EVERYBODY[1:]).values()) == {0}, "SIGTERM drains and exits with 0"
        await_holders(settings, {"worker-0": 4})
        if rounds > 1:
            restart(fleet, "worker-0", OLDER)  # and back: a build with the same states may be rolled back
    load.enough.set()
    load.join()
    await_drained(settings, fleet, seconds=120)
    assert fleet.terminate("worker-0") == {"worker-0": 0}

    fleet.start("worker-0", [*OLDER, "states"])
    assert fleet.running["worker-0"].wait(120) == EXIT_PROTECTED
    assert "deploy the newer build" in fleet.log_of("worker-0").read_text()

    kafka, written = facts_in_kafka(settings)
    offline = facts_offline(settings, TicketsProcessor(ruleset.load()), RoutingProcessor())
    assert difference(kafka, offline) == {}, "no fact is missing, none is too many, none is another"
    contacts = collections.Counter(
        codec.decode(value).kind for identity, value in kafka.items() if identity[0] == "ContactFact"
    )
    sent = collections.Counter(type(event) for event in load.sent)
    assert contacts["message_received"] == sent[MessageReceived] > 1_000
    assert contacts["agent_replied"] == sent[AgentReplied]
    behind = collections.Counter(identity[0] for identity, value in kafka.items() if older(value))
    assert behind["ClockFact"], "the older worker did some of the work"
    print(f"{len(load.sent)} sent, {written} facts written, {len(kafka)} distinct, of older versions {dict(behind)}")
    counts = {"events": len(load.sent), "faults": 9 * rounds, "lost": 0, "doubled": 0}
    record(counts | {"facts": len(kafka), "written": written})


def older(value: bytes) -> bool:
    return version_of(value) < max(codec.versions(type(codec.decode(value))))

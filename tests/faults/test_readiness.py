"""The probes of producers and workers while Kafka takes nothing: not ready within seconds, alive, ready again by themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from producers.publisher import Publisher
from producers.sources.reconnect import keep_connected
from schemas.process import Health
from schemas.settings import ProducerSettings
from tests.conftest import Deployment
from tests.support.faults.fleet import WORKER, Fleet
from tests.support.own_kafka import own_kafka
from tests.support.producers.balance import Metrics
from tests.support.producers.log_reader import free_port, producer
from tests.support.producers.strangers import submit
from tests.support.timeouts import eventually

#: It was 45 s to minutes, or never without traffic; a busy machine is given more than the five that it takes.
SHOWN_WITHIN_SECONDS = 20.0
SILENT_SECONDS = 12.0


@contextmanager
def running(deployment: Deployment, directory: Path, kind: str, http_port: int) -> Iterator[Metrics]:
    """A process of this kind; its probes."""
    metrics = Metrics(free_port())
    env = {"DESKSTREAM_METRICS_PORT": str(metrics.port), "DESKSTREAM_STATE_DIR": str(directory / "state")}
    if kind == "worker":
        directory.mkdir()
        fleet = Fleet({**deployment.env, **env}, directory, {"worker-0": WORKER})
        try:
            yield metrics
        finally:
            fleet.end()
        return
    ports = {f"DESKSTREAM_{kind.upper()}{'_LISTEN' if kind == 'smtp' else ''}_PORT": "0"}
    if kind == "http":
        ports["DESKSTREAM_HTTP_PORT"] = str(http_port)
    with producer(deployment, kind, **env, **ports):
        yield metrics


@pytest.mark.stack
@pytest.mark.timeout(300)
def test_readyz_fails_while_kafka_is_silent_and_livez_does_not(tmp_path: Path) -> None:
    """Nothing is sent meanwhile: no record tells that Kafka takes none."""
    kinds, http_port = ("http", "smtp", "chat", "worker"), free_port()
    with own_kafka(tmp_path / "kafka") as kafka, ExitStack() as stack:
        probes = {
            kind: stack.enter_context(running(kafka.deployment, tmp_path / kind, kind, http_port)) for kind in kinds
        }
        for kind, probe in probes.items():
            eventually(probe.ready, f"{kind} is ready")
        with kafka.silenced():
            ends = time.monotonic() + SILENT_SECONDS
            for kind, probe in probes.items():
                eventually(lambda probe=probe: not probe.ready(), f"{kind} is not ready", SHOWN_WITHIN_SECONDS)  # type: ignore[misc]
            while time.monotonic() < ends:
                assert {kind: probe.live() for kind, probe in probes.items()} == dict.fromkeys(kinds, True)
                assert not any(probe.ready() for probe in probes.values())
                time.sleep(0.2)
        for kind, probe in probes.items():
            eventually(probe.ready, f"{kind} is ready again")
        assert submit(http_port).status == 202


class _Stub:
    """A publisher that is connected and has a problem, or none."""

    connected = True

    def __init__(self) -> None:
        self.why = ""

    def problem(self) -> str:
        return self.why


def test_a_problem_of_kafka_fails_readyz_and_goes_away_with_it() -> None:
    async def scenario() -> None:
        publisher: Any = _Stub()
        health = Health()
        keeping = asyncio.create_task(keep_connected(publisher, health))
        try:
            for why, expected in (
                ("", (True, "ok")),
                ("Kafka is silent", (False, "Kafka is silent")),
                ("", (True, "ok")),
            ):
                publisher.why = why
                async with asyncio.timeout(30):
                    while health.takes_work() != expected:  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                assert health.live() == (True, "ok")
        finally:
            keeping.cancel()

    asyncio.run(scenario())


@pytest.mark.stack
@pytest.mark.timeout(300)
def test_a_record_that_waits_is_a_problem_although_brokers_answer(tmp_path: Path) -> None:
    """What a lost in-sync set looks like: the brokers answer all but the records."""
    with own_kafka(tmp_path / "kafka") as kafka:
        settings = kafka.deployment.settings(ProducerSettings)
        with Publisher(settings) as publisher:
            publisher.connect()
            assert publisher.problem() == ""
            delivery: Any = type("Waiting", (), {"started": time.perf_counter() - 60})()
            publisher._deliveries._in_flight[0] = {delivery}
            assert "has taken nothing for 60 s" in publisher.problem()
            publisher._deliveries.landed_at = time.perf_counter()
            assert publisher.problem() == "", "others are taken"
            del publisher._deliveries._in_flight[0]

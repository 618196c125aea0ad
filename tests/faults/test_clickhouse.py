"""Rows of the fault matrix: between the sink and ClickHouse, and ClickHouse itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.conftest import CLICKHOUSE
from tests.support.faults.proxy import Proxy
from tests.support.faults.row import Scene, Size, row
from tests.support.timeouts import eventually

#: Pipeline seconds per second where ClickHouse is away for an hour.
SPEED = 240


@pytest.fixture
def proxy(scene: Scene) -> Iterator[Proxy]:
    """Stands between the sink and ClickHouse; the oracle asks ClickHouse directly."""
    url = urlsplit(scene.deployment.env[CLICKHOUSE])
    proxy = Proxy(url.port or 8123)
    scene.workers = 1
    scene.env[CLICKHOUSE] = url._replace(netloc=url.netloc.replace(f":{url.port}", f":{proxy.port}")).geturl()
    scene.env["DESKSTREAM_CLICKHOUSE_TIMEOUT_SECONDS"] = "2"
    yield proxy
    proxy.stop()


@row(short=Size(contacts=600, faults=3, per_second=60.0), soak=Size(contacts=4_000, faults=40, per_second=25.0))
def test_an_insert_whose_answer_is_lost_counts_once(scene: Scene, proxy: Proxy, size: Size) -> None:
    with scene.under_load(size):
        while scene.faults < size.faults:
            scene.wait(0.2, 1.0)
            proxy.lose_answers(1, b"INSERT")
            eventually(lambda: proxy.lost_answers > scene.faults, "a lost answer")
            scene.faults = proxy.lost_answers  # an insert may be asked for twice at the same time


@row(soak=Size(contacts=10_000, faults=12, per_second=150.0))
def test_a_cut_to_clickhouse_that_swallows_packets_costs_nothing(scene: Scene, proxy: Proxy, size: Size) -> None:
    with scene.under_load(size):
        for number in range(size.faults):
            scene.wait(0.5, 2.0)
            with proxy.silent(forget=bool(number % 2)):
                scene.wait(3.0, 5.0)
            scene.faults += 1


@row(soak=Size(contacts=5_000, faults=1))
def test_clickhouse_may_be_away_for_an_hour_of_pipeline_time(scene: Scene, proxy: Proxy, size: Size) -> None:
    now = time.time_ns() // 1000
    scene.deployment.env["DESKSTREAM_CLOCK"] = f"origin={now},wall={now},speed={float(SPEED)}"
    with scene.under_load(size):
        scene.wait(1.0, 2.0)
        with proxy.refusing():
            time.sleep(3600 / SPEED)
        scene.faults += 1

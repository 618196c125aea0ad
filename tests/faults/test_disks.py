"""Rows of the fault matrix: the disk is full under Kafka, the states, ClickHouse and the mailbox's checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.clickhouse import ClickHouseServer
from schemas.settings import SinkSettings
from sinks.clickhouse import connection
from tests.conftest import CLICKHOUSE, Endpoints
from tests.faults.conftest import Record, scene_on
from tests.support.faults.brokers import own_brokers
from tests.support.faults.disk import SmallDisk, small_disk
from tests.support.faults.row import Scene, Size, row
from tests.support.timeouts import eventually


@pytest.fixture
def broker_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "broker-1", 512) as disk:
        yield disk


@row(soak=Size(contacts=10_000, faults=3, per_second=200.0))
def test_a_full_disk_under_kafka_holds_up_and_loses_nothing(
    broker_disk: SmallDisk, stack: Endpoints, tmp_path: Path, record: Record, size: Size
) -> None:
    """The broker ends when it cannot write; with room again it is started."""
    with own_brokers(tmp_path) as brokers, scene_on(brokers, stack, tmp_path, record) as scene, scene.under_load(size):
        for _ in range(size.faults):
            scene.wait(3.0, 6.0)
            with broker_disk.full():
                eventually(lambda: not scene.broker.process.running, "the end of the broker")
                scene.wait(1.0, 5.0)
            scene.broker.process.stop()
            scene.broker.start()
            scene.faults += 1


@row(soak=Size(contacts=10_000, faults=4, per_second=200.0))
def test_a_full_disk_under_the_states_holds_up_and_loses_nothing(scene: Scene, tmp_path: Path, size: Size) -> None:
    with small_disk(tmp_path / "states", 64) as disk:
        scene.env["DESKSTREAM_STATE_DIR"] = str(disk.folder)
        with scene.under_load(size):
            for number in range(size.faults):
                scene.wait(2.0, 5.0)
                with disk.full():
                    if number % 2:
                        scene.fleet.kill("worker-1")  # it starts on the full disk
                    scene.wait(6.0, 10.0)
                scene.faults += 1
        assert scene.fleet.ended, "no worker noticed"


@row(soak=Size(contacts=2_000, faults=3, per_second=80.0))
def test_a_full_disk_under_clickhouse_holds_up_and_loses_nothing(scene: Scene, tmp_path: Path, size: Size) -> None:
    with small_disk(tmp_path / "tables", 768) as disk:
        server = ClickHouseServer(disk.folder)
        server.launch()
        server.wait()
        try:
            scene.deployment.env[CLICKHOUSE] = server.url
            settings = scene.deployment.settings(SinkSettings)
            connection.create_database(settings)
            with scene.under_load(size):
                # The embedded engine may damage a part of `schema_migrations` when its disk is full meanwhile.
                eventually(lambda: has_contacts(settings), "the first rows")
                for _ in range(size.faults):
                    scene.wait(2.0, 4.0)
                    before = noticed(scene)
                    with disk.full():
                        eventually(lambda before=before: noticed(scene) > before, "that the sink notices")  # type: ignore[misc]
                        scene.wait(2.0, 5.0)
                    scene.faults += 1
        finally:
            scene.fleet.end()
            server.stop()


def has_contacts(settings: SinkSettings) -> bool:
    client = connection.connect(settings)
    return bool(client.command("EXISTS TABLE contacts") and client.command("SELECT count() FROM contacts"))


def noticed(scene: Scene) -> int:
    """Returns how often the sink tried an insert again, or ended while it was making the tables."""
    scene.fleet.restart_the_dead()
    return scene.said("sink", "insert_tried_again") + len(scene.fleet.ended)

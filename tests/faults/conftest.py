"""Fixtures of the fault matrix: scenes on the servers of the run, on one broker, on three brokers."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from schemas import admin
from schemas.settings import Settings
from tests.conftest import CLICKHOUSE, KAFKA, Deployment, Endpoints, run_sql
from tests.support.faults.brokers import Brokers, own_brokers
from tests.support.faults.row import Scene
from tests.support.faults.summary import PROPERTY

Record = Callable[[dict[str, Any]], None]


@pytest.fixture
def record(record_property: Any) -> Record:
    """Leaves the counts of a row for the table at the end."""
    return lambda counts: record_property(PROPERTY, counts)


@pytest.fixture
def scene(deployment: Deployment, tmp_path: Path, record: Record) -> Iterator[Scene]:
    """A scene on the servers of the run."""
    scene = Scene(deployment, tmp_path, record)
    yield scene
    scene.fleet.end()


@pytest.fixture
def broker_scene(stack: Endpoints, tmp_path: Path, record: Record) -> Iterator[Scene]:
    """A scene on one broker of its own, which its processes reach through a proxy."""
    with own_brokers(tmp_path, proxied=True) as brokers, scene_on(brokers, stack, tmp_path, record) as scene:
        scene.env[KAFKA] = brokers.proxied
        yield scene


@pytest.fixture
def cluster_scene(stack: Endpoints, tmp_path: Path, record: Record) -> Iterator[Scene]:
    """A scene on three brokers: three replicas of everything, two of which must have a write."""
    with own_brokers(tmp_path, 3) as brokers, scene_on(brokers, stack, tmp_path, record) as scene:
        yield scene


@contextmanager
def scene_on(brokers: Brokers, stack: Endpoints, folder: Path, record: Record) -> Iterator[Scene]:
    name = f"t{uuid.uuid4().hex[:8]}"
    env = {
        KAFKA: brokers.bootstrap_servers,
        CLICKHOUSE: stack.clickhouse_url,
        "DESKSTREAM_CLICKHOUSE_DATABASE": name,
        "DESKSTREAM_REPLICATION_FACTOR": str(len(brokers.all)),
        "DESKSTREAM_STATE_DIR": str(folder / "state"),
    }
    deployment = Deployment("", name, env)
    admin.create_topics(deployment.settings(Settings))
    run_sql(stack.clickhouse_url, f"CREATE DATABASE {name}")
    scene = Scene(deployment, folder, record, brokers=brokers)
    try:
        yield scene
    finally:
        scene.fleet.end()
        run_sql(stack.clickhouse_url, f"DROP DATABASE IF EXISTS {name}")

"""A worker whose broker goes away says so once, instead of hundreds of times a second."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.faults.fleet import WORKER, Fleet
from tests.support.own_kafka import own_kafka
from tests.support.timeouts import eventually

AWAY_SECONDS = 6.0


@pytest.mark.stack
@pytest.mark.timeout(180)
def test_a_worker_without_kafka_logs_each_problem_once(tmp_path: Path) -> None:
    with own_kafka(tmp_path / "kafka") as kafka:
        env = {**kafka.deployment.env, "DESKSTREAM_STATE_DIR": str(tmp_path / "state"), "DESKSTREAM_LOG_FORMAT": "json"}
        fleet = Fleet(env, tmp_path, {"worker-0": WORKER})
        log = fleet.log_of("worker-0")
        try:
            eventually(lambda: log.read_text().count("partitions ready") >= 2)
            before = len(log.read_text().splitlines())
            kafka.stop()
            time.sleep(AWAY_SECONDS)
            lines = log.read_text().splitlines()[before:]
        finally:
            fleet.end()
    said = Counter(f"{line.get('logger')}: {line['event']}" for line in map(json.loads, lines) if "event" in line)
    assert any("Unable connect to node" in each for each in said), said
    assert len(lines) <= 60, said.most_common(10)

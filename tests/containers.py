"""The container images that `--stack=containers` runs, named here only, and how they are started.

Override one by `DESKSTREAM_TEST_KAFKA_IMAGE` or `DESKSTREAM_TEST_CLICKHOUSE_IMAGE`, for example for a registry mirror or
for the stand-ins that `deploy/docker/stand_in_images.py` builds where the official images cannot be pulled.
"""

from __future__ import annotations

import os

KAFKA_IMAGE = os.environ.get("DESKSTREAM_TEST_KAFKA_IMAGE", "apache/kafka:4.1.0")
CLICKHOUSE_IMAGE = os.environ.get("DESKSTREAM_TEST_CLICKHOUSE_IMAGE", "clickhouse/clickhouse-server:25.8")


def require_docker() -> str:
    """Why there is no Docker, in one line; empty when there is."""
    return "--stack=containers is not written yet"


class Containers:
    pass

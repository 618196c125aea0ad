"""The container images that `--stack=containers` runs, named here only, and how they are started.

Override one by `DESKSTREAM_TEST_KAFKA_IMAGE` or `DESKSTREAM_TEST_CLICKHOUSE_IMAGE`, for example for a registry mirror, or
for the stand-ins that `deploy/docker/stand_in_images.py` builds where the official images cannot be pulled.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from types import TracebackType

from deploy.local.kafka import MAX_RECORD_BYTES
from deploy.local.process import free_ports
from schemas.errors import Unavailable

DEFAULT_KAFKA_IMAGE, DEFAULT_CLICKHOUSE_IMAGE = "apache/kafka:4.1.0", "clickhouse/clickhouse-server:25.8"
KAFKA_IMAGE = os.environ.get("DESKSTREAM_TEST_KAFKA_IMAGE", DEFAULT_KAFKA_IMAGE)
CLICKHOUSE_IMAGE = os.environ.get("DESKSTREAM_TEST_CLICKHOUSE_IMAGE", DEFAULT_CLICKHOUSE_IMAGE)
START_SECONDS = 120

# `stack_host.py` removes the containers, also when pytest was killed: no reaper container, one image less to pull.
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")


def require_docker() -> str:
    """Why containers cannot be had, in one line; empty when they can."""
    import docker

    try:
        client = docker.from_env()
        client.ping()
        client.close()
    except Exception as error:  # requests, urllib3 and docker each have their own
        reason = " ".join(str(error).split())[:160]
        return f"--stack=containers needs a running Docker daemon ({reason}); without one, leave the option out"
    return ""


class Containers:
    """Kafka and ClickHouse from their images, as a context manager. Every start is a fresh pair."""

    def __init__(self) -> None:
        self.kafka_bootstrap_servers = ""
        self.clickhouse_url = ""
        self._open = ExitStack()

    def __enter__(self) -> Containers:
        with ExitStack() as undo:
            undo.callback(self._open.close)
            self.kafka_bootstrap_servers = self._start_kafka()
            self.clickhouse_url = self._start_clickhouse()
            undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    def _start_kafka(self) -> str:
        """The broker must advertise the address that we reach it by, so the port is chosen before it starts."""
        from testcontainers.core.container import DockerContainer
        from testcontainers.core.wait_strategies import LogMessageWaitStrategy

        port = free_ports(1)[0]
        container = DockerContainer(KAFKA_IMAGE).with_bind_ports(9092, port)
        address = f"{_host(container)}:{port}"
        container.with_envs(
            KAFKA_NODE_ID="1",
            KAFKA_PROCESS_ROLES="broker,controller",
            KAFKA_CONTROLLER_QUORUM_VOTERS="1@localhost:9093",
            KAFKA_CONTROLLER_LISTENER_NAMES="CONTROLLER",
            KAFKA_LISTENERS="PLAINTEXT://:9092,CONTROLLER://:9093",
            KAFKA_ADVERTISED_LISTENERS=f"PLAINTEXT://{address}",
            KAFKA_LISTENER_SECURITY_PROTOCOL_MAP="CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            KAFKA_AUTO_CREATE_TOPICS_ENABLE="false",
            KAFKA_MESSAGE_MAX_BYTES=str(MAX_RECORD_BYTES),
            KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS="0",
            KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS="1000",
            KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR="1",
            KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS="4",
            KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR="1",
            KAFKA_TRANSACTION_STATE_LOG_MIN_ISR="1",
            KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR="1",
            KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR="1",
        )
        container.waiting_for(LogMessageWaitStrategy("Kafka Server started").with_startup_timeout(START_SECONDS))
        self._run(container, KAFKA_IMAGE)
        return address

    def _start_clickhouse(self) -> str:
        from testcontainers.core.container import DockerContainer
        from testcontainers.core.wait_strategies import HttpWaitStrategy

        container = DockerContainer(CLICKHOUSE_IMAGE).with_exposed_ports(8123)
        container.with_env("CLICKHOUSE_SKIP_USER_SETUP", "1")  # `default` without a password, also from outside
        container.waiting_for(HttpWaitStrategy(8123, "/ping").for_status_code(200).with_startup_timeout(START_SECONDS))
        self._run(container, CLICKHOUSE_IMAGE)
        return f"http://{_host(container)}:{container.get_exposed_port(8123)}"

    def _run(self, container: object, image: str) -> None:
        from docker.errors import DockerException

        try:
            self._open.enter_context(container)  # type: ignore[arg-type]
        except DockerException as error:
            reason = " ".join(str(error).split())[:200]
            raise Unavailable(
                f"cannot run {image} ({reason}); tests/support/containers.py says how to use another image, "
                "deploy/docker/stand_in_images.py builds one"
            ) from error


def _host(container: object) -> str:
    host = container.get_docker_client().host()  # type: ignore[attr-defined]
    return "127.0.0.1" if host == "localhost" else str(host)

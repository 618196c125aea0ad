"""A Kafka of one test's own, which can be made to fall silent: what a stalled broker or a cut network looks like."""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.kafka import KafkaServer
from schemas import admin
from schemas.settings import Settings
from tests.conftest import KAFKA, Deployment


class OwnKafka:
    """`deployment` has its topics; `stop()` ends the broker; `silenced()` stops the broker in its tracks and lets it go on afterwards."""

    def __init__(self, server: KafkaServer, deployment: Deployment) -> None:
        self._server, self.deployment = server, deployment

    def stop(self) -> None:
        """The broker is gone for good: its port refuses connections."""
        self._server.stop()

    @contextmanager
    def silenced(self) -> Iterator[None]:
        """The broker takes connections and answers nothing."""
        pid = self._server.process.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def own_kafka(directory: Path) -> Iterator[OwnKafka]:
    """Start it, make the topics, and stop it at the end."""
    server = KafkaServer(directory)
    server.launch()
    try:
        server.wait()
        name = uuid.uuid4().hex[:8]
        env = {KAFKA: server.bootstrap_servers, "DESKSTREAM_NAMESPACE": f"t{name}-"}
        deployment = Deployment(f"t{name}-", f"t{name}", env)
        admin.create_topics(deployment.settings(Settings))
        yield OwnKafka(server, deployment)
    finally:
        server.stop()

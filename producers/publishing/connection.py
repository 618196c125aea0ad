"""The connection of a producer to Kafka: one client, checked before its use, replaced after it lost a record."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError

from producers.publishing.records import MAX_RECORD_BYTES
from schemas import secret_check
from schemas.errors import TopicMismatch, Unavailable
from schemas.kafka_security import security
from schemas.record_key import BY_NAME
from schemas.settings import ProducerSettings
from schemas.text import error_line
from schemas.topics import CHAT_SIGNALS, CONTACT_EVENTS, ROUTING

__all__ = ["CONNECT_SECONDS", "Connection"]

CONNECT_SECONDS = 5.0
#: Kafka is asked so often, and answers so soon when it is well.
ASK_SECONDS, ANSWER_SECONDS = 1.5, 3.0
#: One of several brokers may fail until another takes its place.
_MOST_FAILURES = 1

log = structlog.get_logger("producers.publisher")


class Connection:
    """Holds the Kafka client of a publisher. Any thread may use it.

    client  None while not connected
    """

    def __init__(self, settings: ProducerSettings, linger_ms: int) -> None:
        self.settings, self._linger_ms = settings, linger_ms
        self.client: Any = None
        self._connecting = threading.Lock()
        self._asked: tuple[Any, float, Any] | None = None  # the client, when, and what becomes of the question
        self._failures = 0

    def connect(self) -> Any:
        """Reaches Kafka and checks that our topics are there; returns the client. Blocks for seconds unless connected.

        Raises:
            Unavailable: no broker answers, or a topic is missing.
            TopicMismatch: a topic has another partition count than this deployment says.
            ConfigurationError: the deployment makes customer tags with another secret.
        """
        with self._connecting:
            if self.client is None:
                self._require_listener()
                self.client = self._open()
            return self.client

    def close(self, timeout: float | None = None) -> None:
        """Waits for what is in flight, then closes. Never raises: whoever cares waits for the futures."""
        client, self.client = self.client, None
        if client is not None:
            with contextlib.suppress(KafkaError):
                client.close(self.settings.publish_timeout_seconds if timeout is None else timeout)

    def replace(self, client: Any, closed: Callable[[], None]) -> None:
        """Lets go of a client that lost a record, as an idempotent producer has to; the next use connects anew.

        `closed` is called on a thread when the client has answered all that it will ever answer. It drops records that
        were on their way when the broker fell silent, without a word to who waits.
        """
        if self.client is client:
            self.client = None
            threading.Thread(target=self._close_lost, args=(client, closed), name="kafka-close", daemon=True).start()

    def no_answer(self, why: str) -> Unavailable:
        """Returns the error of a source that has to offer its input again."""
        return Unavailable(f"Kafka at {self.settings.kafka_bootstrap_servers} does not answer: {why}", retry_after=5.0)

    def ask(self) -> str:
        """Asks Kafka for its metadata, unless the last question is unanswered. Returns why it takes nothing, "" when it does.

        To be called about twice a second; never blocks. A silence shows within five seconds.
        """
        client, now = self.client, time.monotonic()
        if client is None:
            return "not connected"
        if self._asked is None or self._asked[0] is not client:
            self._asked, self._failures = (client, now, client._metadata.request_update()), 0
        _, asked_at, answer = self._asked
        if not answer.is_done:
            self._failures = (
                max(self._failures, _MOST_FAILURES + 1) if now - asked_at > ANSWER_SECONDS else self._failures
            )
        elif answer.succeeded():
            self._failures = 0
        if answer.is_done and now - asked_at > ASK_SECONDS:
            self._failures += answer.failed()
            self._asked = client, now, client._metadata.request_update()
        if self._failures > _MOST_FAILURES:
            return "it does not answer"
        topic = self.settings.topic(CONTACT_EVENTS)
        return "" if client._metadata.available_partitions_for_topic(topic) else f"no partition of {topic} has a leader"

    def _close_lost(self, client: Any, closed: Callable[[], None]) -> None:
        with contextlib.suppress(Exception):
            client.close(self.settings.publish_timeout_seconds + CONNECT_SECONDS)  # by then all of it has expired
        closed()

    def _require_listener(self) -> None:
        """Opens a plain TCP connection first: the client's own bootstrap waits long and leaves a thread behind."""
        problem: OSError | None = None
        servers = self.settings.kafka_bootstrap_servers
        for server in servers.split(","):
            host, _, port = server.strip().rpartition(":")
            try:
                socket.create_connection((host.strip("[]"), int(port)), timeout=2.0).close()
                return
            except ValueError:
                problem = OSError(f"{server!r} is not host:port")
            except OSError as error:
                problem = error
        raise Unavailable(f"Kafka at {servers} does not answer: {problem}")

    def _open(self) -> Any:
        client: Any = None
        try:
            client = self._client()
            for topic in (CONTACT_EVENTS.name, ROUTING.name, CONTACT_EVENTS.dlq):
                self._check_topic(client, self.settings.namespace + topic)
            secret_check.check(self.settings)
            with contextlib.suppress(KafkaError):  # so that no `signal` asks for it first, and holds up an event loop
                client.partitions_for(self.settings.topic(CHAT_SIGNALS))
        except BaseException as error:
            if client is not None:
                client.close(0)
            if isinstance(error, KafkaError):
                servers = self.settings.kafka_bootstrap_servers
                raise Unavailable(f"Kafka at {servers} does not answer: {error_line(error)}") from error
            raise
        log.info("connected", kafka=self.settings.kafka_bootstrap_servers)
        return client

    def _client(self) -> Any:
        wait_ms = int(self.settings.publish_timeout_seconds * 1000)
        return KafkaProducer(
            bootstrap_servers=[server.strip() for server in self.settings.kafka_bootstrap_servers.split(",")],
            client_id="deskstream-producer",
            acks="all",
            enable_idempotence=True,
            linger_ms=self._linger_ms,
            batch_size=256 * 1024,
            max_request_size=MAX_RECORD_BYTES + 100_000,
            max_block_ms=min(int(CONNECT_SECONDS * 1000), wait_ms),
            delivery_timeout_ms=wait_ms + self._linger_ms,
            request_timeout_ms=min(10_000, wait_ms),
            bootstrap_timeout_ms=int(CONNECT_SECONDS * 1000),
            reconnect_backoff_max_ms=1000,
            allow_auto_create_topics=False,
            metrics_enabled=False,
            partitioner=BY_NAME,
            **security(self.settings),
        )

    def _check_topic(self, client: Any, topic: str) -> None:
        try:
            partitions = client.partitions_for(topic)
        except KafkaError as error:
            raise Unavailable(f"topic {topic} is not there; `python -m schemas.admin create` creates it") from error
        if len(partitions) != self.settings.partitions:
            raise TopicMismatch(
                f"topic {topic} has {len(partitions)} partitions, DESKSTREAM_PARTITIONS says {self.settings.partitions}"
            )

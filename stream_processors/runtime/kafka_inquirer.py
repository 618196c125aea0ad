"""Asks Kafka for its metadata on a connection of its own, for /readyz: the clients of Faust and of the writers may be busy."""

from __future__ import annotations

from aiokafka.client import AIOKafkaClient

from schemas.kafka_security import security
from schemas.settings import WorkerSettings

__all__ = ["KafkaInquirer"]


class KafkaInquirer:
    """Holds a client that connects with the first question."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._client: AIOKafkaClient | None = None

    async def ask(self) -> None:
        """Returns when a broker has answered. May be cancelled.

        Raises:
            KafkaError: none did.
        """
        if self._client is not None:
            await self._client.fetch_all_metadata()
            return
        client = AIOKafkaClient(bootstrap_servers=self._settings.kafka_bootstrap_servers, **security(self._settings))
        try:
            await client.bootstrap()
        except BaseException:
            await client.close()
            raise
        self._client = client

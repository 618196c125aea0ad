"""Follows a topic for what pages and chats say: in no consumer group, and again after Kafka was away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from schemas.kafka_security import security
from schemas.settings import ProducerSettings
from schemas.text import error_line

__all__ = ["follow"]

_RETRY_SECONDS = 30.0


async def follow(
    settings: ProducerSettings,
    name: str,
    read: Callable[[AIOKafkaConsumer], Awaitable[None]],
    *,
    logger: Any,
    meanwhile: str,
    **options: Any,
) -> None:
    """Calls `read` with a started consumer, which reads for ever, and begins anew whenever Kafka is away; until it is cancelled.

    name        of the client, without `deskstream-`; the warning is `NAME_unread`, once for each problem
    meanwhile   what is said while nothing is read, for the log
    options     of the consumer
    """
    told = ""
    while True:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka_bootstrap_servers,
            client_id=f"deskstream-{name}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            **security(settings),
            **options,
        )
        try:
            await consumer.start()
            await read(consumer)
        except (KafkaError, OSError, TimeoutError) as error:
            if (problem := error_line(error)) != told:
                logger.warning(f"{name.replace('-', '_')}_unread", problem=problem, fix=meanwhile)
                told = problem
            await asyncio.sleep(_RETRY_SECONDS)
        finally:
            with contextlib.suppress(Exception):
                await consumer.stop()

"""Keeps a publisher connected to Kafka while an event loop serves others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from producers.publisher import Publisher
from schemas.process import Health

__all__ = ["keep_connected"]

_CHECK_SECONDS = 0.5

log = structlog.get_logger("producers.connected")


async def keep_connected(
    publisher: Publisher,
    health: Health,
    *,
    else_ready: Callable[[], bool] = lambda: True,
    else_wrong: Callable[[], str] = lambda: "",
) -> None:
    """Connects, and again after Kafka was lost, until cancelled. Each check is a beat that /livez sees.

    /readyz fails within five seconds once Kafka takes nothing: it does not answer, or records wait. /livez does not.

    else_ready  what must be true for /readyz besides the connection
    else_wrong  what /readyz shows while the connection stands; "" when nothing is wrong
    """
    while True:
        health.beat()
        problem = ""
        if not publisher.connected:
            try:
                await asyncio.to_thread(publisher.connect)
            except Exception as error:  # the next check tries again; /readyz shows why
                problem = str(error)
        away = publisher.problem() if publisher.connected else problem or "not connected"
        problem = problem or else_wrong()
        if problem and problem != health.problem:
            log.warning("waiting_for_kafka", problem=problem)
        if publisher.connected and bool(away) != bool(health.unready):
            log.warning("kafka_away", problem=away) if away else log.info("kafka_back")
        health.problem = problem
        health.unready = away
        health.kafka.silent() if away else health.kafka.heard()
        health.ready = publisher.connected and else_ready()
        await asyncio.sleep(_CHECK_SECONDS)

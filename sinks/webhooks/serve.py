"""`python -m sinks webhooks`: every enabled subscription at work in one process, until SIGTERM."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import structlog

from schemas.errors import ConfigurationError
from schemas.process import Health
from schemas.settings import SinkSettings
from sinks.signals import stop_on_signals
from sinks.webhooks.dispatch import Dispatch
from sinks.webhooks.subscriptions import Subscription

__all__ = ["serve"]

STUCK_SECONDS = 30.0
log = structlog.get_logger()


async def serve(settings: SinkSettings, subscriptions: Sequence[Subscription], health: Health) -> None:
    """Run until SIGTERM or SIGINT, then drain. When one subscription cannot go on, all stop: a restart sees to it.

    Raises:
        ConfigurationError: none is enabled.
        Unavailable, KafkaError: Kafka does not answer.
    """
    at_work = [Dispatch(each, settings, health) for each in subscriptions if each.enabled]
    if not at_work:
        raise ConfigurationError("no subscription is enabled", where=str(settings.webhooks_file))
    log.info("subscriptions", names=[each.name for each in subscriptions if each.enabled])

    def stop() -> None:
        health.ready = False
        for dispatch in at_work:
            dispatch.stop()

    stop_on_signals(stop)
    watch = asyncio.create_task(_watch(at_work, health))
    running = [asyncio.create_task(dispatch.run()) for dispatch in at_work]
    try:
        await asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION)
        stop()
        await asyncio.wait(running)
    finally:
        watch.cancel()
    for task in running:
        task.result()


async def _watch(at_work: Sequence[Dispatch], health: Health) -> None:
    """Alive while every loop turns; ready once all have begun."""
    ready = False
    while True:
        if not ready and all(dispatch.ready for dispatch in at_work):
            ready = health.ready = True
        if all(time.monotonic() - dispatch.turned_at < STUCK_SECONDS for dispatch in at_work):
            health.beat()
        await asyncio.sleep(0.2)

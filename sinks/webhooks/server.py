"""Runs every enabled subscription in one process: `python -m sinks webhooks`.

The subscriptions' file is checked once a second. It is read when it has changed and then stayed the same for a second:
somebody may be writing to it. Subscriptions that it changes or leaves out finish their running attempts and stop. New and
changed ones begin at the offsets of their consumer group. The others go on.
An invalid file is refused in the log with line and reason; the subscriptions stay as they were.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from schemas.errors import ConfigurationError
from schemas.metrics import WEBHOOK_BREAKER
from schemas.process import Health
from schemas.settings import SinkSettings
from sinks.signals import stop_on_signals
from sinks.webhooks import subscriptions as file
from sinks.webhooks.dispatch import Dispatch
from sinks.webhooks.subscriptions import Subscription

__all__ = ["FileWatch", "serve"]

STUCK_SECONDS, FILE_CHECK_SECONDS = 30.0, 1.0
log = structlog.get_logger()


async def serve(settings: SinkSettings, subscriptions: Sequence[Subscription], health: Health) -> None:
    """Runs until SIGTERM or SIGINT, then drains. Stops all subscriptions when one fails, for the process to be restarted.

    Raises:
        ConfigurationError: none is enabled.
        Unavailable, KafkaError: Kafka does not answer.
    """
    stopping, running = asyncio.Event(), _Running(settings, health)
    stop_on_signals(stopping.set)
    watch = asyncio.create_task(running.watch())
    watched = FileWatch(settings.webhooks_file)
    try:
        await running.put_in_force(subscriptions)
        checked_at = time.monotonic()
        while not stopping.is_set() and not running.ended:
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), 0.2)
            if time.monotonic() - checked_at >= FILE_CHECK_SECONDS:
                checked_at = time.monotonic()
                if watched.settled():
                    await running.reload()
    finally:
        health.ready = False
        await running.stop()
        watch.cancel()


class FileWatch:
    """Tells when a file has changed and then stayed the same from one check to the next: nobody is writing to it."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._in_force = self._seen = self._fingerprint()

    def settled(self) -> bool:
        """Checks the file; returns True once for each change."""
        before, self._seen = self._seen, self._fingerprint()
        if self._seen != before or self._seen == self._in_force:
            return False
        self._in_force = self._seen
        return True

    def _fingerprint(self) -> tuple[int, int, int] | None:
        """Returns inode, time and size; a link that is pointed elsewhere, as Kubernetes does, changes them, too."""
        try:
            found = self._path.stat() if self._path is not None else None
        except OSError:
            return None
        return (found.st_ino, found.st_mtime_ns, found.st_size) if found is not None else None


@dataclass
class _Entry:
    subscription: Subscription
    dispatch: Dispatch
    task: asyncio.Task[None]


class _Running:
    """Holds the subscriptions in force, each with its loop."""

    def __init__(self, settings: SinkSettings, health: Health) -> None:
        self._settings, self._health = settings, health
        self._entries: dict[str, _Entry] = {}

    @property
    def ended(self) -> bool:
        """True when a loop has ended without a stop."""
        return any(each.task.done() for each in self._entries.values())

    async def put_in_force(self, subscriptions: Sequence[Subscription]) -> None:
        """Stops the loops of subscriptions that are gone or changed, then starts the new ones.

        Raises:
            ConfigurationError: none is enabled; nothing changed.
            Exception: whatever a stopped loop had raised.
        """
        wanted = {each.name: each for each in subscriptions if each.enabled}
        if not wanted:
            raise ConfigurationError("no subscription is enabled", where=str(self._settings.webhooks_file))
        await self._stop([name for name, each in self._entries.items() if wanted.get(name) != each.subscription])
        for name, subscription in wanted.items():
            if name not in self._entries:
                dispatch = Dispatch(subscription, self._settings, self._health)
                self._entries[name] = _Entry(subscription, dispatch, asyncio.create_task(dispatch.run()))
        log.info("subscriptions", names=list(wanted))

    async def reload(self) -> None:
        """Puts the file in force; an invalid one is logged and changes nothing."""
        try:
            found = await asyncio.to_thread(
                file.read, self._settings.webhooks_file, allow_private=self._settings.webhook_allow_private
            )
            await self.put_in_force(found)
        except ConfigurationError as error:
            log.error("subscriptions_refused", problem=str(error), fix="the ones of before stay in force")

    async def stop(self) -> None:
        """Stops all loops.

        Raises:
            Exception: whatever a loop raised.
        """
        await self._stop(list(self._entries))

    async def _stop(self, names: Sequence[str]) -> None:
        leaving = [self._entries[name] for name in names]
        for each in leaving:
            each.dispatch.stop()
        if leaving:
            await asyncio.wait([each.task for each in leaving])
        for each in leaving:
            del self._entries[each.subscription.name]
            with suppress(KeyError):
                WEBHOOK_BREAKER.remove(each.subscription.name)
        for each in leaving:
            each.task.result()

    async def watch(self) -> None:
        """Reports the process alive while every loop runs, and ready once all loops of the start are ready."""
        ready = False
        while True:
            running = [each.dispatch for each in self._entries.values()]
            if not ready and running and all(dispatch.ready for dispatch in running):
                ready = self._health.ready = True
            if all(time.monotonic() - dispatch.polled_at < STUCK_SECONDS for dispatch in running):
                self._health.beat()
            await asyncio.sleep(0.2)

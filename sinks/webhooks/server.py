"""`python -m sinks webhooks`: every enabled subscription at work in one process, until SIGTERM.

The subscriptions' file is looked at once a second. When it has changed, and not again a second later (somebody may be
writing to it), those that it changes or leaves out finish what they are sending and stop, and new and changed ones begin
where their consumer group stands; the others go on untouched.
A file that is wrong is refused with line and reason, and the subscriptions of before stay in force.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from schemas.errors import ConfigurationError
from schemas.metrics import WEBHOOK_BREAKER
from schemas.process import Health
from schemas.settings import SinkSettings
from sinks.signals import stop_on_signals
from sinks.webhooks import subscriptions as file
from sinks.webhooks.dispatch import Dispatch
from sinks.webhooks.subscriptions import Subscription

__all__ = ["serve"]

STUCK_SECONDS, LOOK_SECONDS = 30.0, 1.0
log = structlog.get_logger()


async def serve(settings: SinkSettings, subscriptions: Sequence[Subscription], health: Health) -> None:
    """Run until SIGTERM or SIGINT, then drain. When one subscription cannot go on, all stop: a restart sees to it.

    Raises:
        ConfigurationError: none is enabled.
        Unavailable, KafkaError: Kafka does not answer.
    """
    stopping, work = asyncio.Event(), _Work(settings, health)
    stop_on_signals(stopping.set)
    watch = asyncio.create_task(work.watch())
    in_force = seen = _fingerprint(settings)
    try:
        await work.put_in_force(subscriptions)
        looked = time.monotonic()
        while not stopping.is_set() and not work.ended:
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), 0.2)
            if time.monotonic() - looked >= LOOK_SECONDS:
                looked = time.monotonic()
                before, seen = seen, _fingerprint(settings)
                if seen == before and seen != in_force:
                    in_force = seen
                    await work.reload()
    finally:
        health.ready = False
        await work.stop()
        watch.cancel()


@dataclass
class _AtWork:
    subscription: Subscription
    dispatch: Dispatch
    task: asyncio.Task[None]


class _Work:
    """The subscriptions in force, each with its loop."""

    def __init__(self, settings: SinkSettings, health: Health) -> None:
        self._settings, self._health = settings, health
        self._at_work: dict[str, _AtWork] = {}

    @property
    def ended(self) -> bool:
        """Whether a loop ended that nobody asked to."""
        return any(each.task.done() for each in self._at_work.values())

    async def put_in_force(self, subscriptions: Sequence[Subscription]) -> None:
        """Stop what is not among them as it was, then begin what is new.

        Raises:
            ConfigurationError: none is enabled; nothing changed.
            whatever a loop that was stopped had raised.
        """
        wanted = {each.name: each for each in subscriptions if each.enabled}
        if not wanted:
            raise ConfigurationError("no subscription is enabled", where=str(self._settings.webhooks_file))
        await self._stop([name for name, each in self._at_work.items() if wanted.get(name) != each.subscription])
        for name, subscription in wanted.items():
            if name not in self._at_work:
                dispatch = Dispatch(subscription, self._settings, self._health)
                self._at_work[name] = _AtWork(subscription, dispatch, asyncio.create_task(dispatch.run()))
        log.info("subscriptions", names=list(wanted))

    async def reload(self) -> None:
        """Put the file in force; one that is wrong changes nothing."""
        try:
            found = await asyncio.to_thread(
                file.read, self._settings.webhooks_file, allow_private=self._settings.webhook_allow_private
            )
            await self.put_in_force(found)
        except ConfigurationError as error:
            log.error("subscriptions_refused", problem=str(error), fix="the ones of before stay in force")

    async def stop(self) -> None:
        """Stop all.

        Raises:
            whatever a loop raised.
        """
        await self._stop(list(self._at_work))

    async def _stop(self, names: Sequence[str]) -> None:
        leaving = [self._at_work[name] for name in names]
        for each in leaving:
            each.dispatch.stop()
        if leaving:
            await asyncio.wait([each.task for each in leaving])
        for each in leaving:
            del self._at_work[each.subscription.name]
            with suppress(KeyError):
                WEBHOOK_BREAKER.remove(each.subscription.name)
        for each in leaving:
            each.task.result()

    async def watch(self) -> None:
        """Alive while every loop turns; ready once all of the beginning have begun."""
        ready = False
        while True:
            at_work = [each.dispatch for each in self._at_work.values()]
            if not ready and at_work and all(dispatch.ready for dispatch in at_work):
                ready = self._health.ready = True
            if all(time.monotonic() - dispatch.turned_at < STUCK_SECONDS for dispatch in at_work):
                self._health.beat()
            await asyncio.sleep(0.2)


def _fingerprint(settings: SinkSettings) -> tuple[int, int, int] | None:
    """Changes when the file does, also when it is a link that is pointed elsewhere, as Kubernetes does."""
    try:
        assert settings.webhooks_file is not None
        found = settings.webhooks_file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size

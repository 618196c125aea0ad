"""Runs a producer: its settings, its publisher, its probes, and a clean end at SIGTERM."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import structlog
import typer

from producers.customers import brands, directory
from producers.publisher import Publisher
from producers.publishing import receipts
from producers.text import privacy
from schemas import secret_check
from schemas.process import Health, configure_logging, serve_probes
from schemas.settings import ProducerSettings, load

__all__ = ["Check", "load_settings", "prepare", "running"]

Check = Annotated[bool, typer.Option("--check", help="validate settings and input, then exit without publishing")]

log = structlog.get_logger("producers")


def load_settings() -> ProducerSettings:
    """Returns the settings of a producer, checked."""
    settings = load(ProducerSettings)
    prepare(settings)
    return settings


def prepare(settings: ProducerSettings) -> None:
    """Configures logging and masks, and checks the settings, before anything is connected to."""
    configure_logging(settings)
    secret_check.use(settings)
    directory.check(settings)
    brands.check(settings.brands_file)
    privacy.also(privacy.read_patterns(settings.mask_file))


@contextmanager
def running(
    settings: ProducerSettings, name: str, *, linger_ms: int = 0
) -> Iterator[tuple[Publisher, Health, threading.Event]]:
    """Opens what every producer has: a publisher, probes, and an event that SIGTERM and SIGINT set."""
    stop, health = threading.Event(), Health()

    def ask_to_stop(*_: Any) -> None:
        stop.set()

    before: list[tuple[signal.Signals, Any]] = [
        (number, signal.signal(number, ask_to_stop)) for number in (signal.SIGTERM, signal.SIGINT)
    ]
    receipts.begin_at_zero()
    stop_probes: Callable[[], None] = serve_probes(settings, health)
    try:
        with (
            contextlib.closing(directory.enricher(settings)) as enrich,
            Publisher(settings, linger_ms=linger_ms, enrich=enrich) as publisher,
        ):
            log.info("started", producer=name, kafka=settings.kafka_bootstrap_servers)
            yield publisher, health, stop
    finally:
        stop_probes()
        for number, handler in before:
            signal.signal(number, handler)
    if stop.is_set():
        log.info("drained", producer=name, published=receipts.published())

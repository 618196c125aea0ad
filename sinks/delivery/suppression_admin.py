"""Lists and releases suppressed addresses, for `python -m sinks delivery suppressed` and `release`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from schemas import secret_check
from schemas.errors import ConfigurationError
from schemas.facts import SuppressionFact
from schemas.settings import SinkSettings
from sinks import kafka
from sinks.delivery.adapter import Undeliverable
from sinks.delivery.mail import address as parsed
from sinks.delivery.mail_reports import minute
from sinks.delivery.suppression import is_suppressed, released
from sinks.delivery.suppression_list import SuppressionList

__all__ = ["listed", "release"]


async def listed(settings: SinkSettings, address: str = "") -> list[str]:
    """Returns a line for each suppressed address, or for this one whatever its state.

    Raises:
        Unavailable: Kafka does not answer, or the topic is missing.
        ConfigurationError: the text is neither an address nor a key.
    """
    now = settings.pipeline_clock.now()
    async with _opened(settings) as known:
        if address:
            fact = _found(known, address)
            return [_line(fact, now) if fact else "nothing is known against this address"]
        lines = [_line(fact, now) for fact in known.facts if is_suppressed(fact, now)]
    return [*lines, f"({len(lines)} suppressed)"]


async def release(settings: SinkSettings, address: str) -> str:
    """Lets messages go to an address again; returns a line that says so.

    Raises:
        Unavailable: Kafka does not answer, or the topic is missing.
        ConfigurationError: the text is neither an address nor a key, or the address is not suppressed.
    """
    now = settings.pipeline_clock.now()
    async with _opened(settings) as known:
        fact = _found(known, address)
        if fact is None or not is_suppressed(fact, now):
            raise ConfigurationError(
                "it is not suppressed", where=address, fix="`delivery suppressed` lists all that are"
            )
        await known.put(released(fact, now))
    return (
        f"{fact.address_key} is released: replies that were refused meanwhile wait for `dlq replay --reason suppressed`"
    )


@asynccontextmanager
async def _opened(settings: SinkSettings) -> AsyncIterator[SuppressionList]:
    secret_check.use(settings)
    producer = kafka.producer(settings)
    known = SuppressionList(settings, producer)
    await kafka.start(settings, producer)
    try:
        await known.load()
        yield known
    finally:
        await known.close()
        await kafka.stop(producer)


def _found(known: SuppressionList, text: str) -> SuppressionFact | None:
    if "@" not in text:
        if (fact := known.of_key(text.strip().upper())) is None:
            raise ConfigurationError("it is neither an e-mail address nor a key of `delivery suppressed`", where=text)
        return fact
    try:
        return known.of(parsed(text).spec)
    except Undeliverable as error:
        raise ConfigurationError(str(error), where=text) from error


def _line(fact: SuppressionFact, now: int) -> str:
    state = fact.state if is_suppressed(fact, now) or fact.state in ("watched", "released") else "over"
    parts = [fact.address_key, state]
    parts += [fact.reason or ("unsubscribed" if fact.unsubscribed else ""), fact.error_code]
    if fact.since is not None:
        parts.append(f"since {minute(fact.since)}")
    if fact.until is not None:
        parts.append(f"until {minute(fact.until)}")
    if fact.bounces:
        parts.append(f"{fact.bounces} temporary failures")
    parts.append(f"ticket {fact.ticket_id or '-'}")
    return "  ".join(part for part in parts if part)

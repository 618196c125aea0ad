"""A worker one release behind: `python -m tests.support.faults.older_worker [states]`.

It folds as today's does, and writes the version before the newest of the facts that have one, with producers that no
other owner can fence. With `states` its state tables are those of the version before as well, so that it must refuse
what today's worker has stored.
"""

from __future__ import annotations

import sys

from aiokafka import AIOKafkaProducer

from schemas.facts import ClockFact, PaneFact, SurveyFact
from stream_processors.__main__ import cli
from stream_processors.runtime.fenced_producers import FencedProducers, _Claim
from stream_processors.tickets.state import Customer
from tests.support.faults.versions import write_earlier


async def without_epoch(self: FencedProducers, partition: int) -> _Claim:
    """As before ADR 29: a producer id of its own, and nothing in the changelog."""
    producer = AIOKafkaProducer(
        bootstrap_servers=self._settings.kafka_bootstrap_servers, enable_idempotence=True, max_batch_size=1_000_000
    )
    await producer.start()
    return _Claim(producer)


if __name__ == "__main__":
    FencedProducers._claim = without_epoch  # type: ignore[method-assign]
    write_earlier(ClockFact, PaneFact, SurveyFact)
    if sys.argv[1:] == ["states"]:
        Customer.VERSION -= 1
    del sys.argv[1:]
    cli()

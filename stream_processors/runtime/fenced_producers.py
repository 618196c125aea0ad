"""Gives each partition of a worker a producer that only the newest owner of the partition can write with.

A claim asks Kafka for the next epoch of the partition's transactional id. From the first record of that epoch on, a
broker refuses records of earlier epochs in the same partition of any topic (`Fenced`). The first record goes to the
changelog, before the owner restores its states: they are all that any earlier owner has written or ever will.

No transaction is ever begun, and every record is visible at once. The transactional id serves to get one producer id
with rising epochs; ADR 29 says what follows and what was rejected.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from schemas.errors import Unavailable
from schemas.kafka_security import security
from schemas.settings import WorkerSettings
from stream_processors.runtime.batch_producer import BatchProducer, Fenced

__all__ = ["FENCE_KEY", "RENEW_SECONDS", "FencedProducers"]

log = structlog.get_logger()
#: The key of the record that fences a changelog: a tombstone, so that builds that do not know it delete nothing by it.
FENCE_KEY = b"\x00fence"
#: Brokers forget a producer id that has written nothing for a day (`producer.id.expiration.ms`), and the epochs of a
#: transactional id after seven (`transactional.id.expiration.ms`). An owner renews its claims long before.
RENEW_SECONDS = 6 * 3600.0
#: A claim takes some 50 ms. A coordinator that restarts takes seconds.
CLAIM_SECONDS, RETRY_SECONDS = 30.0, 0.2


class _Claim:
    """Holds the producer of one partition. `busy` is held while a batch is written with it."""

    __slots__ = ("busy", "claimed_at", "producer")

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.producer, self.claimed_at, self.busy = producer, time.monotonic(), asyncio.Lock()


class FencedProducers:
    """Keeps the producers of the partitions that one agent holds; `name` and a partition make a transactional id."""

    def __init__(self, settings: WorkerSettings, name: str, changelog: str) -> None:
        self._settings, self._prefix, self._changelog = settings, settings.group(name), changelog
        self._claims: dict[int, _Claim] = {}
        self._claiming = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    def __contains__(self, partition: int) -> bool:
        return partition in self._claims

    def of(self, partition: int) -> AIOKafkaProducer:
        """Returns the producer of a partition.

        Raises:
            Fenced: the partition is not claimed.
        """
        if (claim := self._claims.get(partition)) is None:
            raise Fenced(f"partition {partition} is not claimed")
        return claim.producer

    def holds(self, partition: int, producer: AIOKafkaProducer) -> bool:
        """Returns true while this is the producer of the partition."""
        return partition in self._claims and self._claims[partition].producer is producer

    def busy(self, partition: int) -> asyncio.Lock:
        """Returns the lock to hold while a batch of this partition is written: its claim is not renewed meanwhile."""
        return self._claims[partition].busy if partition in self._claims else asyncio.Lock()

    async def claim(self, partitions: Iterable[int]) -> None:
        """Makes this worker the only one that can write for these partitions, and gives up all others.

        Returns when the changelogs are fenced: what their ends are then is all that earlier owners wrote. A partition
        that somebody else claimed meanwhile stays fenced off, so that the first batch of it fails.

        Raises:
            Unavailable: Kafka did not acknowledge, or not in `CLAIM_SECONDS`.
            KafkaError: Kafka does not answer, or forbids the transactional id.
        """
        async with self._claiming:
            wanted = sorted(partitions)
            claims = await asyncio.gather(*(self._claim(partition) for partition in wanted))
            before, self._claims = self._claims, dict(zip(wanted, claims, strict=True))
            self._close(before.values())

    async def renew(self, older_than_seconds: float = RENEW_SECONDS) -> None:
        """Claims anew what was claimed so long ago; waits for the batch in flight of each such partition.

        Raises as `claim` does.
        """
        limit = time.monotonic() - older_than_seconds
        for partition, claim in list(self._claims.items()):
            if claim.claimed_at > limit:
                continue
            async with claim.busy, self._claiming:
                if self._claims.get(partition) is claim:
                    self._claims[partition] = await self._claim(partition)
                    self._close([claim])

    async def stop(self) -> None:
        """Disconnects all producers. Called last."""
        claims, self._claims = self._claims, {}
        self._close(claims.values())
        await asyncio.gather(*self._closing)

    async def _claim(self, partition: int) -> _Claim:
        producer = _new_producer(self._settings, f"{self._prefix}-{partition}")
        claim = _Claim(producer)
        try:
            async with asyncio.timeout(CLAIM_SECONDS):
                await self._fence(producer, partition)
        except Fenced:
            log.warning("claimed by another worker meanwhile", changelog=self._changelog, partition=partition)
        except BaseException as error:
            self._close([claim])
            if isinstance(error, TimeoutError):
                raise Unavailable(f"no claim in {CLAIM_SECONDS:.0f} s: has __transaction_state its replicas?") from None
            raise
        return claim

    async def _fence(self, producer: AIOKafkaProducer, partition: int) -> None:
        while True:
            try:
                await producer.start()
                break
            except KafkaConnectionError:  # a broker that restarts; the claim has a limit
                await asyncio.sleep(RETRY_SECONDS)
        # From here on it is an idempotent producer whose id and epoch happen to be those of the transactional id.
        producer._txn_manager.transactional_id = None
        fence = BatchProducer(producer, int(time.time() * 1000))
        fence.add(self._changelog, partition, FENCE_KEY, None, [("owner", self._settings.worker_id.encode())])
        await fence.flush()

    def _close(self, claims: Iterable[_Claim]) -> None:
        """Disconnects producers once what they are sending was answered; nobody waits for that."""
        for claim in claims:
            task = asyncio.create_task(_stop(claim.producer))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


async def _stop(producer: AIOKafkaProducer) -> None:
    try:
        await producer.stop()
    except Exception as error:
        log.debug("cannot stop a producer", error=repr(error))


def _new_producer(settings: WorkerSettings, transactional_id: str) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        transactional_id=transactional_id,
        acks="all",
        enable_idempotence=True,
        max_batch_size=1_000_000,
        max_request_size=8_000_000,
        linger_ms=0,
        request_timeout_ms=60_000,
        **security(settings),
    )

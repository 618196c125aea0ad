"""Reads the log for the chat process: everything since a moment ago, and then everything that comes.

It belongs to no consumer group and commits nothing: conversations are folded from the log anew by every process that
starts. Kafka may go away at any time; reading goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas import codec
from schemas.errors import CodecError
from schemas.kafka_security import security
from schemas.settings import ChatSettings
from schemas.text import error_line
from schemas.topics import CHAT_SIGNALS, CONTACT_EVENTS, OUTBOUND, ROUTING

__all__ = ["Log"]

#: (record, offset)
See = Callable[[Any, int], None]
_AT_ONCE, _RETRY_SECONDS = 500, 1.0
log = structlog.get_logger("producers.chat")


class Log:
    """Reads the topics. `run` calls `see` for every record, in the order of each partition. `caught_up` is set once the past is read."""

    def __init__(self, settings: ChatSettings, see: See) -> None:
        self._settings, self._see = settings, see
        self._positions: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        self.caught_up = asyncio.Event()
        self.problem = ""

    async def run(self) -> None:
        """Reads until cancelled; while Kafka does not answer, tries again."""
        while True:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._settings.kafka_bootstrap_servers,
                client_id="deskstream-chat",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_partition_fetch_bytes=4_000_000,
                **security(self._settings),
            )
            try:
                await consumer.start()
                await self._begin(consumer)
                self.problem = ""
                while True:
                    await self._read_batch(consumer)
            except (KafkaError, OSError, TimeoutError) as error:
                self.problem = f"reading: {error_line(error)}"
                log.warning("log_away", problem=self.problem)
                await asyncio.sleep(_RETRY_SECONDS)
            finally:
                with contextlib.suppress(Exception):
                    await consumer.stop()

    async def _begin(self, consumer: Any) -> None:
        """Seeks to where reading stopped, or, the first time, as far back as the settings say."""
        settings, now = self._settings, int(time.time() * 1000)
        back = {
            settings.topic(ROUTING): settings.chat_presence_seconds,
            settings.topic(CONTACT_EVENTS): settings.chat_longest_seconds,
            settings.topic(OUTBOUND): settings.chat_longest_seconds,
            settings.topic(CHAT_SIGNALS): 0.0,
        }
        since = {
            TopicPartition(topic, number): now - int(seconds * 1000)
            for topic, seconds in back.items()
            for number in range(settings.partitions)
        }
        consumer.assign(list(since))
        if not self._positions:
            self._ends = await consumer.end_offsets(list(since))
            found = await consumer.offsets_for_times(since)
            self._positions = {where: _first(found.get(where), self._ends[where]) for where in since}
        for where, offset in self._positions.items():
            consumer.seek(where, offset)
        self._check()

    async def _read_batch(self, consumer: Any) -> None:
        for where, records in (await consumer.getmany(timeout_ms=200, max_records=_AT_ONCE)).items():
            for record in records:
                try:
                    self._see(codec.decode(record.value or b""), record.offset)
                except CodecError:
                    pass  # whoever processes this topic makes a dead letter of it
                except Exception:  # a defect of ours must not stop everybody's chats
                    log.exception("record_not_seen", topic=where.topic, partition=where.partition, offset=record.offset)
            self._positions[where] = records[-1].offset + 1
            await asyncio.sleep(0)
        self._check()

    def _check(self) -> None:
        if not self.caught_up.is_set() and all(self._positions[where] >= end for where, end in self._ends.items()):
            log.info("caught_up", records=sum(self._positions.values()))
            self.caught_up.set()


def _first(found: Any, end: int) -> int:
    return end if found is None else int(found.offset)

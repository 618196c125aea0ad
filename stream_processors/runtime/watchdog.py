"""Ends a worker that leaves a partition unread, however its event loop and consumer are stuck.

Runs on a thread with Kafka connections of its own and trusts the brokers alone: which partitions the group gave to
this worker, where their logs end, and what is committed. A consumer that hangs after a broker restart thinks that it is at
the end of the log (aiokafka#1154), and the end that it knows stands still while nothing is fetched. Each partition has
its own time limit, which the progress of others does not renew. What it finds is also the lag that Prometheus sees.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import structlog
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from schemas import metrics
from schemas.errors import Unavailable
from schemas.kafka_contact import KafkaContact
from schemas.kafka_security import security
from schemas.settings import WorkerSettings

log = structlog.get_logger()
#: Looks are five seconds apart and block while Kafka is silent: without one for so long it is away.
SILENCE_SECONDS = 15.0


class Watched(Protocol):
    """The part of a worker that the watchdog uses."""

    name: str
    source: str
    #: When a recovery last made progress (monotonic): while states are restored, nothing is read or committed.
    recovered_at: float

    def assigned(self) -> list[int]:
        """Returns the partitions of `source` that the worker holds."""


class PartitionOffsets(NamedTuple):
    """The offsets of a partition: the committed one, or where the log begins, and where it ends."""

    committed: int
    end: int


class StallTimer:
    """Remembers since when each partition has had records and no commit."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: dict[tuple[str, int], tuple[int, float]] = {}

    def stalled(self, source: str, offsets: dict[int, PartitionOffsets], recovered_at: float, now: float) -> str:
        """Returns what is wrong, '' for nothing. `now` and `recovered_at` are seconds of one clock."""
        for key in [key for key in self._since if key[0] == source and key[1] not in offsets]:
            del self._since[key]
        for partition, (committed, end) in offsets.items():
            known = self._since.get((source, partition))
            if committed >= end or known is None or known[0] != committed:
                self._since[source, partition] = committed, now
                continue
            since = max(known[1], recovered_at)
            if now - since > self._seconds:
                return f"{source}/{partition}: {end - committed} records behind and no commit for {now - since:.0f} s"
        return ""


class Watchdog(threading.Thread):
    """Calls `end` when a partition had records to read and no commit for `watchdog_seconds`."""

    def __init__(
        self,
        workers: Sequence[Watched],
        settings: WorkerSettings,
        end: Callable[[str], None],
        contact: KafkaContact | None = None,
    ) -> None:
        super().__init__(name="watchdog", daemon=True)
        self.contact = contact or KafkaContact()
        self.contact.timeout_seconds = SILENCE_SECONDS
        self.workers, self.settings, self.end = workers, settings, end
        self._stalls = StallTimer(settings.watchdog_seconds)
        self._group = settings.group("").rstrip("-")
        self._clients: tuple[KafkaConsumer, KafkaAdminClient] | None = None
        self._shown: dict[str, set[int]] = {}
        self._problems: dict[str, int] = {}

    def run(self) -> None:
        """Looks at least every 5 s, for ever."""
        self.contact.heard()
        for worker in self.workers:
            metrics.WATCHDOG_LOOK_SECONDS.labels(worker.name).set_to_current_time()
        while True:
            time.sleep(min(5.0, self.settings.watchdog_seconds / 4))
            self.look()

    def look(self) -> None:
        """Checks every worker once. While Kafka does not tell the group's assignment, the worker's own is used."""
        problems: dict[str, str] = {}
        given: dict[str, set[int]] = {}
        held = False
        try:
            given = self._given()
        except Exception as error:
            problems[type(error).__name__] = str(error)
        try:
            for worker in self.workers:
                self._check(worker, given.get(worker.source, set()))
                held = held or bool(worker.assigned())
                if not problems or worker.assigned():
                    metrics.WATCHDOG_LOOK_SECONDS.labels(worker.name).set_to_current_time()
        except Exception as error:  # Kafka is away: nothing to be behind of; keep watching
            problems[type(error).__name__] = str(error)
            self.contact.silent()
        else:
            self.contact.silent() if problems and not held else self.contact.heard()
        if problems:
            self._forget_clients()
        self._say(problems)

    def _say(self, problems: dict[str, str]) -> None:
        """Warns once of each kind of problem that two looks in a row had: a broker that restarts costs one look."""
        for kind in self._problems.keys() - problems.keys():
            if self._problems.pop(kind) > 1:
                log.info("Kafka answers the watchdog again", after=kind)
        for kind, detail in problems.items():
            self._problems[kind] = self._problems.get(kind, 0) + 1
            if self._problems[kind] == 2:
                log.warning("Kafka does not tell the watchdog what is unread", reason=kind, detail=detail)

    def _check(self, worker: Watched, given: set[int]) -> None:
        offsets = self.offsets(worker.source, given | set(worker.assigned()))
        self._show(worker.name, offsets)
        if why := self._stalls.stalled(worker.source, offsets, worker.recovered_at, time.monotonic()):
            self.end(why)

    def offsets(self, source: str, partitions: Iterable[int]) -> dict[int, PartitionOffsets]:
        """Returns the brokers' offsets of these partitions. What retention has deleted cannot be read, and does not count as unread."""
        asked = [TopicPartition(source, partition) for partition in sorted(partitions)]
        if not asked:
            return {}
        consumer, _ = self._ask()
        ends, begins = consumer.end_offsets(asked), consumer.beginning_offsets(asked)
        return {tp.partition: PartitionOffsets(max(consumer.committed(tp) or 0, begins[tp]), ends[tp]) for tp in asked}

    def _given(self) -> dict[str, set[int]]:
        """Returns topic → partitions that the group gave to this process, as the brokers have it."""
        _, admin = self._ask()
        given: dict[str, set[int]] = {}
        group = admin.describe_groups([self._group])[self._group]
        if group["error"]:  # kafka-python raises nothing, and shows a group without members
            raise Unavailable(f"it does not describe the group {self._group}: {group['error']}")
        for member in group["members"]:
            if member.get("group_instance_id") == self.settings.worker_id:
                for topic, partitions in _assignment(member):
                    given.setdefault(topic, set()).update(partitions)
        return given

    def _show(self, name: str, offsets: dict[int, PartitionOffsets]) -> None:
        for partition in self._shown.get(name, set()) - set(offsets):
            metrics.LAG_RECORDS.remove(name, str(partition))
        for partition, (committed, end) in offsets.items():
            metrics.LAG_RECORDS.labels(name, str(partition)).set(max(0, end - committed))
        self._shown[name] = set(offsets)

    def _ask(self) -> tuple[KafkaConsumer, KafkaAdminClient]:
        if self._clients is None:
            servers = self.settings.kafka_bootstrap_servers.split(",")
            self._clients = (
                KafkaConsumer(
                    bootstrap_servers=servers,
                    group_id=self._group,
                    enable_auto_commit=False,
                    **security(self.settings),
                ),
                KafkaAdminClient(bootstrap_servers=servers, **security(self.settings)),
            )
        return self._clients

    def _forget_clients(self) -> None:
        clients, self._clients = self._clients, None
        for client in clients or ():
            try:
                client.close()
            except Exception as error:
                log.debug("watchdog cannot close a client", error=str(error))


def _assignment(member: dict[str, Any]) -> list[tuple[str, list[int]]]:
    assignment = member.get("member_assignment") or {}
    return [(each["topic"], each["partitions"]) for each in assignment.get("assigned_partitions", [])]

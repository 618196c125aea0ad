"""Gathers what the terminal view shows: the help desk from ClickHouse, the processes from their `/metrics`.

`Observer` gathers on its own thread, and pauses twice as long as ClickHouse needed to answer. A server that does not
answer leaves its numbers as they were, and is named in `Snapshot.missing`.
"""

from __future__ import annotations

import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from deploy.local.desk_summary import DeskSummary, TeamLoad, read_desk
from deploy.local.metric_samples import RecentHistogram, Samples, buckets, parse_metrics, total
from deploy.local.supervisor import ProcessStatus
from schemas import codec
from schemas.errors import CodecError, DeskstreamError
from schemas.events import PresenceChanged
from schemas.settings import SinkSettings
from schemas.topics import ROUTING
from sinks.clickhouse.connection import connect

PAUSE_SECONDS = 0.5
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Flow:
    """The pipeline as its processes report it. Delays are wall seconds over the last minute; None while unknown.

    visible    median and p99 from receipt by a producer to a row that can be queried
    delivered  median and p99 from the decision to the hand-over to the customer's channel
    lag        records behind the end of the log, by process
    """

    published: int = 0
    received: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    per_second: float | None = None
    visible: tuple[float, float] | None = None
    delivered: tuple[float, float] | None = None
    lag: Mapping[str, int] = field(default_factory=dict)
    paused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that the view shows. `now` is pipeline time in micros; `missing` names what does not answer."""

    now: int
    speed: float = 1.0
    desk: DeskSummary = field(default_factory=DeskSummary)
    flow: Flow = Flow()
    processes: Sequence[ProcessStatus] = ()
    up_seconds: float = 0.0
    missing: tuple[str, ...] = ()

    @property
    def rss(self) -> int:
        """Memory of all processes in bytes."""
        return sum(process.rss for process in self.processes)


class Observer:
    """Gathers snapshots on a thread. `metrics` maps a process's name to its `/metrics` address.

    `latest()` never blocks. `gather()` reads everything once and returns when it is done.
    """

    def __init__(
        self,
        settings: SinkSettings,
        metrics: Mapping[str, str],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._addresses, self._now = settings, dict(metrics), monotonic
        self._clock = settings.pipeline_clock
        self._client: Client | None = None
        self._presence: _Presence | None = None
        self._desk, self._flow = DeskSummary(), Flow()
        self._samples: dict[str, Samples] = {}
        self._visible, self._delivered = RecentHistogram(), RecentHistogram()
        self._rates: deque[tuple[float, float]] = deque(maxlen=24)
        self._missing: tuple[str, ...] = ()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._began = monotonic()

    def start(self) -> None:
        """Starts the thread."""
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, waiting at most three seconds."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(3.0)

    def latest(self, processes: Sequence[ProcessStatus] = ()) -> Snapshot:
        """Returns what was gathered last, with these processes."""
        return Snapshot(
            now=self._clock.now(),
            speed=self._clock.speed,
            desk=self._desk,
            flow=self._flow,
            processes=processes,
            up_seconds=self._now() - self._began,
            missing=self._missing,
        )

    def samples(self, process: str) -> Samples:
        """Returns the last metrics of a process; they stay when it has ended."""
        return self._samples.get(process, {})

    def gather(self) -> None:
        """Reads the metrics of every process, then ClickHouse."""
        missing = []
        for name, address in self._addresses.items():
            try:
                with _DIRECT.open(address, timeout=1.0) as answer:
                    self._samples[name] = parse_metrics(answer.read().decode())
            except (OSError, ValueError):
                missing.append(name)
        self._flow = self._flow_now()
        try:
            self._desk = self._desk_now()
        except (ClickHouseError, DeskstreamError, OSError):
            self._client = None
            missing.append("clickhouse")
        self._missing = tuple(missing)

    def _run(self) -> None:
        while not self._stop.is_set():
            began = self._now()
            try:
                self.gather()
            except Exception as error:  # the view must not end the pipeline
                self._missing = (f"view: {type(error).__name__}: {error}",)
            self._stop.wait(max(PAUSE_SECONDS, 2 * (self._now() - began)))

    # -- the processes ------------------------------------------------------------------------------------------

    def _flow_now(self) -> Flow:
        now = self._now()
        every = [sample for samples in self._samples.values() for sample in samples.items()]
        together: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        for key, value in every:
            together[key] = together.get(key, 0.0) + value
        published = total(together, "deskstream_contacts_published_total")
        self._visible.add(now, buckets(together, "deskstream_visible_seconds"))
        self._delivered.add(now, buckets(together, "deskstream_delivery_seconds"))
        self._rates.append((now, published))
        return Flow(
            published=int(published),
            received=int(total(together, "deskstream_contacts_received_total")),
            duplicates=int(total(together, "deskstream_contacts_duplicate_total")),
            dead_letters=int(
                total(together, "deskstream_contacts_dead_lettered_total")
                + total(together, "deskstream_records_dead_lettered_total")
                + total(together, "deskstream_sink_dead_lettered_total")
            ),
            per_second=self._rate(),
            visible=self._visible.quantiles(),
            delivered=self._delivered.quantiles(),
            lag={name: lag for name in self._samples if (lag := _lag(self._samples[name])) is not None},
            paused=tuple(name for name in self._samples if total(self._samples[name], "deskstream_sink_paused") > 0),
        )

    def _rate(self) -> float | None:
        (first_at, first), (last_at, last) = self._rates[0], self._rates[-1]
        return max(last - first, 0.0) / (last_at - first_at) if last_at > first_at else None

    # -- ClickHouse ---------------------------------------------------------------------------------------------

    def _desk_now(self) -> DeskSummary:
        if self._client is None:
            self._client = connect(self._settings)
        desk = read_desk(self._client, self._clock.now())
        if self._presence is None:
            self._presence = _Presence(self._settings)
        agents = self._presence.poll()
        teams = {
            team: replace(
                desk.teams.get(team, TeamLoad()),
                online=sum(agents.get(team, {}).values()),
                agents=len(agents.get(team, {})),
            )
            for team in desk.teams.keys() | agents.keys()
        }
        return replace(desk, teams=teams)


class _Presence:
    """Reads the last presence of every agent from the routing topic, by team."""

    def __init__(self, settings: SinkSettings) -> None:
        self._teams: dict[str, dict[str, bool]] = {}
        self._consumer: KafkaConsumer | None = None
        topic = settings.topic(ROUTING)
        try:
            self._consumer = KafkaConsumer(
                bootstrap_servers=settings.kafka_bootstrap_servers.split(","), enable_auto_commit=False
            )
            partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
            self._consumer.assign(partitions)
            self._consumer.seek_to_beginning(*partitions)
        except KafkaError:
            self._consumer = None

    def poll(self) -> Mapping[str, Mapping[str, bool]]:
        """Returns by team and agent whether the agent is online."""
        while self._consumer is not None:
            batches = self._consumer.poll(timeout_ms=20, max_records=5000)
            for records in batches.values():
                for record in records:
                    self._see(record.value or b"")
            if not batches:
                break
        return self._teams

    def _see(self, value: bytes) -> None:
        try:
            event = codec.decode(value)
        except CodecError:
            return
        if isinstance(event, PresenceChanged):
            self._teams.setdefault(event.team, {})[event.agent_id] = event.status == "online"


def _lag(samples: Samples) -> int | None:
    names = ("deskstream_lag_records", "deskstream_sink_lag_records")
    values = [value for (metric, _), value in samples.items() if metric in names]
    return int(sum(values)) if values else None

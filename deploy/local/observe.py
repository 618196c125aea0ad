"""What the terminal view knows: figures of the desk from ClickHouse, of the processes from their `/metrics`.

`Observer` gathers on a thread of its own, gently: it rests twice as long as ClickHouse needed to answer.
Whatever does not answer (yet) leaves its figures as they were, and a line says what is missing.
"""

from __future__ import annotations

import re
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from deploy.local.supervisor import ProcessStatus
from schemas import codec
from schemas.errors import CodecError, DeskstreamError
from schemas.events import PresenceChanged
from schemas.settings import SinkSettings
from schemas.topics import ROUTING
from sinks.clickhouse.connection import connect

PAUSE_SECONDS = 0.5
DELAY_WINDOW_SECONDS = 60.0
AT_RISK_SHARE = 0.2  # a running clock with less than this share of its target left is at risk
CONTACT_KINDS = ("message_received", "call_ended")

_SAMPLE = re.compile(r"^(deskstream_\w+)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))

Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


@dataclass(frozen=True, slots=True)
class ChannelFigures:
    contacts: int = 0
    tickets: int = 0


@dataclass(frozen=True, slots=True)
class TeamFigures:
    """`waiting` tickets have no agent yet, `held` ones have; `online` of the `agents` seen so far are on shift."""

    waiting: int = 0
    held: int = 0
    online: int = 0
    agents: int = 0


@dataclass(frozen=True, slots=True)
class ClockFigures:
    """Instances of one SLA clock. `at_risk` are running with little time left; `late` are breached and still wait."""

    running: int = 0
    at_risk: int = 0
    late: int = 0
    breached: int = 0
    met: int = 0


@dataclass(frozen=True, slots=True)
class TagFigures:
    tag: str
    tickets: int
    valence: str = ""
    quadrant: str = ""


@dataclass(frozen=True, slots=True)
class Desk:
    """The desk as ClickHouse shows it."""

    channels: Mapping[str, ChannelFigures] = field(default_factory=dict)
    statuses: Mapping[str, int] = field(default_factory=dict)
    teams: Mapping[str, TeamFigures] = field(default_factory=dict)
    acknowledged: int = 0
    suppressed: Mapping[str, int] = field(default_factory=dict)
    languages: Mapping[str, int] = field(default_factory=dict)
    tagged: int = 0
    tags: Sequence[TagFigures] = ()
    clocks: Mapping[str, ClockFigures] = field(default_factory=dict)
    csat_answers: int = 0
    csat_mean: float | None = None
    csat_low: int = 0
    #: Seconds: the 50th and the 90th of a hundred tickets; None before the first one has an answer.
    first_response: tuple[float, float] | None = None
    rows: Mapping[str, int] = field(default_factory=dict)

    @property
    def contacts(self) -> int:
        return sum(channel.contacts for channel in self.channels.values())

    @property
    def tickets(self) -> int:
        return sum(self.statuses.values())

    @property
    def solved(self) -> int:
        return sum(count for status, count in self.statuses.items() if status in ("solved", "closed"))


@dataclass(frozen=True, slots=True)
class Flow:
    """The pipeline as its processes report it. Delays in wall seconds, over the last minute; None while unknown.

    visible    from received by a producer to a row that can be queried
    delivered  from decided to handed over to the customer's channel
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
    """All that the view shows. `now` is pipeline time in micros; `missing` says what does not answer."""

    now: int
    speed: float = 1.0
    desk: Desk = Desk()
    flow: Flow = Flow()
    processes: Sequence[ProcessStatus] = ()
    up_seconds: float = 0.0
    missing: tuple[str, ...] = ()

    @property
    def rss(self) -> int:
        return sum(process.rss for process in self.processes)


def parse_metrics(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Our samples of a Prometheus text page: `(name, sorted labels)` → value."""
    samples = {}
    for line in text.splitlines():
        if line.startswith("deskstream_") and (match := _SAMPLE.match(line)):
            labels = tuple(sorted(_LABEL.findall(match[2] or "")))
            samples[match[1], labels] = float(match[3])
    return samples


def total(samples: Samples, name: str) -> float:
    """The sum of a metric over all its labels."""
    return sum(value for (metric, _), value in samples.items() if metric == name)


def buckets(samples: Samples, name: str) -> dict[float, float]:
    """The cumulative buckets of a histogram, summed over its other labels: upper bound → count."""
    found: dict[float, float] = {}
    for (metric, labels), value in samples.items():
        if metric == f"{name}_bucket":
            bound = float(dict(labels)["le"])
            found[bound] = found.get(bound, 0.0) + value
    return found


def quantile(share: float, counts: Mapping[float, float]) -> float | None:
    """A quantile of cumulative histogram buckets, linear within a bucket as Prometheus does; None without samples."""
    bounds = sorted(counts)
    if not bounds or counts[bounds[-1]] <= 0:
        return None
    wanted, below, below_count = share * counts[bounds[-1]], 0.0, 0.0
    for bound in bounds:
        if counts[bound] >= wanted:
            if bound == float("inf"):
                return below
            inside = counts[bound] - below_count
            return below + (bound - below) * ((wanted - below_count) / inside if inside else 1.0)
        below, below_count = bound, counts[bound]
    return below


class Recent:
    """What a cumulative histogram gained lately."""

    def __init__(self, seconds: float = DELAY_WINDOW_SECONDS) -> None:
        self._seconds = seconds
        self._history: deque[tuple[float, dict[float, float]]] = deque()

    def add(self, at: float, counts: dict[float, float]) -> None:
        if self._history and sum(counts.values()) < sum(self._history[-1][1].values()):
            self._history.clear()  # the process was restarted
        self._history.append((at, counts))
        while len(self._history) > 2 and self._history[1][0] <= at - self._seconds:
            self._history.popleft()

    def quantiles(self) -> tuple[float, float] | None:
        """Median and 99th percentile; those since the process began when nothing happened lately."""
        if not self._history:
            return None
        last, first = self._history[-1][1], self._history[0][1]
        gained = {bound: count - first.get(bound, 0.0) for bound, count in last.items()}
        counts = gained if max(gained.values(), default=0) > 0 else last
        median, p99 = quantile(0.5, counts), quantile(0.99, counts)
        return None if median is None or p99 is None else (median, p99)


class Observer:
    """Gathers snapshots on a thread. `metrics` maps a process's name to its `/metrics` address.

    `latest()` never blocks. `gather()` is one synchronous round for those who need the truth now.
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
        self._desk, self._flow = Desk(), Flow()
        self._samples: dict[str, Samples] = {}
        self._visible, self._delivered = Recent(), Recent()
        self._rates: deque[tuple[float, float]] = deque(maxlen=24)
        self._missing: tuple[str, ...] = ()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._began = monotonic()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(3.0)

    def latest(self, processes: Sequence[ProcessStatus] = ()) -> Snapshot:
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
        """The last metrics of a process; they stay when it has ended."""
        return self._samples.get(process, {})

    def gather(self) -> None:
        """One round: metrics first, then ClickHouse."""
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

    def _desk_now(self) -> Desk:
        if self._client is None:
            self._client = connect(self._settings)
        desk = read_desk(self._client, self._clock.now())
        if self._presence is None:
            self._presence = _Presence(self._settings)
        agents = self._presence.poll()
        teams = {
            team: replace(
                desk.teams.get(team, TeamFigures()),
                online=sum(agents.get(team, {}).values()),
                agents=len(agents.get(team, {})),
            )
            for team in desk.teams.keys() | agents.keys()
        }
        return replace(desk, teams=teams)


def read_desk(client: Client, now: int) -> Desk:
    """Every figure of the desk; `now` (pipeline micros) decides which clocks are at risk.

    Raises:
        ClickHouseError: a table is not there yet, or the server does not answer.
    """

    def rows(sql: str, **values: Any) -> Iterable[Sequence[Any]]:
        return client.query(sql, parameters=values or None).result_rows

    channels = {
        str(channel): ChannelFigures(int(contacts), int(opened))
        for channel, contacts, opened in rows(
            "SELECT channel, count(), countIf(opened_ticket) FROM contacts FINAL "
            "WHERE has({kinds:Array(String)}, kind) GROUP BY channel",
            kinds=list(CONTACT_KINDS),
        )
    }
    statuses: dict[str, int] = {}
    teams: dict[str, TeamFigures] = {}
    languages: dict[str, int] = {}
    tagged = 0
    for team, status, language, waiting, count, with_tags in rows(
        "SELECT team, status, language, assignee_id = '' AS waiting, count(), countIf(notEmpty(tags)) "
        "FROM tickets FINAL GROUP BY team, status, language, waiting"
    ):
        statuses[status] = statuses.get(status, 0) + count
        languages[language] = languages.get(language, 0) + count
        tagged += with_tags
        if status in ("new", "open"):
            so_far = teams.get(team, TeamFigures())
            teams[team] = replace(
                so_far, waiting=so_far.waiting + count * bool(waiting), held=so_far.held + count * (not waiting)
            )
    outcomes = {
        (str(outcome), str(reason)): int(count)
        for outcome, reason, count in rows(
            "SELECT outcome, reason, count() FROM acknowledgements FINAL GROUP BY outcome, reason"
        )
    }
    clocks = {
        str(clock): ClockFigures(*map(int, figures))
        for clock, *figures in rows(
            "SELECT clock, countIf(state = 'active'), "
            "countIf(state = 'active' AND due_at < fromUnixTimestamp64Micro({now:Int64}) "
            "+ toIntervalSecond(toUInt32(ifNull(target_seconds, 0) * {share:Float64}))), "
            "countIf(state = 'breached' AND is_running), countIf(is_breached), countIf(state = 'met') "
            "FROM sla_status GROUP BY clock",
            now=now,
            share=AT_RISK_SHARE,
        )
    }
    tags = [
        TagFigures(str(tag), int(tickets), str(valence), str(quadrant))
        for tag, tickets, valence, quadrant in rows(
            "SELECT tag, count(), any(valence), any(quadrant) FROM tags FINAL WHERE active "
            "GROUP BY tag ORDER BY count() DESC, tag LIMIT 30"
        )
    ]
    [(answers, mean, low)] = rows("SELECT count(csat), avgOrNull(csat), countIf(csat <= 2) FROM surveys_last")
    [(answered, median, ninetieth)] = rows(
        "SELECT count(), quantileExact(0.5)(first_response_seconds), quantileExact(0.9)(first_response_seconds) "
        "FROM tickets FINAL WHERE first_response_seconds IS NOT NULL AND NOT imported"
    )
    return Desk(
        channels=channels,
        statuses=statuses,
        teams=teams,
        acknowledged=sum(count for (outcome, _), count in outcomes.items() if outcome == "sent"),
        suppressed={reason: count for (outcome, reason), count in outcomes.items() if outcome == "suppressed"},
        languages=languages,
        tagged=tagged,
        tags=tags,
        clocks=clocks,
        csat_answers=int(answers),
        csat_mean=None if mean is None else float(mean),
        csat_low=int(low),
        first_response=(float(median), float(ninetieth)) if answered else None,
        rows={
            str(table): int(count)
            for table, count in rows(
                "SELECT table, sum(rows) FROM system.parts WHERE active AND database = currentDatabase() "
                "AND table != 'schema_migrations' GROUP BY table ORDER BY table"
            )
        },
    )


class _Presence:
    """Who is on shift, read from the routing topic: the last word of every agent, by team."""

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
        """Team → agent → online."""
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

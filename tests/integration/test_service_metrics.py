"""What Prometheus adds up over the workers is what ClickHouse counts, before and after a rebalance."""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect import get_client
from kafka import KafkaProducer
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.process import free_ports
from schemas import codec, metrics
from schemas.clock import MICROS
from schemas.events import (
    AgentReplied,
    Event,
    MessageReceived,
    PresenceChanged,
    StatusChanged,
    SurveyAnswered,
    Transferred,
)
from schemas.identity import canonical_customer_id, customer_tag, event_id, ticket_id
from schemas.settings import WorkerSettings
from schemas.topics import CONTACT_EVENTS, FACT_TOPICS, ROUTING, TOPIC_OF
from tests.support.faults.fleet import behind

ROOT = Path(__file__).parents[2]
CUSTOMERS, HOUR = 40, 3600 * MICROS
TIMEOUT_SECONDS, PANE_SECONDS = 150.0, 300
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
OPEN = "status IN ('new', 'open', 'pending', 'hold') AND imported = 0"
TEXTS = ("My card was declined", "Where is my parcel? It never arrived.", "I want to return the jacket", "Hello")

Labels = tuple[str, ...]
Sums = dict[Labels, float]
Ask = Callable[[str], Sums]


def log_of(part: int, now: int) -> Iterator[Event]:
    """Customers on all channels who write, are answered, moved, solved and asked, over the last two days; and history."""
    dice = random.Random(part)
    for number in range(CUSTOMERS):
        channel = ("email", "chat", "form", "sms", "phone", "in_person")[number % 6]
        customer = canonical_customer_id("email", f"figures-{part}-{number}@example.org")
        tag, imported = customer_tag(customer), channel == "in_person"
        ticket, began = ticket_id(tag, 1), now - dice.randrange(1, 48) * HOUR - 600 * MICROS
        told = 0

        def base(minutes: int, of: str) -> dict[str, Any]:
            nonlocal told
            told += 1
            at = began + minutes * 60 * MICROS  # noqa: B023
            identity = event_id("figures", tag, of, str(told))  # noqa: B023
            times = {"event_id": identity, "occurred_at": at, "received_at": at}
            return times | {"customer_tag": tag, "imported": imported, "source": "figures"}  # noqa: B023

        def said(minutes: int, text: str) -> MessageReceived:
            who = {"customer_id": customer, "address": f"figures-{part}-{number}@example.org"}  # noqa: B023
            return MessageReceived(**base(minutes, "said"), channel=channel, **who, text=text, ticket_ref=ticket)  # noqa: B023

        yield said(0, TEXTS[number % len(TEXTS)])
        if number % 7 == 0:
            yield Transferred(**base(1, "moved"), ticket_id=ticket, to_team="returns", agent_id="mei")
        if number % 3:
            yield AgentReplied(
                **base(1 + number % 9, "reply"), ticket_id=ticket, agent_id="mei", text="We look into it."
            )
        if number % 4 == 1:
            yield said(10, "And when will that be?")
        if number % 5 == 2:
            yield StatusChanged(**base(11, "solved"), ticket_id=ticket, status="solved", agent_id="mei")
            yield SurveyAnswered(**base(12, "scored"), ticket_id=ticket, survey_id=f"s-{ticket}", csat=1 + number % 5)


def shift(part: int, now: int) -> Iterator[PresenceChanged]:
    """Agents of three teams come; some are away or gone again, one takes no tickets."""
    for number, team in enumerate(("support", "payments", "delivery") * 2):
        for status in ("online", ("online", "away", "offline")[(number + part) % 3]):
            identity = event_id("figures", team, str(number), str(part), status)
            yield PresenceChanged(
                event_id=identity,
                occurred_at=now,
                received_at=now,
                customer_tag="",
                agent_id=f"agent-{number}",
                team=team,
                status=status,
                capacity={"default": number},
                valid_seconds=86_400,
            )


class Fleet:
    """Two workers and the sink, as processes."""

    def __init__(self, deployment: Any, logs: Path) -> None:
        self.env = {**os.environ, **deployment.env, "PYTHONPATH": str(ROOT), "DESKSTREAM_LOG_LEVEL": "info"}
        self.env["DESKSTREAM_SESSION_TIMEOUT_SECONDS"] = "6"
        self.settings = deployment.settings(WorkerSettings)
        self.logs = logs
        names = ("worker-0", "worker-1")
        self.ports = dict(zip(names, free_ports(2), strict=True))
        self.running = {name: self.start(name, "-m", "stream_processors") for name in names}
        self.running["sink"] = self.start("sink", "-m", "sinks", "clickhouse")
        self.gone: list[tuple[str, dict[str, str], float]] = []

    def start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        env = {**self.env, "DESKSTREAM_WORKER_ID": name, "DESKSTREAM_METRICS_PORT": str(self.ports.get(name, 0))}
        with (self.logs / f"{name}.log").open("ab") as log:
            return subprocess.Popen([sys.executable, *command], cwd=ROOT, env=env, stdout=log, stderr=log)

    def publish(self, events: Iterable[Event]) -> None:
        producer = KafkaProducer(bootstrap_servers=self.settings.kafka_bootstrap_servers, acks="all", linger_ms=5)
        for event in events:
            key = event.team if isinstance(event, PresenceChanged) else event.customer_tag
            producer.send(self.settings.topic(TOPIC_OF[type(event)]), key=key.encode(), value=codec.encode(event))
        producer.flush()
        producer.close()

    def scrape(self, name: str) -> list[tuple[str, dict[str, str], float]]:
        """Name, labels and value of every sample of one worker."""
        with _OPENER.open(f"http://127.0.0.1:{self.ports[name]}/metrics", timeout=60) as answer:
            text = answer.read().decode()
        return [tuple(sample)[:3] for family in text_string_to_metric_families(text) for sample in family.samples]

    def workers(self) -> list[str]:
        return [name for name, process in self.running.items() if name in self.ports and process.poll() is None]

    def stop(self, name: str) -> None:
        """End a worker; what it counted stays, as it does in Prometheus."""
        families = ("deskstream_first_response_seconds_bucket", "deskstream_first_response_seconds_sum")
        counted = [each for each in self.scrape(name) if each[0].endswith(("_total", "_count")) or each[0] in families]
        self.gone += counted
        self.running[name].terminate()
        assert self.running[name].wait(60) == 0

    def await_settled(self, sharing: int) -> None:
        """Until so many workers have partitions, all is folded and in ClickHouse, and the gauges are complete."""
        partitions = self.settings.partitions
        until, before, seen, lags = time.monotonic() + TIMEOUT_SECONDS, -1, Counter[str](), list[int]()
        group = f"{self.settings.namespace}deskstream"
        while time.monotonic() < until:
            time.sleep(0.5)
            seen, holders = Counter(), set[str]()
            for name in self.workers():
                try:
                    samples = self.scrape(name)
                except OSError:
                    continue
                for metric, _, value in samples:
                    if metric == "deskstream_figures_ready":
                        seen["ready"] += int(value)
                        holders.add(name)
                    elif metric == "deskstream_records_processed_total":
                        seen["processed"] += int(value)
            if len(holders) != sharing or seen["ready"] != partitions:
                continue
            lags = [behind(self.settings, group, (topic,)) for topic in (CONTACT_EVENTS, ROUTING)]
            lags.append(behind(self.settings, self.settings.group("clickhouse"), FACT_TOPICS))
            if not any(lags) and seen["processed"] == before:
                return
            before = seen["processed"] if not any(lags) else -1
        pytest.fail(f"not settled after {TIMEOUT_SECONDS:.0f} s: {lags=} {seen=}")


@pytest.fixture
def fleet(deployment: Any, tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(deployment, tmp_path)
    yield fleet
    for process in fleet.running.values():
        process.kill()
        process.wait()


class Prometheus:
    """What it would have scraped from the workers: counters of all, gauges of those that are there."""

    def __init__(self, fleet: Fleet) -> None:
        self.before = time.time()
        self.samples = [sample for name in fleet.workers() for sample in fleet.scrape(name)]
        self.after = time.time()
        self.samples += fleet.gone

    def by(self, metric: str, *labels: str, most: bool = False) -> Sums:
        """`sum by (labels) (metric)`, or `max by`; sums of zero are left out."""
        found: Sums = {}
        for name, values, value in self.samples:
            if name == metric:
                place = tuple(values[label] for label in labels)
                found[place] = max(value, found.get(place, 0.0)) if most else found.get(place, 0.0) + value
        return {place: value for place, value in found.items() if value}


LIVE = "ticket_id IN (SELECT ticket_id FROM tickets FINAL WHERE imported = 0)"
SLA = "clock, policy, channel, team, priority"
TRANSITIONS = f"SELECT {SLA}, count() FROM (SELECT * FROM clocks FINAL) WHERE {LIVE} AND transition = %s GROUP BY {SLA}"
RUNNING = f"""SELECT clock, t.channel, t.team, %s, count() FROM sla_status AS s
    JOIN (SELECT * FROM tickets FINAL WHERE {OPEN}) AS t ON s.ticket_id = t.ticket_id
    WHERE s.is_running AND s.state != 'paused' AND %s GROUP BY ALL"""
ANSWERED = "SELECT %s FROM (SELECT * FROM tickets FINAL) WHERE imported = 0 AND first_response_seconds IS NOT NULL"
#: Metric → its labels, and the SQL that counts the same in ClickHouse.
EXPECTED = {
    "sla_met_total": (SLA, f"SELECT {SLA}, count() FROM sla_status WHERE {LIVE} AND state = 'met' GROUP BY {SLA}"),
    "sla_breached_total": (SLA, TRANSITIONS.replace("%s", "'breach'")),
    "sla_corrected_total": (SLA, TRANSITIONS.replace("%s", "'correct' AND at < due_at")),
    "csat_answers_total": (
        "channel, team, score",
        f"SELECT channel, team, csat, count() FROM (SELECT * FROM surveys FINAL) WHERE {LIVE} AND csat > 0 GROUP BY ALL",
    ),
    "tags_applied_total": (
        "tag, quadrant, team",
        f"SELECT tag, quadrant, owner_team, count() FROM (SELECT * FROM tags FINAL) WHERE {LIVE} GROUP BY ALL",
    ),
    "acknowledgements_total": (
        "channel, outcome, reason",
        f"SELECT channel, outcome, reason, count() FROM (SELECT * FROM acknowledgements FINAL) WHERE {LIVE} GROUP BY ALL",
    ),
    "first_response_seconds_count": (
        "channel, team",
        "SELECT channel, team, sum(first_responses) FROM panes FINAL WHERE channel != 'in_person' GROUP BY ALL",
    ),
    "first_response_seconds_sum": (
        "channel, team",
        "SELECT channel, team, sum(first_response_seconds_sum) FROM panes FINAL WHERE channel != 'in_person' GROUP BY ALL",
    ),
    "first_response_seconds_bucket": (
        "le",
        ANSWERED.replace(
            "%s",
            "arrayJoin([{}]) AS le, countIf(first_response_seconds <= toFloat64(le))".format(
                ", ".join("'+Inf'" if math.isinf(x) else f"'{x}'" for x in metrics.FIRST_RESPONSE_SECONDS._upper_bounds)
            ),
        )
        + " GROUP BY le",
    ),
    "tickets_open": (
        "channel, team, priority, status",
        f"SELECT channel, team, priority, status, count() FROM (SELECT * FROM tickets FINAL) WHERE {OPEN} GROUP BY ALL",
    ),
    "tickets_overdue": ("clock, channel, team, priority", RUNNING.replace("%s", "t.priority", 1) % "s.is_breached"),
    "tickets_at_risk": (
        "clock, channel, team, threshold",
        RUNNING.replace("%s", "s.risk", 1) % "NOT s.is_breached AND s.risk > 0",
    ),
    "agents": (
        "team, status",
        "SELECT team, status, count() FROM presences FINAL WHERE until IS NULL GROUP BY ALL",
    ),
    "agents_busy": (
        "team",
        "SELECT team, count() FROM presences FINAL WHERE until IS NULL AND busy GROUP BY ALL",
    ),
}


def compare(prometheus: Prometheus, client: Any) -> dict[str, int]:
    """Compares every metric with ClickHouse; returns how many series each has."""

    def ask(sql: str) -> Sums:
        return {tuple(map(str, row[:-1])): float(row[-1]) for row in client.query(sql).result_rows if row[-1]}

    return compare_sums(prometheus, ask) | compare_growing(prometheus, ask) | compare_windows(prometheus, ask)


def compare_sums(prometheus: Prometheus, ask: Ask) -> dict[str, int]:
    """Compares counters and gauges that are exact at any moment."""
    series = {}
    for metric, (labels, sql) in EXPECTED.items():
        ours = prometheus.by(f"deskstream_{metric}", *labels.split(", "))
        assert ours == pytest.approx(ask(sql)), metric
        series[metric] = len(ours)
    return series


def compare_growing(prometheus: Prometheus, ask: Ask) -> dict[str, int]:
    """Checks that gauges which grow with time lie between the values before and after the scrape."""
    series = {}
    place = "SELECT channel, team, {} FROM (SELECT * FROM tickets FINAL) WHERE " + OPEN + " {} GROUP BY channel, team"
    since = "min(toUnixTimestamp64Micro(waiting_since)) / 1e6"
    for metric, most, value, where in (
        ("longest_wait_seconds", True, "{} - " + since, "AND waiting_since IS NOT NULL"),
        ("backlog_age_seconds", False, "sum({} - toUnixTimestamp64Micro(created_at) / 1e6)", ""),
    ):
        ours = prometheus.by(f"deskstream_{metric}", "channel", "team", most=most)
        low, high = (
            ask(place.format(value.format(f"{at:.6f}"), where)) for at in (prometheus.before, prometheus.after)
        )
        assert ours.keys() == low.keys(), metric
        assert all(low[each] - 0.001 <= ours[each] <= high[each] + 0.001 for each in ours), metric
        series[metric] = len(ours)
    return series


def compare_windows(prometheus: Prometheus, ask: Ask) -> dict[str, int]:
    """Compares the sums over the last hour, day and week."""
    series = {}
    for window, seconds in (("1h", 3600), ("24h", 86_400), ("7d", 604_800)):
        panes = f"""SELECT channel, team, {{}} FROM panes FINAL WHERE channel != 'in_person'
            AND start > fromUnixTimestamp64Micro({int((prometheus.before - seconds - 300) * 1e6)}) GROUP BY channel, team"""
        for metric, column in (("score_sum", "csat_sum"), ("answers", "csat_answers")):
            ours = {
                where[1:]: value
                for where, value in prometheus.by(
                    f"deskstream_window_csat_{metric}", "window", "channel", "team"
                ).items()
                if where[0] == window
            }
            assert ours == ask(panes.format(f"sum({column})")), (window, metric)
            series[f"window_csat_{metric} {window}"] = len(ours)
    return series


def await_agreement(fleet: Fleet, client: Any, sharing: int) -> dict[str, int]:
    """Compare once all is settled; and again if time itself moved a clock or a pane on between the two sides."""
    while True:
        fleet.await_settled(sharing)
        before = moment(client)
        try:
            return compare(Prometheus(fleet), client)
        except AssertionError:
            fleet.await_settled(sharing)
            if moment(client) == before:
                raise


def moment(client: Any) -> tuple[int, int]:
    """What changes when a deadline comes, or a pane's time is over."""
    return client.query("SELECT count() FROM clocks FINAL").first_row[0], int(time.time()) // PANE_SECONDS


@pytest.mark.stack
@pytest.mark.timeout(900)
def test_sums_over_the_workers_are_what_clickhouse_counts_before_and_after_one_of_them_stops(
    deployment: Any, fleet: Fleet
) -> None:
    client = get_client(dsn=deployment.env["DESKSTREAM_CLICKHOUSE_URL"], database=deployment.database)
    fleet.await_settled(sharing=2)
    fleet.publish(chain(shift(1, time.time_ns() // 1000), log_of(1, time.time_ns() // 1000)))
    series = await_agreement(fleet, client, sharing=2)
    unseen = {metric for metric, count in series.items() if not count}
    assert unseen <= {"sla_corrected_total", "window_csat_score_sum 1h", "window_csat_answers 1h"}

    fleet.stop("worker-1")
    await_agreement(fleet, client, sharing=1)
    fleet.publish(chain(shift(2, time.time_ns() // 1000), log_of(2, time.time_ns() // 1000)))
    await_agreement(fleet, client, sharing=1)

    fleet.running["worker-1"] = fleet.start("worker-1", "-m", "stream_processors")
    await_agreement(fleet, client, sharing=2)

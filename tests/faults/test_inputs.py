"""Rows of the fault matrix: what comes in is broken, doubled, out of order, or from hosts whose clocks disagree."""

from __future__ import annotations

import time

import pytest

from schemas.facts import ContactFact
from schemas.process import EXIT_PROTECTED
from schemas.settings import SinkSettings
from sinks.clickhouse import connection
from tests.benchmarks.corpus import messages
from tests.support.faults.load import doubled, hosts_apart, poisoned, shuffled
from tests.support.faults.oracle import dead_letters, judge
from tests.support.faults.row import Scene, Size, row
from tests.support.sinks.deployment import Log
from tests.support.sinks.examples import example
from tests.support.timeouts import eventually

TEN_MINUTES = 600_000_000


@row(soak=Size(contacts=10_000, faults=0, per_second=1_000.0))
def test_duplicates_count_once(scene: Scene, size: Size) -> None:
    with scene.under_load(size, doubled(0.3)):
        pass
    assert len({sent.event.event_id for sent in scene.load.accepted if sent.event}) < len(scene.load.accepted)


@row(soak=Size(contacts=10_000, faults=0, per_second=1_000.0))
def test_events_out_of_order_are_all_counted(scene: Scene, size: Size) -> None:
    scene.may_refuse = True
    with scene.under_load(size, shuffled(200)):
        pass


@row(soak=Size(contacts=10_000, faults=0, per_second=1_000.0))
def test_one_percent_of_poison_harms_no_neighbour(scene: Scene, size: Size) -> None:
    scene.may_refuse = True  # an answer to a ticket whose message was poison
    with scene.under_load(size, poisoned(0.01)):
        pass
    assert scene.counts.poison == sum(sent.event is None for sent in scene.load.accepted) > 0


@row(short=Size(contacts=200, faults=0, per_second=100.0))
def test_poison_duplicates_and_disorder_at_once(scene: Scene, size: Size) -> None:
    scene.workers, scene.may_refuse = 1, True
    with scene.under_load(size, lambda stream: poisoned(0.03)(iter(shuffled(50)(iter(doubled(0.2)(stream)))))):
        pass
    assert scene.counts.poison == sum(sent.event is None for sent in scene.load.accepted) > 0
    damage_is_noticed(scene)


def damage_is_noticed(scene: Scene) -> None:
    """The oracle itself: a row less, a row too many, a fact too many, an event without a fact, a missing dead letter."""
    client = connection.connect(scene.deployment.settings(SinkSettings))
    for damage, says in (
        ("DELETE FROM tags WHERE version = (SELECT max(version) FROM tags)", r"tags: [1-9]\d* rows lost, 0 too many"),
        ("INSERT INTO tags (ticket_id, tag, version) VALUES ('ABCDEFGHIJKL-9', 'x', 1)", "0 rows lost, 1 too many"),
        ("ALTER TABLE contacts UPDATE text = 'x' WHERE kind = 'agent_replied'", "contacts: .* rows differ"),
    ):
        table = "contacts" if "contacts" in damage else "tags"
        client.command(f"CREATE TABLE kept AS {table}")
        client.command(f"INSERT INTO kept SELECT * FROM {table}")
        client.command(damage, settings={"mutations_sync": 1})
        with pytest.raises(AssertionError, match=says):
            judge(scene.settings, client, scene.load.accepted, may_refuse=True)
        client.command(f"EXCHANGE TABLES kept AND {table}")
        client.command("DROP TABLE kept")
    log = Log(scene.deployment.settings(SinkSettings))
    for record, says in (
        (example(ContactFact, 1), "only in Kafka"),
        (next(messages(1, seed=99)), "only offline"),
    ):
        log.write([record])
        with pytest.raises(AssertionError, match=says):
            judge(scene.settings, client, scene.load.accepted, may_refuse=True)


@row(soak=Size(contacts=2_000, faults=1))
def test_nothing_but_poison_stops_the_worker_until_it_is_told_to_go_on(scene: Scene, size: Size) -> None:
    """It stops before the commit; an operator who has looked lets it go on, and each record becomes a dead letter."""
    scene.workers = 1
    with scene.under_load(size, poisoned(1.0)):
        worker = scene.fleet.running["worker-0"]
        assert eventually(lambda: worker.poll(), "its end") == EXIT_PROTECTED
        scene.faults += 1
        few = len(dead_letters(scene.settings))
        scene.load.join()
        assert few < len(scene.load.accepted), "most of it was still to come"
        scene.fleet.env |= {"DESKSTREAM_DLQ_MAX_RATIO": "1", "DESKSTREAM_DLQ_MAX_RUN": "1000000"}
    assert scene.counts.poison == len(scene.load.accepted)


@row(soak=Size(contacts=10_000, faults=6))
def test_clocks_ten_minutes_apart_change_no_fact(scene: Scene, size: Size) -> None:
    """One worker is ten minutes behind and one ahead, half of the producers are ahead; workers take turns by being killed."""
    now = time.time_ns() // 1000
    for name, ahead in (("worker-0", -TEN_MINUTES), ("worker-1", TEN_MINUTES)):
        scene.fleet.own_env[name] = {"DESKSTREAM_CLOCK": f"origin={now + ahead},wall={now},speed=1.0"}
    with scene.under_load(size, hosts_apart(TEN_MINUTES)):
        for number in range(size.faults):
            scene.wait(1.0, 3.0)
            scene.fleet.kill(f"worker-{number % 2}")
            scene.faults += 1

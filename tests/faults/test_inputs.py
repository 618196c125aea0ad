"""Rows of the fault matrix: what comes in is broken, doubled, out of order, or from hosts whose clocks disagree."""

from __future__ import annotations

import time

from schemas.process import EXIT_PROTECTED
from tests.support.faults.load import doubled, hosts_apart, poisoned, shuffled
from tests.support.faults.oracle import dead_letters
from tests.support.faults.row import Scene, Size, row
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


@row(short=Size(contacts=500, faults=0))
def test_poison_duplicates_and_disorder_at_once(scene: Scene, size: Size) -> None:
    scene.workers, scene.may_refuse = 1, True
    with scene.under_load(size, lambda stream: poisoned(0.01)(iter(shuffled(50)(iter(doubled(0.2)(stream)))))):
        pass
    assert scene.counts.poison == sum(sent.event is None for sent in scene.load.accepted) > 0


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

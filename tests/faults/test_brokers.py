"""Rows of the fault matrix: brokers that end, are cut off, lose each other, or take no states."""

from __future__ import annotations

from contextlib import closing

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from schemas.settings import Settings
from schemas.topics import CONTACT_EVENTS, STATE_TABLES, changelog
from tests.support.faults.brokers import Broker
from tests.support.faults.row import Scene, Size, row
from tests.support.timeouts import eventually


@row(soak=Size(contacts=10_000, faults=20, per_second=100.0))
def test_a_broker_that_is_killed_or_stopped_costs_and_doubles_nothing(broker_scene: Scene, size: Size) -> None:
    scene = broker_scene
    with scene.under_load(size):
        for number in range(size.faults):
            scene.wait(2.0, 5.0)
            scene.broker.kill() if number % 2 else scene.broker.stop()
            scene.wait(0.0, 4.0)
            scene.broker.start()
            scene.faults += 1


@row(short=Size(contacts=600, faults=1, per_second=100.0), soak=Size(contacts=10_000, faults=15, per_second=100.0))
def test_a_cut_to_the_broker_that_swallows_packets_costs_nothing(broker_scene: Scene, size: Size) -> None:
    """Shorter and longer than the session; what was on its way arrives afterwards, or never does."""
    scene = broker_scene
    with scene.under_load(size):
        for number in range(size.faults):
            scene.wait(1.0, 3.0)
            with scene.proxy.silent(forget=bool(number % 2)):
                scene.wait(3.0, 12.0)
            scene.faults += 1


@row(soak=Size(contacts=5_000, faults=5, per_second=150.0))
def test_a_slow_network_to_the_broker_costs_nothing(broker_scene: Scene, size: Size) -> None:
    scene = broker_scene
    with scene.under_load(size):
        for _ in range(size.faults):
            scene.wait(1.0, 3.0)
            with scene.proxy.delayed(0.3):
                scene.wait(2.0, 6.0)
            scene.proxy.reset()
            scene.faults += 1


@row(short=Size(contacts=500, faults=1, per_second=100.0), soak=Size(contacts=20_000, faults=4, per_second=100.0))
def test_a_changelog_that_stalls_holds_up_and_loses_nothing(scene: Scene, size: Size) -> None:
    """Kafka takes the outputs and not the states; in the soak for longer than a request may take, so that workers end."""
    with scene.under_load(size):
        for number in range(size.faults):
            scene.wait(1.0, 3.0)
            require_replicas(scene.settings, 2)
            scene.wait(*((2.0, 4.0) if number % 2 == 0 else (65.0, 75.0)))
            require_replicas(scene.settings, 1)
            scene.faults += 1


def require_replicas(settings: Settings, count: int) -> None:
    """Lets the changelogs take a write only when so many replicas have it: of one replica, 2 stops all writes."""
    names = [changelog(f"{settings.namespace}deskstream", table).name for table in STATE_TABLES]
    configs = {"min.insync.replicas": str(count)}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, configs) for name in names]
    with closing(KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers.split(","))) as admin:
        admin.alter_configs(resources)


@row(soak=Size(contacts=6_000, faults=6, per_second=150.0))
def test_a_lost_leader_of_three_costs_and_doubles_nothing(cluster_scene: Scene, size: Size) -> None:
    scene = cluster_scene
    with scene.under_load(size):
        for _ in range(size.faults):
            scene.wait(3.0, 6.0)
            broker = leader(scene)
            broker.kill()
            scene.wait(3.0, 10.0)
            broker.start()
            eventually(lambda: in_sync(scene) == 3, "three replicas in sync")
            scene.faults += 1


@row(soak=Size(contacts=10_000, faults=3, per_second=200.0))
def test_a_lost_in_sync_set_holds_up_and_loses_nothing(cluster_scene: Scene, size: Size) -> None:
    """Two of three brokers are killed: what one has alone is acknowledged to nobody."""
    scene = cluster_scene
    assert scene.brokers is not None
    with scene.under_load(size):
        for _ in range(size.faults):
            scene.wait(3.0, 6.0)
            lost = scene.dice.sample(list(scene.brokers.all), 2)
            for broker in lost:
                broker.kill()
            scene.wait(5.0, 15.0)
            for broker in lost:
                broker.launch()
            for broker in lost:
                broker.wait()
            eventually(lambda: in_sync(scene) == 3, "three replicas in sync")
            scene.faults += 1


def leader(scene: Scene) -> Broker:
    """Returns the broker that leads a partition of the contacts."""
    assert scene.brokers is not None
    node = scene.dice.choice(partitions(scene))["leader_id"]
    return next(broker for broker in scene.brokers.all if broker.node == node)


def in_sync(scene: Scene) -> int:
    """Returns how many replicas of the contacts' partitions are in sync, of that with the fewest."""
    return min(len(partition["isr_nodes"]) for partition in partitions(scene))


def partitions(scene: Scene) -> list[dict[str, object]]:
    settings = scene.settings
    with closing(KafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers.split(","))) as admin:
        [topic] = admin.describe_topics([settings.topic(CONTACT_EVENTS)])
    return topic["partitions"]  # type: ignore[no-any-return]

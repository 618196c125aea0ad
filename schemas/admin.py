"""Creates and verifies the Kafka topics that `schemas/topics.py` declares: `python -m schemas.admin create|verify`.

The broker never creates a topic by itself, so this runs before any process does. It is safe to run again.

Every producer writes with acks=all: Kafka acknowledges a record when all replicas that are in sync have it. By Kafka's
own defaults that may be the leader alone. Topics of three and more replicas therefore have `min.insync.replicas` 2: a
record that is acknowledged is on two brokers, or it is not acknowledged.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any

import typer
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    KafkaError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)

from schemas import secret_check
from schemas.errors import TopicMismatch, Unavailable
from schemas.kafka_security import security
from schemas.process import guarded, patiently
from schemas.settings import Settings, load
from schemas.topics import STATE_TABLES, TOPICS, Topic, changelog

BOOTSTRAP_SECONDS, READY_SECONDS = 10.0, 30.0
IN_SYNC = "min.insync.replicas"
#: The cleanup policy of a topic of unique keys while an erasure lets Kafka remove a customer's records (ADR 52).
ERASING = "compact,delete"


def declared(settings: Settings, *, app_id: str = "") -> dict[str, Topic]:
    """Full name -> declaration of every topic of this deployment, changelogs included.

    `app_id` is the Faust app that owns the state tables; by default `<namespace>deskstream`.
    """
    changelogs = [changelog(app_id or f"{settings.namespace}deskstream", table) for table in STATE_TABLES]
    return {settings.topic(topic): topic for topic in TOPICS} | {topic.name: topic for topic in changelogs}


def create_topics(settings: Settings, *, app_id: str = "") -> list[str]:
    """Creates what is missing, verifies the rest, waits until every partition has a leader; returns the created names.

    Topics that are there and would acknowledge a record on too few replicas have `min.insync.replicas` raised.

    Raises:
        TopicMismatch: a topic exists with another partition count, cleanup policy or fewer replicas.
        Unavailable: Kafka does not answer, or does not finish in time.
    """
    topics = declared(settings, app_id=app_id)
    with administrator(settings) as admin:
        missing = [name for name in topics if name not in set(admin.list_topics())]
        if missing:
            with suppress(TopicAlreadyExistsError):  # another process was faster; what it made is verified below
                admin.create_topics({name: _wanted(topics[name], settings) for name in missing}, timeout_ms=30_000)
        _await_leaders(admin, topics, settings)
        raised, deadline = _raise_in_sync(admin, topics), time.monotonic() + READY_SECONDS
        while problems := _problems(admin, topics, settings):
            if not raised or time.monotonic() > deadline:  # not every broker hears at once of what was raised
                raise TopicMismatch("; ".join(problems))
            time.sleep(0.05)
    return missing


def verify_topics(settings: Settings, *, app_id: str = "") -> None:
    """Compares every topic with its declaration.

    Raises:
        TopicMismatch: a topic is missing, or exists with another partition count or cleanup policy, on fewer replicas, or
            acknowledges a record that fewer of them have.
        Unavailable: Kafka does not answer.
    """
    with administrator(settings) as admin:
        if problems := _problems(admin, declared(settings, app_id=app_id), settings):
            raise TopicMismatch("; ".join(problems))


def delete_topics(settings: Settings, *, app_id: str = "", wait: bool = True) -> None:
    """Deletes every topic of this deployment, by default until they are gone; for tests and for leaving a shared broker."""
    names = set(declared(settings, app_id=app_id))
    deadline = time.monotonic() + READY_SECONDS
    with administrator(settings) as admin:
        while there := names.intersection(admin.list_topics()):
            with suppress(UnknownTopicOrPartitionError):  # gone already, but not every broker has heard
                admin.delete_topics(sorted(there))
            if not wait:
                return
            if time.monotonic() > deadline:
                raise Unavailable(f"{len(there)} topics are still there, such as {min(there)}")
            time.sleep(0.02)


def forget_offsets(settings: Settings, group: str) -> None:
    """Lets a consumer group (its full name) begin at the start of its topics again.

    Raises:
        Unavailable: a member of it is there (or was within its session time), or Kafka does not answer.
    """
    with administrator(settings) as admin:
        answer = dict(admin.delete_groups([group]))[group]
    if answer not in ("OK", "GroupIdNotFoundError"):
        because = "somebody still reads in it" if answer == "NonEmptyGroupError" else answer
        raise Unavailable(f"the offsets of {group} stay as they are: {because} (stop every process of it, wait 10 s)")


def require_idle(settings: Settings, group: str, topic: str) -> None:
    """Refuses unless a consumer group (its full name) has no member and has committed all of a topic.

    Raises:
        Unavailable: somebody reads in it, or records wait, or Kafka does not answer.
    """
    places = [TopicPartition(topic, number) for number in range(settings.partitions)]
    with administrator(settings) as admin:
        members, committed = _group(admin, group, places)
        ends = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST))
    if members:
        raise Unavailable(f"{len(members)} members still read in {group}: stop every process of it, wait 10 s")
    waiting = sum(ends[place].offset - max(0, committed[place].offset if place in committed else 0) for place in places)
    if waiting:
        raise Unavailable(f"{waiting} records of {topic} wait for {group}: let the workers catch up, then stop them")


def _group(admin: Any, group: str, places: list[TopicPartition]) -> tuple[list[Any], dict[TopicPartition, Any]]:
    """Returns the members of a group and what it has committed; a broker whose first group this is needs a moment."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            members = admin.describe_groups([group])[group].get("members") or []
            return members, admin.list_group_offsets({group: places}).get(group, {})
        except (CoordinatorNotAvailableError, CoordinatorLoadInProgressError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@contextmanager
def administrator(settings: Settings) -> Iterator[Any]:
    """Opens Kafka's administration.

    Raises:
        Unavailable: Kafka does not answer, at the start or later.
    """
    servers = settings.kafka_bootstrap_servers
    admin = None
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=servers.split(","),
            client_id="deskstream-admin",
            bootstrap_timeout_ms=int(BOOTSTRAP_SECONDS * 1000),
            request_timeout_ms=30_000,
            **security(settings),
        )
        yield admin
    except KafkaError as error:
        raise Unavailable(f"Kafka at {servers} does not answer: {error}") from error
    finally:
        if admin is not None:
            admin.close()


def _wanted(topic: Topic, settings: Settings) -> dict[str, Any]:
    return {
        "num_partitions": partition_count(topic, settings),
        "replication_factor": settings.replication_factor,
        "configs": {
            "cleanup.policy": topic.cleanup,
            "retention.ms": str(topic.retention_ms),
            IN_SYNC: str(in_sync(settings.replication_factor)),
            **dict(topic.configs),
        },
    }


def in_sync(replicas: int) -> int:
    """Returns how many replicas must have a record before Kafka acknowledges it, where a topic has so many.

    Two of three or more. Of two it is one: with both, a single broker that restarts would stop every writer.
    """
    return 2 if replicas >= 3 else 1


def partition_count(topic: Topic, settings: Settings) -> int:
    """Returns the number of partitions that a topic has in this deployment."""
    return 1 if topic.partitions == 1 else settings.partitions


def _await_leaders(admin: Any, topics: dict[str, Topic], settings: Settings) -> None:
    """Waits until the brokers know every topic with a leader for each partition: a client may use it the moment after."""
    deadline = time.monotonic() + READY_SECONDS
    while problems := _problems(admin, topics, settings, only_missing=True):
        if time.monotonic() > deadline:
            raise Unavailable("; ".join(problems))
        time.sleep(0.05)


def _described(admin: Any, topics: dict[str, Topic]) -> dict[str, Any]:
    return {described["name"]: described for described in admin.describe_topics(list(topics))}


def _replicas(described: dict[str, Any]) -> int:
    """Returns the replicas of the partition that has the fewest."""
    return min(len(partition["replica_nodes"]) for partition in described["partitions"])


def _raise_in_sync(admin: Any, topics: dict[str, Topic]) -> list[str]:
    """Raises `min.insync.replicas` of the topics that an earlier build, or somebody else, created with less; returns them."""
    found = _described(admin, topics)
    wanted = {name: in_sync(_replicas(found[name])) for name in topics}
    configs = describe_configs(admin, list(topics))
    if low := [name for name in topics if int(configs[name][IN_SYNC]) < wanted[name]]:
        changes = [ConfigResource(ConfigResourceType.TOPIC, name, {IN_SYNC: str(wanted[name])}) for name in low]
        admin.alter_configs(changes)
    return low


def _problems(admin: Any, topics: dict[str, Topic], settings: Settings, *, only_missing: bool = False) -> list[str]:
    found = _described(admin, topics)
    problems = []
    for name in topics:
        described = found.get(name, {})
        partitions = described.get("partitions") or []
        if described.get("error_code", 3) or not partitions:
            problems.append(f"topic {name} is missing")
        elif any(partition["leader_id"] < 0 for partition in partitions):
            problems.append(f"topic {name} has no leader yet")
    if problems or only_missing:
        return problems
    replicas = {name: _replicas(found[name]) for name in topics}
    for name in topics:
        count, wanted = len(found[name]["partitions"]), partition_count(topics[name], settings)
        if count != wanted:
            problems.append(f"topic {name} has {count} partitions, expected {wanted}")
        if replicas[name] < settings.replication_factor:
            problems.append(f"topic {name} has {replicas[name]} replicas, expected {settings.replication_factor}")
    return problems + _wrong_configs(admin, topics, replicas)


def _wrong_configs(admin: Any, topics: dict[str, Topic], replicas: dict[str, int]) -> list[str]:
    """Returns the settings that differ and matter. Retention may be tuned; another cleanup loses state, or keeps too much."""
    problems = []
    for name, configs in describe_configs(admin, list(topics)).items():
        for key, wanted in (("cleanup.policy", topics[name].cleanup), *topics[name].configs):
            if configs[key] != wanted and (key, configs[key]) != ("cleanup.policy", ERASING):
                problems.append(f"topic {name} has {key}={configs[key]}, expected {wanted}")
        if int(configs[IN_SYNC]) < (least := in_sync(replicas[name])):
            problems.append(
                f"topic {name} has {IN_SYNC}={configs[IN_SYNC]}, expected at least {least} (create raises it)"
            )
    return problems


def describe_configs(admin: Any, names: list[str]) -> dict[str, dict[str, str]]:
    """Returns the values in force of the settings that we declare, by topic."""
    keys = [
        "cleanup.policy",
        "retention.ms",
        IN_SYNC,
        *dict.fromkeys(key for topic in TOPICS for key, _ in topic.configs),
    ]
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, keys) for name in names]
    described = admin.describe_configs(resources, config_filter="all")["topic"]
    return {name: {key: config["value"] for key, config in described[name].items()} for name in names}


app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""Create and verify the Kafka topics that Deskstream declares.

    Run `create` before any process starts; it is safe to run again. Both commands read
    DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS, DESKSTREAM_NAMESPACE, DESKSTREAM_PARTITIONS and DESKSTREAM_REPLICATION_FACTOR.
    `create` also notes fingerprints of DESKSTREAM_TAG_SECRETS and DESKSTREAM_TOKEN_SECRETS: no process starts with others.

    Exit codes: 0 all is as declared, 2 a topic is not, or a setting is wrong, 3 Kafka does not answer.
    """,
)


Wait = Annotated[float, typer.Option("--wait", min=0, help="try again for so many seconds before giving up")]


@app.command()
def create(wait: Wait = 0.0) -> None:
    """Create the topics that are missing, raise min.insync.replicas where it is too low, and verify all of them."""

    def work() -> None:
        settings = load(Settings)
        created = patiently(lambda: create_topics(settings), wait)
        patiently(lambda: secret_check.register(settings), wait)
        print(f"{len(created)} topics created, {len(declared(settings)) - len(created)} were there")

    raise SystemExit(guarded(work))


@app.command()
def verify(wait: Wait = 0.0) -> None:
    """Check that every topic exists with the declared partitions, replicas and cleanup policy; changes nothing.

    A topic of three replicas must have min.insync.replicas of 2 or more.

    With --wait this is what a pod's init container runs: it ends well once the topics are there.
    """

    def work() -> None:
        settings = load(Settings)
        patiently(lambda: verify_topics(settings), wait)
        print(f"{len(declared(settings))} topics are as declared")

    raise SystemExit(guarded(work))


if __name__ == "__main__":
    app(prog_name="python -m schemas.admin")

"""Topics on a real broker: created as declared, verified, and never silently wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from kafka import KafkaAdminClient

from schemas import admin
from schemas.errors import TopicMismatch, Unavailable
from schemas.settings import Settings
from schemas.topics import TOPICS
from tests.conftest import ROOT, Deployment, Endpoints


@pytest.fixture
def kafka(deployment: Deployment) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=deployment.env["DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS"])
    yield client
    client.close()


def run(deployment: Deployment, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "schemas.admin", *words]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | deployment.env | env, capture_output=True, text=True, check=False
    )


def test_every_topic_and_changelog_is_declared_with_the_namespace() -> None:
    declared = admin.declared(Settings(namespace="shop-"))
    assert len(declared) == len(TOPICS) + 3
    assert declared["shop-contact-events"].cleanup == "delete"
    assert declared["shop-deskstream-tickets-changelog"].cleanup == "compact"
    assert "other-tickets-changelog" in admin.declared(Settings(), app_id="other")


@pytest.mark.stack
def test_creating_again_changes_nothing(deployment: Deployment) -> None:
    assert admin.create_topics(deployment.settings(Settings)) == []


@pytest.mark.stack
def test_the_broker_knows_the_declared_partitions_cleanup_and_retention(
    deployment: Deployment, kafka: KafkaAdminClient
) -> None:
    name = f"{deployment.namespace}contact-events.dlq"
    described = kafka.describe_topics([name])[0]
    assert len(described["partitions"]) == deployment.settings(Settings).partitions
    configs = admin.describe_configs(kafka, [name])[name]
    assert configs["cleanup.policy"] == "delete"
    assert configs["retention.ms"] == str(90 * 24 * 3600 * 1000)


@pytest.mark.stack
def test_another_partition_count_is_a_mismatch_that_names_the_topic(deployment: Deployment) -> None:
    settings = deployment.settings(Settings, partitions=8)
    for check in (admin.verify_topics, admin.create_topics):
        with pytest.raises(TopicMismatch, match=f"{deployment.namespace}contact-events has 4 partitions, expected 8"):
            check(settings)


@pytest.mark.stack
def test_another_cleanup_policy_is_a_mismatch(deployment: Deployment, kafka: KafkaAdminClient) -> None:
    settings, name = deployment.settings(Settings), f"{deployment.namespace}deskstream-tickets-changelog"
    admin.delete_topics(settings)
    kafka.create_topics({name: {"num_partitions": 4, "replication_factor": 1, "configs": {"cleanup.policy": "delete"}}})
    with pytest.raises(TopicMismatch, match=rf"{name} has cleanup.policy=delete, expected compact"):
        admin.create_topics(settings)


@pytest.mark.stack
def test_a_missing_topic_is_a_mismatch(deployment: Deployment, kafka: KafkaAdminClient) -> None:
    name = f"{deployment.namespace}outbound"
    kafka.delete_topics([name])
    while name in kafka.list_topics():
        pass
    with pytest.raises(TopicMismatch, match=f"topic {deployment.namespace}outbound is missing"):
        admin.verify_topics(deployment.settings(Settings))


@pytest.mark.stack
def test_two_processes_may_create_at_the_same_time(deployment: Deployment) -> None:
    settings = deployment.settings(Settings, namespace=f"{deployment.namespace}two-")
    with ThreadPoolExecutor(2) as pool:
        created = list(pool.map(admin.create_topics, [settings, settings]))
    admin.verify_topics(settings)
    assert set().union(*created) == set(admin.declared(settings))
    admin.delete_topics(settings)


@pytest.mark.parametrize(("replicas", "least"), [(1, 1), (2, 1), (3, 2), (5, 2)])
def test_two_of_three_replicas_must_have_a_record(replicas: int, least: int) -> None:
    assert admin.in_sync(replicas) == least


@pytest.mark.stack
def test_fewer_replicas_than_the_setting_says_are_a_mismatch(deployment: Deployment) -> None:
    with pytest.raises(TopicMismatch, match=r"contact-events has 1 replicas, expected 3"):
        admin.verify_topics(deployment.settings(Settings, replication_factor=3))


def test_a_broker_that_is_not_there_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin, "BOOTSTRAP_SECONDS", 0.5)
    with pytest.raises(Unavailable, match=r"Kafka at 127\.0\.0\.1:1"):
        admin.verify_topics(Settings(kafka_bootstrap_servers="127.0.0.1:1"))


@pytest.mark.stack
def test_the_command_creates_verifies_and_says_in_one_line_what_is_wrong(deployment: Deployment) -> None:
    namespace = {"DESKSTREAM_NAMESPACE": f"{deployment.namespace}cli-"}
    assert run(deployment, "create", **namespace).stdout == "22 topics created, 0 were there\n"
    assert run(deployment, "verify", **namespace).stdout == "22 topics are as declared\n"
    wrong = run(deployment, "verify", DESKSTREAM_PARTITIONS="8", **namespace)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("deskstream: topic ")
    assert wrong.stderr.count("\n") == 1
    admin.delete_topics(deployment.settings(Settings, namespace=namespace["DESKSTREAM_NAMESPACE"]))


def test_help_teaches_the_commands_and_a_wrong_word_is_wrong_usage() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "schemas.admin", "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0
    assert "create" in shown.stdout
    assert "verify" in shown.stdout
    wrong = subprocess.run(
        [sys.executable, "-m", "schemas.admin", "destroy"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr


@pytest.mark.stack
def test_the_shared_stack_is_one_for_all_tests(stack: Endpoints, deployment: Deployment) -> None:
    assert deployment.env["DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS"] == stack.kafka_bootstrap_servers

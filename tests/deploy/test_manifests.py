"""Every overlay, and the base with each component, as kubectl builds it: valid for three Kubernetes, and as the policies say."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml

from deploy.kubernetes import generate
from deploy.local.kafka import MAX_RECORD_BYTES
from schemas.admin import declared
from schemas.settings import Settings
from stream_processors.rules import ruleset
from tests.conftest import ROOT
from tests.support.deploy.manifests import (
    BUILDS,
    COMPONENTS,
    KUBERNETES,
    OVERLAYS,
    VERSIONS,
    Doc,
    built,
    is_ours,
    kustomize,
    label,
    of_kind,
    pairs,
    schema_problems,
    workloads,
)
from tests.support.deploy.paths import dead_ends, paths_in, paths_out
from tests.support.deploy.policies import POLICIES
from tests.support.deploy.reference_policies import README
from tests.support.deploy.setting_policies import every_variable

DNS = {"namespace kube-system/kube-dns:53"}


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kustomizations")


@pytest.fixture
def documents(request: pytest.FixtureRequest, scratch: Path) -> tuple[Doc, ...]:
    return built(request.param, scratch)


every_build = pytest.mark.parametrize("documents", BUILDS, indirect=True)
dev = pytest.mark.parametrize("documents", ["overlays/dev"], indirect=True)
prod = pytest.mark.parametrize("documents", ["overlays/prod"], indirect=True)
everything = pytest.mark.parametrize("documents", ["base+all"], indirect=True)


@pytest.mark.parametrize("version", VERSIONS)
@every_build
def test_what_is_built_is_valid_for_kubernetes(documents: tuple[Doc, ...], version: str) -> None:
    assert [f"{label(each)}: {problem}" for each in documents for problem in schema_problems(each, version)] == []


@every_build
@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_built_keeps_the_policy(documents: tuple[Doc, ...], policy: str) -> None:
    assert list(POLICIES[policy](documents)) == []


# -- ways through the network -------------------------------------------------------------------------------------


@dev
def test_pods_of_dev_may_go_where_their_code_goes_and_nowhere_else(documents: tuple[Doc, ...]) -> None:
    kafka, clickhouse = {"kafka:9092"}, {"clickhouse:8123"}
    assert paths_out(documents) == {
        "chat": DNS | kafka,
        "clickhouse": DNS,
        "http": DNS | kafka,
        "kafka": DNS,
        "mailpit": DNS,
        "migrations": DNS | clickhouse,
        "sink-clickhouse": DNS | kafka | clickhouse,
        "sink-delivery": DNS | kafka | {"mailpit:1025", "internet:443"},
        "smtp": DNS | kafka,
        "topics": DNS | kafka,
        "worker": DNS | kafka,
    }


@dev
def test_pods_of_dev_let_in_whom_they_serve_and_nobody_else(documents: tuple[Doc, ...]) -> None:
    prometheus = {"namespace monitoring:9464"}
    clients = {"chat", "http", "sink-clickhouse", "sink-delivery", "smtp", "topics", "worker"}
    assert paths_in(documents) == {
        "chat": prometheus,
        "clickhouse": {
            "sink-clickhouse:8123",
            "migrations:8123",
            "namespace monitoring:8123",
            "namespace monitoring:9363",
        },
        "http": prometheus,
        "kafka": {f"{name}:9092" for name in clients},
        "mailpit": {"sink-delivery:1025"},
        "migrations": {"namespace monitoring:metrics"},
        "sink-clickhouse": prometheus,
        "sink-delivery": prometheus,
        "smtp": prometheus | {"anywhere:8025"},
        "topics": {"namespace monitoring:metrics"},
        "worker": prometheus,
    }


@everything
def test_with_every_component_the_ways_lead_to_its_pods_only(documents: tuple[Doc, ...]) -> None:
    kafka, clickhouse = {"pods kafka-kafka:9093"}, {"clickhouse:8123"}
    assert paths_out(documents) == {
        "chat": DNS | kafka,
        "clickhouse": DNS,
        "http": DNS | kafka,
        "imap": DNS | kafka | {"anywhere:143", "anywhere:993", "internet:443"},
        "migrations": DNS | clickhouse,
        "sink-clickhouse": DNS | kafka | clickhouse,
        "sink-delivery": DNS | kafka | {"anywhere:25", "anywhere:465", "anywhere:587", "internet:443"},
        "sink-webhooks": DNS | kafka | {"internet:443"},
        "smtp": DNS | kafka,
        "topics": DNS | kafka,
        "worker": DNS | kafka,
    }
    into = paths_in(documents)
    assert into["http"] == {"namespace monitoring:9464", "namespace ingress-nginx:8080"}
    assert into["chat"] == {"namespace monitoring:9464", "namespace ingress-nginx:8090"}


@every_build
def test_no_way_ends_at_a_pod_that_lets_nobody_in(documents: tuple[Doc, ...]) -> None:
    assert list(dead_ends(documents)) == []


# -- what is derived from the code --------------------------------------------------------------------------------


def test_the_derived_manifests_are_those_of_the_code() -> None:
    assert generate.differences() == []


def test_writing_makes_good_what_is_missing_changed_or_left_over(tmp_path: Path) -> None:
    for name in (generate.RULES, generate.ALERTS):
        (tmp_path / name).mkdir(parents=True)
    for path in generate.rule_files(ROOT / generate.RULES):
        copied = tmp_path / path.relative_to(ROOT)
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_bytes(path.read_bytes())
    alerts = {"groups": [{"name": "g", "rules": [{"alert": "Watchdog", "expr": "vector(1)"}]}]}
    (tmp_path / generate.ALERTS / "the_pipeline.yaml").write_text(yaml.safe_dump(alerts), "utf-8")
    left_over = tmp_path / generate.HERE / "components/prometheus-operator/rules/gone.yaml"
    left_over.parent.mkdir(parents=True)
    left_over.write_text("", "utf-8")

    generate.write(tmp_path)

    assert generate.differences(tmp_path) == []
    assert not left_over.exists()
    rule = yaml.safe_load((left_over.parent / "the_pipeline.yaml").read_text("utf-8"))
    assert rule["metadata"]["name"] == "deskstream-the-pipeline"
    assert rule["spec"] == alerts
    assert schema_problems(rule, VERSIONS[0]) == []


@prod
def test_strimzi_makes_every_topic_as_the_code_declares_it(documents: tuple[Doc, ...]) -> None:
    topics = {each["spec"]["topicName"]: each["spec"] for each in of_kind(documents, "KafkaTopic")}
    wanted = declared(Settings(namespace=""))
    assert set(topics) == set(wanted)
    for name, topic in wanted.items():
        assert topics[name]["partitions"] == topic.partitions
        assert topics[name]["config"]["cleanup.policy"] == topic.cleanup
        assert topics[name]["config"]["retention.ms"] == topic.retention_ms


@pytest.mark.parametrize("documents", ["overlays/dev", "overlays/prod"], indirect=True)
def test_kafka_takes_the_largest_record_that_we_send(documents: tuple[Doc, ...]) -> None:
    told = [each["value"] for _, container in pairs(documents) for each in container.get("env", [])
            if each["name"] == "KAFKA_MESSAGE_MAX_BYTES"]  # fmt: skip
    told += [each["spec"]["kafka"]["config"]["message.max.bytes"] for each in of_kind(documents, "Kafka")]
    assert [int(each) for each in told] == [MAX_RECORD_BYTES]


@dev
def test_the_worker_finds_the_rules_that_ship_at_their_places(documents: tuple[Doc, ...], tmp_path: Path) -> None:
    """The ConfigMap and the volume's items, written out as the kubelet does, are a folder that the rules are read from."""
    worker = next(each for each in workloads(documents) if each.name == "StatefulSet/worker")
    volume = next(each["configMap"] for each in worker.spec["volumes"] if each["name"] == "rules")
    content = next(
        each["data"] for each in of_kind(documents, "ConfigMap") if each["metadata"]["name"] == volume["name"]
    )
    for item in volume["items"]:
        path = tmp_path / item["path"]
        path.parent.mkdir(exist_ok=True)
        path.write_text(content[item["key"]], "utf-8")
    loaded, shipped = ruleset.load(tmp_path), ruleset.load()
    assert (loaded.policies.version, loaded.taxonomy.version) == (shipped.policies.version, shipped.taxonomy.version)
    assert len(volume["items"]) == len(content) == len(list(generate.rule_files(ROOT / generate.RULES)))


def test_changed_rules_and_settings_start_new_pods(scratch: Path) -> None:
    """Their ConfigMaps are named by a hash of their content, and the pods name them so."""
    documents = built("overlays/dev", scratch)
    names = [each["metadata"]["name"] for each in of_kind(documents, "ConfigMap")]
    assert {name.rpartition("-")[0] for name in names} == {
        "deskstream-rules",
        "deskstream-settings",
        "clickhouse-config",
    }


@prod
def test_production_runs_our_image_from_a_registry(documents: tuple[Doc, ...]) -> None:
    images = {container["image"] for _, container in pairs(documents) if is_ours(container)}
    assert images == {"registry.example/deskstream:0.1.0"}


def test_the_readme_names_settings_that_exist_and_components_that_are_there() -> None:
    text = README.read_text("utf-8")
    assert set(re.findall(r"DESKSTREAM_[A-Z_]+", text)) <= every_variable()
    assert set(re.findall(r"`components/([a-z-]+)`", text)) == set(COMPONENTS)
    assert set(re.findall(r"`overlays/([a-z-]+)`", text)) == set(OVERLAYS)


def test_rules_of_ones_own_go_over_those_that_ship_and_the_worker_finds_them(tmp_path: Path) -> None:
    """The overlay that README.md tells of."""
    (tmp_path / "teams.yaml").write_text("# ours\n", "utf-8")
    content = {
        "resources": [os.path.relpath(KUBERNETES / "overlays" / "dev", tmp_path.resolve())],
        "configMapGenerator": [{"name": "deskstream-rules", "behavior": "merge", "files": ["teams.yaml"]}],
        "namespace": "deskstream",
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(content), "utf-8")
    documents = kustomize(tmp_path)
    rules_map = next(each for each in of_kind(documents, "ConfigMap") if "policies.yaml" in each["data"])
    assert rules_map["data"]["teams.yaml"] == "# ours\n"
    worker = next(each for each in workloads(documents) if each.name == "StatefulSet/worker")
    mounted = {volume["configMap"]["name"] for volume in worker.spec["volumes"] if "configMap" in volume}
    assert rules_map["metadata"]["name"] in mounted


@prod
def test_prometheus_and_alertmanager_themselves_are_scraped(documents: tuple[Doc, ...]) -> None:
    """By the labels that the operator gives the Services of every Prometheus and Alertmanager."""
    selected = [each["spec"]["selector"]["matchLabels"] for each in of_kind(documents, "ServiceMonitor")]
    assert {label for each in selected for label in each} == {"operated-prometheus", "operated-alertmanager"}

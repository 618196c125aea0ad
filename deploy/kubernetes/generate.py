"""Writes the manifests that are derived from the code: `python -m deploy.kubernetes.generate --write`.

| file                                              | from                                               |
|---------------------------------------------------|----------------------------------------------------|
| stream_processors/config/kustomization.yaml       | the rules beside it: a ConfigMap whose name is their hash |
| base/patches/rules.yaml                           | the same files, where the worker finds them        |
| components/strimzi/topics.yaml                    | schemas/topics.py                                  |
| components/strimzi/users.yaml                     | access.py: who may do what with which topic        |
| components/keda/limits.yaml                       | the partition count: more workers have no work     |
| components/prometheus-operator/rules/             | deploy/prometheus/rules/*.yaml                     |
| deploy/grafana/json/kustomization.yaml            | the dashboards beside it: ConfigMaps that Grafana's sidecar finds |

Kustomizations in the folders of rules and dashboards, because kustomize takes no file from outside a kustomization's folder.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from deploy.kubernetes import access
from schemas.admin import IN_SYNC, declared, in_sync, partition_count
from schemas.settings import Settings, load
from schemas.topics import PARTITIONS

ROOT = Path(__file__).parents[2]
HERE = "deploy/kubernetes"
RULES = "stream_processors/config"
ALERTS = "deploy/prometheus/rules"
DASHBOARDS = "deploy/grafana/json"
#: The Kafka of components/strimzi; topics and users carry its name.
CLUSTER = "kafka"
REPLICAS = 3
NOTE = "# Written by `make generate`; edits are lost.\n"
CONFIG_API = "kustomize.config.k8s.io/v1beta1"


def files(root: Path = ROOT) -> dict[str, str]:
    """Returns the content of every generated file, by its path below the root."""
    alerts = sorted((root / ALERTS).glob("*.y*ml"))
    rules = sorted(path.relative_to(root / RULES).as_posix() for path in rule_files(root / RULES))
    written = {
        f"{RULES}/kustomization.yaml": text(rules_kustomization(rules)),
        f"{HERE}/base/patches/rules.yaml": text(rules_volume(rules)),
        f"{HERE}/components/strimzi/topics.yaml": text(*topics()),
        f"{HERE}/components/strimzi/users.yaml": text(*access.users(deployment(), CLUSTER)),
        f"{HERE}/components/keda/limits.yaml": text(limits()),
        f"{DASHBOARDS}/kustomization.yaml": text(dashboards(root)),
    }
    folder = f"{HERE}/components/prometheus-operator/rules"
    names = [f"{path.stem}.yaml" for path in alerts]
    written[f"{folder}/kustomization.yaml"] = text(
        {"apiVersion": CONFIG_API, "kind": "Kustomization", "resources": names}
    )
    for path, name in zip(alerts, names, strict=True):
        written[f"{folder}/{name}"] = text(prometheus_rule(path.stem, yaml.safe_load(path.read_text("utf-8"))))
    return written


def rule_files(folder: Path) -> Iterator[Path]:
    """Yields the files that `stream_processors.rules.ruleset` may read: YAML at the top, text and HTML in templates/."""
    yield from (path for path in folder.glob("*.yaml") if path.name != "kustomization.yaml")
    yield from (path for path in (folder / "templates").rglob("*") if path.suffix in (".txt", ".html"))


def rules_kustomization(names: list[str]) -> dict[str, Any]:
    """Returns the kustomization that makes a ConfigMap of the rules."""
    return {
        "apiVersion": CONFIG_API,
        "kind": "Kustomization",
        "configMapGenerator": [{"name": "deskstream-rules", "files": [_with_key(name) for name in names]}],
    }


def config_key(name: str) -> str:
    """Returns the key of a file in the ConfigMap, which has no folders: `templates/ja/sms.txt` is `ja.sms.txt`."""
    return name.removeprefix("templates/").replace("/", ".")


def _with_key(name: str) -> str:
    key = config_key(name)
    return name if key == name.rpartition("/")[2] else f"{key}={name}"


def rules_volume(names: list[str]) -> dict[str, Any]:
    """Returns the patch that mounts the rules; the volume puts each key of the ConfigMap into its folder."""
    items = [{"key": config_key(name), "path": name} for name in names]
    volume = {"name": "rules", "configMap": {"name": "deskstream-rules", "items": items}}
    main = {"name": "main", "volumeMounts": [{"name": "rules", "mountPath": "/etc/deskstream/rules", "readOnly": True}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "worker"},
        "spec": {"template": {"spec": {"containers": [main], "volumes": [volume]}}},
    }


def deployment() -> Settings:
    """Returns the settings of the manifests, whatever the environment says."""
    return load(Settings, namespace="", partitions=PARTITIONS, replication_factor=REPLICAS)


def topics() -> list[dict[str, Any]]:
    """Returns one KafkaTopic per declared topic, changelogs included."""
    settings = deployment()
    return [
        {
            "apiVersion": "kafka.strimzi.io/v1",
            "kind": "KafkaTopic",
            "metadata": {"name": name, "labels": {"strimzi.io/cluster": CLUSTER}},
            "spec": {
                "topicName": name,
                "partitions": partition_count(topic, settings),
                "replicas": settings.replication_factor,
                "config": {
                    "cleanup.policy": topic.cleanup,
                    IN_SYNC: in_sync(REPLICAS),
                    "retention.ms": topic.retention_ms,
                    **dict(topic.configs),
                },
            },
        }
        for name, topic in sorted(declared(settings).items())
    ]


def limits() -> dict[str, Any]:
    """Returns the patch that limits workers to the number of partitions: one without a partition is idle."""
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "worker"},
        "spec": {"maxReplicaCount": PARTITIONS},
    }


def prometheus_rule(name: str, content: dict[str, Any]) -> dict[str, Any]:
    """Returns one file of Prometheus rules as a PrometheusRule of the operator."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": f"deskstream-{name.replace('_', '-')}"},
        "spec": {"groups": content["groups"]},
    }


def dashboards(root: Path) -> dict[str, Any]:
    """Returns the kustomization that makes a ConfigMap of each dashboard, with the label and folder for Grafana's sidecar."""
    names = sorted(path.name for path in (root / DASHBOARDS).glob("*.json"))
    return {
        "apiVersion": CONFIG_API,
        "kind": "Kustomization",
        "configMapGenerator": [{"name": f"grafana-{name.removesuffix('.json')}", "files": [name]} for name in names],
        "generatorOptions": {
            "disableNameSuffixHash": True,
            "labels": {"grafana_dashboard": "1"},
            "annotations": {"grafana_folder": "Deskstream"},
        },
    }


def text(*documents: dict[str, Any]) -> str:
    """Returns documents as YAML, with the note that they are generated."""
    return NOTE + yaml.safe_dump_all(documents, sort_keys=False, width=110, allow_unicode=True)


def differences(root: Path = ROOT) -> list[str]:
    """Returns the generated files that are missing, different, or no longer wanted."""
    wanted = files(root)
    folder = root / HERE / "components/prometheus-operator/rules"
    stale = [path.relative_to(root).as_posix() for path in sorted(folder.glob("*.yaml"))]
    return [
        name for name in wanted if not (root / name).is_file() or (root / name).read_text("utf-8") != wanted[name]
    ] + [name for name in stale if name not in wanted]


def write(root: Path = ROOT) -> None:
    """Writes the files that differ, and removes those no longer wanted."""
    wanted = files(root)
    for name in differences(root):
        path = root / name
        if name in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[name], "utf-8")
        else:
            path.unlink()


def main() -> int:
    """Writes the manifests, or lists those that differ; returns 1 when any does."""
    parser = argparse.ArgumentParser(description="Writes the manifests that are derived from the code.")
    parser.add_argument("--write", action="store_true", help="write the files that differ; without it, list them")
    if parser.parse_args().write:
        write()
        return 0
    if changed := differences():
        print("\n".join(changed) + "\n^ these manifests are out of date: run `make generate`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

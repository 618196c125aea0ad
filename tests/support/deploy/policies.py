"""The rules that every built set of manifests keeps. A policy takes the documents and returns the breaches, in words.

`POLICIES` is what test_manifests.py runs over every build; test_policies.py shows for each how it fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import PurePosixPath
from typing import Any

from schemas.settings import ChatSettings, ProducerSettings, Settings, SinkSettings, WorkerSettings, describe
from schemas.topics import PARTITIONS, TOPICS
from stream_processors.app import DRAIN_SECONDS
from tests.conftest import ROOT
from tests.support.deploy.manifests import Doc, Workload, is_ours, label, of_kind, pairs, selects, workloads

Documents = tuple[Doc, ...]
Policy = Callable[[Documents], Iterable[str]]
POLICIES: dict[str, Policy] = {}

VOLUMES = ("configMap", "downwardAPI", "emptyDir", "persistentVolumeClaim", "projected", "secret", "ephemeral", "csi")
README = ROOT / "deploy" / "kubernetes" / "README.md"


def policy(function: Policy) -> Policy:
    POLICIES[function.__name__] = function
    return function


# -- containers ---------------------------------------------------------------------------------------------------


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


# -- what belongs to what -----------------------------------------------------------------------------------------


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


# -- settings -----------------------------------------------------------------------------------------------------


def settings_of(container: Doc) -> type[Settings]:
    """The settings that the command of a container of ours reads."""
    command = [*container.get("args", []), ""]
    if command[:2] == ["producers", "chat"]:
        return ChatSettings
    kinds = {"producers": ProducerSettings, "sinks": SinkSettings, "stream_processors": WorkerSettings}
    return kinds.get(command[0], Settings)


@cache
def variables(kind: type[Settings]) -> frozenset[str]:
    return frozenset(name for name, _, _ in describe(kind))


@cache
def every_variable() -> frozenset[str]:
    return frozenset().union(*map(variables, (ChatSettings, ProducerSettings, SinkSettings, WorkerSettings)))


def environment(container: Doc, documents: Documents) -> dict[str, str]:
    """The variables of a container as far as the manifests say them; one that is filled at the start is `(filled)`."""
    maps = {document["metadata"]["name"]: document.get("data", {}) for document in of_kind(documents, "ConfigMap")}
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        found |= maps.get(source.get("configMapRef", {}).get("name", ""), {})
    for variable in container.get("env", []):
        found[variable["name"]] = variable.get("value", "(filled)")
    return found


@policy
def variables_are_known_and_valid(documents: Documents) -> Iterator[str]:
    """Each variable is a setting; one set for a single process is a setting of that process; each value is accepted."""
    for workload, container in pairs(documents):
        where = f"{workload.name} {container['name']}"
        found = environment(container, documents)
        if not is_ours(container):
            yield from (f"{where}: {name} is none of its" for name in found if name.startswith("DESKSTREAM_"))
            continue
        kind = settings_of(container)
        yield from (f"{where}: {name} is not a setting" for name in found if name not in every_variable())
        for variable in container.get("env", []):
            if variable["name"] in every_variable() - variables(kind):
                yield f"{where}: {variable['name']} is not a setting of {container['args'][0]}"
        values = {
            name.removeprefix("DESKSTREAM_").lower(): value
            for name, value in found.items()
            if name in variables(kind) and value != "(filled)"
        }
        try:
            kind(**values)
        except ValueError as error:
            yield f"{where}: {error}"


@policy
def invitations_are_signed_as_their_pages_read_them(documents: Documents) -> Iterator[str]:
    """The worker signs with the key of a Secret which `http` has as a whole; without a secret nobody is asked."""
    named, whole = "DESKSTREAM_SURVEY_SECRETS", set()
    for _, container in pairs(documents):
        if container.get("args", [])[:2] == ["producers", "http"]:
            whole |= {each["secretRef"]["name"] for each in container.get("envFrom", []) if "secretRef" in each}
    for workload, container in pairs(documents):
        if container.get("args", [])[:1] != ["stream_processors"]:
            continue
        signed = [each.get("valueFrom", {}) for each in container.get("env", []) if each["name"] == named]
        keys = [(each.get("secretKeyRef", {}).get("name"), each.get("secretKeyRef", {}).get("key")) for each in signed]
        if not any(name in whole and key == named for name, key in keys):
            yield f"{workload.name} {container['name']}: no {named} of the Secret that the pages of surveys have"


@policy
def clients_of_kafka_have_a_user_where_it_asks(documents: Documents) -> Iterator[str]:
    """A user that is built where users are built, a password, and the file of authorities that TLS is checked against."""
    users = {document["metadata"]["name"] for document in of_kind(documents, "KafkaUser")}
    for workload, container in pairs(documents):
        if not is_ours(container) or workload.labels.get("deskstream-kafka") != "client":
            continue
        if container["args"][:2] == ["sinks", "migrate"]:
            continue  # it speaks to ClickHouse only
        where = f"{workload.name} {container['name']}"
        found = environment(container, documents)
        protocol = found.get("DESKSTREAM_KAFKA_SECURITY", "plaintext")
        if protocol.startswith("sasl") and users and found.get("DESKSTREAM_KAFKA_USERNAME") not in users:
            yield f"{where}: Kafka has no user {found.get('DESKSTREAM_KAFKA_USERNAME')}"
        if protocol.startswith("sasl") and "DESKSTREAM_KAFKA_PASSWORD" not in found:
            yield f"{where}: no password for Kafka"
        mounts = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
        path = found.get("DESKSTREAM_KAFKA_CA_FILE")
        if path and not any(PurePosixPath(path).is_relative_to(mount) for mount in mounts):
            yield f"{where}: DESKSTREAM_KAFKA_CA_FILE={path} is in no volume"


@policy
def written_folders_are_volumes(documents: Documents) -> Iterator[str]:
    """The root cannot be written, so every folder that a process writes must lie in a volume."""
    for workload, container in pairs(documents):
        if not is_ours(container):
            continue
        mounts = [mount["mountPath"] for mount in container.get("volumeMounts", []) if not mount.get("readOnly")]
        for name in ("DESKSTREAM_STATE_DIR", "DESKSTREAM_IMAP_STATE_DIR", "DESKSTREAM_OUTBOX_DIR"):
            path = environment(container, documents).get(name)
            if path and not any(PurePosixPath(path).is_relative_to(mount) for mount in mounts):
                yield f"{workload.name}: {name}={path} is in no volume that it may write"


# -- life ---------------------------------------------------------------------------------------------------------


def drain_seconds(container: Doc, documents: Documents) -> float:
    """How long the process may take after SIGTERM, by the code that does it."""
    kind = settings_of(container)
    values = environment(container, documents)

    def setting(name: str) -> float:
        return float(values.get(f"DESKSTREAM_{name.upper()}", kind.model_fields[name].default))

    if kind is WorkerSettings:
        return DRAIN_SECONDS
    if kind is SinkSettings:
        return setting("sink_drain_seconds")
    return setting("publish_timeout_seconds") + 5 if issubclass(kind, ProducerSettings) else 0.0


@policy
def grace_is_longer_than_a_drain(documents: Documents) -> Iterator[str]:
    for workload in workloads(documents):
        if not workload.ours or workload.kind == "Job":
            continue
        for container in workload.containers:
            before = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            needed = before + drain_seconds(container, documents)
            grace = workload.spec.get("terminationGracePeriodSeconds", 30)
            if grace < needed + 5:
                yield f"{workload.name}: {grace} s of grace, {needed:.0f} s of draining and 5 s to spare are needed"


@policy
def processes_wait_for_what_they_need(documents: Documents) -> Iterator[str]:
    """Topics before everything, tables before whoever writes them; and only the Jobs make them."""
    for workload in workloads(documents):
        if not workload.ours or workload.kind == "Job":
            continue
        waits = [container["args"] for container in workload.spec.get("initContainers", [])]
        if not any(args[:2] == ["schemas.admin", "verify"] and "--wait" in args for args in waits):
            yield f"{workload.name}: does not wait for the topics"
        if "DESKSTREAM_CLICKHOUSE_URL" in {each["name"] for each in workload.containers[0].get("env", [])}:
            if not any(args[:3] == ["sinks", "migrate", "--verify"] and "--wait" in args for args in waits):
                yield f"{workload.name}: does not wait for the tables"
            if environment(workload.containers[0], documents).get("DESKSTREAM_SINK_MIGRATE") != "false":
                yield f"{workload.name}: migrates by itself"
    jobs = [container["args"][:2] for workload in workloads(documents) if workload.kind == "Job"
            for container in workload.containers]  # fmt: skip
    if ["sinks", "migrate"] not in jobs or not any(args[0] == "schemas.admin" for args in jobs):
        yield "no Job makes the topics, or none the tables"


@policy
def workers_keep_their_names_and_states(documents: Documents) -> Iterator[str]:
    for workload in workloads(documents):
        if not any(
            settings_of(container) is WorkerSettings and is_ours(container) for container in workload.containers
        ):
            continue
        if workload.kind != "StatefulSet":
            yield f"{workload.name}: a worker is a pod of a StatefulSet"
        ids = [each for each in workload.containers[0].get("env", []) if each["name"] == "DESKSTREAM_WORKER_ID"]
        if not ids or ids[0].get("valueFrom", {}).get("fieldRef", {}).get("fieldPath") != "metadata.name":
            yield f"{workload.name}: DESKSTREAM_WORKER_ID is not the pod's name"
        if not workload.document["spec"].get("volumeClaimTemplates"):
            yield f"{workload.name}: its states are on no volume of its own"
        replicas = workload.document["spec"].get("replicas", 1)
        if replicas > PARTITIONS:
            yield f"{workload.name}: {replicas} replicas, but a worker beyond {PARTITIONS} partitions is idle"


@policy
def our_pods_are_spread(documents: Documents) -> Iterator[str]:
    for workload in workloads(documents):
        if not workload.ours or workload.document["spec"].get("replicas", 2) < 2 or workload.kind == "Job":
            continue
        keys = {each["topologyKey"] for each in workload.spec.get("topologySpreadConstraints", [])
                if selects(each["labelSelector"], workload.labels)}  # fmt: skip
        if missing := {"kubernetes.io/hostname", "topology.kubernetes.io/zone"} - keys:
            yield f"{workload.name}: not spread over {', '.join(sorted(missing))}"


@policy
def scaling_follows_the_code(documents: Documents) -> Iterator[str]:
    group = Settings(namespace="").group("").rstrip("-")
    names = {topic.name for topic in TOPICS}
    for scaled in of_kind(documents, "ScaledObject"):
        spec: dict[str, Any] = scaled["spec"]
        target = f"{spec['scaleTargetRef']['kind']}/{spec['scaleTargetRef']['name']}"
        workload = next((each for each in workloads(documents) if each.name == target), None)
        if workload is None:
            yield f"{label(scaled)}: there is no {target}"
        elif "replicas" in workload.document["spec"]:
            yield f"{label(scaled)}: {target} says its replicas too"
        if spec["maxReplicaCount"] > PARTITIONS:
            yield f"{label(scaled)}: more than {PARTITIONS} partitions' worth of replicas"
        for trigger in spec["triggers"]:
            if trigger["metadata"]["consumerGroup"] != group or trigger["metadata"]["topic"] not in names:
                yield f"{label(scaled)}: group or topic is not that of the code"


@policy
def namespaces_demand_the_restricted_profile(documents: Documents) -> Iterator[str]:
    for namespace in of_kind(documents, "Namespace"):
        if namespace["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"{label(namespace)}: does not enforce the profile"
        for document in documents:
            if document is not namespace and document["metadata"].get("namespace") != namespace["metadata"]["name"]:
                yield f"{label(document)}: is not in the namespace {namespace['metadata']['name']}"

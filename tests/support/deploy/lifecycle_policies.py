"""Policies of the life of pods: draining, start order, names, spreading and scaling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from schemas.settings import ProducerSettings, Settings, SinkSettings, WorkerSettings
from schemas.topics import PARTITIONS, TOPICS
from stream_processors.app import DRAIN_SECONDS
from tests.support.deploy.manifests import Doc, is_ours, label, of_kind, selects, workloads
from tests.support.deploy.policy_registry import Documents, policy
from tests.support.deploy.setting_policies import environment, settings_of


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

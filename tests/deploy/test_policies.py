"""Each policy can fail: one small mistake in manifests that keep it, and it says so."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.support.deploy.manifests import VERSIONS, Doc, built, label, schema_problems
from tests.support.deploy.paths import dead_ends, paths_in, paths_out
from tests.support.deploy.policies import POLICIES

MAIN = "spec.template.spec.containers.0"
POD = "spec.template.spec"
GONE = object()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Doc, ...]:
    """Everything at once: the base with all components."""
    return built("base+all", tmp_path_factory.mktemp("policies"))


def changed(documents: tuple[Doc, ...], name: str, place: str, value: Any) -> tuple[Doc, ...]:
    """A copy in which one document has another value at a dotted place; GONE removes it, a function changes it.

    An empty place is the whole document: GONE leaves it out.
    """
    copies = deepcopy(documents)
    document = next(each for each in copies if label(each).startswith(name))
    if not place:
        return tuple(each for each in copies if each is not document)
    *steps, last = (int(step) if step.isdigit() else step for step in place.split("."))
    parent: Any = document
    for step in steps:
        parent = parent[step] if isinstance(step, int) else parent.setdefault(step, {})
    if value is GONE:
        del parent[last]
    elif callable(value):
        parent[last] = value(parent[last])
    else:
        parent[last] = value
    return copies


def with_variable(name: str, value: str) -> Callable[[list[Doc]], list[Doc]]:
    return lambda variables: [*variables, {"name": name, "value": value}]


def with_a_missing_key(volumes: list[Doc]) -> list[Doc]:
    rules = deepcopy(next(volume for volume in volumes if volume["name"] == "rules"))
    rules["configMap"]["items"][0]["key"] = "no.yaml"
    return [*volumes, rules]


MISTAKES = [
    ("images_are_pinned", "StatefulSet/worker", f"{MAIN}.image", "deskstream:latest", "no version"),
    ("images_are_pinned", "StatefulSet/worker", f"{MAIN}.image", "deskstream", "no version"),
    ("images_are_pinned", "Deployment/http", f"{POD}.initContainers.0.image", "registry.example:5000/deskstream", "no version"),
    ("images_are_pinned", "StatefulSet/worker", f"{MAIN}.image", "deskstream@sha256:12", "not a digest"),
    ("requests_and_limits_are_set", "Deployment/http", f"{MAIN}.resources.limits.memory", GONE, "no limits of memory"),
    ("requests_and_limits_are_set", "Job/topics", f"{MAIN}.resources", GONE, "no requests of cpu"),
    ("requests_and_limits_are_set", "Deployment/smtp", f"{POD}.initContainers.0.resources.requests", GONE, "no requests"),
    ("pods_are_restricted", "StatefulSet/worker", f"{POD}.securityContext.runAsNonRoot", GONE, "may run as root"),
    ("pods_are_restricted", "StatefulSet/worker", f"{POD}.securityContext.runAsUser", 0, "may run as root"),
    ("pods_are_restricted", "Job/migrations", f"{POD}.securityContext.seccompProfile", GONE, "no seccomp profile"),
    ("pods_are_restricted", "Deployment/http", f"{POD}.hostNetwork", True, "hostNetwork"),
    ("pods_are_restricted", "Deployment/http", f"{POD}.automountServiceAccountToken", GONE, "has a token"),
    ("pods_are_restricted", "Deployment/http", f"{POD}.serviceAccountName", GONE, "no service account"),
    ("pods_are_restricted", "Deployment/http", f"{POD}.enableServiceLinks", GONE, "made of Services"),
    ("pods_are_restricted", "Deployment/http", f"{POD}.volumes", [{"name": "tmp", "hostPath": {"path": "/"}}], "not allowed"),
    ("pods_are_restricted", "StatefulSet/clickhouse", f"{MAIN}.securityContext.capabilities", {"drop": []}, "capabilities"),
    ("pods_are_restricted", "StatefulSet/chat", f"{MAIN}.securityContext.allowPrivilegeEscalation", GONE, "may gain"),
    ("pods_are_restricted", "StatefulSet/chat", f"{MAIN}.securityContext.privileged", True, "is privileged"),
    ("pods_are_restricted", "StatefulSet/chat", f"{MAIN}.securityContext.readOnlyRootFilesystem", GONE, "may write its root"),
    ("pods_are_restricted", "Deployment/smtp", f"{MAIN}.ports.0.hostPort", 25, "port of its node"),
    ("containers_are_probed", "Deployment/http", f"{MAIN}.livenessProbe", GONE, "no livenessProbe"),
    ("containers_are_probed", "StatefulSet/clickhouse", f"{MAIN}.readinessProbe", GONE, "no readinessProbe"),
    ("containers_are_probed", "Deployment/http", f"{MAIN}.livenessProbe.httpGet.port", 9464, "without that name"),
    ("containers_are_probed", "Deployment/http", f"{MAIN}.readinessProbe.httpGet.path", "/livez", "does not ask /readyz"),
    ("ports_are_named", "Deployment/smtp", f"{MAIN}.ports.1.name", GONE, "has no name"),
    ("ports_are_named", "Deployment/smtp", f"{MAIN}.ports.1.name", "metrics", "the same name"),
    ("ports_are_named", "Service/http", "spec.ports.0.name", GONE, "has no name"),
    ("services_select_something", "Service/http", "spec.selector", {"app": "web"}, "selects nothing"),
    ("services_select_something", "Service/http", "spec.ports.0.targetPort", "web", "has no port 'web'"),
    ("services_select_something", "Service/worker", "", GONE, "there is no Service worker"),
    ("selectors_choose_their_own_pods", "Deployment/http", "spec.selector.matchLabels", {"app": "web"}, "does not choose"),
    ("selectors_choose_their_own_pods", "Deployment/http", "spec.selector",
     {"matchLabels": {"deskstream-kafka": "client"}}, "chooses pods of"),
    ("disruption_budgets_cover_everything", "PodDisruptionBudget/worker", "", GONE, "0 PodDisruptionBudgets"),
    ("disruption_budgets_cover_everything", "PodDisruptionBudget/worker", "spec.selector", {}, "2 PodDisruptionBudgets"),
    ("disruption_budgets_cover_everything", "PodDisruptionBudget/http", "spec.selector.matchLabels", {"a": "b"}, "covers nothing"),
    ("disruption_budgets_cover_everything", "PodDisruptionBudget/http", "spec.maxUnavailable", 0, "must not block"),
    ("references_resolve", "Deployment/http", f"{MAIN}.envFrom.0.configMapRef.name", "settings", "no ConfigMap settings"),
    ("references_resolve", "Deployment/http", f"{MAIN}.envFrom.1.secretRef.name", "doors", "neither built nor documented"),
    ("references_resolve", "Job/migrations", f"{MAIN}.env.0.valueFrom.secretKeyRef.key", "address", "neither built nor"),
    ("references_resolve", "StatefulSet/worker", f"{POD}.volumes",
     with_a_missing_key, "has no no.yaml"),
    ("references_resolve", "StatefulSet/worker", f"{POD}.serviceAccountName", "nobody", "no ServiceAccount nobody"),
    ("references_resolve", "StatefulSet/worker", f"{MAIN}.volumeMounts.0.name", "rule", "there is no volume rule"),
    ("references_resolve", "Ingress/deskstream", "spec.tls.0.secretName", "tls", "neither built nor documented"),
    ("variables_are_known_and_valid", "StatefulSet/worker", f"{MAIN}.env",
     with_variable("DESKSTREAM_WORKER_NAME", "a"), "DESKSTREAM_WORKER_NAME is not a setting"),
    ("variables_are_known_and_valid", "StatefulSet/worker", f"{MAIN}.env",
     with_variable("DESKSTREAM_SINK_BATCH_ROWS", "5"), "is not a setting of stream_processors"),
    ("variables_are_known_and_valid", "StatefulSet/worker", f"{MAIN}.env",
     with_variable("DESKSTREAM_MAX_BATCH_RECORDS", "many"), "max_batch_records"),
    ("variables_are_known_and_valid", "ConfigMap/deskstream-settings", "data.DESKSTREAM_LOG_LEVEL", "loud", "must be one of"),
    ("variables_are_known_and_valid", "ConfigMap/deskstream-settings", "data.DESKSTREAM_LOGS", "x", "is not a setting"),
    ("variables_are_known_and_valid", "StatefulSet/clickhouse", f"{MAIN}.env",
     with_variable("DESKSTREAM_PARTITIONS", "4"), "is none of its"),
    ("invitations_are_signed_as_their_pages_read_them", "StatefulSet/worker", f"{MAIN}.env",
     lambda variables: [each for each in variables if each["name"] != "DESKSTREAM_SURVEY_SECRETS"], "worker main: no"),
    ("invitations_are_signed_as_their_pages_read_them", "Deployment/http", f"{MAIN}.envFrom.1.secretRef.name", "doors",
     "that the pages of surveys have"),
    ("names_are_made_with_the_same_secrets", "Deployment/smtp", f"{MAIN}.envFrom.1.secretRef.name", "doors", "smtp main: it has not"),
    ("names_are_made_with_the_same_secrets", "StatefulSet/worker", f"{MAIN}.envFrom.1.secretRef.optional", True, "may lack"),
    ("written_folders_are_volumes", "StatefulSet/worker", f"{MAIN}.env",
     with_variable("DESKSTREAM_STATE_DIR", "/srv/state"), "in no volume"),
    ("clients_of_kafka_have_a_user_where_it_asks", "StatefulSet/worker", f"{MAIN}.env",
     with_variable("DESKSTREAM_KAFKA_USERNAME", "ann"), "Kafka has no user ann"),
    ("clients_of_kafka_have_a_user_where_it_asks", "Deployment/http", f"{POD}.initContainers.0.env", [], "no password"),
    ("clients_of_kafka_have_a_user_where_it_asks", "KafkaUser/deskstream-sink", "", GONE, "no user deskstream-sink"),
    ("clients_of_kafka_have_a_user_where_it_asks", "Job/topics", f"{MAIN}.volumeMounts", [], "is in no volume"),
    ("grace_is_longer_than_a_drain", "StatefulSet/worker", f"{POD}.terminationGracePeriodSeconds", 8, "8 s of grace"),
    ("grace_is_longer_than_a_drain", "Deployment/http", f"{POD}.terminationGracePeriodSeconds", GONE, "30 s of grace"),
    ("grace_is_longer_than_a_drain", "ConfigMap/deskstream-settings", "data.DESKSTREAM_SINK_DRAIN_SECONDS", "90", "60 s of grace"),
    ("processes_wait_for_what_they_need", "Deployment/http", f"{POD}.initContainers", GONE, "wait for the topics"),
    ("processes_wait_for_what_they_need", "Deployment/sink-clickhouse", f"{POD}.initContainers",
     lambda waits: [each for each in waits if each["name"] != "wait-for-tables"], "wait for the tables"),
    ("processes_wait_for_what_they_need", "ConfigMap/deskstream-settings", "data.DESKSTREAM_SINK_MIGRATE", "true", "by itself"),
    ("processes_wait_for_what_they_need", "Job/topics", "", GONE, "no Job makes"),
    ("workers_keep_their_names_and_states", "StatefulSet/worker", f"{MAIN}.env",
     lambda variables: [each for each in variables if each["name"] != "DESKSTREAM_WORKER_ID"], "not the pod's name"),
    ("workers_keep_their_names_and_states", "StatefulSet/worker", "spec.volumeClaimTemplates", [], "on no volume"),
    ("workers_keep_their_names_and_states", "StatefulSet/worker", "spec.replicas", 5, "is idle"),
    ("workers_keep_their_names_and_states", "StatefulSet/worker", "kind", "Deployment", "a pod of a StatefulSet"),
    ("our_pods_are_spread", "StatefulSet/worker", f"{POD}.topologySpreadConstraints.0", GONE, "not spread over"),
    ("scaling_follows_the_code", "ScaledObject/worker", "spec.maxReplicaCount", 9, "partitions' worth"),
    ("scaling_follows_the_code", "ScaledObject/worker", "spec.triggers.0.metadata.topic", "contacts", "not that of the code"),
    ("scaling_follows_the_code", "ScaledObject/worker", "spec.scaleTargetRef.name", "workers", "there is no StatefulSet/workers"),
    ("scaling_follows_the_code", "StatefulSet/worker", "spec.replicas", 2, "says its replicas too"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("policy", "document", "place", "value", "breach"),
    MISTAKES,
    ids=[f"{policy}-{number}" for number, (policy, *_) in enumerate(MISTAKES)],
)
def test_a_policy_names_the_mistake(
    good: tuple[Doc, ...], policy: str, document: str, place: str, value: Any, breach: str
) -> None:
    assert list(POLICIES[policy](good)) == []
    found = list(POLICIES[policy](changed(good, document, place, value)))
    assert any(breach in each for each in found), found


def test_a_namespace_without_the_profile_or_a_document_outside_it_is_named() -> None:
    check = POLICIES["namespaces_demand_the_restricted_profile"]
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = {"kind": "Namespace", "metadata": {"name": "a", "labels": restricted}}
    inside = {"kind": "Service", "metadata": {"name": "s", "namespace": "a"}}
    assert list(check((namespace, inside))) == []
    bare = {"kind": "Namespace", "metadata": {"name": "a"}}
    outside = {"kind": "Service", "metadata": {"name": "s"}}
    assert list(check((bare, outside))) == [
        "Namespace/a: does not enforce the profile",
        "Service/s: is not in the namespace a",
    ]


def test_every_policy_is_shown_to_fail() -> None:
    shown = {policy for policy, *_ in MISTAKES} | {"namespaces_demand_the_restricted_profile"}
    assert shown == set(POLICIES)


# -- schemas ------------------------------------------------------------------------------------------------------

MALFORMED = [
    ("StatefulSet/worker", "spec.replica", 2),
    ("StatefulSet/worker", f"{MAIN}.livenessProbes", {}),
    ("StatefulSet/worker", f"{MAIN}.ports.0.containerPort", "9464"),
    ("Deployment/http", "spec.selector", GONE),
    ("NetworkPolicy/to-kafka", "spec.egres", []),
    ("PodDisruptionBudget/http", "apiVersion", "policy/v1beta1"),
    ("Kafka/kafka", "spec.kafka.replicas", 3),
    ("KafkaTopic/outbound", "spec.partition", 3),
    ("KafkaUser/deskstream-sink", "spec.authorization.acls.0.operations", ["Look"]),
    ("TriggerAuthentication/worker", "spec.secretRef", []),
    ("KafkaNodePool/broker", "spec.roles", ["zookeeper"]),
    ("ScaledObject/worker", "spec.triggers.0.metadata.lagThreshold", 2000),
    ("PodMonitor/deskstream", "spec.endpoints", []),
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("document", "place", "value"), MALFORMED, ids=[f"{each[0]}-{each[1]}" for each in MALFORMED])
def test_the_schemas_refuse_what_kubernetes_would(
    good: tuple[Doc, ...], version: str, document: str, place: str, value: Any
) -> None:
    bad = next(each for each in changed(good, document, place, value) if label(each).startswith(document))
    assert schema_problems(bad, version) != []


# -- ways ---------------------------------------------------------------------------------------------------------


def test_a_pod_that_no_policy_restricts_may_go_anywhere(good: tuple[Doc, ...]) -> None:
    open_ = tuple(each for each in good if each["kind"] != "NetworkPolicy")
    assert paths_out(open_)["worker"] == paths_in(open_)["worker"] == {"anywhere:any"}


def test_a_policy_without_ports_opens_all_of_them(good: tuple[Doc, ...]) -> None:
    wide = changed(good, "NetworkPolicy/to-clickhouse", "spec.egress.0.ports", GONE)
    assert "clickhouse:any" in paths_out(wide)["sink-clickhouse"]


def test_addresses_without_the_private_ones_left_out_are_not_the_internet(good: tuple[Doc, ...]) -> None:
    wide = changed(good, "NetworkPolicy/to-web", "spec.egress.0.to.0.ipBlock.except", ["10.0.0.0/8"])
    assert "addresses 0.0.0.0/0:443" in paths_out(wide)["sink-delivery"]


def test_a_way_out_to_a_pod_that_lets_nobody_in_is_a_dead_end(good: tuple[Doc, ...]) -> None:
    closed = changed(good, "NetworkPolicy/from-clickhouse-clients", "", GONE)
    assert set(dead_ends(closed)) == {"migrations -> clickhouse:8123", "sink-clickhouse -> clickhouse:8123"}

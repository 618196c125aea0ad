"""Policies of settings: variables, keys of Secrets, users of Kafka, and written folders."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import PurePosixPath

from schemas.settings import ChatSettings, ProducerSettings, Settings, SinkSettings, WorkerSettings, describe
from tests.support.deploy.manifests import Doc, is_ours, of_kind, pairs
from tests.support.deploy.policy_registry import Documents, policy


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
def names_are_made_with_the_same_secrets(documents: Documents) -> Iterator[str]:
    """Whatever makes tags or tokens, and the job that notes their fingerprints, has the Secret; without it no pod starts."""
    makers = (["stream_processors"], ["producers"], ["sinks", "delivery"], ["schemas.admin", "create"])
    for workload, container in pairs(documents):
        arguments = container.get("args", [])
        if not is_ours(container) or not any(arguments[: len(each)] == each for each in makers):
            continue
        refs = [each["secretRef"] for each in container.get("envFrom", []) if "secretRef" in each]
        if {"name": "deskstream-identity"} not in refs:
            yield f"{workload.name} {container['name']}: it has not, or may lack, the Secret deskstream-identity"


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

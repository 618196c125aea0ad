"""Sets the secrets of names for a process, and notices at its start when the deployment has others.

The topic `secrets` says with which secrets the tags and tokens of this deployment are made: fingerprints only. `python -m
schemas.admin create` writes the first record, every process compares its own settings with what is in force.

| record                                        | then                                                             |
|-----------------------------------------------|------------------------------------------------------------------|
| `replaces` the tags that are in force         | it is in force                                                   |
| `replaces` others: somebody else was faster   | it is ignored, and whoever wrote it finds that at the next check |

Two processes with different secrets can therefore never both be right, and no customer is split between two tags.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError, TopicAuthorizationFailedError

from schemas import codec, identity
from schemas.errors import CodecError, ConfigurationError, Unavailable
from schemas.kafka_security import security
from schemas.published import SecretsRegistered
from schemas.settings import Settings, listed
from schemas.text import error_line
from schemas.topics import CONTACT_EVENTS, SECRETS

__all__ = ["UNKEYED", "InForce", "check", "in_force", "read", "register", "rekeyed", "require_same", "use"]

#: In place of a fingerprint: tags without a key.
UNKEYED = "unkeyed"
_SECONDS = 10.0

log = structlog.get_logger("schemas.secrets")


@dataclass(frozen=True, slots=True)
class InForce:
    """Holds the fingerprints of the secrets that tags and tokens of a deployment are made with; '' before the first record."""

    tags: str = ""
    tokens: str = ""


def use(settings: Settings) -> None:
    """Sets the secrets of this process; an entry point calls it before anything derives a name."""
    identity.use(listed(settings.tag_secrets), listed(settings.token_secrets))


def check(settings: Settings) -> None:
    """Compares the secrets of this process with those in force, and warns where there are none.

    Raises:
        ConfigurationError: they differ.
        Unavailable: Kafka does not answer.
    """
    if not listed(settings.tag_secrets):
        log.warning(
            "customer_tags_without_key",
            fix="set DESKSTREAM_TAG_SECRETS: without it anybody can reckon the tag of a telephone number, and so its tickets",
        )
    require_same(settings, read(settings))


def require_same(settings: Settings, registered: InForce) -> None:
    """Compares the settings with what is in force; before the first record everything is right.

    Raises:
        ConfigurationError: tags are made with another secret, or the secret that signs tokens is not among ours.
    """
    if not registered.tags:
        return
    tags, tokens = _mine(settings)
    if tags != registered.tags:
        before = "without a secret" if registered.tags == UNKEYED else f"with the secret {registered.tags}"
        ours = "none" if tags == UNKEYED else tags
        raise ConfigurationError(
            f"the customer tags of this deployment are made {before}, here the first secret is {ours}",
            where="DESKSTREAM_TAG_SECRETS",
            fix="set the same in every process; to change it see deploy/operations/secrets.md (`stream_processors rekey`)",
        )
    if registered.tokens and registered.tokens not in tokens:
        raise ConfigurationError(
            f"ticket tokens are signed with the secret {registered.tokens}, which is not among those here",
            where="DESKSTREAM_TOKEN_SECRETS",
            fix="set the same secrets in every process",
        )


def register(settings: Settings) -> InForce:
    """Writes what is in force where that is not known yet, and a new secret of the tokens; returns what is in force then.

    A deployment that has contacts already has tags without a key: that is what is written for it, whatever the settings say.

    Raises:
        ConfigurationError: the tags of this deployment are made with another secret.
        Unavailable: Kafka does not answer.
    """
    registered = read(settings)
    tags, tokens = _mine(settings)
    signing = tokens[0] if tokens else ""
    if not registered.tags:
        made = UNKEYED if _has_contacts(settings) else tags
        known = SecretsRegistered(tags=made, replaces="", tokens=signing if made == tags else "")
        registered = _write(settings, known)
    if registered.tags == tags and registered.tokens != signing:
        registered = _write(settings, SecretsRegistered(tags=tags, replaces=tags, tokens=signing))
    require_same(settings, registered)
    return registered


def rekeyed(settings: Settings, before: InForce) -> None:
    """Writes that tags are made with the first of our secrets from now on.

    Raises:
        ConfigurationError: somebody else changed them meanwhile.
        Unavailable: Kafka does not answer.
    """
    tags, tokens = _mine(settings)
    require_same(settings, _write(settings, SecretsRegistered(tags=tags, replaces=before.tags, tokens=tokens[0])))


def in_force(records: Iterable[SecretsRegistered]) -> InForce:
    """Returns what the log says, record by record."""
    state = InForce()
    for record in records:
        if record.replaces == state.tags:
            state = InForce(record.tags, record.tokens)
    return state


def read(settings: Settings) -> InForce:
    """Returns what is in force; nothing where the topic is not there, or not ours to read.

    Raises:
        Unavailable: Kafka does not answer.
    """
    return in_force(_records(settings))


def _mine(settings: Settings) -> tuple[str, tuple[str, ...]]:
    """Returns the fingerprints of the secret that makes our tags, and of those that our tokens are signed with."""
    tags, tokens = listed(settings.tag_secrets), listed(settings.token_secrets)
    made = identity.fingerprint(tags[0]) if tags else UNKEYED
    return made, tuple(identity.fingerprint(secret) for secret in tokens or tags)


def _records(settings: Settings) -> list[SecretsRegistered]:
    place = TopicPartition(settings.topic(SECRETS), 0)
    try:
        with closing(_consumer(settings)) as consumer:
            if not consumer.partitions_for_topic(place.topic):
                return []
            consumer.assign([place])
            consumer.seek_to_beginning(place)
            end, found = consumer.end_offsets([place])[place], []
            deadline = time.monotonic() + _SECONDS
            while consumer.position(place) < end:
                for record in consumer.poll(timeout_ms=200).get(place, ()):
                    found.append(record.value)
                if time.monotonic() > deadline:
                    raise Unavailable(f"topic {place.topic} cannot be read within {_SECONDS:.0f} s")
    except TopicAuthorizationFailedError:
        log.warning("secrets_not_compared", problem=f"this user may not read {place.topic}")
        return []
    except KafkaError as error:
        raise _away(settings, error) from error
    return [record for value in found if (record := _decoded(value)) is not None]


def _decoded(value: bytes) -> SecretsRegistered | None:
    try:
        record = codec.decode(value or b"")
    except CodecError:
        return None
    return record if isinstance(record, SecretsRegistered) else None


def _has_contacts(settings: Settings) -> bool:
    topic = settings.topic(CONTACT_EVENTS)
    try:
        with closing(_consumer(settings)) as consumer:
            places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
            return any(consumer.end_offsets(places).values()) if places else False
    except KafkaError as error:
        raise _away(settings, error) from error


def _write(settings: Settings, record: SecretsRegistered) -> InForce:
    """Appends a record; returns what is in force behind it, which may be what somebody else wrote a moment before."""
    at = settings.pipeline_clock.now()
    try:
        with closing(KafkaProducer(acks="all", **_connection(settings), **security(settings))) as producer:
            value = codec.encode(msgspec.structs.replace(record, at=at))
            producer.send(settings.topic(SECRETS), value, b"tags", partition=0).get(_SECONDS)
    except KafkaError as error:
        raise _away(settings, error) from error
    return read(settings)


def _consumer(settings: Settings) -> Any:
    return KafkaConsumer(
        enable_auto_commit=False, allow_auto_create_topics=False, **_connection(settings), **security(settings)
    )


def _connection(settings: Settings) -> dict[str, Any]:
    servers = [server.strip() for server in settings.kafka_bootstrap_servers.split(",")]
    return {
        "bootstrap_servers": servers,
        "client_id": "deskstream-secrets",
        "bootstrap_timeout_ms": int(_SECONDS * 1000),
        "metrics_enabled": False,
    }


def _away(settings: Settings, error: KafkaError) -> Unavailable:
    return Unavailable(f"Kafka at {settings.kafka_bootstrap_servers} does not answer: {error_line(error)}")

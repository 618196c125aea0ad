"""Declares the Kafka users and their rights: one user per role, with only the rights that its code uses.

A role may describe every topic, because its pods wait for all of them. `tests/schemas/test_kafka_security.py` enforces
these rules on a real broker while a contact passes through the whole pipeline.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from schemas import events
from schemas.admin import declared
from schemas.settings import Settings
from schemas.topics import (
    CLOCK_FACTS,
    CONTACT_EVENTS,
    CONTACT_FACTS,
    DEAD_LETTERS,
    OUTBOUND,
    ROUTING,
    RULES,
    SECRETS,
    SUPPRESSIONS,
    TOPIC_OF,
)

#: Strimzi's names of resource types, where they are not ours.
STRIMZI_TYPES = {"transactional_id": "transactionalId"}


@dataclass(frozen=True, slots=True)
class Role:
    """Holds the rights of one role.

    `group` is its consumer group, a prefix when it ends in a hyphen; '' is none. `transactional` is the prefix of the
    transactional ids by which it fences off earlier owners of its partitions (ADR 29); '' is none. `changes_topics`: it may
    change the settings of the topics that it writes to.
    """

    name: str
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    group: str = ""
    transactional: str = ""
    changes_topics: bool = False

    @property
    def user(self) -> str:
        """The name of its Kafka user."""
        return f"deskstream-{self.name}"


def roles(settings: Settings) -> tuple[Role, ...]:
    """Returns every role of a deployment."""
    everything = frozenset(declared(settings))
    dead_letters = frozenset(settings.topic(topic) for topic in DEAD_LETTERS)
    compacted = {name for name, topic in declared(settings).items() if topic.cleanup == "compact"}
    changelogs = compacted - {settings.topic(SUPPRESSIONS)}  # which is the sinks'
    secrets = frozenset((settings.topic(SECRETS),))
    workers_own = changelogs | {settings.topic(RULES)} | secrets
    kinds: tuple[type, ...] = (*events.EVENTS, events.PresenceChanged, events.TypingChanged)
    entered = {TOPIC_OF[kind] for kind in kinds}
    brought = frozenset(settings.topic(topic) for topic in entered)
    group = settings.group("")
    return (
        # Chat reads what it and others wrote, and what goes out; `producers replay` reads what producers refused; `http`
        # reads how soon customers are answered; both read the hours in the rules.
        Role(
            "producer",
            brought
            | {settings.topic(OUTBOUND), settings.topic(ROUTING), settings.topic(CLOCK_FACTS)}
            | {settings.namespace + CONTACT_EVENTS.dlq, settings.topic(RULES)}
            | secrets,
            brought | {settings.namespace + topic.dlq for topic in entered},
        ),
        Role("setup", secrets, secrets),
        # `dlq replay`, run beside a sink, writes to the topic that a dead letter came from.
        Role("sink", everything - workers_own, everything - workers_own, group),
        Role(
            "suggester",
            frozenset((settings.topic(CONTACT_FACTS),)),
            frozenset((settings.topic(CONTACT_EVENTS),)),
            settings.group("suggester"),
        ),
        # `erase` and `export-customer`: they read and write everywhere, and change the cleanup of topics for a while (ADR 52).
        Role("eraser", everything, everything, group, changes_topics=True),
        Role("worker", everything - dead_letters, everything, group.rstrip("-"), transactional=group),
    )


def rules(role: Role) -> list[tuple[str, str, str, tuple[str, ...]]]:
    """Returns the rules of a role: `(topic, group or transactional_id, name, literal or prefix, operations)`."""
    found: list[tuple[str, str, str, tuple[str, ...]]] = [("topic", "*", "literal", ("Describe", "DescribeConfigs"))]
    found += [("topic", name, "literal", ("Read",)) for name in sorted(role.reads - role.writes)]
    found += [("topic", name, "literal", ("Write",)) for name in sorted(role.writes - role.reads)]
    both = ("Read", "Write", "AlterConfigs") if role.changes_topics else ("Read", "Write")
    found += [("topic", name, "literal", both) for name in sorted(role.reads & role.writes)]
    if role.group:
        operations = ("Read", "Delete") if role.name == "sink" else ("Read",)  # `sinks rewind` deletes its offsets
        found.append(("group", role.group, "prefix" if role.group.endswith("-") else "literal", operations))
    if role.transactional:
        found.append(("transactional_id", role.transactional, "prefix", ("Describe", "Write")))
    return found


def users(settings: Settings, cluster: str) -> Iterable[dict[str, Any]]:
    """Yields a Strimzi KafkaUser per role; the operator makes the Secret of the same name, with its password."""
    for role in roles(settings):
        acls = [
            {
                "resource": {"type": STRIMZI_TYPES.get(kind, kind), "name": name, "patternType": pattern},
                "operations": list(operations),
            }
            for kind, name, pattern, operations in rules(role)
        ]
        yield {
            "apiVersion": "kafka.strimzi.io/v1",
            "kind": "KafkaUser",
            "metadata": {"name": role.user, "labels": {"strimzi.io/cluster": cluster}},
            "spec": {
                "authentication": {"type": "scram-sha-512"},
                "authorization": {"type": "simple", "acls": acls},
            },
        }

"""The topics of the contract: one home for every record, one partition count for everything keyed by customer."""

from __future__ import annotations

import re

import pytest

from schemas import topics
from schemas.codec import RECORDS
from schemas.events import (
    EVENTS,
    NotificationRequested,
    PresenceChanged,
    RosterChanged,
    RoutingUpdate,
    TagsCounted,
    TeamConfigured,
    TypingChanged,
)
from schemas.facts import FACTS
from schemas.published import IncidentChanged, RulesPublished, SecretsRegistered
from schemas.topics import DAY_MS, TOPIC_OF, TOPICS, Topic

every_topic = pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)


def test_no_two_topics_have_one_name() -> None:
    names = [topic.name for topic in TOPICS]
    assert sorted(set(names)) == sorted(names)


@every_topic
def test_a_name_is_one_that_kafka_takes_behind_any_namespace(topic: Topic) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9.-]{0,99}", topic.name)


def test_every_topic_of_the_module_is_created() -> None:
    declared = {value for value in vars(topics).values() if isinstance(value, Topic)}
    assert declared <= set(TOPICS)


def test_every_kind_of_record_has_one_topic_that_is_created() -> None:
    assert set(TOPIC_OF) == set(RECORDS) == {*EVENTS, *FACTS, IncidentChanged, RulesPublished, SecretsRegistered}
    assert set(TOPIC_OF.values()) <= set(TOPICS)


def test_every_topic_but_the_dead_letters_carries_some_kind_of_record() -> None:
    assert set(TOPICS) - set(topics.DEAD_LETTERS) == set(TOPIC_OF.values())


def test_what_happens_to_a_customer_is_one_log_and_what_teams_do_another() -> None:
    routing = {PresenceChanged, RosterChanged, RoutingUpdate, TeamConfigured}
    assert {kind for kind, topic in TOPIC_OF.items() if topic is topics.ROUTING} == routing
    assert {kind for kind, topic in TOPIC_OF.items() if topic is topics.CHAT_SIGNALS} == {TypingChanged}
    assert {kind for kind, topic in TOPIC_OF.items() if topic is topics.CONTACT_EVENTS} == {*EVENTS} - routing - {
        NotificationRequested,
        TagsCounted,
        TypingChanged,
    }


def test_all_topics_keyed_by_customer_have_the_same_number_of_partitions() -> None:
    keyed = [topic for topic in TOPICS if topic.key == "customer tag"]
    assert len(keyed) == 10
    assert len({topic.partitions for topic in keyed}) == 1


def test_the_event_log_keeps_personal_data_for_three_years() -> None:
    assert (topics.CONTACT_EVENTS.retention_ms, topics.CONTACT_EVENTS.cleanup) == (1095 * DAY_MS, "delete")


def test_rule_versions_are_one_kept_log_with_the_brokers_times() -> None:
    rules = topics.RULES
    assert (rules.partitions, rules.retention_ms, rules.cleanup, rules.dlq) == (1, -1, "delete", "")
    assert ("message.timestamp.type", "LogAppendTime") in rules.configs
    assert [topic for topic in TOPICS if topic.partitions == 1] == [topics.SUPPRESSIONS, rules, topics.SECRETS]


def test_suppressions_are_kept_for_ever_the_newest_of_each_address() -> None:
    assert (topics.SUPPRESSIONS.cleanup, topics.SUPPRESSIONS.retention_ms) == ("compact", -1)


def test_fingerprints_of_secrets_are_one_kept_log() -> None:
    secrets = topics.SECRETS
    assert (secrets.partitions, secrets.retention_ms, secrets.cleanup, secrets.dlq) == (1, -1, "delete", "")


@pytest.mark.parametrize(
    "topic",
    [t for t in TOPICS if t not in (*topics.DEAD_LETTERS, topics.RULES, topics.SECRETS)],
    ids=lambda topic: topic.name,
)
def test_a_topic_names_a_dead_letter_topic_that_exists_and_outlives_it(topic: Topic) -> None:
    dead_letters = {dead_letter.name: dead_letter for dead_letter in topics.DEAD_LETTERS}[topic.dlq]
    assert dead_letters.dlq == ""
    assert topic.retention_ms in (-1, 1095 * DAY_MS) or dead_letters.retention_ms > topic.retention_ms
    assert dead_letters.retention_ms == 90 * DAY_MS


def test_a_changelog_is_named_as_faust_names_it_and_compacted() -> None:
    changelog = topics.changelog("shop.deskstream", "tickets")
    assert (changelog.name, changelog.cleanup) == ("shop.deskstream-tickets-changelog", "compact")
    assert changelog.partitions == topics.PARTITIONS

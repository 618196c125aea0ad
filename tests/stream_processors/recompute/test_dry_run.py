"""The dry run: what rules would have done with a log, those of then left out, with limits, and told as a table."""

from __future__ import annotations

import pytest

from schemas import codec
from schemas.errors import ConfigurationError
from schemas.facts import AutomationFact
from stream_processors.recompute.automations_cli import listed, since_when, table
from stream_processors.recompute.dry_run import DryRun, told, with_all
from stream_processors.rules import ruleset
from stream_processors.rules.ruleset import Rules
from tests.support.tickets.ruled_story import RuledStory, with_automations
from tests.support.tickets.story import at

SHIPPED = ruleset.load()
DAY = 86400
TEXT = """
- name: hurry
  when: {opened: true}
  then: [{set_priority: high}, {add_tag: service.praise}, {notify: {mail: lead@care.example}}]
- name: praise
  when: {tag: service.praise}
  then: [{answer: {en: Thank you}}]
- name: wait
  when: {in_status: {status: pending, for: 2d}}
  then: [{notify: {chat: support}}]
"""


def lived(rules: Rules) -> RuledStory:
    """A log of ten days."""
    story = RuledStory(rules)
    story.message(0)
    story.assign(30, "mei")
    story.reply(60)
    story.until(10 * DAY)
    return story


def tried(story: RuledStory, rules: Rules) -> list[AutomationFact]:
    fold = DryRun(rules, 0)
    facts = []
    for record in story.worker.log:
        facts += [fact for fact in fold.take(codec.decode(record.value)) if isinstance(fact, AutomationFact)]
    facts += [fact for fact in fold.end(at(10 * DAY)) if isinstance(fact, AutomationFact)]
    return [*facts, *told(rules, [fold.for_desk], at(10 * DAY))]


def said(facts: list[AutomationFact]) -> list[tuple[str, ...]]:
    return sorted((fact.firing_id, fact.rule, fact.action, fact.target, fact.outcome, fact.reason) for fact in facts)


def test_it_says_what_the_rules_do_when_they_are_in_force() -> None:
    rules = with_automations(SHIPPED, TEXT)
    lives = lived(rules)
    assert said(tried(lived(SHIPPED), rules)) == said(lives.facts())
    assert said(tried(lives, rules)) == said(lives.facts())  # what they did then counts for nothing
    assert len(lives.facts()) == 5


def test_limits_count_over_all_partitions() -> None:
    rules = with_automations(SHIPPED, TEXT.replace("mail: lead", "mail: head") + "  per_hour: 1\n")
    one = DryRun(rules, 0)
    for record in lived(SHIPPED).worker.log:
        list(one.take(codec.decode(record.value)))
    list(one.end(at(10 * DAY)))
    chats = [event for event in one.for_desk if getattr(event, "way", "") == "chat"]
    facts = list(told(rules, [chats, chats], at(20 * DAY)))
    assert [fact.reason for fact in facts] == [""]  # the same firing is the same, wherever it is read


def test_the_table_names_each_action_and_adds_them_up() -> None:
    facts = tried(lived(SHIPPED), with_automations(SHIPPED, TEXT))
    shown = table(facts, 2)
    assert "the last 2 of 5" in shown
    assert shown.splitlines()[0].split() == ["when", "(UTC)", "rule", "ticket", "why", "action", "outcome"]
    assert ["hurry", "set_priority", "1", "1", "-"] in [line.split() for line in shown.splitlines()]
    assert table([], 5) == "No rule would have done anything."


def test_rules_that_are_off_can_be_tried_and_are_listed() -> None:
    assert len(with_all(SHIPPED).automations.rules) == 5
    assert with_all(SHIPPED).automations.of_tickets
    off = listed([(rule, False) for rule in SHIPPED.automations.off])
    assert "pending_for_long" in off and "write some" in listed([])


def test_since_is_a_duration_or_a_time() -> None:
    assert since_when("7d", 10**15) == 10**15 - 7 * DAY * 10**6
    assert since_when("2026-03-02T09:00Z", 0) == at(0) == since_when("2026-03-02 09:00", 0)
    assert since_when("2026-03-02T10:00+01:00", 0) == at(0)
    for wrong in ("yesterday", "7", "", "7w", "-1d"):
        with pytest.raises(ConfigurationError, match="write for example 7d"):
            since_when(wrong, 0)

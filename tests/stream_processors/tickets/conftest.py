"""The shipped rules, with policies whose targets are easy to add up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from stream_processors.rules import ruleset as rules_module
from stream_processors.rules.policies import Policies
from stream_processors.rules.ruleset import Rules
from tests.support.tickets.story import Story
from tests.support.tickets.survey_story import DUE, SIGNING, solved
from tests.support.tickets.town import ANN, BOB, Town

#: first response 1 h = 3600 s, next response 30 min = 1800 s, full resolution 8 h = 28800 s; chat 120 s, 60 s, 1 h.
POLICIES = """
time_zone: Europe/London
reopen:
  window: 7d
  thanks: [thanks, thank you, 谢谢, 謝謝, ありがとうございます]
  fillers: [so much, 非常]
policies:
  - name: voice
    when: {channel: [phone, voicemail]}
    targets: {first_response: 120s, full_resolution: 1h}
  - name: chat
    when: {channel: chat}
    targets: {acknowledgement: 10s, first_response: 120s, next_response: 60s, full_resolution: 1h}
    margin: 30s
  - name: urgent
    when: {priority: urgent}
    targets: {acknowledgement: 60s, first_response: 10m, next_response: 10m, full_resolution: 4h}
  - name: articles
    when: {channel: help_centre}
    targets: {}
  - name: standard
    targets: {acknowledgement: 60s, first_response: 1h, next_response: 30m, full_resolution: 8h}
    margin: 2h
"""


@pytest.fixture(scope="session")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Rules:
    path: Path = tmp_path_factory.mktemp("rules") / "policies.yaml"
    path.write_text(POLICIES, "utf-8")
    shipped = rules_module.load()
    return replace(shipped, policies=Policies.load(path, shipped.teams))


@pytest.fixture
def story(rules: Rules) -> Story:
    return Story(rules)


@pytest.fixture
def tell(rules: Rules) -> Callable[..., Story]:
    """A story with another channel, customer, or imported."""
    return lambda **changes: Story(rules, **changes)


@pytest.fixture
def ask(rules: Rules) -> Callable[..., Story]:
    """A story of a worker that has a secret."""
    return lambda **changes: Story(rules, **{"signing": SIGNING} | changes)


@pytest.fixture
def asked(ask: Callable[..., Story]) -> Story:
    """Ann was helped by Mei and has the invitation."""
    story = ask()
    solved(story)
    story.until(DUE)
    return story


@pytest.fixture
def town(rules: Rules) -> Town:
    return Town(rules)


@pytest.fixture
def merged(town: Town) -> Town:
    """Ann has two tickets and Bob one; then Ann goes up in Bob."""
    town.message(0, ANN, subject="Parcel", message_id="<1@ann>")
    town.message(10, ANN, subject="Refund")
    town.message(20, BOB, channel="sms", text="Hi")
    town.settle()
    town.merge(30, ANN, BOB)
    return town.settle()

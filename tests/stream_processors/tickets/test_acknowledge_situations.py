"""acknowledge: what is said when nobody works, when something is out of order, and to whom articles are offered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from schemas.facts import AcknowledgementFact, Outbound
from stream_processors.rules import ruleset as rules_module
from stream_processors.rules.notices import Notices
from stream_processors.rules.ruleset import Rules
from tests.support.tickets.story import Story, at

HOUR = 3600
#: Of the standard policy: first response 1 h, and 2 h as margin.
PROMISED_AT = 3 * HOUR


def sent(story: Story) -> list[Outbound]:
    return [each for each in story.all(Outbound) if each.kind == "acknowledgement"]


#: Days from Monday 2026-03-02 09:00 in London, and what a mail of then is told. Good Friday is 3 April.
MOMENTS = {
    0.0: "",
    0.3: "",  # Monday 16:12
    0.4: "outside our working hours",  # Monday 18:36
    0.9: "outside our working hours",  # Tuesday 06:36
    5.1: "at the weekend",
    6.5: "at the weekend",
    32.1: "a public holiday",
    35.1: "a public holiday",  # Easter Monday
    36.1: "",
}


@pytest.mark.parametrize("days", MOMENTS)
def test_a_closed_hour_is_told_with_its_reason(days: float) -> None:
    story = Story(rules_module.load())
    story.message(round(days * 24 * HOUR), subject="Kettle")
    text = sent(story)[0].text
    said = [words for words in set(MOMENTS.values()) - {""} if words in text]
    assert said == ([MOMENTS[days]] if MOMENTS[days] else [])


def test_what_was_under_way_for_days_is_promised_nothing_in_the_past(story: Story) -> None:
    story.message(0, received_at=at(72 * HOUR))
    assert story.last(AcknowledgementFact).promised_at == at(72 * HOUR + PROMISED_AT)


@pytest.mark.parametrize(
    ("tier", "text", "offered"),
    [
        ("", "I forgot my password.", True),
        ("vip", "I forgot my password.", False),
        ("gold", "I forgot my password.", False),
        ("", "I forgot my password. I am furious, this is terrible, the worst service ever!!!", False),
    ],
)
def test_articles_are_offered_to_nobody_who_needs_a_person(story: Story, tier: str, text: str, offered: bool) -> None:
    story.message(0, text, tier=tier, verified="dmarc")
    assert ("https://" in sent(story)[0].text) is offered


def test_an_incident_is_told_by_mail_while_it_is_in_the_rules(rules: Rules, tmp_path: Path) -> None:
    path = tmp_path / "notices.yaml"
    text = (rules_module.SHIPPED / "notices.yaml").read_text()
    path.write_text(f"{text}\nincident: {{en: Card payments fail since 10:00., ja: 決済に不具合があります。}}\n")
    story = Story(replace(rules, notices=Notices.load(path, "support.example")))
    story.message(0, "Hello")
    story.message(60, "注文した商品が届きません。どうなっていますか", subject="別の件", message_id="<2@x>")
    assert "Card payments fail since 10:00." in sent(story)[0].text
    assert "決済に不具合があります。" in sent(story)[1].text

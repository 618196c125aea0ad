"""acknowledge: what is said when nobody works, when something is out of order, and to whom articles are offered."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.events import LOCALES
from schemas.facts import AcknowledgementFact, Outbound
from schemas.opening_hours import said_week
from schemas.published import IncidentChanged
from schemas.safe_html import clean, to_text
from schemas.service_metrics import ServiceMetric
from stream_processors.rules import ruleset as rules_module
from stream_processors.rules.notices import Notices
from stream_processors.rules.ruleset import Rules
from stream_processors.rules.versions import RulesetHistory
from stream_processors.text.promised_time import promised_time
from tests.support.gauge_partition import played
from tests.support.tickets.story import ANN, Story, at

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


def test_every_closed_hour_says_our_hours_and_when_we_are_back() -> None:
    """Through a year, in each language: the time named is the next opening, and comes before the promise."""
    shipped = rules_module.load()
    office = shipped.calendars["office"]
    wrong = []
    for number, hour in enumerate(range(0, 365 * 24, 37)):
        locale = LOCALES[number % len(LOCALES)]
        story = Story(shipped)
        story.message(hour * HOUR, subject="Kettle", language=locale)
        [message], now = sent(story), at(hour * HOUR)
        due = story.last(AcknowledgementFact).promised_at
        back = office.opens_at(now)
        words = promised_time(back, "", shipped.policies.time_zone, message.locale).full
        closed = not office.is_open(now)
        told = words in message.text and said_week(office, now, message.locale) in message.text
        if told is not closed or not back <= due or not office.is_open(due):
            wrong.append((hour, locale, message.text))
    assert not wrong


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


#: What a customer has done and said before, and which words they get now; `verified` where they may be told what we know.
TOLD = [
    ({}, "dmarc", "Hello there", "email.en.first_contact"),
    ({}, "none", "Hello there", "email.en"),
    ({"before": 2}, "dmarc", "Hello there", "email.en.returning"),
    ({"before": 2}, "none", "Hello there", "email.en"),
    ({"tier": "vip"}, "dmarc", "Hello there", "email.en.vip"),
    ({"tier": "vip"}, "none", "Hello there", "email.en"),
    ({"tier": "vip"}, "dmarc", "My parcel got lost in the post", "email.en.lost_order"),
    ({}, "dmarc", "The box was crushed when it came", "email.en.damaged_packaging"),
    ({}, "dmarc", "壊れた箱で届きました。箱がつぶれていました。", "email.ja.damaged_packaging"),
    ({}, "dmarc", "I am furious, this is the worst service ever!!!", "email.en"),
]


def test_a_contact_gets_the_words_of_its_situation() -> None:
    """What is stored of a customer decides only where they may be told so."""
    found = []
    for known, verified, text, _ in TOLD:
        story = Story(rules_module.load())
        for number in range(known.get("before", 0)):
            story.message(number, "Hello", subject=f"Other {number}", verified="dmarc", message_id=f"<{number}@x>")
            story.solve(number + 0.5, number=number + 1)
        story.message(60, text, subject="Something else", tier=known.get("tier", ""), verified=verified)
        found.append((known, verified, text, story.last(AcknowledgementFact).template))
    assert found == TOLD


def test_a_mail_has_html_that_says_the_same_and_other_channels_have_none() -> None:
    for channel, address in (
        ("email", ANN),
        ("form", ANN),
        ("chat", "chat:s-1"),
        ("sms", "tel:+15550100"),
        ("form", "tel:+15550100"),
    ):
        story = Story(rules_module.load(), channel=channel, customer_id=address)
        story.message(0, "Hello <there>", subject="Kettle <&>", verified="dmarc")
        [outbound] = sent(story)
        assert bool(outbound.html) == ("email" in address), (channel, address)
        if outbound.html:
            assert clean(outbound.html) == outbound.html
            words = [re.sub(r"\s", "", each) for each in (to_text(outbound.html), outbound.text)]
            assert words[0] == words[1]


def test_a_language_without_texts_is_answered_in_english_and_counted() -> None:
    missing = ServiceMetric.UNTRANSLATED
    for language, counted in (("de", ("other", "en", "email")), ("en-GB", None), ("zh-TW", None), ("", None)):
        story = Story(rules_module.load())
        story.message(0, "12345", language=language)
        found = [labels for metric, labels in played(story.worker).counts if metric is missing]
        assert found == ([counted] if counted else []), language
    assert story.last(AcknowledgementFact).locale == "en"


def test_an_incident_begins_and_ends_with_an_event() -> None:
    history = RulesetHistory.of(rules_module.load())
    history.add_incident(
        IncidentChanged(incident="cards", effective_from=at(100), append_by=0, texts={"en": "Cards fail <now> {0}."})
    )
    history.add_incident(IncidentChanged(incident="cards", effective_from=at(200), append_by=0))
    story = Story(history)  # type: ignore[arg-type]
    for seconds, words in ((50, "Kettle"), (150, "Lamp"), (250, "Mug")):
        story.message(seconds, subject=words, message_id=f"<{seconds}@x>")
    assert ["Cards fail <now> {0}." in each.text for each in sent(story)] == [False, True, False]
    assert "<blockquote><p>Cards fail &lt;now&gt; {0}.</p></blockquote>" in sent(story)[1].html

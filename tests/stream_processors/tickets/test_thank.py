"""Thanks for an answer: by name, once for each survey, in the language of the customer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from schemas.facts import SurveyFact
from stream_processors.text import sms
from tests.support.tickets.story import Story
from tests.support.tickets.survey_story import sent, solved

HOUR, DAY = 3600, 86_400


@pytest.mark.parametrize(
    ("csat", "ces", "words"),
    [
        (5, None, "thank you for taking the time"),
        (3, None, "thank you for taking the time"),
        (None, 2, "thank you for taking the time"),
        (2, None, "We are sorry"),
        (1, 7, "We are sorry"),
    ],
)
def test_a_person_is_thanked_by_name(csat: int | None, ces: int | None, words: str, asked: Story) -> None:
    asked.survey(HOUR, csat=csat, ces=ces, episode=1)
    [mail] = sent(asked, "thanks")
    assert mail.text.startswith("Hello Ann Lee,\n")
    assert words in mail.text
    assert "unfortunately" not in mail.text.lower()
    assert (mail.address, mail.headers["Auto-Submitted"]) == ("ann@example.org", "auto-generated")
    assert asked.last(SurveyFact).thanked == "sent"


def test_once_for_each_survey_whatever_is_answered(asked: Story) -> None:
    for number, csat in enumerate((5, 1, 3)):
        asked.survey(HOUR + number, csat=csat, episode=1)
    assert len(sent(asked, "thanks")) == 1
    assert [fact.thanked for fact in asked.all(SurveyFact)] == ["sent", "already", "already"]


def test_a_scanners_vote_does_not_use_up_the_thanks(asked: Story) -> None:
    asked.survey(HOUR, csat=1, episode=1, scanner=True)
    asked.survey(HOUR + 9, csat=5, episode=1)
    assert len(sent(asked, "thanks")) == 1


@pytest.mark.parametrize("language", ["en", "zh-Hans", "zh-Hant", "ja"])
@pytest.mark.parametrize("csat", [1, 5])
def test_by_sms_it_is_one_sms_in_the_language_of_the_answer(
    language: str, csat: int, ask: Callable[..., Story]
) -> None:
    story = ask(channel="sms", customer_id="tel:+15550100")
    solved(story)
    story.survey(HOUR, csat=csat, episode=1, language=language)
    [message] = sent(story, "thanks")
    assert (message.channel, message.locale) == ("sms", language)
    assert sms.fits(message.text)


@pytest.mark.parametrize(
    ("how", "said", "reason"),
    [
        ({"imported": True}, {}, "imported"),
        ({}, {"headers": {"precedence": "bulk"}}, "machine"),
        ({"channel": "in_person"}, {"address": ""}, "no_address"),
        ({"channel": "social", "customer_id": "fb:1"}, {"public": True}, "no_address"),
    ],
)
def test_nobody_else_is_thanked(
    how: dict[str, Any], said: dict[str, Any], reason: str, ask: Callable[..., Story]
) -> None:
    story = ask(**how)
    solved(story, **said)
    story.survey(HOUR, csat=5, episode=1)
    assert (story.last(SurveyFact).thanked, sent(story, "thanks")) == (reason, [])


def test_a_late_answer_is_thanked_by_mail_where_the_customer_is_an_address(asked: Story) -> None:
    asked.message(20 * DAY, "Hello")
    asked.survey(21 * DAY, csat=4, episode=1, agent_id="mei", language="ja")
    [mail] = sent(asked, "thanks")
    assert (mail.channel, mail.address, mail.locale) == ("email", "ann@example.org", "ja")

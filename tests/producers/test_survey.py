"""What a survey page's form becomes, without any server."""

from __future__ import annotations

from typing import Any

import pytest

from producers.channels import survey
from producers.text.fields import FieldProblems
from schemas import codec, survey_link
from schemas.errors import Refused
from schemas.events import SurveyAnswered
from schemas.survey_link import SurveyLink

NOW = 1772445600_000000  # 2026-03-02T10:00:00Z
WALL = 1772445600.0
SECRETS = ("new-secret", "old-secret")
LINK = SurveyLink("ABCDEFGHIJKL-1", 2, "mei", NOW + 10**12, "ja")
OTHER = SurveyLink("ABCDEFGHIJKL-1", 3, "mei", NOW + 10**12, "ja")


def voted(link: SurveyLink = LINK, *, made: float = WALL, at: float = WALL + 30, **values: str) -> SurveyAnswered:
    """The vote of a page made at `made` and sent at `at`."""
    values = {"page": survey.page_token(link, SECRETS, wall=made)} | values
    return survey.vote(link, values, SECRETS, now=NOW, wall=at)


def problems(**values: str) -> dict[str, str]:
    with pytest.raises(FieldProblems) as caught:
        voted(**values)
    return caught.value.fields


def test_a_vote_says_of_which_ticket_episode_and_agent_it_is() -> None:
    made = voted(csat="4", ces="6", comment="  Fast!\r\nThanks \x07 ")
    assert (made.ticket_id, made.customer_tag, made.episode, made.agent_id) == (
        "ABCDEFGHIJKL-1", "ABCDEFGHIJKL", 2, "mei",
    )  # fmt: skip
    assert (made.csat, made.ces, made.comment, made.language, made.scanner) == (4, 6, "Fast!\nThanks", "ja", False)
    assert made.survey_id == survey_link.survey_id(LINK)
    assert made.occurred_at == made.received_at == NOW
    assert codec.decode(codec.encode(made)) == made


def test_one_of_the_scores_is_enough() -> None:
    assert (voted(csat="1").csat, voted(csat="1").ces) == (1, None)
    assert (voted(ces="7").csat, voted(ces="7").ces) == (None, 7)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {"csat": "needed"}),
        ({"comment": "x"}, {"csat": "needed"}),
        ({"csat": "0"}, {"csat": "out_of_range"}),
        ({"csat": "6"}, {"csat": "out_of_range"}),
        ({"csat": "５"}, {"csat": "out_of_range"}),
        ({"csat": "12"}, {"csat": "out_of_range"}),
        ({"ces": "8"}, {"ces": "out_of_range"}),
        ({"csat": "5", "ces": "-1"}, {"ces": "out_of_range"}),
        ({"csat": "5", "comment": "x" * 5001}, {"comment": "too_long"}),
    ],
)
def test_what_is_wrong_with_a_vote_is_said_by_field(values: dict[str, str], expected: dict[str, str]) -> None:
    assert problems(**values) == expected


def test_a_long_comment_is_kept_and_its_card_numbers_are_masked() -> None:
    assert len(voted(csat="5", comment="x" * 5000).comment) == 5000
    assert voted(csat="1", comment="I paid with 4111 1111 1111 1111").comment == "I paid with **** **** **** 1111"


def test_the_same_page_sent_twice_is_one_vote() -> None:
    first = voted(csat="2", comment="slow", at=WALL + 5)
    assert voted(csat="2", comment="slow", at=WALL + 6).event_id == first.event_id


def test_another_answer_is_another_vote_of_the_same_survey() -> None:
    votes = [voted(csat="2"), voted(csat="5"), voted(csat="5", ces="5"), voted(csat="5", comment="fine after all")]
    assert len({vote.event_id for vote in votes}) == 4
    assert len({vote.survey_id for vote in votes}) == 1


def test_the_same_answer_on_a_reopened_page_is_another_vote() -> None:
    """5, then 1, then 5 again: the last one counts, so it may not be taken for the first."""
    assert voted(csat="5").event_id != voted(csat="5", made=WALL + 60, at=WALL + 90).event_id


@pytest.mark.parametrize(
    ("seconds", "scanner"), [(0.0, True), (1.999, True), (2.0, False), (86_400.0, False), (-5.0, True)]
)
def test_a_vote_faster_than_a_person_reads_is_marked(seconds: float, scanner: bool) -> None:
    assert voted(csat="5", at=WALL + seconds).scanner is scanner


def test_a_vote_without_its_pages_token_is_marked_and_counts() -> None:
    of_another_survey = survey.page_token(OTHER, SECRETS, wall=WALL)
    of_nobody = survey.page_token(LINK, ("guess",), wall=WALL)
    for token in ("", "x", "é", of_another_survey, of_nobody, survey_link.token(LINK, SECRETS)):
        assert (voted(csat="5", page=token).csat, voted(csat="5", page=token).scanner) == (5, True)
    of_the_old_secret = survey.page_token(LINK, SECRETS[1:], wall=WALL)
    assert voted(csat="5", page=of_the_old_secret).scanner is False


def explained(low: SurveyAnswered, *, link: SurveyLink = LINK, at: float = WALL + 60, **values: str) -> Any:
    values = {"vote": survey.vote_token(LINK, low, SECRETS, wall=WALL + 30)} | values
    return survey.went_wrong(link, values, SECRETS, now=NOW, wall=at)


def test_a_reason_is_an_event_that_repeats_the_score() -> None:
    low = voted(csat="1", ces="2", comment="bad")
    why = explained(low, went_wrong="Nobody called back")
    assert (why.csat, why.ces, why.comment, why.went_wrong) == (1, None, "", "Nobody called back")
    assert why.survey_id == low.survey_id and why.event_id != low.event_id
    assert why.scanner is False
    assert explained(low, went_wrong="Nobody called back", at=WALL + 61).event_id == why.event_id
    assert explained(low, went_wrong="Really nobody").event_id != why.event_id


def test_a_scanners_reason_is_marked_like_its_vote() -> None:
    assert explained(voted(csat="1", at=WALL), went_wrong="x").scanner is True
    assert explained(voted(csat="1"), went_wrong="x", at=WALL + 30.5).scanner is True


def test_an_explanation_needs_words_and_the_page_of_its_own_vote() -> None:
    low = voted(csat="1")
    for text, word in (("", "needed"), (" \x07 ", "needed"), ("x" * 5001, "too_long")):
        with pytest.raises(FieldProblems) as wrong:
            explained(low, went_wrong=text)
        assert wrong.value.fields == {"went_wrong": word}
    for vote in ("", "x", survey.page_token(LINK, SECRETS, wall=WALL)):
        with pytest.raises(Refused) as refused:
            explained(low, went_wrong="why", vote=vote)
        assert refused.value.reason == "bad_vote"
    with pytest.raises(Refused):
        explained(low, went_wrong="why", link=OTHER)

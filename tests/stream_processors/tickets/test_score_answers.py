"""Answers to surveys: all are kept, the last of a person is the score, and each counts for its own episode."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.facts import FollowUpFact, SurveyFact
from stream_processors.tickets.observations import CesGiven, CesWithdrawn, CsatGiven, CsatWithdrawn, FirstSurveyAnswer
from tests.support.tickets.observed import Kind, observed
from tests.support.tickets.story import Story, at
from tests.support.tickets.survey_story import sent

HOUR, DAY = 3600, 86_400


def test_every_answer_is_kept_and_the_first_stays_beside_the_last(asked: Story) -> None:
    asked.survey(HOUR, csat=2, ces=3, episode=1, comment="Slow")
    asked.survey(2 * HOUR, csat=4, episode=1)
    asked.survey(3 * HOUR, csat=5, ces=6, episode=1)
    rows = [(fact.answer, fact.csat, fact.first_csat, fact.ces, fact.first_ces) for fact in asked.all(SurveyFact)]
    assert rows == [(1, 2, 2, 3, 3), (2, 4, 2, None, 3), (3, 5, 2, 6, 3)]
    assert (asked.ticket().survey.csat, asked.ticket().survey.ces) == (5, 6)


@pytest.mark.parametrize(
    ("answers", "counted"),
    [
        ([{"csat": 4}], [(FirstSurveyAnswer, 0), (CsatGiven, 4)]),
        ([{"ces": 6}], [(FirstSurveyAnswer, 0), (CesGiven, 6)]),
        ([{"csat": 4}, {"csat": 5}], [(FirstSurveyAnswer, 0), (CsatGiven, 4), (CsatWithdrawn, 4), (CsatGiven, 5)]),
        # saying what went wrong repeats the score: it counts once
        ([{"csat": 1}, {"csat": 1, "went_wrong": "Late"}], [(FirstSurveyAnswer, 0), (CsatGiven, 1)]),
        ([{"csat": 4, "scanner": True}], []),
        ([{"csat": 1, "scanner": True}, {"csat": 5}], [(FirstSurveyAnswer, 0), (CsatGiven, 5)]),
        ([{"csat": 5}, {"csat": 1, "scanner": True}], [(FirstSurveyAnswer, 0), (CsatGiven, 5)]),
        ([{"ces": 2}, {"ces": 7}], [(FirstSurveyAnswer, 0), (CesGiven, 2), (CesWithdrawn, 2), (CesGiven, 7)]),
        ([{"csat": 3}, {"ces": 7}], [(FirstSurveyAnswer, 0), (CsatGiven, 3), (CesGiven, 7)]),
    ],
)
def test_what_the_windows_are_told(
    answers: list[dict[str, Any]], counted: list[tuple[Kind, int]], asked: Story
) -> None:
    for number, answer in enumerate(answers):
        asked.survey(HOUR + number, episode=1, **answer)
    kinds = (FirstSurveyAnswer, CsatGiven, CsatWithdrawn, CesGiven, CesWithdrawn)
    assert observed(asked, *kinds) == counted


def test_a_scanners_vote_is_recorded_and_does_nothing(asked: Story) -> None:
    asked.survey(HOUR, csat=1, episode=1, scanner=True)
    fact = asked.last(SurveyFact)
    assert (fact.scanner, fact.csat, fact.first_csat, fact.thanked, fact.follow_up) == (True, 1, None, "scanner", False)
    assert asked.ticket().survey.csat is None
    assert asked.customer.last_low_csat_at is None
    assert (sent(asked, "thanks"), asked.all(FollowUpFact)) == ([], [])


def test_a_low_score_that_is_taken_back_no_longer_makes_the_customer_dissatisfied(asked: Story) -> None:
    asked.survey(HOUR, csat=1, episode=1)
    assert asked.customer.last_low_csat_at == at(HOUR)
    asked.survey(HOUR + 5, csat=5, episode=1)
    assert asked.customer.last_low_csat_at is None


def test_an_answer_counts_for_who_solved_that_episode(asked: Story) -> None:
    """Mei solved it first; it came back, and Tom solved it then. The first link is answered after that."""
    asked.more(HOUR, "It is broken.")
    asked.assign(HOUR + 10, "tom", asked.ticket().team)
    asked.reply(HOUR + 60, agent="tom")
    asked.solve(HOUR + 120, agent_id="tom")
    asked.survey(2 * HOUR, csat=2, episode=1, agent_id="mei")
    asked.survey(2 * HOUR + 1, csat=5, episode=2)
    rows = [(fact.episode, fact.answer, fact.agent_id) for fact in asked.all(SurveyFact)]
    assert rows == [(1, 1, "mei"), (2, 1, "tom")]


@pytest.mark.parametrize("link_agent", ["mei", ""])
def test_a_late_answer_counts_for_who_solved_it_though_the_ticket_is_gone(link_agent: str, asked: Story) -> None:
    team = asked.ticket().team
    asked.message(20 * DAY, "Hello")
    assert [ticket.number for ticket in asked.customer.tickets] == [2]
    asked.survey(21 * DAY, csat=4, episode=1, agent_id=link_agent)
    asked.survey(22 * DAY, csat=5, episode=1, agent_id=link_agent)
    rows = [(fact.agent_id, fact.team, fact.answer, fact.first_csat) for fact in asked.all(SurveyFact)]
    assert rows == [("mei", team, 1, 4), ("mei", team, 2, 4)]
    assert asked.refused() == []


def test_answers_after_everything_is_forgotten_are_numbered_all_the_same(asked: Story) -> None:
    asked.message(90 * DAY, "Hello")
    assert asked.customer.episodes == ()
    asked.survey(91 * DAY, csat=4, episode=1, agent_id="mei")
    asked.survey(92 * DAY, csat=5, episode=1, agent_id="mei")
    assert [(fact.answer, fact.first_csat, fact.agent_id) for fact in asked.all(SurveyFact)] == [
        (1, 4, "mei"),
        (2, 4, "mei"),
    ]


def test_the_response_rate_counts_who_was_invited_and_answered_once(asked: Story) -> None:
    asked.survey(HOUR, csat=1, episode=1, scanner=True)
    asked.survey(2 * HOUR, csat=2, episode=1)
    asked.survey(3 * HOUR, csat=5, episode=1)
    names = ("surveys_sent", "surveys_answered", "surveys_answered_invited")
    assert [asked.total(name) for name in names] == [1, 1, 1]

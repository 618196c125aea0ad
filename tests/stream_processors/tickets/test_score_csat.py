"""Surveys: scores, answers, low scores."""

from __future__ import annotations

import pytest

from schemas.facts import SurveyFact
from tests.support.tickets.story import Story, at

DAY = 86_400


def test_a_score_is_a_fact_and_the_tickets_last_score(story: Story) -> None:
    story.message(0)
    story.reply(10, agent="mei")
    story.survey(20, csat=4, ces=6, comment="Quick!")
    fact = story.last(SurveyFact)
    assert (fact.csat, fact.ces, fact.comment, fact.answer, fact.agent_id) == (4, 6, "Quick!", 1, "mei")
    assert (fact.team, fact.channel) == ("support", "email")
    assert (story.ticket_fact().csat, story.ticket_fact().ces) == (4, 6)


def test_first_and_last_answer_are_both_kept(story: Story) -> None:
    story.message(0)
    story.survey(10, csat=1)
    story.survey(20, csat=5)
    assert [(fact.answer, fact.csat) for fact in story.all(SurveyFact)] == [(1, 1), (2, 5)]
    assert story.ticket_fact().csat == 5


def test_a_score_that_is_left_out_keeps_the_earlier_one(story: Story) -> None:
    story.message(0)
    story.survey(10, csat=3)
    story.survey(20, ces=7)
    assert (story.ticket_fact().csat, story.ticket_fact().ces) == (3, 7)


@pytest.mark.parametrize(
    ("csat", "ces"), [(0, None), (6, None), (-1, None), (None, 0), (None, 8), (3, 8), (None, None)]
)
def test_a_score_outside_its_scale_is_refused(csat: int | None, ces: int | None, story: Story) -> None:
    story.message(0)
    story.survey(10, csat=csat, ces=ces)
    assert story.refused() == [("score_csat", "bad_score")]
    assert story.all(SurveyFact) == []


@pytest.mark.parametrize(("csat", "low"), [(1, True), (2, True), (3, False)])
def test_a_low_score_is_remembered_with_the_customer(csat: int, low: bool, story: Story) -> None:
    story.message(0)
    story.survey(10, csat=csat)
    assert story.customer.last_low_csat_at == (at(10) if low else None)
    assert story.total("csat_low") == int(low)


def test_figures_of_a_survey_know_the_last_score_alone(story: Story) -> None:
    story.message(0)
    story.survey(10, csat=2, ces=5)
    story.survey(20, csat=5)
    metrics = {name: story.total(name) for name in ("csat_answers", "csat_sum", "csat_low", "ces_answers", "ces_sum")}
    assert metrics == {"csat_answers": 1, "csat_sum": 5, "csat_low": 0, "ces_answers": 1, "ces_sum": 5}


def test_a_survey_answered_after_its_ticket_was_dropped_still_counts(story: Story) -> None:
    story.message(0)
    story.solve(10)
    story.message(30 * DAY)
    story.survey(30 * DAY + 1, csat=5, number=1)
    assert story.refused() == []
    assert (story.last(SurveyFact).ticket_id, story.last(SurveyFact).csat) == (story.ticket_id(1), 5)
    assert story.contact_facts()[-1].ticket_id == story.ticket_id(1)


def test_a_survey_about_a_ticket_that_never_was_is_refused(story: Story) -> None:
    story.message(0)
    story.survey(10, csat=5, number=2)
    assert story.refused() == [("thread", "unknown_ticket")]

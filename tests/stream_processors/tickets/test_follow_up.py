"""Follow-ups of low scores: who gets the task, what it says and what ends it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.events import NoteAdded
from schemas.facts import AssignmentFact, ClockFact, ContactFact, FollowUpFact, SurveyFact, TicketFact
from stream_processors.tickets.observations import FollowUpDone, FollowUpOpened
from tests.support.tickets.observed import observed
from tests.support.tickets.story import Story, at
from tests.support.tickets.survey_story import solved

HOUR, DAY = 3600, 86_400


def follow_ups(story: Story) -> list[tuple[str, str]]:
    return [(fact.status, fact.agent_id) for fact in story.all(FollowUpFact)]


@pytest.mark.parametrize(("csat", "opened"), [(1, True), (2, True), (3, False), (5, False)])
def test_a_low_score_is_queued_for_the_team_with_the_comment(csat: int, opened: bool, asked: Story) -> None:
    team, before = asked.ticket().team, asked.routing()
    asked.survey(HOUR, csat=csat, episode=1, comment="Nobody called me back.")
    assert asked.last(SurveyFact).follow_up is opened
    assert asked.routing()[len(before) :] == [f"queue {team}"] * opened
    if opened:
        [task] = asked.all(FollowUpFact)
        assert (task.status, task.team, task.csat, task.comment, task.solved_by) == (
            "open",
            team,
            csat,
            "Nobody called me back.",
            "mei",
        )
        assert asked.ticket().status == "solved"
        assert asked.ticket().episode == 1


@pytest.mark.parametrize("by", ["note", "reply", "status", "again"])
def test_it_is_assigned_and_done_by_what_an_agent_does(by: str, asked: Story) -> None:
    team = asked.ticket().team
    asked.survey(HOUR, csat=1, episode=1, comment="Bad")
    before = len(asked.routing())
    asked.assign(HOUR + 5, "tom", team)
    assert (asked.ticket().follow_up, asked.ticket().assignee) == ("tom", "mei")
    match by:
        case "note":
            asked.about(NoteAdded, HOUR + 305, agent_id="tom", text="Called her, sent a new one.")
        case "reply":
            asked.reply(HOUR + 305, agent="tom")
        case "status":
            asked.status(HOUR + 305, "closed", agent_id="tom")
        case "again":
            asked.status(HOUR + 305, "solved", agent_id="tom")
    assert follow_ups(asked) == [("open", ""), ("assigned", "tom"), ("done", "tom")]
    done = asked.last(FollowUpFact)
    assert (done.done_by, done.done_at, done.done_seconds, done.opened_at) == ("tom", at(HOUR + 305), 305.0, at(HOUR))
    assert asked.routing()[before:] == [f"done {team}"]
    assert asked.ticket().follow_up is None
    assert asked.refused() == []
    assert observed(asked, FollowUpOpened, FollowUpDone) == [(FollowUpOpened, 0.0), (FollowUpDone, 305.0)]


def test_an_agent_who_leaves_gives_it_back_to_the_queue(asked: Story) -> None:
    team = asked.ticket().team
    asked.survey(HOUR, csat=1, episode=1)
    asked.assign(HOUR + 5, "tom", team)
    asked.assign(HOUR + 9, "", team)
    asked.assign(HOUR + 12, "mei", team)
    assert follow_ups(asked) == [("open", ""), ("assigned", "tom"), ("open", ""), ("assigned", "mei")]
    assert asked.last(AssignmentFact).agent_id == "mei"


def test_one_task_for_each_survey_with_everything_that_was_said(asked: Story) -> None:
    asked.survey(HOUR, csat=1, episode=1, comment="Bad")
    asked.survey(HOUR + 60, csat=1, episode=1, went_wrong="It was late.")
    asked.survey(HOUR + 90, csat=2, episode=1)
    tasks = asked.all(FollowUpFact)
    assert [(task.status, task.comment) for task in tasks] == [("open", "Bad"), ("open", "Bad\nIt was late.")]
    assert sum(fact.follow_up for fact in asked.all(SurveyFact)) == 1


def test_the_comment_in_the_task_is_short_and_whole_in_the_survey(asked: Story) -> None:
    asked.survey(HOUR, csat=1, episode=1, comment="x" * 4000)
    assert len(asked.last(FollowUpFact).comment) == 300
    assert len(asked.last(SurveyFact).comment) == 4000


def test_a_ticket_is_not_forgotten_while_its_low_score_waits(asked: Story) -> None:
    asked.survey(HOUR, csat=1, episode=1)
    asked.message(20 * DAY, "Hello")
    assert [ticket.number for ticket in asked.customer.tickets] == [1, 2]


def test_a_reopened_ticket_takes_its_follow_up_along(asked: Story) -> None:
    asked.survey(HOUR, csat=1, episode=1)
    asked.more(2 * HOUR, "It is broken, again.")
    asked.reply(2 * HOUR + 60, agent="tom")
    assert follow_ups(asked)[-1][0] == "done"
    asked.solve(3 * HOUR)
    assert asked.routing()[-1].startswith("done")


def test_a_low_score_weeks_later_is_a_task_too(asked: Story) -> None:
    team = asked.ticket().team
    asked.message(20 * DAY, "Hello")
    before = len(asked.routing())
    asked.survey(21 * DAY, csat=1, episode=1, agent_id="mei", comment="Never again")
    asked.assign(21 * DAY + 5, "tom", team, number=1)
    asked.about(NoteAdded, 21 * DAY + 65, agent_id="tom", text="Called.")
    assert follow_ups(asked) == [("open", ""), ("assigned", "tom"), ("done", "tom")]
    assert asked.routing()[before:] == [f"queue {team}", f"done {team}"]
    assert asked.refused() == []
    assert asked.last(ContactFact).ticket_id == asked.ticket_id(1)


def test_history_opens_no_follow_up(ask: Callable[..., Story]) -> None:
    story = ask(imported=True)
    solved(story)
    story.survey(HOUR, csat=1, episode=1)
    assert story.all(FollowUpFact) == []


def test_no_follow_up_disturbs_an_sla_clock(asked: Story) -> None:
    before = len(asked.all(ClockFact))
    asked.survey(HOUR, csat=1, episode=1)
    asked.assign(HOUR + 5, "tom", asked.ticket().team)
    asked.about(NoteAdded, HOUR + 60, agent_id="tom", text="Called.")
    assert len(asked.all(ClockFact)) == before
    assert asked.last(TicketFact).status == "solved"

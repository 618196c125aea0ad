"""The life of a survey: who is asked, who is not and why, what their answers do, who looks after a low score."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from schemas import survey_link
from schemas.events import ConsentChanged, NoteAdded
from schemas.facts import (
    AssignmentFact,
    ClockFact,
    ContactFact,
    FollowUpFact,
    InvitationFact,
    Outbound,
    ResolutionFact,
    SurveyFact,
    TicketFact,
)
from stream_processors.rules.ruleset import Rules
from stream_processors.rules.surveys import Signing
from stream_processors.text import sms
from stream_processors.tickets.observations import (
    CesGiven,
    CesWithdrawn,
    CsatGiven,
    CsatWithdrawn,
    FirstSurveyAnswer,
    FollowUpDone,
    FollowUpOpened,
    SurveyInvited,
)
from stream_processors.tickets.state import Episode, EpisodeAnswers, Invitation
from stream_processors.tickets.surveys.invite import REASONS
from tests.support.tickets.observed import Kind, observed
from tests.support.tickets.story import Story, at

MINUTE, HOUR, DAY = 60, 3600, 86_400
SIGNING = Signing("https://shop.example/feedback/", ("the first secret", "an older one"))
PARCEL = "My parcel never arrived."
DUE = 120 + 10 * MINUTE  # solved at 120 s, due ten minutes later


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


def solved(story: Story, start: float = 0, number: int = 1, **said: Any) -> None:
    """A ticket that Mei answers after 60 s and solves after 120 s."""
    story.message(start, **{"text": PARCEL, "customer_name": "Ann Lee", "subject": "My parcel"} | said)
    story.reply(start + 60, number=number)
    story.solve(start + 120, number=number, agent_id="mei")


def sent(story: Story, kind: str = "survey") -> list[Outbound]:
    return [each for each in story.all(Outbound) if each.kind == kind]


def decisions(story: Story) -> list[tuple[int, str, str]]:
    return [(fact.episode, fact.outcome, fact.reason) for fact in story.all(InvitationFact)]


# -- asking -------------------------------------------------------------------------------------------------------


def test_the_invitation_leaves_ten_minutes_after_the_solve_and_not_before(ask: Callable[..., Story]) -> None:
    story = ask()
    solved(story)
    story.until(DUE - 1)
    assert (decisions(story), sent(story)) == ([], [])
    story.until(DUE)
    assert decisions(story) == [(1, "sent", "")]
    [mail] = sent(story)
    assert (mail.channel, mail.address, mail.at) == ("email", "ann@example.org", at(DUE))
    assert observed(story, SurveyInvited) == [(SurveyInvited, 0.0)]


def test_the_link_is_signed_for_this_episode_and_who_solved_it(asked: Story) -> None:
    [mail], [fact] = sent(asked), asked.all(InvitationFact)
    [token] = re.findall(r"https://shop\.example/feedback/s/(\S+)", mail.text)
    link = survey_link.read(token, SIGNING.secrets, now=at(DUE))
    assert (link.ticket_id, link.episode, link.agent_id, link.locale) == (asked.ticket_id(), 1, "mei", "en")
    assert link.expires == at(DUE + 30 * DAY) == fact.expires_at
    assert (fact.survey_id, fact.outbound_id) == (survey_link.survey_id(link), mail.outbound_id)
    assert (fact.agent_id, fact.team, fact.solved_at) == ("mei", asked.ticket().team, at(120))


def test_it_is_a_mail_of_the_thread_that_no_machine_answers(ask: Callable[..., Story]) -> None:
    story = ask()
    solved(story, message_id="<question@ann>")
    story.until(DUE)
    [mail] = sent(story)
    assert mail.headers["Auto-Submitted"] == "auto-generated"
    assert mail.headers["X-Auto-Response-Suppress"] == "All"
    assert mail.headers["X-Loop"] == "support@support.example"
    assert mail.headers["In-Reply-To"] == "<question@ann>"
    assert mail.subject == f"How was our help? [#{story.ticket_id()}]"
    assert mail.sender == f"support+{story.ticket_id()}@support.example"
    assert mail.text.startswith("Hello Ann Lee,\n")


@pytest.mark.parametrize(
    ("text", "language", "opening"),
    [
        ("Where is it?", "en", "Hello Ann Lee,"),
        ("我的包裹还没有收到，请问到哪里了？", "zh-Hans", "Ann Lee，您好："),
        ("我的包裹還沒有收到，請問到哪裡了？", "zh-Hant", "Ann Lee，您好："),
        ("荷物がまだ届きません。いつ届きますか？", "ja", "Ann Lee 様"),
    ],
)
def test_in_the_customers_language(text: str, language: str, opening: str, ask: Callable[..., Story]) -> None:
    story = ask()
    solved(story, text=text)
    story.until(DUE)
    [mail] = sent(story)
    assert mail.locale == language
    assert mail.text.startswith(opening)


#: (how the customer came, what was decided, channel and address of the invitation)
CHANNELS_AND_ADDRESSES: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, str, str]]] = {
    "e-mail": ({}, {}, ("sent", "email", "ann@example.org")),
    "form": ({"channel": "form"}, {}, ("sent", "form", "ann@example.org")),
    "form with a number": ({"channel": "form"}, {"address": "+15550100"}, ("sent", "sms", "+15550100")),
    "SMS": ({"channel": "sms", "customer_id": "tel:+15550100"}, {}, ("sent", "sms", "+15550100")),
    "direct message": ({"channel": "social", "customer_id": "fb:1"}, {}, ("sent", "social", "1")),
    "public post": ({"channel": "social", "customer_id": "fb:1"}, {"public": True}, ("withheld", "public", "")),
    "at the counter": ({"channel": "in_person"}, {}, ("sent", "email", "ann@example.org")),
    "nowhere to write to": ({"channel": "in_person"}, {"address": ""}, ("withheld", "no_address", "")),
    "history": ({"imported": True}, {}, ("withheld", "imported", "")),
    "no secret": ({"signing": None}, {}, ("withheld", "no_secret", "")),
    "a machine": ({}, {"headers": {"auto-submitted": "auto-generated"}}, ("withheld", "machine", "")),
    "a mailing list": ({}, {"headers": {"list-id": "<news>"}}, ("withheld", "machine", "")),
    "no-reply": ({}, {"address": "no-reply@example.org"}, ("withheld", "machine", "")),
    "one of us": ({}, {"address": "sales@support.example"}, ("withheld", "machine", "")),
    "headers that say nothing": ({}, {"headers": {"auto-submitted": "no"}}, ("sent", "email", "ann@example.org")),
}


@pytest.mark.parametrize("name", CHANNELS_AND_ADDRESSES)
def test_who_is_asked_and_where(name: str, ask: Callable[..., Story]) -> None:
    how, said, (outcome, first, second) = CHANNELS_AND_ADDRESSES[name]
    story = ask(**how)
    solved(story, **said)
    story.until(DUE)
    [fact] = story.all(InvitationFact)
    if outcome == "sent":
        [message] = sent(story)
        assert (fact.outcome, message.channel, message.address) == (outcome, first, second)
    else:
        assert (fact.outcome, fact.reason, sent(story)) == (outcome, first, [])
        assert fact.reason in REASONS
    story.until(DUE + 30 * DAY)
    assert len(story.all(InvitationFact)) == 1


def test_who_wants_nothing_more_is_not_asked(ask: Callable[..., Story]) -> None:
    story = ask(channel="sms", customer_id="tel:+15550100")
    solved(story)
    about = {"customer_id": story.customer_id, "address": "+15550100", "wish": "stop"}
    story.tell(ConsentChanged(**story.base(200) | about))
    story.until(DUE)
    assert decisions(story) == [(1, "withheld", "opted_out")]


def test_a_channel_that_is_off_is_not_asked(rules: Rules) -> None:
    off = replace(rules, surveys=replace(rules.surveys, channels=frozenset(("chat",))))
    story = Story(off, signing=SIGNING)
    solved(story)
    assert decisions(story) == [(1, "withheld", "channel_off")]


@pytest.mark.parametrize(
    ("second_at", "expected"),
    [
        (DAY, "cap"),
        # the first left at 720 s, the second is due at second_at + 720 s: seven days later exactly it may leave
        (7 * DAY - 1, "cap"),
        (7 * DAY, ""),
    ],
)
def test_one_invitation_in_seven_days(second_at: float, expected: str, asked: Story) -> None:
    solved(asked, second_at, 2, subject="Another", text="My card was declined.")
    asked.until(second_at + DUE)
    first, second = asked.all(InvitationFact)
    assert (first.outcome, second.ticket_id, second.reason) == ("sent", asked.ticket_id(2), expected)


def test_two_caps_count_two(rules: Rules) -> None:
    cap = replace(rules.surveys.cap, count=2)
    story = Story(replace(rules, surveys=replace(rules.surveys, cap=cap)), signing=SIGNING)
    for number in (1, 2, 3):
        solved(story, number * HOUR, number, subject=f"Matter {number}", text="Hello")
    story.until(DAY)
    assert [fact.reason for fact in story.all(InvitationFact)] == ["", "", "cap"]


# -- reopening ----------------------------------------------------------------------------------------------------


def test_a_reopening_before_it_is_due_cancels_it_and_the_next_solve_is_asked_about(ask: Callable[..., Story]) -> None:
    story = ask()
    solved(story)
    story.more(DUE - 1, "It is broken.")
    story.until(HOUR)
    assert decisions(story) == [(1, "withheld", "reopened")]
    story.reply(HOUR + 10)
    story.solve(HOUR + 20)
    story.until(HOUR + 20 + 10 * MINUTE)
    assert decisions(story) == [(1, "withheld", "reopened"), (2, "sent", "")]
    assert len(sent(story)) == 1


def test_a_reopening_that_is_noticed_before_a_late_tick_still_cancels(ask: Callable[..., Story]) -> None:
    """The worker was down for two hours: the customer wrote meanwhile, and the tick comes last."""
    story = ask()
    solved(story)
    story.more(HOUR, "It is broken.")
    story.until(2 * HOUR)
    assert decisions(story) == [(1, "withheld", "reopened")]


def test_thanks_do_not_cancel(ask: Callable[..., Story]) -> None:
    story = ask()
    solved(story)
    story.more(200, "Thank you so much!")
    story.until(DUE)
    assert decisions(story) == [(1, "sent", "")]


def test_closing_does_not_cancel(ask: Callable[..., Story]) -> None:
    story = ask()
    solved(story)
    story.status(200, "closed")
    story.until(DUE)
    assert decisions(story) == [(1, "sent", "")]


def test_a_spam_that_is_closed_without_a_solve_is_not_asked_about(ask: Callable[..., Story]) -> None:
    story = ask()
    story.message(0)
    story.status(60, "closed")
    story.until(DAY)
    assert (decisions(story), story.all(ResolutionFact)) == ([], [])


# -- chats --------------------------------------------------------------------------------------------------------


def chat(story: Story) -> None:
    story.message(0, PARCEL, thread_id="T" * 26, address="visitor", customer_name="Ann")


def test_a_chat_is_asked_about_at_its_end_once_even_if_it_is_solved_later(ask: Callable[..., Story]) -> None:
    story = ask(channel="chat")
    chat(story)
    story.reply(30)
    story.end_chat(300)
    story.until(300 + 5 * MINUTE)
    assert decisions(story) == [(1, "sent", "")]
    assert [(each.channel, each.address) for each in sent(story)] == [("email", "ann@example.org")]
    story.solve(HOUR)
    story.until(DAY)
    assert len(decisions(story)) == 1


def test_a_chat_that_was_solved_before_its_end_is_asked_about_once(ask: Callable[..., Story]) -> None:
    story = ask(channel="chat")
    chat(story)
    story.reply(30)
    story.solve(60)
    story.end_chat(90)
    story.until(DAY)
    assert decisions(story) == [(1, "sent", "")]


def test_a_chat_that_nobody_answered_is_not_asked_about(ask: Callable[..., Story]) -> None:
    story = ask(channel="chat")
    chat(story)
    story.end_chat(300, "abandoned")
    story.until(DAY)
    assert decisions(story) == []


def test_who_answered_in_the_chat_window_is_not_asked_again(ask: Callable[..., Story]) -> None:
    story = ask(channel="chat")
    chat(story)
    story.reply(30)
    story.end_chat(300)
    story.survey(320, csat=5, survey_id="T" * 26)
    story.until(DAY)
    assert decisions(story) == [(1, "withheld", "already_answered")]
    assert (story.total("surveys_answered"), story.total("surveys_answered_invited")) == (1, 0)
    assert story.total("surveys_sent") == 0


def test_the_response_rate_counts_who_was_invited_and_answered_once(asked: Story) -> None:
    asked.survey(HOUR, csat=1, episode=1, scanner=True)
    asked.survey(2 * HOUR, csat=2, episode=1)
    asked.survey(3 * HOUR, csat=5, episode=1)
    names = ("surveys_sent", "surveys_answered", "surveys_answered_invited")
    assert [asked.total(name) for name in names] == [1, 1, 1]


# -- answers ------------------------------------------------------------------------------------------------------


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


# -- thanks -------------------------------------------------------------------------------------------------------


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


# -- follow-ups ---------------------------------------------------------------------------------------------------


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


# -- states -------------------------------------------------------------------------------------------------------


def test_a_customer_without_a_solved_ticket_keeps_nothing(ask: Callable[..., Story]) -> None:
    story = ask()
    story.message(0)
    story.reply(60)
    assert (story.customer.episodes, story.customer.invited) == ((), ())


def test_an_episode_costs_less_than_300_bytes_and_goes_after_its_link(asked: Story) -> None:
    asked.survey(HOUR, csat=4, ces=5, episode=1)
    [episode] = asked.customer.episodes
    assert len(msgspec.msgpack.encode(episode)) < 300
    asked.until(8 * DAY)
    asked.message(40 * DAY, "Hello")
    assert asked.customer.episodes == ()


def test_what_an_episode_is_before_anything_is_known_of_it() -> None:
    assert msgspec.structs.asdict(Episode("A-1", 2, "email")) == {
        "ticket_id": "A-1",
        "number": 2,
        "channel": "email",
        **dict.fromkeys(("team", "agent", "priority", "policy"), ""),
        "tags": (),
        "imported": False,
        "version_offset": 0,
        "touched_at": 0,
        "solved_at": None,
        "decide_at": 0,
        "fcr": None,
        "answers": EpisodeAnswers(0, 0, 0),
        "invitation": Invitation(asked=False, invite_at=None, invited=False),
        "survey": None,
        "follow_up": None,
    }

"""Which resolution episodes are asked about, when, where and in which words, and why the others are not."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from schemas import survey_link
from schemas.events import ConsentChanged
from schemas.facts import InvitationFact, ResolutionFact
from stream_processors.rules.ruleset import Rules
from stream_processors.tickets.observations import SurveyInvited
from stream_processors.tickets.state import Episode, EpisodeAnswers, Invitation
from stream_processors.tickets.surveys.invite import REASONS
from tests.support.tickets.observed import observed
from tests.support.tickets.story import Story, at
from tests.support.tickets.survey_story import DUE, PARCEL, SIGNING, decisions, sent, solved

MINUTE, HOUR, DAY = 60, 3600, 86_400


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
        "brand": "",
    }

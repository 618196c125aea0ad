"""The conversation of live chat: what visitors and agents do to it, without sockets and without Kafka."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.channels import chat, chat_token
from producers.channels import chat_protocol as frames
from producers.channels.chat import ChatConversation, Gone, Passed, Step, fold, observe
from producers.text.fields import FieldProblems
from schemas.clock import MICROS
from schemas.errors import Refused
from schemas.events import (
    ChatEnded,
    Event,
    MessageReceived,
    StatusChanged,
    SurveyAnswered,
    TranscriptRequested,
)
from schemas.facts import Outbound
from tests.support.producers.chat_case import RULES, START, T0, answered, at, begun, kinds, outbound
from tests.support.records import example

# -- beginning ----------------------------------------------------------------------------------------------------------


def test_the_form_and_its_first_line_are_one_contact() -> None:
    step = fold(ChatConversation(), START, T0, RULES)
    [message] = step.events
    assert isinstance(message, MessageReceived)
    assert (message.channel, message.customer_id, message.address) == (
        "chat",
        "email:ann@example.org",
        "visitor-0123456789",
    )
    assert (message.text, message.customer_name, message.order_number) == ("Where is my parcel?", "Ann", "A-17")
    assert (message.language, message.time_zone) == ("zh-Hant", "Asia/Taipei")
    assert message.thread_id == step.state.thread_id == chat.conversation_id(START)
    assert message.fields["page_url"] == "https://shop.example/cart"
    assert kinds(step) == ["Welcome", "Ack", "StateNow"]
    assert step.state.phase == "queued"


def test_a_visitor_without_address_is_known_by_their_browser() -> None:
    assert begun(email="").customer_id == "chat:visitor-0123456789"


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"email": "nowhere"}, {"email"}),
        ({"text": " \n"}, {"text"}),
        ({"text": "\x00\x01"}, {"text"}),
        ({"text": "x" * 4001}, {"text"}),
        ({"name": "x" * 201}, {"name"}),
        ({"order_number": "x" * 65}, {"order_number"}),
        ({"time_zone": "Mars/Base"}, {"time_zone"}),
        ({"email": "@", "text": "", "time_zone": "?"}, {"email", "text", "time_zone"}),
    ],
)
def test_the_form_is_checked_field_by_field(changes: dict[str, str], wrong: set[str]) -> None:
    with pytest.raises(FieldProblems) as problems:
        begun(**changes)
    assert set(problems.value.fields) == wrong


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://shop.example/a?b=c", "https://shop.example/a"),
        ("javascript:alert(1)", ""),
        ("https://[broken", ""),
        ("", ""),
    ],
)
def test_of_the_page_only_what_names_it_is_kept(url: str, kept: str) -> None:
    assert begun(page_url=url).page_url == kept


def test_the_same_form_again_is_the_same_conversation() -> None:
    first = fold(ChatConversation(), START, T0, RULES)
    again = fold(first.state, START, at(5), RULES)
    assert [event.event_id for event in again.events] == [event.event_id for event in first.events]
    assert again.state.written == first.state.written
    assert kinds(again) == ["Welcome", "Ack", "StateNow"]


# -- lines --------------------------------------------------------------------------------------------------------------


def test_card_numbers_are_masked_before_anything_leaves() -> None:
    step = fold(begun(), frames.Line(line="l2", text="4111 1111 1111 1111"), at(5), RULES)
    assert [event.text for event in step.events if isinstance(event, MessageReceived)] == ["**** **** **** 1111"]
    assert step.state.written[-1].text == "**** **** **** 1111"


@pytest.mark.parametrize(("text", "reason"), [("", "bad_line"), ("x" * 4001, "too_long")])
def test_a_line_that_cannot_be_taken_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(Refused) as refused:
        fold(begun(), frames.Line(line="l2", text=text), at(5), RULES)
    assert refused.value.reason == reason


def test_a_conversation_has_so_many_lines_and_no_more() -> None:
    rules = msgspec.structs.replace(RULES, most_lines=2)
    state = fold(begun(), frames.Line(line="l2", text="two"), at(1), rules).state
    with pytest.raises(Refused, match="too_many_lines"):
        fold(state, frames.Line(line="l3", text="three"), at(2), rules)
    assert fold(state, frames.Line(line="l2", text="two"), at(3), rules).state == state


def test_after_the_end_only_known_lines_are_acknowledged() -> None:
    over = fold(begun(), frames.End(), at(9), RULES).state
    assert kinds(fold(over, frames.Line(line="l1", text="?"), at(10), RULES)) == ["Ack"]
    with pytest.raises(Refused, match="ended"):
        fold(over, frames.Line(line="l2", text="late"), at(10), RULES)


@given(sent=st.lists(st.sampled_from(["l1", "l2", "l3", "l4"]), max_size=12))
def test_lines_resent_in_any_order_are_one_event_each(sent: list[str]) -> None:
    state, published, acknowledged = begun(), {"l1"}, []
    events: list[Event] = []
    for second, line in enumerate(sent):
        step = fold(state, frames.Line(line=line, text=f"text of {line}"), at(second), RULES)
        state = step.state
        events += step.events
        published.add(line)
        acknowledged += [frame.line for frame in step.frames if isinstance(frame, frames.Ack)]
    assert acknowledged == sent
    assert {written.line for written in state.written} == published
    assert len(state.written) == len(published)
    assert len({event.event_id for event in events} | {"l1"}) == len(set(sent) - {"l1"}) + 1 + ("l1" in sent)


# -- our lines ----------------------------------------------------------------------------------------------------------


def test_a_persons_answer_answers_and_an_acknowledgement_does_not() -> None:
    acknowledged = observe(begun(), outbound("Thank you", "acknowledgement", 1), 3)
    assert (acknowledged.state.phase, kinds(acknowledged)) == ("queued", ["Said"])
    replied = observe(acknowledged.state, outbound("Here it is", "reply", 40), 9)
    assert (replied.state.phase, kinds(replied)) == ("answered", ["Said", "StateNow"])
    assert replied.state.answered_at == at(40)


@given(
    numbers=st.lists(st.integers(1, 60), unique=True).map(sorted),
    after=st.integers(0, 60),
    twice=st.booleans(),
)
def test_resuming_shows_the_lines_after_the_last_one_seen(numbers: list[int], after: int, twice: bool) -> None:
    state = begun()
    for number in (each for told in numbers for each in [told] * (1 + twice)):
        state = observe(state, outbound(f"line {number}"), number).state
    step = fold(state, frames.Resume(token="", after=after), at(60), RULES)
    assert [frame.number for frame in step.frames if isinstance(frame, frames.Said)] == [
        n for n in numbers if n > after
    ]
    assert [frame.resumed for frame in step.frames if isinstance(frame, frames.Welcome)] == [True]


def test_a_token_of_the_new_or_the_old_secret_opens_its_conversation() -> None:
    thread = begun().thread_id
    assert chat_token.opened_by(chat_token.sign(thread, "old"), ("new", "old")) == thread
    for token in (chat_token.sign(thread, "guess"), thread, "", ".", "é\ud800"):
        with pytest.raises(Refused, match="bad_token"):
            chat_token.opened_by(token, ("new", "old"))


@given(order=st.permutations(range(4)), cut=st.integers(0, 3))
def test_a_conversation_read_from_the_log_stands_where_it_stood(order: list[int], cut: int) -> None:
    """The two topics are read in any order, and records may come twice."""
    lived = begun()
    first = fold(ChatConversation(), START, T0, RULES).events[0]
    second = fold(lived, frames.Line(line="l2", text="Hello?"), at(20), RULES)
    lived = second.state
    said = [(outbound("Thank you", "acknowledgement", 1), 3), (outbound("Here", "reply", 40), 9)]
    for record, number in said:
        lived = observe(lived, record, number).state
    log: list[tuple[Any, int]] = [(first, 0), (second.events[0], 0), *said]
    # Each topic keeps its own order; how the two are mixed is free.
    events, answers = iter(log[:2]), iter(log[2:])
    mixed = [next(events if place < 2 else answers) for place in order]
    read = ChatConversation()
    for record, number in [*mixed, *mixed[cut:]]:
        read = observe(read, record, number).state
    assert msgspec.structs.replace(read, position=0) == lived


# -- the end ------------------------------------------------------------------------------------------------------------


def ended(step: Step) -> ChatEnded:
    return next(event for event in step.events if isinstance(event, ChatEnded))


def test_who_leaves_before_an_answer_has_abandoned() -> None:
    step = fold(begun(), frames.End(), at(100), RULES)
    assert (ended(step).outcome, ended(step).wait_seconds, ended(step).lines) == ("abandoned", 100.0, 1)
    assert step.frames == (frames.Ended(outcome="abandoned", transcript=False),)


def test_leaving_after_an_answer_closes_with_the_wait_until_it() -> None:
    step = fold(answered(), frames.End(), at(100), RULES)
    assert (ended(step).outcome, ended(step).wait_seconds, ended(step).lines) == ("closed", 30.0, 2)


@pytest.mark.parametrize(
    ("state", "seconds", "outcome"),
    [
        ("gone, queued", 119, None),
        ("gone, queued", 120, "abandoned"),
        ("gone, answered", 120, "timed_out"),
        ("there, queued", 7199, None),
        ("there, queued", 7200, "timed_out"),
        ("there, answered", 929, None),
        ("there, answered", 930, "timed_out"),
        ("there, solved", 31, "closed"),
    ],
)
def test_time_ends_a_conversation(state: str, seconds: float, outcome: str | None) -> None:
    held = answered() if "queued" not in state else begun()
    if "gone" in state:
        held = fold(held, Gone(), T0, RULES).state
    if "solved" in state:
        held = observe(held, example(StatusChanged, status="solved")).state
    step = fold(held, Passed(), at(seconds), RULES)
    assert [event.outcome for event in step.events if isinstance(event, ChatEnded)] == ([outcome] if outcome else [])


def test_a_ticket_reopened_before_the_end_ends_nothing() -> None:
    solved = observe(answered(), example(StatusChanged, status="solved")).state
    reopened = observe(solved, example(StatusChanged, status="open")).state
    assert fold(reopened, Passed(), at(40), RULES).events == ()


def test_unseen_answers_are_mailed_to_a_visitor_who_left() -> None:
    away = fold(answered(), Gone(), at(40), RULES).state
    told = observe(away, outbound("You can have it tomorrow.", seconds=60), 9).state
    step = fold(told, Passed(), at(160), RULES)
    assert [type(event) for event in step.events] == [ChatEnded, TranscriptRequested]
    assert "You can have it tomorrow." in step.events[1].transcript  # type: ignore[attr-defined]
    nothing_new = fold(fold(answered(), Gone(), at(40), RULES).state, Passed(), at(160), RULES)
    assert [type(event) for event in nothing_new.events] == [ChatEnded]


def test_the_transcript_has_both_sides_in_the_visitors_time_zone() -> None:
    wanted = fold(answered(), frames.Transcript(), at(40), RULES)
    assert wanted.events == ()
    step = fold(wanted.state, frames.End(), at(50), RULES)
    request = step.events[1]
    assert isinstance(request, TranscriptRequested)
    assert request.address == "ann@example.org"
    assert request.transcript == "17:00 Ann: Where is my parcel?\n17:00 > It is on its way."
    assert fold(step.state, frames.Transcript(), at(60), RULES).events == ()  # it is on its way already


@pytest.mark.parametrize(("email", "reason"), [("", "no_email"), ("ann@example.org", "not_answered")])
def test_a_transcript_needs_an_address_and_an_answer(email: str, reason: str) -> None:
    over = fold(begun(email=email), frames.End(), at(9), RULES).state
    with pytest.raises(Refused) as refused:
        fold(over, frames.Transcript(), at(10), RULES)
    assert refused.value.reason == reason


def test_a_survey_follows_the_end_and_names_its_conversation() -> None:
    with pytest.raises(Refused, match="not_ended"):
        fold(answered(), frames.Survey(csat=5), at(40), RULES)
    over = fold(answered(), frames.End(), at(50), RULES).state
    [vote] = fold(over, frames.Survey(csat=2, comment=" slow "), at(60), RULES).events
    assert isinstance(vote, SurveyAnswered)
    assert (vote.csat, vote.comment, vote.ticket_id) == (2, "slow", "T-1")
    assert (vote.thread_ref, vote.address) == (over.thread_id, over.visitor)
    unknown = msgspec.structs.replace(over, ticket_id="")
    [vote] = fold(unknown, frames.Survey(csat=2), at(60), RULES).events
    assert isinstance(vote, SurveyAnswered)
    assert (vote.ticket_id, vote.thread_ref) == ("", over.thread_id)


def test_a_message_left_when_nobody_is_there_is_the_contact_form() -> None:
    left = frames.Leave(message="m1", text="Call me", email="ann@example.org")
    step = fold(ChatConversation(), left, T0, RULES)
    [message] = step.events
    assert isinstance(message, MessageReceived)
    assert (message.channel, message.address, message.text) == ("form", "ann@example.org", "Call me")
    assert fold(ChatConversation(), left, at(7000), RULES).events[0].event_id == message.event_id
    with pytest.raises(FieldProblems) as problems:
        fold(ChatConversation(), frames.Leave(message="m2", text=""), T0, RULES)
    assert set(problems.value.fields) == {"text", "email"}


FRAMES = st.sampled_from(
    [
        START,
        frames.Resume(token="", after=0),
        frames.Line(line="l2", text="Hello?"),
        frames.Typing(),
        frames.End(),
        frames.Transcript(),
        frames.Survey(csat=3),
        frames.Ping(),
        Gone(),
        Passed(),
        Passed(position=3),
    ]
)
RECORDS = st.sampled_from(
    [outbound("ack", "acknowledgement"), outbound("reply"), example(StatusChanged, status="solved")]
)


@given(inputs=st.lists(st.tuples(st.integers(0, 900), FRAMES | RECORDS), max_size=25))
def test_a_conversation_ends_once_and_event_ids_are_unique(inputs: list[tuple[int, Any]]) -> None:
    state, now, number = begun(), T0, 0
    made: dict[str, Event] = {}
    for seconds, each in inputs:
        now += seconds * MICROS
        try:
            if isinstance(each, Outbound | StatusChanged):
                number += 1
                step = observe(state, each, number)
            else:
                step = fold(state, each, now, RULES)
        except Refused:
            continue
        assert not (state.phase == "ended" and step.state.phase != "ended")
        assert step.state.lines >= state.lines
        for event in step.events:
            before = made.setdefault(event.event_id, event)
            assert before == event or isinstance(event, SurveyAnswered | TranscriptRequested)
        state = step.state
    assert sum(isinstance(event, ChatEnded) for event in made.values()) == (state.phase == "ended")

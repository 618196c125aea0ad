"""The conversation, the desk, the hours and the protocol of live chat, without sockets and without Kafka."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.channels import chat, chat_token
from producers.channels import chat_protocol as frames
from producers.channels.chat import ChatConversation, Gone, Passed, Rules, Step, fold, observe
from producers.channels.chat_capacity import ChatCapacity
from producers.channels.chat_hours import Hours
from producers.sources.chat import pages
from producers.text.fields import FieldProblems
from schemas.clock import MICROS
from schemas.errors import ConfigurationError, Refused
from schemas.events import (
    Assigned,
    ChatEnded,
    Event,
    MessageReceived,
    PresenceChanged,
    RoutingUpdate,
    StatusChanged,
    SurveyAnswered,
    TranscriptRequested,
)
from schemas.facts import Outbound
from tests.support.records import example

T0 = 1_772_442_000_000_000  # 2026-03-02T09:00:00Z, a Monday
RULES = Rules(source="chat:test", secrets=("new", "old"))
START = frames.Start(
    visitor="visitor-0123456789",
    conversation="conversation-0123456789",
    line="l1",
    text="Where is my parcel?",
    name="Ann",
    email="Ann@example.org",
    order_number="A-17",
    locale="zh-TW",
    time_zone="Asia/Taipei",
    page_url="https://user:pass@shop.example/cart?token=1#x",
)


def at(seconds: float) -> int:
    return T0 + round(seconds * MICROS)


def begun(**changes: Any) -> ChatConversation:
    return fold(ChatConversation(), msgspec.structs.replace(START, **changes), T0, RULES).state


def outbound(text: str, kind: str = "reply", seconds: float = 30) -> Outbound:
    plain: Outbound = example(Outbound, text=text, channel="chat", ticket_id="T-1", at=at(seconds))
    return msgspec.structs.replace(plain, kind=kind)


def answered(**changes: Any) -> ChatConversation:
    return observe(begun(**changes), outbound("It is on its way."), 7).state


def kinds(step: Step) -> list[str]:
    return [type(frame).__name__ for frame in step.frames]


# -- beginning --------------------------------------------------------------------------------------------------------


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


# -- lines ------------------------------------------------------------------------------------------------------------


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


# -- our lines --------------------------------------------------------------------------------------------------------


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


# -- the end ----------------------------------------------------------------------------------------------------------


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


# -- the desk ---------------------------------------------------------------------------------------------------------


def presence(agent: str, status: str = "online", chats: int | None = 2, team: str = "support") -> PresenceChanged:
    capacity = {} if chats is None else {"chat": chats}
    made: PresenceChanged = example(PresenceChanged, agent_id=agent, team=team, status=status, capacity=capacity)
    return made


def update(ticket: str, action: str, version: int, **changes: Any) -> RoutingUpdate:
    fields = {"team": "support", "channel": "chat", "partition": 0, "occurred_at": at(version)} | changes
    made: RoutingUpdate = example(RoutingUpdate, ticket_id=ticket, action=action, version=version, **fields)
    return made


def desk(*records: Event) -> ChatCapacity:
    made = ChatCapacity()
    for record in records:
        made.observe(record)
    return made


def test_free_capacity_excludes_held_and_waiting_chats() -> None:
    here = desk(presence("mei"), presence("tom", chats=3), presence("sam", "away"), presence("lee", "offline"))
    assert here.free == 5
    here.observe(update("A-1", "queue", 1))
    here.observe(update("B-1", "busy", 2, agent_id="mei"))
    here.observe(update("C-1", "queue", 3, channel="email"))
    assert here.free == 3
    here.observe(update("A-1", "idle", 4))
    here.observe(presence("tom", "offline", None))
    assert here.free == 1
    here.observe(presence("tom", "online", None))
    assert here.free == 4  # what the presence leaves out stays as it was known


def test_the_default_capacity_counts_where_chat_is_not_named() -> None:
    everything = example(PresenceChanged, agent_id="mei", team="support", status="online", capacity={"default": 4})
    assert desk(everything).free == 4


def test_the_queue_of_a_team_is_sorted_by_priority_then_wait() -> None:
    here = desk(
        update("A-1", "queue", 1, eligible_at=at(10)),
        update("B-1", "queue", 2, eligible_at=at(5)),
        update("C-1", "queue", 3, eligible_at=at(20), priority="urgent"),
        update("D-1", "queue", 4, eligible_at=at(1), team="returns"),
        update("E-1", "busy", 5, agent_id="mei"),
    )
    assert here.positions() == {"C-1": 1, "B-1": 2, "A-1": 3, "D-1": 1}
    here.observe(example(Assigned, ticket_id="C-1", team="support", agent_id="mei"))
    assert here.positions() == {"B-1": 1, "A-1": 2, "D-1": 1}
    here.observe(example(Assigned, ticket_id="C-1", team="support", agent_id=""))
    assert here.positions()["C-1"] == 1


def test_an_update_written_again_changes_nothing() -> None:
    here = desk(presence("mei"), update("A-1", "queue", 5), update("A-1", "done", 6), update("A-1", "queue", 5))
    assert here.free == 2
    assert not here.knows("A-1")


def test_a_chat_that_went_to_another_team_is_counted_there() -> None:
    here = desk(
        presence("mei"),
        update("A-1", "queue", 1, team="returns"),
        update("A-1", "done", 1, team="support", partition=1),
    )
    assert here.free == 1


# -- the hours --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "zone", "open_now"),
    [
        ("", "UTC", True),
        ("mon-fri 09:00-18:00", "UTC", True),
        ("mon-fri 09:01-18:00", "UTC", False),
        ("mon 08:00-09:00", "UTC", False),
        ("sat-mon 09:00-10:00", "UTC", True),
        ("tue 09:00-18:00", "UTC", False),
        ("mon 18:00-24:00", "Asia/Tokyo", True),
        ("mon 09:00-17:59, sat 10:00-14:00", "Asia/Tokyo", False),
    ],
)
def test_business_hours_are_those_of_their_time_zone(hours: str, zone: str, open_now: bool) -> None:
    assert Hours.parse(hours, zone).open_at(T0) is open_now


def test_the_next_opening_is_right_across_daylight_saving() -> None:
    """On 29 March 2026 clocks in Berlin go from 02:00 to 03:00: Monday 09:00 is 07:00 UTC, the Friday before 08:00."""
    hours = Hours.parse("mon-fri 09:00-18:00", "Europe/Berlin")
    friday_evening = 1_774_634_400_000_000  # 2026-03-27T18:00:00Z
    assert hours.opens_at(friday_evening) == 1_774_854_000_000_000
    assert hours.opens_at(1_774_854_000_000_000) is None
    assert Hours.parse("", "UTC").opens_at(T0) is None


@pytest.mark.parametrize("hours", ["always", "mon 9-18", "mon 18:00-09:00", "mon 09:00-25:00", "mon 09:60-10:00", "mo 09:00-10:00"])  # fmt: skip
def test_hours_that_cannot_be_read_are_one_clear_line(hours: str) -> None:
    with pytest.raises(ConfigurationError, match="DESKSTREAM_CHAT_HOURS"):
        Hours.parse(hours, "UTC")
    with pytest.raises(ConfigurationError, match="DESKSTREAM_CHAT_TIME_ZONE"):
        Hours.parse("", "Mars/Base")


# -- the protocol -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    ["", "{", "[]", '"start"', '{"type":"nonsense"}', '{"type":"line","line":"a"}', '{"type":"line","line":"","text":"x"}',
     '{"type":"line","line":"a b","text":"x"}', '{"type":"survey","csat":6}', '{"type":"survey","csat":true}',
     '{"type":"resume","token":"t","after":-1}', '{"type":"line","line":"a","text":"\\ud800"}', "[" * 100_000],
)  # fmt: skip
def test_what_is_no_frame_is_refused(message: str) -> None:
    with pytest.raises(Refused, match="bad_frame"):
        frames.decode(message)


@given(st.text() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps))
def test_no_text_breaks_the_decoder(message: str) -> None:
    try:
        frames.decode(message)
    except Refused as refused:
        assert refused.reason == "bad_frame"


@pytest.mark.parametrize("kind", frames.FROM_VISITOR, ids=lambda kind: kind.__name__)
def test_every_frame_is_read_back_as_it_was_written(kind: type[Any]) -> None:
    required = {
        "visitor": "v" * 16,
        "conversation": "c" * 16,
        "line": "l1",
        "text": "x",
        "token": "t",
        "csat": 3,
        "message": "m",
    }
    names = {field.name for field in msgspec.structs.fields(kind) if field.required}
    frame = kind(**{name: value for name, value in required.items() if name in names})
    assert frames.decode(frames.encode(frame)) == frame


def test_the_committed_description_is_the_generated_one() -> None:
    assert pages.ASYNCAPI.read_bytes() == pages.document(), "run `make generate`"


def test_the_description_holds_every_frame_and_no_dead_reference() -> None:
    document = json.loads(pages.document())

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if "$ref" in node else []
            return own + [each for value in node.values() for each in references(value)]
        return [each for value in node for each in references(value)] if isinstance(node, list) else []

    for reference in references(document):
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    described = set(document["components"]["messages"])
    assert described == {frames._tag(kind) for kind in (*frames.FROM_VISITOR, *frames.FROM_SERVER)}
    assert document["components"]["schemas"]["Survey"]["properties"]["csat"]["maximum"] == 5


def test_the_widget_has_all_languages_and_frames() -> None:
    """The words are a literal of the script: keys in the same order in each of the four."""
    script = pages.page("/widget.js")
    assert script is not None
    text = script[1].decode()
    blocks = re.findall(r'^    (?:en|ja|"zh-Han[st]"): \{\n(.*?)^    \},\n', text, flags=re.M | re.S)
    names = [re.findall(r"(\w+): \"", re.sub(r'"[^"]*"', '"', block)) for block in blocks]
    assert len(blocks) == 4
    assert names[0] == names[1] == names[2] == names[3]
    assert len(names[0]) > 40
    for kind in frames.FROM_SERVER:
        tag = frames._tag(kind)
        assert tag == "pong" or f"    {tag}(frame)" in text, tag
    for kind in frames.FROM_VISITOR:
        assert f'type: "{frames._tag(kind)}"' in text, kind


def test_the_hours_begin_and_end_at_their_minute() -> None:
    hours, day, minute = Hours.parse("mon-fri 09:30-18:00", "Europe/Berlin"), 86_400_000_000, 60_000_000
    monday_0930 = 1_774_855_800_000_000  # 2026-03-30T07:30:00Z
    assert [hours.open_at(monday_0930 + after * minute) for after in (-1, 0, 509, 510)] == [False, True, True, False]
    assert hours.opens_at(monday_0930 - minute) == monday_0930
    assert hours.opens_at(monday_0930 + 510 * minute) == monday_0930 + day
    assert hours.opens_at(monday_0930 + 4 * day + 510 * minute) == monday_0930 + 7 * day

"""Calls and chats: waiting, handling, giving up. Contacts about the same reason again. All figures by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from schemas.events import BotAnswered
from schemas.facts import ConversationFact, RepeatFact
from stream_processors.tickets.observations import (
    ConversationAbandoned,
    ConversationAnswered,
    ConversationHandled,
    Deflected,
    RepeatContact,
    TicketTransferred,
)
from tests.support.tickets.observed import observed
from tests.support.tickets.story import Story, at

DAY, HOUR = 86_400, 3600
PARCEL, DECLINED, PRAISE = "My parcel never arrived.", "My card was declined.", "Great service, I love it!"


#: What the whole story told the later steps about service.
SERVICE = (
    ConversationAnswered,
    ConversationAbandoned,
    ConversationHandled,
    TicketTransferred,
    Deflected,
    RepeatContact,
)


@pytest.mark.parametrize(
    ("outcome", "wait", "talk", "fact", "notes"),
    [
        (
            "answered",
            12.0,
            300.0,
            ("answered", 12.0, 300.0),
            [(ConversationAnswered, 12.0), (ConversationHandled, 300.0)],
        ),
        ("answered", 0.0, 0.0, ("answered", 0.0, 0.0), [(ConversationAnswered, 0.0), (ConversationHandled, 0.0)]),
        ("abandoned", 95.0, 0.0, ("abandoned", 95.0, None), [(ConversationAbandoned, 95.0)]),
        ("voicemail", 30.0, 40.0, ("voicemail", 30.0, None), []),
        ("missed", 61.5, 0.0, ("missed", 61.5, None), []),
    ],
)
def test_a_call(
    outcome: str, wait: float, talk: float, fact: tuple[Any, ...], notes: list[Any], tell: Callable[..., Story]
) -> None:
    story = tell(channel="phone")
    story.call(600, outcome, wait_seconds=wait, talk_seconds=talk, agent_id="mei")
    [found] = story.all(ConversationFact)
    assert (found.outcome, found.wait_seconds, found.handle_seconds) == fact
    assert (found.kind, found.agent_id, found.ticket_id, found.at) == ("call", "mei", story.ticket_id(), at(600))
    assert observed(story, *SERVICE) == notes


CHAT = "T" * 26


@pytest.mark.parametrize(
    ("answered_at", "ended_at", "outcome", "wait", "fact", "notes"),
    [
        # answered 40 s after the first line, ended at 460 s: 420 s in a person's hands
        (
            40,
            460,
            "closed",
            40.0,
            ("answered", 40.0, 420.0),
            [(ConversationAnswered, 40.0), (ConversationHandled, 420.0)],
        ),
        (
            40,
            940,
            "timed_out",
            40.0,
            ("answered", 40.0, 900.0),
            [(ConversationAnswered, 40.0), (ConversationHandled, 900.0)],
        ),
        (None, 160, "abandoned", 160.0, ("abandoned", 160.0, None), [(ConversationAbandoned, 160.0)]),
        (None, 900, "timed_out", 900.0, ("timed_out", 900.0, None), []),
    ],
)
def test_a_chat(
    answered_at: float | None,
    ended_at: float,
    outcome: str,
    wait: float,
    fact: tuple[Any, ...],
    notes: list[Any],
    tell: Callable[..., Story],
) -> None:
    story = tell(channel="chat")
    story.message(0, thread_id=CHAT)
    if answered_at is not None:
        story.reply(answered_at, agent="mei")
        story.reply(answered_at + 60, agent="mei")
    story.end_chat(ended_at, outcome, wait)
    [found] = story.all(ConversationFact)
    assert (found.outcome, found.wait_seconds, found.handle_seconds) == fact
    assert (found.kind, found.agent_id) == ("chat", "mei" if answered_at is not None else "")
    assert observed(story, *SERVICE) == notes


def test_a_second_chat_of_a_ticket_has_no_handling_time_because_its_beginning_is_unknown(
    tell: Callable[..., Story],
) -> None:
    story = tell(channel="chat")
    story.message(0, thread_id=CHAT)
    story.reply(40)
    story.end_chat(460, "closed", 40.0)
    story.message(1000, "And another thing", thread_id="U" * 26)
    story.reply(1030)
    story.end_chat(1100, "closed", 30.0, "U" * 26)
    assert [fact.handle_seconds for fact in story.all(ConversationFact)] == [420.0, None]


@pytest.mark.parametrize(("answered", "outcome"), [(False, "timed_out"), (True, "answered")])
def test_a_second_chat_that_we_time_out_was_answered_if_somebody_answered_it(
    answered: bool, outcome: str, tell: Callable[..., Story]
) -> None:
    story = tell(channel="chat")
    story.message(0, thread_id=CHAT)
    story.reply(40)
    story.end_chat(460, "closed", 40.0)
    story.message(1000, "And another thing", thread_id="U" * 26)
    if answered:
        story.reply(1030)
    story.end_chat(8200, "timed_out", 30.0 if answered else 7200.0, "U" * 26)
    assert [fact.outcome for fact in story.all(ConversationFact)] == ["answered", outcome]
    assert [note for note in observed(story, *SERVICE) if note[0] is ConversationAnswered] == [
        (ConversationAnswered, 40.0),
        *([(ConversationAnswered, 30.0)] if answered else []),
    ]


def test_the_end_of_an_unknown_chat_is_no_conversation(tell: Callable[..., Story]) -> None:
    story = tell(channel="chat")
    story.message(0, thread_id=CHAT)
    story.end_chat(60, "closed", 10.0, "X" * 26)
    assert story.all(ConversationFact) == []


@pytest.mark.parametrize(
    ("first", "second", "after", "repeats"),
    [
        (PARCEL, PARCEL, HOUR, True),
        (PARCEL, PARCEL, 7 * DAY - 1, True),
        (PARCEL, PARCEL, 7 * DAY, False),  # within 7 days means less than 7 days
        (PARCEL, DECLINED, HOUR, False),
        (PRAISE, PRAISE, HOUR, False),  # good news may repeat as often as it likes
        ("Hello", "Hello", HOUR, False),  # no reason at all is not the same reason
    ],
)
def test_a_repeat_contact(first: str, second: str, after: float, repeats: bool, story: Story) -> None:
    story.message(0, first)
    story.message(after, second, subject="New")
    assert len(story.customer.tickets) == 2
    found = story.all(RepeatFact)
    assert bool(found) is repeats
    if repeats:
        assert {(fact.tag, fact.ticket_id, fact.seconds) for fact in found} == {
            ("delivery.carrier_delay", story.ticket_id(2), float(after))
        }
        assert found[0].previous_at == at(0)
    assert [name for name, _ in observed(story, *SERVICE)] == [RepeatContact] * repeats


def test_asking_again_on_the_same_open_ticket_is_no_repeat_contact(story: Story) -> None:
    story.message(0, PARCEL)
    story.more(HOUR, PARCEL)
    assert story.all(RepeatFact) == []


def test_a_contact_that_reopens_about_the_same_reason_is_a_repeat(story: Story) -> None:
    story.message(0, PARCEL)
    story.reply(60)
    story.solve(120)
    story.more(HOUR, PARCEL)
    assert [(fact.tag, fact.seconds) for fact in story.all(RepeatFact)] == [("delivery.carrier_delay", 3600.0)]


def test_three_contacts_are_two_repeats_each_from_the_one_before(story: Story) -> None:
    for seconds in (0, DAY, 3 * DAY):
        story.message(seconds, PARCEL)
    assert [fact.seconds for fact in story.all(RepeatFact)] == [86_400.0, 172_800.0]


def test_an_article_that_helped_is_deflected_and_a_transfer_is_counted(story: Story) -> None:
    about: dict[str, Any] = {"customer_id": story.customer_id, "thread_id": "bot-1", "question": "Where?"}
    story.tell(BotAnswered(**story.base(0) | about, answer="Here", resolved=False))
    story.tell(BotAnswered(**story.base(1) | about, answer="There", resolved=True))
    story.message(60)
    story.transfer(120, "returns")
    assert observed(story, *SERVICE) == [(Deflected, 0.0), (TicketTransferred, 0.0)]

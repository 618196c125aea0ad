"""First contact resolution, hand-computed: who solved it in one answer, and what came back within seven days."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from schemas.events import TagCorrected
from schemas.facts import ResolutionFact
from stream_processors.tickets.observations import FcrCorrected, FcrKept, FcrLost, Observation
from stream_processors.tickets.resolution import episodes
from tests.support.tickets.observed import observations
from tests.support.tickets.story import Story, at

HOUR, DAY = 3600, 86_400
WEEK = 7 * DAY
SOLVED = 120  # seconds after the first message, in most of these stories
END = SOLVED + WEEK
PARCEL, DECLINED, PRAISE = "My parcel never arrived.", "My card was declined.", "Great service, I love it!"


def play(story: Story, script: list[tuple[Any, ...]]) -> None:
    """`(what, seconds, ...)`: new, more, reply, private, solve, open, close, until, tag."""
    for what, seconds, *rest in script:
        match what:
            case "new":
                story.message(seconds, *rest)
            case "more":
                story.more(seconds, *rest)
            case "reply":
                story.reply(seconds, number=rest[0] if rest else 1)
            case "private":
                story.reply(seconds, public=False)
            case "solve" | "solved":
                story.solve(seconds, number=rest[0] if rest else 1)
            case "status":
                story.status(seconds, rest[0])
            case "until":
                story.until(seconds)
            case "tag":
                story.about(TagCorrected, seconds, agent_id="mei", number=rest[0], add=rest[1], remove=rest[2])
    assert story.refused() == []


def rows(story: Story) -> list[tuple[int, int, bool | None, float | None, str]]:
    """(episode, public answers, fcr, decided at, why not) of the first ticket, as the newest version has them."""
    newest: dict[int, ResolutionFact] = {}
    for fact in story.all(ResolutionFact):
        if fact.ticket_id == story.ticket_id():
            assert fact.episode not in newest or fact.version >= newest[fact.episode].version
            newest[fact.episode] = fact
    return [
        (
            fact.episode,
            fact.public_answers,
            fact.fcr,
            None if fact.decided_at is None else (fact.decided_at - at(0)) / 1e6,
            fact.reason,
        )
        for fact in newest.values()
    ]


ONE = [("new", 0, PARCEL), ("reply", 60), ("solve", SOLVED)]
CASES: dict[str, tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]] = {
    # -- the end of the seven days: 120 s + 604,800 s = 604,920 s ------------------------------------------------
    "undecided until then": ([*ONE, ("until", END - 1)], [(1, 1, None, None, "")]),
    "kept exactly then": ([*ONE, ("until", END)], [(1, 1, True, 604_920, "")]),
    "kept then, however late the tick": ([*ONE, ("until", END + DAY)], [(1, 1, True, 604_920, "")]),
    "no answer at all is known at the end": (
        [("new", 0, PARCEL), ("solve", SOLVED), ("until", END)],
        [(1, 0, False, 604_920, "no_answer")],
    ),
    "a private answer is none": (
        [("new", 0, PARCEL), ("private", 60), ("solve", SOLVED), ("until", END)],
        [(1, 0, False, 604_920, "no_answer")],
    ),
    "an answer right after the solve is the one": (
        [("new", 0, PARCEL), ("solve", SOLVED), ("reply", 121), ("until", END)],
        [(1, 1, True, 604_920, "")],
    ),
    "closing changes nothing": ([*ONE, ("status", HOUR, "closed"), ("until", END)], [(1, 1, True, 604_920, "")]),
    # -- several answers ------------------------------------------------------------------------------------------
    "two answers are lost at the solve": (
        [("new", 0, PARCEL), ("reply", 60), ("reply", 90), ("solve", SOLVED)],
        [(1, 2, False, 120, "several_answers")],
    ),
    "the second answer after the solve": ([*ONE, ("reply", HOUR)], [(1, 2, False, 3600, "several_answers")]),
    "a second answer after the seven days is too late": (
        [*ONE, ("until", END), ("reply", END + 1)],
        [(1, 1, True, 604_920, "")],
    ),
    "many messages of the customer, one answer": (
        [("new", 0, PARCEL), ("more", 10), ("more", 20), ("reply", 60), ("solve", SOLVED), ("until", END)],
        [(1, 1, True, 604_920, "")],
    ),
    # -- reopened ---------------------------------------------------------------------------------------------------
    "reopened by the customer": ([*ONE, ("more", HOUR, "It is broken.")], [(1, 1, False, 3600, "reopened")]),
    "reopened by an agent": ([*ONE, ("status", HOUR, "open")], [(1, 1, False, 3600, "reopened")]),
    "thanks reopen nothing": (
        [*ONE, ("more", HOUR, "Thank you so much!"), ("until", END)],
        [(1, 1, True, 604_920, "")],
    ),
    "one second before the end": ([*ONE, ("status", END - 1, "open")], [(1, 1, False, 604_919, "reopened")]),
    "at the end it is kept already": ([*ONE, ("status", END, "open")], [(1, 1, True, 604_920, "")]),
    "solved again after a reopening": (
        # the second episode: solved at 7,320 s in one answer, decided at 7,320 + 604,800 = 612,120 s
        [*ONE, ("more", HOUR, "It is broken."), ("reply", 7200), ("solve", 7320), ("until", 612_120)],
        [(1, 1, False, 3600, "reopened"), (2, 1, True, 612_120, "")],
    ),
    "the answers of the first episode do not count for the second": (
        [
            *[("new", 0, PARCEL), ("reply", 60), ("reply", 90), ("solve", SOLVED), ("more", HOUR, "It is broken.")],
            *[("reply", 7200), ("solve", 7320)],
        ],
        [(1, 2, False, 120, "several_answers"), (2, 1, None, None, "")],
    ),
    "two answers in the second": (
        [*ONE, ("more", HOUR, "It is broken."), ("reply", 7200), ("reply", 7210), ("solve", 7320)],
        [(1, 1, False, 3600, "reopened"), (2, 2, False, 7320, "several_answers")],
    ),
    # -- contacted again --------------------------------------------------------------------------------------------
    "the same reason on a new ticket": ([*ONE, ("new", DAY, PARCEL)], [(1, 1, False, 86_400, "contacted_again")]),
    "another reason": ([*ONE, ("new", DAY, DECLINED), ("until", END)], [(1, 1, True, 604_920, "")]),
    "no reason": ([*ONE, ("new", DAY, "Hello"), ("until", END)], [(1, 1, True, 604_920, "")]),
    "one second before the end, the same reason": (
        [*ONE, ("new", END - 1, PARCEL)],
        [(1, 1, False, 604_919, "contacted_again")],
    ),
    "at the end, the same reason": ([*ONE, ("new", END, PARCEL)], [(1, 1, True, 604_920, "")]),
    "good news again": (
        [("new", 0, PRAISE), ("reply", 60), ("solve", SOLVED), ("new", DAY, PRAISE), ("until", END)],
        [(1, 1, True, 604_920, "")],
    ),
    "an earlier contact about it is none": (
        [("new", 0, PARCEL), ("new", 10, PARCEL), ("reply", 60), ("solve", SOLVED), ("until", END)],
        [(1, 1, True, 604_920, "")],
    ),
    "more of the same on another open ticket": (
        # the second ticket is about a card, until its customer writes of the parcel there
        [("new", 0, PARCEL), ("new", 10, DECLINED), ("reply", 60), ("solve", SOLVED), ("more", HOUR, PARCEL, 2)],
        [(1, 1, False, 3600, "contacted_again")],
    ),
    "only the first evidence counts": (
        [*ONE, ("new", DAY, PARCEL), ("more", 2 * DAY, "It is broken.")],
        [(1, 1, False, 86_400, "contacted_again")],
    ),
    "evidence that arrives after the end corrects": (
        [*ONE, ("until", END), ("new", DAY, PARCEL)],
        [(1, 1, False, 86_400, "contacted_again")],
    ),
    # -- tags that people correct -------------------------------------------------------------------------------------
    "the reason is corrected before the next contact": (
        [
            *ONE,
            ("tag", 200, 1, ["payment.card_declined"], ["delivery.carrier_delay"]),
            ("new", DAY, PARCEL),
            ("until", END),
        ],
        [(1, 1, True, 604_920, "")],
    ),
    "the next contact is about the corrected reason": (
        [*ONE, ("tag", 200, 1, ["payment.card_declined"], []), ("new", DAY, DECLINED)],
        [(1, 1, False, 86_400, "contacted_again")],
    ),
    "an agent finds that the next contact was about the same": (
        [*ONE, ("new", DAY, "Hello"), ("tag", 2 * DAY, 2, ["delivery.carrier_delay"], [])],
        [(1, 1, False, 172_800, "contacted_again")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_fcr(name: str, story: Story) -> None:
    script, expected = CASES[name]
    play(story, script)
    assert rows(story) == expected


@pytest.mark.parametrize(
    ("lines", "threads", "expected"),
    [
        (1, 1, (1, True)),
        (9, 1, (1, True)),  # nine lines of one conversation are one answer
        (2, 2, (2, False)),  # a line in each of two conversations
        (9, 2, (2, False)),
        (1, 2, (1, True)),  # of two conversations one was answered
        (0, 1, (0, False)),
    ],
)
def test_a_chat_conversation_is_one_answer(
    lines: int, threads: int, expected: tuple[int, bool], tell: Callable[..., Story]
) -> None:
    story = tell(channel="chat")
    for thread in range(threads):
        story.message(thread * 20, PARCEL, thread_id=f"thread-{thread}")
        for line in range(thread, lines, threads):
            story.reply(thread * 20 + 1 + line)
    story.solve(SOLVED)
    story.until(END)
    [(_, answers, fcr, _, _)] = rows(story)
    assert (answers, fcr) == expected


def test_a_chat_that_was_left_unanswered_is_not_counted_with_the_one_that_was_answered(
    tell: Callable[..., Story],
) -> None:
    story = tell(channel="chat")
    story.message(0, PARCEL, thread_id="one")
    story.end_chat(30, "abandoned", 30.0, "one")
    story.message(60, PARCEL, thread_id="two")
    story.reply(70)
    story.reply(80)  # two lines of one conversation: until now they were taken for an answer in each
    story.solve(SOLVED)
    story.until(END)
    [(_, answers, fcr, _, _)] = rows(story)
    assert (answers, fcr) == (1, True)


def test_a_mail_after_the_chat_is_another_answer(tell: Callable[..., Story]) -> None:
    story = tell(channel="chat")
    story.message(0, PARCEL, thread_id="one")
    story.reply(20)
    story.end_chat(30, "closed", 20.0, "one")
    story.reply(25)  # said before it was over, heard of afterwards: a line of it
    story.solve(SOLVED)
    assert rows(story)[-1][1] == 1
    story.reply(SOLVED + 60)
    [(_, answers, fcr, _, reason)] = rows(story)
    assert (answers, fcr, reason) == (2, False, "several_answers")


def test_a_call_that_is_answered_and_solved_is_first_contact_resolution(tell: Callable[..., Story]) -> None:
    story = tell(channel="phone")
    story.call(300, "answered", talk_seconds=240.0, wait_seconds=30.0, agent_id="mei")
    story.solve(310, agent_id="mei")
    story.until(310 + WEEK)
    assert rows(story) == [(1, 1, True, 310.0 + WEEK, "")]
    assert story.last(ResolutionFact).agent_id == "mei"


@pytest.mark.parametrize(
    ("assignee", "by", "expected"), [("mei", "", "mei"), ("mei", "tom", "tom"), ("", "tom", "tom")]
)
def test_it_counts_for_who_solved_it(assignee: str, by: str, expected: str, story: Story) -> None:
    story.message(0, PARCEL)
    if assignee:
        story.assign(10, assignee, story.ticket().team)
    story.solve(SOLVED, agent_id=by)
    fact = story.last(ResolutionFact)
    assert (fact.agent_id, fact.solved_at, fact.decide_at) == (expected, at(SOLVED), at(END))
    assert (fact.team, fact.tags, fact.priority) == (
        story.ticket().team,
        ["delivery.carrier_delay"],
        story.ticket().priority,
    )


def decided(story: Story) -> list[tuple[type[Observation], float]]:
    """What was observed of first contact resolution, and when (seconds)."""
    return [(type(each), (each.at - at(0)) / 1e6) for each in observations(story, FcrKept, FcrLost, FcrCorrected)]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([*ONE, ("until", END)], [(FcrKept, 604_920)]),
        ([*ONE, ("more", HOUR, "It is broken.")], [(FcrLost, 3600)]),
        (
            [*ONE, ("until", END), ("new", DAY, PARCEL)],
            [(FcrKept, 604_920), (FcrCorrected, 604_920), (FcrLost, 86_400)],
        ),
        ([*ONE, ("more", HOUR, "It is broken."), ("new", DAY, PARCEL)], [(FcrLost, 3600)]),
    ],
)
def test_windows_are_told_each_decision_once(
    script: list[tuple[Any, ...]], expected: list[tuple[str, float]], story: Story
) -> None:
    play(story, script)
    assert decided(story) == expected


def test_history_waits_for_no_tick_and_is_decided_as_it_passes(tell: Callable[..., Story]) -> None:
    story = tell(imported=True)
    play(story, ONE)
    story.until(END + DAY)
    assert rows(story) == [(1, 1, None, None, "")]
    assert story.last(ResolutionFact).imported
    story.message(END + 10, DECLINED)
    assert rows(story) == [(1, 1, True, 604_920, "")]


def solve_many(story: Story, times: int) -> None:
    for number in range(1, times + 1):
        story.message(number * 100, f"Hello {number}", subject=f"Letter {number}")
        story.reply(number * 100 + 10, number=number)
        story.solve(number * 100 + 20, number=number)


def decisions(story: Story) -> list[tuple[bool | None, str]]:
    """(fcr, why not) of every ticket, oldest first, as the newest version has them."""
    newest = {fact.ticket_id: fact for fact in story.all(ResolutionFact)}
    return [(fact.fcr, fact.reason) for fact in newest.values()]


def test_whoever_is_solved_65_times_a_week_has_each_solve_decided(story: Story) -> None:
    solve_many(story, 65)
    story.until(END + DAY)
    assert decisions(story) == [(True, "")] * 65
    story.message(60 * DAY, "Hello")
    assert story.customer.episodes == ()


def test_beyond_what_is_kept_of_a_customer_the_oldest_solves_stay_undecided_and_say_so(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(episodes, "MOST_EPISODES", 25)
    solve_many(story, 27)
    story.message(3000, "Hello once more")
    story.until(END + DAY)
    assert decisions(story) == [(None, "forgotten")] * 2 + [(True, "")] * 25

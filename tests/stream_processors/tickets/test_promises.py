"""Kept or broken: what became of the time that an acknowledgement promised. The policy of these tests promises 3 h."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.facts import AcknowledgementFact, PromiseFact
from schemas.service_metrics import ServiceMetric
from tests.support.gauge_partition import played
from tests.support.tickets.story import Story, at
from tests.support.tickets.town import Town

HOUR = 3600
PROMISED_AT = 3 * HOUR


def became(story: Story) -> list[tuple[str, int | None]]:
    return [
        (fact.outcome, None if fact.answered_at is None else (fact.answered_at - at(0)) // 1_000_000)
        for fact in story.all(PromiseFact)
    ]


def counted(story: Story) -> dict[str, float]:
    counts = played(story.worker).counts
    return {labels[0]: value for (metric, labels), value in counts.items() if metric is ServiceMetric.PROMISES}


def test_a_promise_is_recorded_when_it_is_given(story: Story) -> None:
    story.message(0)
    (fact,) = story.all(PromiseFact)
    assert (fact.ticket_id, fact.episode, fact.channel, fact.policy) == (story.ticket_id(), 1, "email", "standard")
    assert (fact.given_at, fact.promised_at, fact.answered_at, fact.outcome) == (at(0), at(PROMISED_AT), None, "open")
    assert fact.team == story.ticket().team != ""


#: What happens (seconds, what), what the facts say after the first one, and what is counted.
CASES = {
    "an answer before the time keeps it": ("600 reply", [("kept", 600)], {"kept": 1}),
    "an answer in the minute that was named keeps it": (f"{PROMISED_AT} reply", [("kept", PROMISED_AT)], {"kept": 1}),
    "an answer after that breaks it": (f"{PROMISED_AT + 1} reply", [("broken", PROMISED_AT + 1)], {"broken": 1}),
    "time alone breaks it": ("12h", [("broken", None)], {"broken": 1}),
    "an answer after time has broken it is recorded, and not counted again": (
        f"12h; {12 * HOUR} reply",
        [("broken", None), ("broken", 12 * HOUR)],
        {"broken": 1},
    ),
    "an answer from before that arrives late takes the break back": (
        "12h; 600 reply",
        [("broken", None), ("kept", 600)],
        {"broken": 1, "corrected": 1, "kept": 1},
    ),
    "the second answer says nothing of it": ("600 reply; 1200 reply", [("kept", 600)], {"kept": 1}),
    "an older answer that arrives late is the one": (
        "1200 reply; 600 reply",
        [("kept", 1200), ("kept", 600)],
        {"kept": 1},
    ),
    "a late one that is older still is late": (
        f"{PROMISED_AT + 900} reply; {PROMISED_AT + 300} reply",
        [("broken", PROMISED_AT + 900), ("broken", PROMISED_AT + 300)],
        {"broken": 1},
    ),
    "a note is no answer": ("600 note; 12h", [("broken", None)], {"broken": 1}),
    "a solve without a word ends it": ("600 solved; 12h", [("ended", None)], {}),
    "a close without a word ends it": ("600 closed; 12h", [("ended", None)], {}),
    "a solve after it was broken changes nothing": (f"12h; {12 * HOUR} solved", [("broken", None)], {"broken": 1}),
    "an answer that is heard of after the solve keeps it": (
        "1200 solved; 600 reply",
        [("ended", None), ("kept", 600)],
        {"kept": 1},
    ),
    "an answer long after it ended does not break it": (f"600 solved; {12 * HOUR} reply", [("ended", None)], {}),
    "a status is no answer": ("600 pending; 12h", [("broken", None)], {"broken": 1}),
    "what the customer adds changes nothing": ("600 more; 1200 reply", [("kept", 1200)], {"kept": 1}),
}


@pytest.mark.parametrize("what", CASES)
def test_a_promise_becomes(what: str, story: Story) -> None:
    happens, facts, counts = CASES[what]
    story.message(0)
    for step in happens.split("; "):
        seconds, _, name = step.partition(" ")
        if not name:
            story.until(int(seconds.rstrip("h")) * HOUR)
        elif name in ("solved", "closed", "pending"):
            story.status(int(seconds), name)
        else:
            {"reply": story.reply, "note": story.add_note, "more": story.more}[name](int(seconds))
    assert became(story) == [("open", None), *facts]
    assert {outcome: count for outcome, count in counted(story).items() if count} == counts


def test_the_time_that_is_told_is_the_one_that_counts(story: Story) -> None:
    """A message of second 31 is promised 12:00:31, told as 12:01."""
    story.message(31)
    assert story.last(PromiseFact).promised_at == story.last(AcknowledgementFact).promised_at == at(PROMISED_AT + 60)
    story.reply(PROMISED_AT + 60)
    assert became(story)[-1] == ("kept", PROMISED_AT + 60)


def test_a_reopened_ticket_has_a_promise_of_its_own(story: Story) -> None:
    story.message(0)
    story.reply(600)
    story.solve(700)
    story.more(1000, "It is broken again")
    story.until(1000 + 12 * HOUR)
    facts = story.all(PromiseFact)
    assert [(fact.episode, fact.outcome) for fact in facts] == [(1, "open"), (1, "kept"), (2, "open"), (2, "broken")]
    assert facts[-1].at == at(20 + 1000 + PROMISED_AT) + 1  # 1,000 s is 16 min 40 s: told as 17 min


def test_history_promises_nothing(tell: Callable[..., Story]) -> None:
    story = tell(imported=True)
    story.message(0)
    story.reply(12 * HOUR)
    assert story.all(PromiseFact) == []


def test_a_promise_goes_with_its_ticket_to_another_customer(merged: Town) -> None:
    merged.cluster.advance(at(12 * HOUR))
    facts = merged.facts(PromiseFact)
    newest = {(fact.ticket_id, fact.episode): fact for fact in sorted(facts, key=lambda fact: fact.version)}
    assert len(newest) == 3 and {fact.outcome for fact in newest.values()} == {"broken"}

"""When one message is tried again, and when its failure is its own and not the channel's."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from schemas.settings import SinkSettings
from sinks.delivery import retries as retries_module
from sinks.delivery.adapter import AnswerLost, ServiceUnavailable, TryLater, Undeliverable
from sinks.delivery.retries import FEWEST_OWN_FAILURES, MessageRetries

AWAY, LATER, LOST = ServiceUnavailable("421 closing"), TryLater("451 later"), AnswerLost("421 after the mail")


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = [1000.0]
    monkeypatch.setattr(retries_module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    return clock


def reason(end: float | Undeliverable) -> str:
    return end.reason if isinstance(end, Undeliverable) else ""


def test_a_lost_answer_is_tried_again_a_bounded_number_of_times() -> None:
    retries = MessageRetries(SinkSettings(delivery_answer_retries=2))
    ends = [retries.lost(LOST) for _ in range(3)]
    assert ends[:2] == [5.0, 10.0]
    assert isinstance(ends[2], Undeliverable)
    assert (ends[2].outcome, ends[2].reason, retries.attempts) == ("bounced", "answer_lost", 3)
    assert str(ends[2]) == "handed over 3 times, it may have been taken each time: 421 after the mail"


def test_nothing_is_sent_a_second_time_when_no_retry_is_allowed() -> None:
    assert reason(MessageRetries(SinkSettings(delivery_answer_retries=0)).lost(LOST)) == "answer_lost"


def test_a_server_that_is_away_is_waited_for_without_limit(now: list[float]) -> None:
    retries = MessageRetries(SinkSettings(delivery_retry_seconds=10))
    for _ in range(1000):
        assert retries.blames_channel(answered=7)
        assert retries.unavailable(AWAY) == 0.0
        now[0] += 30
    assert retries.attempts == 0


def test_an_outage_does_not_use_up_the_time_of_a_temporary_refusal(now: list[float]) -> None:
    retries = MessageRetries(SinkSettings(delivery_retry_seconds=900))
    retries.blames_channel(answered=0)
    retries.unavailable(AWAY)
    now[0] += 3600
    assert reason(retries.later(LATER)) == "", "the first refusal of a greylisting server"
    now[0] += 901
    assert reason(retries.later(LATER)) == "retries_exhausted"


def test_a_message_that_alone_fails_ends_and_blames_the_channel_once(now: list[float]) -> None:
    retries, answered, blamed, waits = MessageRetries(SinkSettings(delivery_retry_seconds=100)), 0, [], []
    while True:
        blamed.append(retries.blames_channel(answered))
        waits.append(retries.unavailable(AWAY))
        if isinstance(waits[-1], Undeliverable):
            break
        now[0] += max(waits[-1], 1.0)
        answered += 5  # others went out
    assert blamed == [True] + [False] * (len(blamed) - 1)
    assert reason(waits[-1]) == "retries_exhausted"
    assert len(blamed) > FEWEST_OWN_FAILURES


def test_it_ends_only_when_others_were_answered_since(now: list[float]) -> None:
    retries = MessageRetries(SinkSettings(delivery_retry_seconds=100))
    for answered in (0, 1, 2, 3):
        retries.blames_channel(answered)
        assert reason(retries.unavailable(AWAY)) == ""
    now[0] += 3600  # now the server is away for everybody
    retries.blames_channel(answered=3)
    assert reason(retries.unavailable(AWAY)) == ""
    retries.blames_channel(answered=4)
    assert reason(retries.unavailable(AWAY)) == "retries_exhausted"


def test_a_few_failures_by_chance_do_not_end_it(now: list[float]) -> None:
    retries = MessageRetries(SinkSettings(delivery_retry_seconds=1))
    for answered in range(FEWEST_OWN_FAILURES):
        retries.blames_channel(answered)
        assert reason(retries.unavailable(AWAY)) == ""
        now[0] += 60
    retries.blames_channel(answered=9)
    assert reason(retries.unavailable(AWAY)) == "retries_exhausted"

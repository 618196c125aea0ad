"""How soon customers are usually answered: reckoned of the facts of tickets, told by the endpoint, the form and the help pages."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.sources.reply_times import LEAST_ANSWERS, Measured, ReplyTime, ReplyTimes
from schemas import codec
from schemas.facts import ClockShare, TicketClocks
from schemas.reply_time import rounded_up
from schemas.settings import ProducerSettings, SinkSettings
from tests.conftest import Deployment
from tests.producers.test_help_pages import Site
from tests.support.sinks.deployment import Log
from tests.support.sinks.examples import example
from tests.support.timeouts import TIMEOUT_SECONDS

NOW = 1_772_445_600_000_000
HOUR, DAY = 3_600, 86_400


def ticket(number: int, seconds: float | None, *, age: float = HOUR, **fields: Any) -> TicketClocks:
    known: dict[str, Any] = {
        "ticket_id": f"ABCDEFGHIJKL-{number}", "created_at": NOW - int(age * 1e6), "channel": "form", "brand": "", "status": "open",
        "first_response_seconds": seconds, "answer_seconds": None,
    }  # fmt: skip
    return example(TicketClocks, number, **known | fields)


def measured(*facts: TicketClocks, days: float = 7) -> dict[tuple[str, str], ReplyTime]:
    found = Measured(days)
    for fact in facts:
        found.see(codec.decode(codec.encode(fact)))
    return found.of(NOW)


def test_four_of_five_were_answered_by_then() -> None:
    answered = [ticket(number, 60.0 * number) for number in range(1, 26)]
    assert measured(*answered) == {("", "form"): ReplyTime(20 * 60, 13 * 60, 25)}
    assert measured(*answered[: LEAST_ANSWERS - 1]) == {}
    assert measured(*answered, days=HOUR / 2 / DAY) == {}


def test_each_channel_and_brand_has_its_own_figures() -> None:
    form = [ticket(number, 7_000.0) for number in range(1, 21)]
    chat = [ticket(number, 9_000.0, channel="chat", brand="zen", answer_seconds=50.0) for number in range(21, 41)]
    found = measured(*form, *chat, *(ticket(number, 1.0, channel="sms") for number in range(41, 50)))
    assert {place: each.seconds for place, each in found.items()} == {("", "form"): 7_200, ("zen", "chat"): 60}


def test_who_waits_for_longer_counts_and_who_has_just_come_does_not() -> None:
    answered = [ticket(number, 300.0) for number in range(1, 31)]
    just_come = [ticket(number, None, age=20) for number in range(31, 91)]
    assert measured(*answered, *just_come)["", "form"].seconds == 300
    waiting = [ticket(number, None, age=2 * DAY, status="new") for number in range(31, 91)]
    assert measured(*answered, *waiting)["", "form"].seconds == 2 * DAY
    solved = [ticket(number, None, age=2 * DAY, status="solved") for number in range(31, 91)]
    assert measured(*answered, *solved)["", "form"].seconds == 300


def test_the_newest_version_of_a_ticket_counts() -> None:
    answered = [ticket(number, 300.0) for number in range(1, 21)]
    later = [example(TicketClocks, 100 + n, **{**{f: getattr(t, f) for f in ("ticket_id", "created_at", "channel", "brand", "status", "answer_seconds")}, "first_response_seconds": 900.0}) for n, t in enumerate(answered)]  # fmt: skip
    assert measured(*answered, *later)["", "form"].seconds == measured(*later, *answered)["", "form"].seconds == 900


@given(st.floats(0, 1e7))
def test_a_time_is_never_said_shorter_than_it_is(seconds: float) -> None:
    said = rounded_up(seconds)
    assert said is None if seconds > 7 * DAY else said is not None and seconds <= said <= max(60, 2 * seconds)


def test_a_time_beyond_a_week_is_not_said() -> None:
    assert measured(*(ticket(number, 8.0 * DAY, age=6 * DAY) for number in range(1, 31))) == {}


def test_the_time_is_said_on_the_pages_and_by_the_endpoint() -> None:
    site = Site(reply_times_days=7)
    quiet, silent = site.ask("/", "/v1/reply-times")
    assert "within" not in quiet.text and silent.json()["channels"] == {}
    shown = Site(reply_times_days=7)
    created = shown.reply_times._clock.now() - 10**9
    for number in range(1, 31):
        shown.reply_times.measured.see(ticket(number, 9_500.0, created_at=created))
    form, help_page, article, japanese, told = shown.ask(
        "/", "/help/en?q=refund", "/help/zh-Hans/stores", "/?lang=ja", "/v1/reply-times"
    )
    assert "Most messages are answered within 3 hours." in form.text and "within 3 hours" in help_page.text
    assert "3小时内得到回复" in article.text and "3 時間以内に" in japanese.text
    assert told.json()["channels"] == {"form": {"seconds": 10_800, "median_seconds": 9_500, "answers": 30}}
    [other] = shown.ask("/v1/reply-times?brand=zen")
    assert other.json()["channels"]["form"]["answers"] == 30  # no brands are configured, so that is none


class Waited(Measured):
    """Measured times that say when they have seen so many facts."""

    def __init__(self, wanted: int) -> None:
        super().__init__(7)
        self.seen, self.wanted, self.done = 0, wanted, asyncio.Event()

    def see(self, fact: TicketClocks) -> None:
        super().see(fact)
        self.seen += 1
        if self.seen == self.wanted:
            self.done.set()


@pytest.mark.stack
def test_the_figures_are_read_from_the_facts_of_clocks(deployment: Deployment) -> None:
    settings = deployment.settings(ProducerSettings, reply_times_days=7)
    now = settings.pipeline_clock.now()
    facts = [ticket(number, 9_500.0, created_at=now - 10**9) for number in range(1, 31)]
    other = example(ClockShare, 1)
    Log(deployment.settings(SinkSettings)).write([other, *facts, other])

    async def read() -> dict[tuple[str, str], ReplyTime]:
        reply_times = ReplyTimes(settings)
        measured = reply_times.measured = Waited(len(facts))
        reading = asyncio.create_task(reply_times.run())
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await measured.done.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        return measured.of(now)

    assert asyncio.run(read())["", "form"] == ReplyTime(10_800, 9_500, 30)

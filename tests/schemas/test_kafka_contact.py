"""The seconds without Kafka: from its last answer to its next, whoever notices and however often it is scraped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import metrics
from schemas.kafka_contact import KafkaContact


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Watched:
    def __init__(self, timeout_seconds: float = 0.0) -> None:
        self.clock = Clock()
        self.contact = KafkaContact(timeout_seconds, monotonic=self.clock)
        self._before = self._read()

    def _read(self) -> float:
        return metrics.KAFKA_AWAY_SECONDS._value.get()

    def away(self) -> float:
        """As a scrape reads it."""
        self.contact.count()
        return round(self._read() - self._before, 6)


def test_an_outage_counts_from_the_last_answer_to_the_next() -> None:
    watched = Watched()
    watched.contact.heard()
    watched.clock.now += 10
    watched.contact.silent()
    assert watched.away() == 10
    watched.clock.now += 42
    assert watched.away() == 52, "a scrape in the middle sees all of it"
    watched.contact.heard()
    watched.clock.now += 100
    assert watched.away() == 52


def test_an_outage_between_two_scrapes_is_not_missed() -> None:
    watched = Watched()
    watched.contact.heard()
    watched.clock.now += 2
    watched.contact.silent()
    watched.clock.now += 50
    watched.contact.heard()
    assert watched.away() == 52


def test_a_process_that_never_had_an_answer_counts_once_it_asks() -> None:
    watched = Watched()
    watched.clock.now += 60
    assert watched.away() == 0
    watched.contact.silent()
    watched.clock.now += 7
    watched.contact.silent()
    assert watched.away() == 7


@pytest.mark.parametrize(("seconds", "away"), [(14, 0), (16, 16), (300, 300)])
def test_a_call_that_blocks_is_a_silence_beyond_the_timeout(seconds: int, away: int) -> None:
    watched = Watched(timeout_seconds=15)
    watched.contact.heard()
    watched.clock.now += seconds
    assert watched.away() == away
    watched.contact.heard()
    assert watched.away() == away


@given(
    st.lists(st.tuples(st.sampled_from(["heard", "silent", "count"]), st.integers(0, 100)), max_size=40),
    st.sampled_from([0, 15]),
)
def test_it_never_counts_more_than_passed_and_never_falls(steps: list[tuple[str, int]], timeout: int) -> None:
    watched, began, before = Watched(timeout), 1000.0, 0.0
    for step, seconds in steps:
        watched.clock.now += seconds
        getattr(watched.contact, step)()
        assert before <= (before := watched.away()) <= watched.clock.now - began

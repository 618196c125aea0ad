"""Reports of presence that arrive in another order than they were said, from clocks that are wrong."""

from __future__ import annotations

from itertools import count
from random import Random

from schemas.events import PresenceChanged
from stream_processors.routing.silence import DOUBT_MICROS, MOST_LATE_MICROS
from tests.stream_processors.routing.conftest import SECOND, T0, Router

DOUBT, MOST_LATE = DOUBT_MICROS // SECOND, MOST_LATE_MICROS // SECOND


class Reports:
    """Folds what sources report of one agent: when it was said by their clock, and when it was received, in seconds."""

    def __init__(self) -> None:
        self.router, self._numbers = Router(), count()

    def report(self, said: int, received: int, status: str, source: str = "desk", capacity: int = 1) -> None:
        event = PresenceChanged(
            event_id=f"p{next(self._numbers)}",
            occurred_at=T0 + said * SECOND,
            received_at=T0 + received * SECOND,
            customer_tag="",
            source=source,
            agent_id="mei",
            team="support",
            status=status,
            capacity={"default": capacity},
            valid_seconds=100_000,
        )
        self.router.fold(event)

    @property
    def status(self) -> str:
        return self.router.states[b"tsupport"].agents["mei"].status  # type: ignore[no-any-return]


def test_the_report_that_was_said_last_counts_whatever_arrives_last() -> None:
    wrong = []
    for seed in range(150):
        chance, reports, second, said = Random(seed), Reports(), 0, list[tuple[int, int, str]]()
        skew = chance.choice((0, -600, -30, 45, 3600, -7200))
        for _ in range(12):
            second += chance.randrange(1, 60)
            status = chance.choice(("online", "away", "offline"))
            said.append((second + chance.choice((0, 0, 0, 2, 20, 50)), second, status))
        for received, second, status in sorted(said):
            reports.report(second + skew, received, status)
        if reports.status != said[-1][2]:
            wrong.append((seed, skew))
    assert wrong == []


def test_a_late_report_brings_back_no_capacity_of_before() -> None:
    reports = Reports()
    reports.report(0, 0, "online", capacity=5)
    reports.report(20, 20, "online", capacity=1)
    reports.report(10, 21, "online", capacity=5)
    agent = reports.router.states[b"tsupport"].agents["mei"]
    assert (agent.capacity, agent.reported_at) == ({"default": 1}, T0 + 21 * SECOND)


def test_clocks_of_two_sources_are_not_compared() -> None:
    reports = Reports()
    reports.report(900, 0, "online", source="a quarter of an hour ahead")
    reports.report(10, 10, "offline", source="desk")
    assert reports.status == "offline"
    reports.report(-900, 20, "online", source="a quarter of an hour behind")
    assert reports.status == "online"


def test_a_clock_that_was_set_back_is_believed_after_a_minute() -> None:
    reports = Reports()
    reports.report(0, 0, "online")
    for second in range(10, 10 + DOUBT, 10):
        reports.report(second - 600, second, "away")
        assert reports.status == "online"
    reports.report(10 + DOUBT - 600, 10 + DOUBT, "away")
    assert reports.status == "away"
    assert reports.router.states[b"tsupport"].doubted == {}
    reports.report(80 - 600 - MOST_LATE - DOUBT, 80, "online")
    assert reports.status == "online", "nobody delivers that late"

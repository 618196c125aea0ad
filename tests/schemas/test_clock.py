"""The pipeline's clock: exact microseconds, at wall speed or faster."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.clock import MICROS, Clock, from_micros, to_micros
from schemas.errors import ConfigurationError

MARCH_2_2026 = 1_772_409_600 * MICROS  # 2026-03-02T00:00:00Z


def test_the_default_clock_is_the_wall_clock() -> None:
    before = time.time_ns() // 1000
    now = Clock().now()
    assert before <= now <= time.time_ns() // 1000
    assert Clock().at(123) == 123


@pytest.mark.parametrize(
    ("speed", "wall_seconds", "pipeline_seconds"),
    [
        (60.0, 0, 0),
        (60.0, 1, 60),
        (60.0, 24 * 60, 86_400),  # at 60, a day is 24 minutes
        (60.0, -1, -60),
        (0.5, 10, 5),
        (1.0, 10, 10),  # as fast as the wall, but on another day
        (1.5, 3, 4.5),
    ],
)
def test_pipeline_time_is_the_origin_plus_wall_time_times_speed(
    speed: float, wall_seconds: int, pipeline_seconds: float
) -> None:
    wall_origin = 1_700_000_000 * MICROS
    clock = Clock(speed, MARCH_2_2026, wall_origin)
    assert clock.at(wall_origin + wall_seconds * MICROS) == MARCH_2_2026 + int(pipeline_seconds * MICROS)


def test_now_is_where_the_wall_clock_stands() -> None:
    clock = Clock(3600.0, MARCH_2_2026, time.time_ns() // 1000)
    assert 0 <= clock.now() - MARCH_2_2026 < 3600 * 60 * MICROS  # less than a minute of wall time


def test_waiting_for_a_moment_takes_fewer_wall_seconds_on_a_faster_clock() -> None:
    clock = Clock(60.0, MARCH_2_2026, time.time_ns() // 1000)
    hour_later = MARCH_2_2026 + 3600 * MICROS
    assert clock.wall_seconds_until(hour_later) == pytest.approx(60, abs=5)
    assert clock.wall_seconds_until(MARCH_2_2026 - 3600 * MICROS) == pytest.approx(-60, abs=5)


@given(
    st.floats(min_value=0, exclude_min=True, allow_infinity=False),
    st.integers(0, 2**62),
    st.integers(0, 2**62),
)
def test_what_a_clock_says_of_itself_is_read_back(speed: float, origin: int, wall_origin: int) -> None:
    clock = Clock(speed, origin, wall_origin)
    again = Clock.parse(clock.spec())
    assert again == clock or (again == Clock() and speed == 1.0 and origin == wall_origin)


@given(st.integers(0, 2**52), st.integers(0, 2**52), st.floats(0.01, 10_000))
def test_time_never_runs_backwards(first: int, second: int, speed: float) -> None:
    clock = Clock(speed, MARCH_2_2026, 1_700_000_000 * MICROS)
    early, late = sorted((first, second))
    assert clock.at(early) <= clock.at(late)


def test_the_spec_of_the_wall_clock_is_empty() -> None:
    assert Clock().spec() == ""
    assert Clock.parse("") == Clock()


@pytest.mark.parametrize(
    "spec",
    [
        "fast",
        "speed=60",
        "origin=1,wall=2",
        "origin=1,wall=2,speed=",
        "origin=1.5,wall=2,speed=60",
        "origin=2026-03-02,wall=2,speed=60",
        "origin=1,wall=2,speed=0",
        "origin=1,wall=2,speed=-60",
        "origin=1,wall=2,speed=nan",
        "origin=1,wall=2,speed=inf",
    ],
)
def test_a_bad_spec_is_refused_in_one_line_that_names_the_setting(spec: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Clock.parse(spec)
    assert str(raised.value).startswith("DESKSTREAM_CLOCK: ")
    assert "\n" not in str(raised.value)


# -- conversions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "micros"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC), -500_000),
        (datetime(2026, 3, 2, tzinfo=UTC), MARCH_2_2026),
        (datetime(2026, 3, 2, 9, 0, 0, 1, tzinfo=timezone(timedelta(hours=9))), MARCH_2_2026 + 1),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), 253_402_300_799_999_999),
    ],
)
def test_moments_and_micros_are_the_same_thing(moment: datetime, micros: int) -> None:
    assert to_micros(moment) == micros
    assert from_micros(micros) == moment
    assert from_micros(micros).tzinfo is UTC


@given(st.datetimes(timezones=st.just(UTC)))
def test_no_microsecond_is_lost_on_the_way(moment: datetime) -> None:
    assert from_micros(to_micros(moment)) == moment


def test_a_moment_without_time_zone_is_a_defect() -> None:
    with pytest.raises(TypeError):
        to_micros(datetime(2026, 3, 2))

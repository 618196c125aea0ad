"""The pipeline clock of a data directory never goes back, whatever speeds its runs have."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from deploy.local.clock_file import DAY, OPENING, ClockFile
from schemas.clock import MICROS

NOW = 1_772_443_800_000_000  # 2026-03-02T09:30:00Z
SECOND = MICROS


def test_the_first_accelerated_run_starts_when_the_shop_opens(tmp_path: Path) -> None:
    clock = ClockFile(tmp_path / "timeline.json").resume(60, NOW)
    assert clock.at(NOW) == NOW - NOW % DAY + OPENING
    assert clock.at(NOW + SECOND) - clock.at(NOW) == 60 * SECOND


def test_speed_1_is_the_wall_clock(tmp_path: Path) -> None:
    assert ClockFile(tmp_path / "timeline.json").resume(1, NOW).spec() == ""


def test_a_run_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    clock_file = ClockFile(tmp_path / "timeline.json")
    first = clock_file.resume(60, NOW)
    clock_file.keep(first, NOW + 100 * SECOND, headroom=0)
    second = clock_file.resume(60, NOW + 5000 * SECOND)
    assert second.at(NOW + 5000 * SECOND) == first.at(NOW + 100 * SECOND)


def test_the_wall_clock_waits_for_nobody_but_never_goes_back(tmp_path: Path) -> None:
    clock_file = ClockFile(tmp_path / "timeline.json")
    clock_file.keep(clock_file.resume(60, NOW, start=NOW), NOW + 3600 * SECOND, headroom=0)  # 60 hours ahead
    slow = clock_file.resume(1, NOW + 3601 * SECOND)
    assert slow.at(NOW + 3601 * SECOND) == NOW + 60 * 3600 * SECOND
    assert slow.at(NOW + 3602 * SECOND) - slow.at(NOW + 3601 * SECOND) == SECOND
    later = NOW + 90 * 3600 * SECOND  # the wall has overtaken it
    assert clock_file.resume(1, later).spec() == ""


@given(
    st.lists(
        st.tuples(st.sampled_from([1.0, 7.5, 60.0, 1440.0]), st.integers(0, 5_000), st.integers(0, 9_999)), max_size=8
    )
)
def test_time_never_goes_back(tmp_path_factory, runs) -> None:  # type: ignore[no-untyped-def]
    clock_file = ClockFile(tmp_path_factory.mktemp("timeline") / "timeline.json")
    wall, latest = NOW, 0
    for speed, seconds, pause in runs:
        clock = clock_file.resume(speed, wall)
        assert clock.at(wall) >= latest
        wall += seconds * SECOND
        clock_file.keep(clock, wall)
        latest = clock.at(wall)
        wall += pause * SECOND


def test_a_damaged_file_is_as_none(tmp_path: Path) -> None:
    path = tmp_path / "timeline.json"
    path.write_text("{")
    assert ClockFile(path).reached() == 0

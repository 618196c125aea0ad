"""The words for a promised time name the zone as it is at that very instant."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest

from schemas.clock import MICROS
from schemas.events import LOCALES
from stream_processors.text.promised_time import promised_time

LONDON = ZoneInfo("Europe/London")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * MICROS


@pytest.mark.parametrize(
    ("moment", "zone", "full", "short"),
    [
        ("2026-03-29T00:15", "", "00:15 on Sunday 29 March (Greenwich Mean Time)", "Sun 29 Mar 00:15 GMT"),
        ("2026-03-29T00:59", "", "00:59 on Sunday 29 March (Greenwich Mean Time)", "Sun 29 Mar 00:59 GMT"),
        ("2026-03-29T01:00", "", "02:00 on Sunday 29 March (British Summer Time)", "Sun 29 Mar 02:00 BST"),
        ("2026-10-25T00:30", "", "01:30 on Sunday 25 October (British Summer Time)", "Sun 25 Oct 01:30 BST"),
        ("2026-10-25T01:30", "", "01:30 on Sunday 25 October (Greenwich Mean Time)", "Sun 25 Oct 01:30 GMT"),
        ("2026-07-01T12:00", "Europe/Dublin", "13:00 on Wednesday 1 July (Irish Standard Time)", "Wed 1 Jul 13:00"),
        ("2026-01-01T12:00", "Europe/Dublin", "12:00 on Thursday 1 January (Greenwich Mean Time)", "Thu 1 Jan 12:00"),
        ("2026-03-08T06:59", "America/New_York", "01:59 on Sunday 8 March (Eastern Standard Time)", "Sun 8 Mar 01:59"),
        ("2026-03-08T07:00", "America/New_York", "03:00 on Sunday 8 March (Eastern Daylight Time)", "Sun 8 Mar 03:00"),
        (
            "2026-04-04T14:59",
            "Australia/Lord_Howe",
            "01:59 on Sunday 5 April (Lord Howe Daylight Time)",
            "Sun 5 Apr 01:59",
        ),
        (
            "2026-04-04T15:00",
            "Australia/Lord_Howe",
            "01:30 on Sunday 5 April (Lord Howe Standard Time)",
            "Sun 5 Apr 01:30",
        ),
        ("2026-02-15T01:59", "Africa/Casablanca", "02:59 on Sunday 15 February (GMT+01:00)", "Sun 15 Feb 02:59"),
        ("2026-02-15T02:00", "Africa/Casablanca", "02:00 on Sunday 15 February (GMT+00:00)", "Sun 15 Feb 02:00"),
    ],
)
def test_the_zone_has_its_name_at_the_instant_itself(moment: str, zone: str, full: str, short: str) -> None:
    assert promised_time(at(moment), zone, LONDON, "en") == (full, short)


@pytest.mark.parametrize("locale", LOCALES)
def test_one_name_of_a_zone_never_means_two_offsets(locale: str) -> None:
    """In every zone, every second month and in the hours around each of its changes in 2026."""
    offsets: dict[str, set[object]] = defaultdict(set)
    months = [int(datetime(2026, month, 1, tzinfo=UTC).timestamp()) for month in range(1, 13, 2)]
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        for second in (*months, *changes(zone, months)):
            moment = datetime.fromtimestamp(second, zone)
            words = promised_time(second * MICROS, name, LONDON, locale).full
            assert f"{moment:%H:%M}" in words
            offsets[words.replace("（", "(").rpartition("(")[2]].add(moment.utcoffset())
    assert len(offsets) > 50
    assert {name: found for name, found in offsets.items() if len(found) > 1} == {}


def changes(zone: ZoneInfo, months: list[int]) -> list[int]:
    """Returns the instants around which the clocks of a zone change: the first minute after, and the last before."""

    def offset(second: int) -> object:
        return datetime.fromtimestamp(second, zone).utcoffset()

    found = []
    for low, high in pairwise(months):
        if offset(low) == offset(high):
            continue
        while high - low > 60:
            middle = (low + high) // 120 * 60
            low, high = (middle, high) if offset(middle) == offset(low) else (low, middle)
        found += [low, high]
    return found

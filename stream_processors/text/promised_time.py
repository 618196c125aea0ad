"""Writes a promised time in words: in the customer's time zone and language, by the patterns of Babel.

Minutes round up, so that the time named is never before the one promised. The zone's name is the one of the instant
itself: on the day of a change of the clocks 00:15 GMT is not 00:15 BST. The date is formatted once per day and locale, the
zone's name once per offset; a time costs little more than putting the two together.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from babel.dates import format_date, get_timezone_gmt, get_timezone_name

from schemas.clock import MICROS

__all__ = ["PromisedTime", "promised_time"]

_MINUTE = 60 * MICROS
#: Per locale: Babel's locale, date pattern in full, date pattern in short, how they go together with time and zone.
_WORDING = {
    "en": ("en_GB", "EEEE d MMMM", "EEE d MMM", "{time} on {date} ({zone})", "{date} {time}{zone}"),
    "zh-Hans": ("zh_Hans", "M月d日EEEE", "M月d日", "{date} {time}（{zone}）", "{date}{time}{zone}"),
    "zh-Hant": ("zh_Hant", "M月d日EEEE", "M月d日", "{date} {time}（{zone}）", "{date}{time}{zone}"),
    "ja": ("ja", "M月d日(E)", "M月d日", "{date} {time}（{zone}）", "{date} {time}{zone}"),
}


class PromisedTime(NamedTuple):
    """A time in words. `full` names the time zone always, `short` only when the customer's own is unknown."""

    full: str
    short: str


def promised_time(at: int, time_zone: str, otherwise: ZoneInfo, locale: str) -> PromisedTime:
    """Returns the words for `at` (micros) in the customer's time zone, or in `otherwise` when that is unknown."""
    return _words(-(-at // _MINUTE), time_zone, otherwise, locale)


@lru_cache(maxsize=4096)
def _words(minute: int, time_zone: str, otherwise: ZoneInfo, locale: str) -> PromisedTime:
    own = _zone(time_zone)
    moment = datetime.fromtimestamp(minute * 60, UTC).astimezone(own or otherwise)
    _, _, _, full, short = _WORDING[locale]
    long_date, short_date = _dates(moment.date(), locale)
    offset = moment.utcoffset() or timedelta()
    long_zone, short_zone = _zone_names((own or otherwise).key, offset, _is_summer(moment, own or otherwise), locale)
    time = f"{moment.hour:02}:{moment.minute:02}"
    return PromisedTime(
        full.format(date=long_date, time=time, zone=long_zone),
        short.format(date=short_date, time=time, zone="" if own else f" {short_zone}"),
    )


@lru_cache(maxsize=512)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except Exception:  # not found, not a name, or not a file: all mean that the source made it up
        return None


@lru_cache(maxsize=1024)
def _dates(day: date, locale: str) -> tuple[str, str]:
    babel_locale, full, short, _, _ = _WORDING[locale]
    return format_date(day, full, locale=babel_locale), format_date(day, short, locale=babel_locale)


class _Instant(tzinfo):
    """Stands for a zone at one instant: Babel asks for its name, for the offset then and for nothing else."""

    def __init__(self, key: str, offset: timedelta) -> None:
        self.key, self._offset = key, offset

    def utcoffset(self, _: datetime | None) -> timedelta:
        return self._offset

    def dst(self, _: datetime | None) -> timedelta:
        return timedelta()

    def tzname(self, _: datetime | None) -> str:
        return self.key


@lru_cache(maxsize=2048)
def _zone_names(zone: str, offset: timedelta, is_summer: bool, locale: str) -> tuple[str, str]:
    """Returns the zone's name in full and in short, at an instant with this offset from UTC."""
    instant = datetime(2000, 1, 1, tzinfo=_Instant(zone, offset))
    babel_locale = _WORDING[locale][0]
    variant: Literal["daylight", "standard"] = "daylight" if is_summer else "standard"
    short = get_timezone_name(instant, width="short", locale=babel_locale, zone_variant=variant)
    if short[:1] in "+-":
        short = get_timezone_gmt(instant, width="long", locale=babel_locale)
    return get_timezone_name(instant, width="long", locale=babel_locale, zone_variant=variant), short


def _is_summer(moment: datetime, zone: ZoneInfo) -> bool:
    """Returns true when the clocks are ahead of winter.

    Of Ireland the time zone database says that summer is the standard and winter an hour less; Babel names it as all others.
    """
    saving = moment.dst() or timedelta()
    return not saving if _has_negative_winter(zone, moment.year) else bool(saving)


@lru_cache(maxsize=1024)
def _has_negative_winter(zone: ZoneInfo, year: int) -> bool:
    return any((datetime(year, month, 1, tzinfo=zone).dst() or timedelta()) < timedelta() for month in (1, 4, 7, 10))

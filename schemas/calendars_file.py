"""Reads `calendars.yaml`: the business calendars by name, validated with file, line and reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache, partial
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import icalendar

from schemas.calendars import Calendar, Era, Span
from schemas.yamlfile import Document, read

__all__ = ["Calendars"]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")
_FIELDS = ("name", "time_zone", "from", "to", "hours", "holidays")
_HOLIDAY_FIELDS = ("country", "subdivision", "dates", "open", "ical")
_MIDNIGHT = 86_400


@dataclass(frozen=True, slots=True)
class Calendars:
    """Holds all calendars by name; `version` is that of the content of the file and of the iCalendar files it names."""

    calendars: dict[str, Calendar]
    version: str

    def __getitem__(self, name: str) -> Calendar:
        return self.calendars[name]

    def __contains__(self, name: object) -> bool:
        return name in self.calendars

    @classmethod
    def load(cls, path: Path) -> Calendars:
        """Reads a file of calendars. Several entries of one name are its eras.

        Those without `to` follow each other in the order of their `from`. One with `to` lies over them from its first day
        to its last; where two of these hold, one within the other, the inner one counts.

        Raises:
            ConfigurationError: with file and line of the first mistake.
        """
        document = read(path)
        data = document.data
        if not isinstance(data, dict) or not isinstance(data.get("calendars"), list):
            document.refuse("holds no calendars", fix="write `calendars:` with a list")
        zones: dict[str, ZoneInfo] = {}
        eras: dict[str, dict[int, Era]] = {}
        for number, entry in enumerate(data["calendars"]):
            name, zone, era = _entry(document, number, entry)
            where = ("calendars", number)
            if zones.setdefault(name, zone) != zone:
                document.refuse(f"{name!r} was in {zones[name].key} before", *where, "time_zone", fix="use a new name")
            _check_beside(document, name, number, era, eras.setdefault(name, {}))
            eras[name][number] = era
        version = _version(document, data["calendars"])
        return cls(
            {name: Calendar(name, version, zones[name], _ranked(each.values())) for name, each in eras.items()}, version
        )


def _version(document: Document, entries: list[Any]) -> str:
    files = [name for entry in entries for name in _listed((entry.get("holidays") or {}).get("ical"))]
    if not files:
        return document.version
    digest = sha256(document.version.encode())
    for name in files:
        digest.update(sha256((document.path.parent / name).read_bytes()).digest())
    return digest.hexdigest()[:12]


def _entry(document: Document, number: int, entry: Any) -> tuple[str, ZoneInfo, Era]:
    where = ("calendars", number)
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        document.refuse("a calendar needs a name", *where)
    document.known(entry, _FIELDS, *where)
    try:
        zone = ZoneInfo(entry["time_zone"])
    except Exception:  # a missing key, a name that is no name, or a zone that does not exist
        document.refuse(
            f"{entry.get('time_zone')!r} is not a time zone", *where, "time_zone", fix="use an IANA name: Asia/Tokyo"
        )
    first = _day(document, entry, *where, key="from", otherwise=date.min)
    last = _day(document, entry, *where, key="to", otherwise=date.max)
    if last < first:
        document.refuse(f"ends on {last}, before it begins", *where, "to", fix="`to` is the last day that it holds for")
    week = _week(document, entry.get("hours"), *where, "hours")
    is_holiday = _holidays(document, entry.get("holidays") or {}, *where, "holidays")
    inherits = last < date.max and "holidays" not in entry
    return entry["name"], zone, Era(first, week, None if inherits else is_holiday, last)


def _day(document: Document, entry: dict[str, Any], *where: str | int, key: str, otherwise: date) -> date:
    day = entry.get(key, otherwise)
    if type(day) is not date:
        document.refuse(f"{day!r} is not a day", *where, key, fix="write for example 2027-01-01")
    return day


# -- eras of one name ---------------------------------------------------------------------------------------------


def _check_beside(document: Document, name: str, number: int, era: Era, others: dict[int, Era]) -> None:
    """Refuses an era that another of the same name contradicts: it must be clear which of two counts on a day."""
    for place, other in others.items():
        if (other.last < date.max) is not (era.last < date.max):
            continue  # hours with an end lie over those without
        line = document.line("calendars", place)
        if era.last == date.max and other.first >= era.first:
            document.refuse(
                f"{name!r} is there already from {other.first} on (line {line})",
                *("calendars", number),
                fix="give a later `from`, or a `to` after which what held before holds again",
            )
        if era.last < date.max and _cross(era, other):
            document.refuse(
                f"{name!r} has other hours on some of these days, {_days_of(other)} (line {line})",
                *("calendars", number),
                fix="let them end before these begin, or one of them lie within the other, where it counts",
            )


def _days_of(era: Era) -> str:
    return f"{era.first} to {era.last}" if era.first > date.min else f"until {era.last}"


def _cross(one: Era, other: Era) -> bool:
    """Returns true when two eras share days and neither lies within the other."""
    if one.last < other.first or other.last < one.first:
        return False
    within = one.first >= other.first and one.last <= other.last
    around = one.first <= other.first and one.last >= other.last
    return within is around


def _ranked(eras: Iterable[Era]) -> tuple[Era, ...]:
    """Returns the eras in the order in which one lies over the other: without an end by their first day, then the shorter the later."""
    return tuple(sorted(eras, key=lambda era: (era.last < date.max, _rank(era))))


def _rank(era: Era) -> int:
    return era.first.toordinal() if era.last == date.max else era.first.toordinal() - era.last.toordinal()


# -- hours --------------------------------------------------------------------------------------------------------


def _week(document: Document, hours: Any, *where: str | int) -> tuple[tuple[Span, ...], ...]:
    if hours == "always":
        return (((0, _MIDNIGHT),),) * 7
    if not isinstance(hours, dict) or not hours:
        document.refuse("has no hours", *where, fix="write `hours: {mon-fri: 09:00-18:00}` or `hours: always`")
    week: list[tuple[Span, ...]] = [()] * 7
    given: set[int] = set()
    for days, spans in hours.items():
        parsed = _spans(document, spans, *where, str(days))
        for day in _days(document, days, *where):
            if day in given:
                document.refuse(f"{DAYS[day]} is given twice", *where, str(days))
            given.add(day)
            week[day] = parsed
    return tuple(week)


def _days(document: Document, text: Any, *where: str | int) -> list[int]:
    first, _, last = str(text).partition("-")
    if first not in DAYS or (last and last not in DAYS):
        document.refuse(f"{text!r} is not a day or a range of days", *where, str(text), fix="write mon, or mon-fri")
    start, end = DAYS.index(first), DAYS.index(last or first)
    return [day % 7 for day in range(start, end + 1 if end >= start else end + 8)]


def _spans(document: Document, value: Any, *where: str | int) -> tuple[Span, ...]:
    texts = value if isinstance(value, list) else [value] if value else []
    spans = sorted(_span(document, text, *where) for text in texts)
    for (_, end), (start, _) in pairwise(spans):
        if start < end:
            document.refuse("two spans overlap", *where)
    return tuple(spans)


def _span(document: Document, text: Any, *where: str | int) -> Span:
    match = _SPAN.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        document.refuse(
            f"{text!r} is not a span of time", *where, fix='write "09:00-18:00", or "22:00-06:00" over midnight'
        )
    start, end = int(match[1]) * 3600 + int(match[2]) * 60, int(match[3]) * 3600 + int(match[4]) * 60
    if start == end or end > _MIDNIGHT:
        document.refuse(f"{text!r} is not a span of time", *where, fix='the whole day is "00:00-24:00"')
    return start, end if end > start else end + _MIDNIGHT


# -- holidays -----------------------------------------------------------------------------------------------------


def _holidays(document: Document, data: Any, *where: str | int) -> Callable[[date], bool]:
    if not isinstance(data, dict):
        document.refuse("`holidays` is not a mapping", *where, fix="write `holidays: {country: JP}`")
    document.known(data, _HOLIDAY_FIELDS, *where)
    extra, still_open = _dates(document, data, "dates", *where), _dates(document, data, "open", *where)
    for number, file in enumerate(_listed(data.get("ical"))):
        extra |= _ical(document, file, *where, "ical", number)
    of_year = _country(document, data, *where) if "country" in data else None
    return partial(_is_holiday, extra=frozenset(extra), still_open=frozenset(still_open), of_year=of_year)


def _is_holiday(
    day: date, *, extra: frozenset[date], still_open: frozenset[date], of_year: Callable[[int], frozenset[date]] | None
) -> bool:
    if day in still_open:
        return False
    return day in extra or (of_year is not None and day in of_year(day.year))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _dates(document: Document, data: dict[str, Any], name: str, *where: str | int) -> set[date]:
    dates = _listed(data.get(name))
    for number, each in enumerate(dates):
        if type(each) is not date:
            document.refuse(f"{each!r} is not a day", *where, name, number, fix="write for example 2026-12-24")
    return set(dates)


def _country(document: Document, data: dict[str, Any], *where: str | int) -> Callable[[int], frozenset[date]]:
    country, subdivision = data["country"], data.get("subdivision")
    try:
        holidays.country_holidays(country, subdiv=subdivision, years=2026)
    except Exception:  # NotImplementedError for both; TypeError for what is no text
        key = "subdivision" if subdivision and country in holidays.list_supported_countries() else "country"
        document.refuse(
            f"no holidays are known for {data[key]!r}",
            *where,
            key,
            fix="use an ISO 3166 code such as JP, or list `dates`",
        )

    @cache
    def of_year(year: int) -> frozenset[date]:
        return frozenset(holidays.country_holidays(country, subdiv=subdivision, years=year))

    return of_year


def _ical(document: Document, file: Any, *where: str | int) -> set[date]:
    """Returns the days of all events of an iCalendar file beside this one. An event's DTEND is the day after its last."""
    path = document.path.parent / str(file)
    if not isinstance(file, str) or Path(file).is_absolute() or ".." in Path(file).parts:
        document.refuse(f"{file!r} is not beside this file", *where, fix="put the iCalendar file into this directory")
    try:
        events = icalendar.Calendar.from_ical(path.read_bytes()).walk("VEVENT")
        days: set[date] = set()
        for event in events:
            if "RRULE" in event:
                raise ValueError(f"{event.get('SUMMARY', 'an event')} repeats; list its days instead")
            first = _day_in(event.decoded("DTSTART"))
            last = _day_in(event.decoded("DTEND")) if "DTEND" in event else date.fromordinal(first.toordinal() + 1)
            days |= {
                date.fromordinal(each)
                for each in range(first.toordinal(), max(last.toordinal(), first.toordinal() + 1))
            }
    except OSError as error:
        document.refuse(f"{path.name} cannot be read: {error.strerror}", *where)
    except Exception as error:  # the library raises many kinds for a file that is no calendar
        document.refuse(f"{path.name} is not an iCalendar file: {error}", *where)
    return days


def _day_in(value: Any) -> date:
    return value.date() if hasattr(value, "date") else value  # type: ignore[no-any-return]

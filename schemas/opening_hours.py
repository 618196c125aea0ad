"""Says the hours of a business calendar in words: when we are there, whether we are now, and on which days we are not. Pure.

The contact form, the help pages, the chat window, the endpoint and the acknowledgements say them alike. Times are those of the
calendar's zone, which is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple
from zoneinfo import ZoneInfo

from babel.dates import format_date, get_day_names, get_timezone_name

from schemas.calendars import Calendar, NeverOpen, Span
from schemas.clock import MICROS

__all__ = ["CLOSURE_DAYS", "OpeningHours", "closures", "opening_hours", "said_week"]

#: So many days ahead holidays and other hours are named.
CLOSURE_DAYS = 21
_DAY = 86_400
_WHOLE_DAY: Span = (0, _DAY)
#: More single days than these make no notice that somebody reads.
_MOST_CLOSURES = 6
_FAR_DAYS = 7


class _Wording(NamedTuple):
    """The words of a language. `days`: from one day to another; `between`: of two spans of a day; `groups`: of two lists of days."""

    babel: str
    day: str
    date: str
    days: str
    span: str
    between: str
    groups: str
    dates: str
    whole_day: str
    always: str
    week: str
    open_always: str
    open_until: str
    opens_today: str
    opens_on: str
    opens_on_date: str
    closed: str
    closures: str


_WORDS = {
    "en": _Wording(
        babel="en_GB", day="abbreviated", date="EEE d MMMM", days="{0}–{1}", span="{0}–{1}", between=" and ", groups=", ", dates=", ",
        whole_day="24 hours", always="24 hours a day, 7 days a week", week="{days} {spans}",
        open_always="We are here now.", open_until="We are here now, until {time}.",
        opens_today="We are closed now, and open today at {time}.",
        opens_on="We are closed now, and open on {day} at {time}.",
        opens_on_date="We are closed now, and open on {date} at {time}.",
        closed="We are closed now.", closures="Closed: {dates}.",
    ),
    "zh-Hans": _Wording(
        babel="zh_Hans", day="abbreviated", date="M月d日EEE", days="{0}至{1}", span="{0}–{1}", between="、", groups="；", dates="、",
        whole_day="全天", always="每天 24 小时", week="{days} {spans}",
        open_always="现在是服务时间。", open_until="现在是服务时间，服务至 {time}。",
        opens_today="现在不在服务时间，今天 {time} 开始服务。",
        opens_on="现在不在服务时间，{day} {time} 开始服务。",
        opens_on_date="现在不在服务时间，{date} {time} 开始服务。",
        closed="现在不在服务时间。", closures="休息日：{dates}。",
    ),
    "zh-Hant": _Wording(
        babel="zh_Hant", day="abbreviated", date="M月d日EEE", days="{0}至{1}", span="{0}–{1}", between="、", groups="；", dates="、",
        whole_day="全天", always="每天 24 小時", week="{days} {spans}",
        open_always="現在是服務時間。", open_until="現在是服務時間，服務至 {time}。",
        opens_today="現在不在服務時間，今天 {time} 開始服務。",
        opens_on="現在不在服務時間，{day} {time} 開始服務。",
        opens_on_date="現在不在服務時間，{date} {time} 開始服務。",
        closed="現在不在服務時間。", closures="休息日：{dates}。",
    ),
    "ja": _Wording(
        babel="ja", day="wide", date="M月d日(E)", days="{0}から{1}", span="{0}〜{1}", between="、", groups="／", dates="、",
        whole_day="24 時間", always="毎日 24 時間", week="{days} {spans}",
        open_always="ただいま受付時間内です。", open_until="ただいま受付時間内です（{time} まで）。",
        opens_today="ただいま受付時間外です。本日 {time} に再開します。",
        opens_on="ただいま受付時間外です。{day} {time} に再開します。",
        opens_on_date="ただいま受付時間外です。{date} {time} に再開します。",
        closed="ただいま受付時間外です。", closures="休業日：{dates}。",
    ),
}  # fmt: skip


class OpeningHours(NamedTuple):
    """Holds the hours in words.

    week    `Mon–Fri 09:00–18:00 (United Kingdom Time)`; '' when no hours hold today
    now     a sentence: whether we are here now, and from or until when
    closed  a sentence that names the next holidays; '' for none
    """

    week: str
    now: str
    closed: str

    @property
    def notice(self) -> str:
        """What is said of it besides the week, in one line; languages without spaces between sentences have none."""
        joint = " " if self.now.isascii() else ""
        return joint.join(filter(None, (self.now, self.closed)))


def opening_hours(calendar: Calendar, at: int, locale: str) -> OpeningHours:
    """Returns the hours of a calendar as they are at a moment (micros), in one of our languages."""
    return OpeningHours(said_week(calendar, at, locale), _now(calendar, at, locale), _closed(calendar, at, locale))


def closures(calendar: Calendar, at: int, days: int = CLOSURE_DAYS) -> list[date]:
    """Returns the next local days on which we are closed although the hours of their weekday say otherwise, today included."""
    today = _local(calendar, at).date()
    ahead = (today + timedelta(days=number) for number in range(days))
    return [day for day in ahead if calendar.week_on(day)[day.weekday()] and not calendar.hours_on(day)]


def said_week(calendar: Calendar, at: int, locale: str) -> str:
    """Returns the hours of the week that hold at a moment, with the zone they are meant in; '' when there are none."""
    week = calendar.week_on(_local(calendar, at).date())
    said = _week(week, locale)
    if not said or all(spans == (_WHOLE_DAY,) for spans in week):
        return said
    zone = _zone(calendar.zone.key, locale)
    return f"{said} ({zone})" if locale == "en" else f"{said}（{zone}）"


def _closed(calendar: Calendar, at: int, locale: str) -> str:
    words, days = _WORDS[locale], closures(calendar, at)[:_MOST_CLOSURES]
    said = words.dates.join(format_date(day, words.date, locale=words.babel) for day in days)
    return words.closures.format(dates=said) if said else ""


def _now(calendar: Calendar, at: int, locale: str) -> str:
    words, now = _WORDS[locale], _local(calendar, at)
    if calendar.is_open(at):
        end = calendar.closes_at(at)
        if end is None or end - at > _DAY * MICROS:
            return words.open_always
        return words.open_until.format(time=_time(_local(calendar, end)))
    try:
        opens = _local(calendar, calendar.opens_at(at))
    except NeverOpen:
        return words.closed
    days = (opens.date() - now.date()).days
    said = words.opens_today if not days else words.opens_on if days < _FAR_DAYS else words.opens_on_date
    day = _day_names("wide", locale)[opens.weekday()]
    return said.format(time=_time(opens), day=day, date=format_date(opens.date(), words.date, locale=words.babel))


def _local(calendar: Calendar, at: int) -> datetime:
    return datetime.fromtimestamp(at // MICROS, UTC).astimezone(calendar.zone)


def _time(moment: datetime) -> str:
    return f"{moment.hour:02}:{moment.minute:02}"


@lru_cache(maxsize=256)
def _week(week: tuple[tuple[Span, ...], ...], locale: str) -> str:
    words = _WORDS[locale]
    if all(spans == (_WHOLE_DAY,) for spans in week):
        return words.always
    groups = []
    for spans, same in groupby(range(7), key=lambda day: week[day]):
        days = list(same)
        if spans:
            said = words.between.join(_span(each, words) for each in spans)
            groups.append(words.week.format(days=_days(days, locale), spans=said))
    return words.groups.join(groups)


def _days(days: Sequence[int], locale: str) -> str:
    words = _WORDS[locale]
    names = _day_names(words.day, locale)
    return names[days[0]] if len(days) == 1 else words.days.format(names[days[0]], names[days[-1]])


def _span(span: Span, words: _Wording) -> str:
    if span == _WHOLE_DAY:
        return words.whole_day
    start, end = span
    return words.span.format(_clock(start), _clock(end if end <= _DAY else end - _DAY))


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds % 3600 // 60:02}"


@lru_cache(maxsize=16)
def _day_names(width: str, locale: str) -> tuple[str, ...]:
    names = get_day_names(width, locale=_WORDS[locale].babel)  # type: ignore[arg-type]
    return tuple(names[day] for day in range(7))


@lru_cache(maxsize=256)
def _zone(key: str, locale: str) -> str:
    """Returns the name of a zone that holds in summer and winter."""
    if key in ("UTC", "Etc/UTC", "GMT", "Etc/GMT"):
        return "UTC"
    return get_timezone_name(ZoneInfo(key), width="long", locale=_WORDS[locale].babel)

"""Our hours in words, as form, help pages, chat window, endpoint and acknowledgements say them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import yaml

from schemas.calendars import Calendar, Era
from schemas.calendars_file import Calendars
from schemas.clock import MICROS
from schemas.events import LOCALES
from schemas.opening_hours import closures, opening_hours
from tests.support.each import each

HOUR = 3600 * MICROS


def calendar(tmp_path: Path, hours: object, zone: str = "Europe/London", **fields: object) -> Calendar:
    file = tmp_path / "calendars.yaml"
    entry = {"name": "office", "time_zone": zone, "hours": hours, **fields}
    file.write_text(yaml.safe_dump({"calendars": [entry]}), "utf-8")
    return Calendars.load(file)["office"]


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * MICROS


OFFICE = {"mon-fri": "09:00-18:00"}
SAID = (
    (OFFICE, "Europe/London", "2026-12-03T10:00", "en", "Mon–Fri 09:00–18:00 (United Kingdom Time)", "We are here now, until 18:00."),
    (OFFICE, "Europe/London", "2026-12-03T18:00", "en", "", "We are closed now, and open on Friday at 09:00."),
    (OFFICE, "Europe/London", "2026-12-03T08:59", "en", "", "We are closed now, and open today at 09:00."),
    (OFFICE, "Europe/London", "2026-07-03T08:30", "en", "", "We are here now, until 18:00."),
    (OFFICE, "Asia/Tokyo", "2026-12-03T23:30", "ja", "月曜日から金曜日 09:00〜18:00（日本時間）", "ただいま受付時間外です。本日 09:00 に再開します。"),
    (OFFICE, "Asia/Shanghai", "2026-12-05T02:00", "zh-Hans", "周一至周五 09:00–18:00（中国时间）", "现在不在服务时间，星期一 09:00 开始服务。"),
    (OFFICE, "Asia/Taipei", "2026-12-05T02:00", "zh-Hant", "週一至週五 09:00–18:00（台北時間）", "現在不在服務時間，星期一 09:00 開始服務。"),
    ("always", "UTC", "2026-12-05T02:00", "en", "24 hours a day, 7 days a week", "We are here now."),
    ({"fri-sat": "22:00-02:00"}, "UTC", "2026-12-05T01:00", "en", "Fri–Sat 22:00–02:00 (UTC)", "We are here now, until 02:00."),
    ({"mon": ["09:00-12:00", "13:00-17:30"], "wed": "09:00-12:00", "sun": "00:00-24:00"}, "UTC", "2026-12-07T12:30", "en",
     "Mon 09:00–12:00 and 13:00–17:30, Wed 09:00–12:00, Sun 24 hours (UTC)", "We are closed now, and open today at 13:00."),
)  # fmt: skip


@each("hours, zone, moment, locale, week, now", SAID)
def test_the_hours_are_said(
    tmp_path: Path, hours: object, zone: str, moment: str, locale: str, week: str, now: str
) -> None:
    said = opening_hours(calendar(tmp_path, hours, zone), at(moment), locale)
    assert said.now == now and week in ("", said.week)


def test_holidays_and_far_openings_are_said_with_their_date(tmp_path: Path) -> None:
    england = calendar(tmp_path, OFFICE, holidays={"country": "GB", "subdivision": "ENG"})
    assert closures(england, at("2026-12-20T10:00")) == [date(2026, 12, 25), date(2026, 12, 28), date(2027, 1, 1)]
    said = opening_hours(england, at("2026-12-24T19:00"), "en")
    assert said.now == "We are closed now, and open on Tuesday at 09:00."
    assert said.closed == "Closed: Fri 25 December, Mon 28 December, Fri 1 January."
    days = [date(2026, 8, 3) + timedelta(days=number) for number in range(12)]
    shut = calendar(tmp_path, OFFICE, holidays={"dates": days})
    assert opening_hours(shut, at("2026-08-03T10:00"), "en").now.endswith("open on Mon 17 August at 09:00.")


def test_hours_that_change_are_said_as_they_are_on_the_day(tmp_path: Path) -> None:
    file = tmp_path / "calendars.yaml"
    zone = "time_zone: Europe/London"
    file.write_text(
        f'calendars:\n- {{name: office, {zone}, hours: {{mon-fri: "09:00-18:00"}}}}\n'
        f'- {{name: office, {zone}, from: 2027-07-01, to: 2027-08-31, hours: {{mon-thu: "08:00-15:00"}}}}\n'
    )
    office = Calendars.load(file)["office"]
    weeks = [
        opening_hours(office, at(day), "en").week
        for day in ("2027-06-30T12:00", "2027-07-01T12:00", "2027-09-01T12:00")
    ]
    assert [week.partition(" (")[0] for week in weeks] == [
        "Mon–Fri 09:00–18:00",
        "Mon–Thu 08:00–15:00",
        "Mon–Fri 09:00–18:00",
    ]


def test_who_never_opens_again_says_no_time() -> None:
    closed = Calendar("gone", "", ZoneInfo("UTC"), (Era(date.min, ((),) * 7, None),))
    for locale in LOCALES:
        said = opening_hours(closed, at("2026-12-05T02:00"), locale)
        assert said.week == "" and said.now and not re.search(r"\d", said.now)


def test_each_hour_of_a_year_says_what_the_calendar_says(tmp_path: Path) -> None:
    """Whatever is said of "now" is what `is_open` says, and the time named is on the clock of the zone when it changes."""
    wrong = []
    for zone in ("Europe/London", "America/St_Johns", "Australia/Lord_Howe"):
        office = calendar(tmp_path, {"mon-thu": ["09:00-12:30", "13:15-18:00"], "sat": "22:00-02:00"}, zone)
        for hour in range(0, 366 * 24, 37):
            moment = at("2026-01-01T00:20") + hour * HOUR
            is_open = office.is_open(moment)
            change = office.closes_at(moment) if is_open else office.opens_at(moment)
            assert change is not None
            clock = datetime.fromtimestamp(change / MICROS, office.zone).strftime("%H:%M")
            for locale in LOCALES:
                said = opening_hours(office, moment, locale).now
                if clock not in said or office.is_open(change) is is_open:
                    wrong.append((zone, locale, moment, said))
    assert not wrong

"""Reckons the people that each team needs in each hour of a week, from the work of the last weeks. Pure.

Live contacts (calls, chats) need people while they come; each channel by Erlang A, with the handle time, patience and mean
arrivals of that hour. Written work may wait until its target, so it is spread over the hours in which the team works. Both are
added: what people answer in writing between two calls makes the plan a little too safe.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sinks.staffing.backlog import spread
from sinks.staffing.erlang import Load, people_needed, service

__all__ = ["HOURS", "Demand", "Need", "Opening", "Targets", "week"]

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HOURS = 24 * len(DAYS)


class Demand(NamedTuple):
    """A row of the view `demand_by_hour`: the work of one hour, team and channel. `hour` is an instant."""

    hour: datetime
    team: str
    channel: str
    live: bool
    contacts: float
    answered: float
    abandoned: float
    wait_seconds_sum: float
    handled: float
    handle_seconds_sum: float


class Targets(NamedTuple):
    """The service that the plan is made for.

    answer_seconds  within which `share` of calls and chats are answered by a person
    reply_hours     working hours within which written contacts are answered
    at_once         channel → conversations that a person has at once; 1 for those left out
    productive      share of paid time in which people are at their desk
    """

    answer_seconds: float = 60.0
    share: float = 0.8
    reply_hours: int = 8
    at_once: Mapping[str, int] = {"chat": 3}
    productive: float = 0.85


class Opening(NamedTuple):
    """The hours in which written work is done: `days` counts from Monday, 0; `ends` is exclusive."""

    days: frozenset[int] = frozenset(range(5))
    begins: int = 9
    ends: int = 18

    def holds(self, hour: int) -> bool:
        """Returns true for an hour of the week, counted from Monday 00:00, in which the team works."""
        return hour // 24 in self.days and self.begins <= hour % 24 < self.ends


class Need(NamedTuple):
    """The people that a team needs in one hour of the week (0 is Monday 00:00).

    live, written  people in conversations, and people who write, before absences
    people         whole people on shift, absences included
    in_target      expected share of calls and chats answered in time with them; None where none come
    """

    team: str
    hour: int
    live: int
    written: float
    people: int
    in_target: float | None


class _Channel:
    """Sums up one channel of one team: averages over all hours, and mean arrivals per hour of the week."""

    def __init__(self) -> None:
        self.contacts = self.abandoned = self.waited = self.handled = self.busy = 0.0
        self.by_hour = [0.0] * HOURS

    def add(self, row: Demand, hour: int, seen: int) -> None:
        self.contacts += row.contacts
        self.abandoned += row.abandoned
        self.waited += row.wait_seconds_sum
        self.handled += row.handled
        self.busy += row.handle_seconds_sum
        self.by_hour[hour] += row.contacts / seen

    def load(self, hour: int) -> Load:
        """Returns the conversations of an hour. The mean patience is all waiting per customer who gave up."""
        gives_up = self.waited / self.abandoned if self.abandoned and self.waited else None
        return Load(self.by_hour[hour], self.busy / self.handled if self.handled else 0.0, gives_up)


def week(rows: Sequence[Demand], zone: ZoneInfo, targets: Targets, opening: Opening) -> tuple[list[Need], list[str]]:
    """Returns what each team needs in each hour of a week, and what the figures do not tell.

    Args:
        rows: the work of a time; it lasts from the first of their hours to the last.
        zone: the zone of the week's hours.
        targets: the service that is wanted.
        opening: when written work is done.
    """
    seen = _times_seen(rows, zone)
    live: dict[str, dict[str, _Channel]] = defaultdict(lambda: defaultdict(_Channel))
    written: dict[str, dict[str, _Channel]] = defaultdict(lambda: defaultdict(_Channel))
    for row in rows:
        hour = _hour_of_week(row.hour, zone)
        (live if row.live else written)[row.team][row.channel].add(row, hour, seen[hour])
    missing = (
        []
        if len(seen) == HOURS
        else [f"only {len(seen)} of the {HOURS} hours of a week were seen; nobody is planned for the others"]
    )
    needs: list[Need] = []
    for team in sorted(live.keys() | written.keys()):
        write = _written(team, written[team], targets, opening, missing)
        channels = _with_handle_times(team, live[team], missing)
        needs += (_need(team, hour, channels, write[hour], targets) for hour in range(HOURS))
    return needs, missing


def _times_seen(rows: Sequence[Demand], zone: ZoneInfo) -> Counter[int]:
    """Returns how often the rows saw each hour of the week, with the hours in which nothing came."""
    if not rows:
        return Counter()
    first, last = min(row.hour for row in rows), max(row.hour for row in rows)
    hours = round((last - first) / timedelta(hours=1)) + 1
    return Counter(_hour_of_week(first + timedelta(hours=number), zone) for number in range(hours))


def _need(team: str, hour: int, channels: Mapping[str, _Channel], write: float, targets: Targets) -> Need:
    people, in_target, came = 0, 0.0, 0.0
    for name, channel in channels.items():
        load, at_once = channel.load(hour), targets.at_once.get(name, 1)
        lines = people_needed(load, targets.answer_seconds, targets.share)
        needed = math.ceil(lines / at_once)
        people += needed
        in_target += service(load, needed * at_once, targets.answer_seconds).in_target * load.per_hour
        came += load.per_hour
    whole = math.ceil(round((people + write) / targets.productive, 6))
    return Need(team, hour, people, write, whole, in_target / came if came else None)


def _with_handle_times(team: str, channels: Mapping[str, _Channel], missing: list[str]) -> dict[str, _Channel]:
    for name, channel in channels.items():
        if channel.contacts and not channel.busy:
            missing.append(
                f"{team}, {name}: nobody's handle time is known, so its {channel.contacts:.0f} contacts are left out"
            )
    return {name: channel for name, channel in sorted(channels.items()) if channel.busy}


def _written(
    team: str, channels: Mapping[str, _Channel], targets: Targets, opening: Opening, missing: list[str]
) -> list[float]:
    """Returns the people who write in each hour of the week."""
    open_hours = [hour for hour in range(HOURS) if opening.holds(hour)]
    people = [0.0] * HOURS
    work = [0.0] * HOURS  # hours of work that come in each hour of the week
    for channel in _with_handle_times(team, channels, missing).values():
        per_contact = channel.busy / 3600 / channel.contacts if channel.contacts else 0.0
        work = [before + contacts * per_contact for before, contacts in zip(work, channel.by_hour, strict=True)]
    for hour, hours_of_work in zip(
        open_hours, spread(_in_open_hours(work, open_hours), targets.reply_hours), strict=True
    ):
        people[hour] = hours_of_work
    return people


def _in_open_hours(work: Sequence[float], open_hours: Sequence[int]) -> list[float]:
    """Returns the work by working hour: what comes when nobody works is there in the next one."""
    waiting = [0.0] * len(open_hours)
    for hour, amount in enumerate(work):
        waiting[next((place for place, each in enumerate(open_hours) if each >= hour), 0)] += amount
    return waiting


def _hour_of_week(at: datetime, zone: ZoneInfo) -> int:
    local = (at + timedelta(minutes=30)).astimezone(zone)  # the middle: zones off by half an hour share an hour of ours
    return local.weekday() * 24 + local.hour

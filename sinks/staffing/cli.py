"""The command `python -m sinks staffing`: people per team and hour, as a table, rows or a picture."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from clickhouse_connect.driver.client import Client
from rich.table import Table as Grid

from schemas.errors import ConfigurationError
from schemas.settings import SinkSettings, load
from schemas.terminal import out, save, say
from sinks.clickhouse import connection
from sinks.staffing.picture import svg
from sinks.staffing.plan import DAYS, Demand, Need, Opening, Targets, week

__all__ = ["staffing"]

_OPENING = re.compile(r"(?:(\w{3})(?:-(\w{3}))? +)?(\d{1,2})(?::00)?-(\d{1,2})(?::00)?")
#: Whole weeks up to the newest contact: with a simulated clock that is not the present.
_DEMAND = """
WITH (SELECT max(hour) FROM demand_by_hour) AS newest
SELECT hour, team, channel, live, sum(contacts), sum(answered), sum(abandoned), sum(wait_seconds_sum), sum(handled),
    sum(handle_seconds_sum)
FROM demand_by_hour
WHERE hour > newest - INTERVAL {weeks:UInt32} WEEK
GROUP BY hour, team, channel, live
"""


def staffing(
    weeks: Annotated[int, typer.Option(min=1, max=52, help="look at so many weeks before the newest contact")] = 4,
    answer_within: Annotated[int, typer.Option(min=0, help="seconds within which calls and chats are answered")] = 60,
    share: Annotated[int, typer.Option(min=1, max=99, help="per cent of them that are")] = 80,
    reply_within: Annotated[
        int, typer.Option(min=1, help="working hours within which what is written is answered")
    ] = 8,
    chats: Annotated[int, typer.Option(min=1, help="chats that a person has at once")] = 3,
    productive: Annotated[
        int, typer.Option(min=1, max=100, help="per cent of a shift that people are at their desk")
    ] = 85,
    opening: Annotated[str, typer.Option("--open", help="when written work is done: `Mon-Fri 9-18`")] = "Mon-Fri 9-18",
    zone: Annotated[str, typer.Option("--time-zone", help="zone of all hours")] = "UTC",
    fmt: Annotated[str, typer.Option("--format", "-f", help="table, or json (one object a line)")] = "table",
    picture: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="also write a picture")] = None,
) -> None:
    """Says how many people each team needs, hour by hour of a week, for the work that came in the last weeks.

    Calls and chats: Erlang A with the measured handle time and patience of each channel. What is written: its measured
    work (views handle_times, demand_by_hour), spread over the working hours so that it is answered in time.

    Example: python -m sinks staffing --time-zone Europe/London --answer-within 20 --svg staffing.svg
    """
    if fmt not in ("table", "json"):
        raise ConfigurationError(f"there is no format {fmt!r}", where="--format", fix="table or json")
    hours, place = _opening(opening), _zone(zone)
    targets = Targets(answer_within, share / 100, reply_within, {"chat": chats}, productive / 100)
    rows = _demand(connection.connect(load(SinkSettings)), weeks)
    if not rows:
        say("no contacts yet: nobody is needed; `python -m sinks query` shows what ClickHouse holds")
        return
    needs, missing = week(rows, place, targets, hours)
    if picture is not None:
        save(picture, svg(needs, f"People needed ({zone})"))
    if fmt == "json":
        for need in needs:
            print(json.dumps(_row(need)))
    else:
        for team, of_team in groupby(needs, key=lambda need: need.team):
            out().print(_grid(team, list(of_team)))
    for line in missing:
        say(line)


def _demand(client: Client, weeks: int) -> list[Demand]:
    with connection.reading_views():
        return [Demand(*row) for row in client.query(_DEMAND, parameters={"weeks": weeks}).result_rows]


def _row(need: Need) -> dict[str, object]:
    placed = {"team": need.team, "weekday": DAYS[need.hour // 24], "hour": need.hour % 24}
    return placed | {
        "people": need.people,
        "live": need.live,
        "written": round(need.written, 3),
        "in_target": need.in_target,
    }


def _grid(team: str, needs: Sequence[Need]) -> Grid:
    """Returns a week: a row per hour in which anybody is needed, a column per day."""
    paid = sum(need.people for need in needs)
    grid = Grid(title=f"{team}: {paid} hours a week", title_justify="left", show_edge=False, header_style="bold")
    for name in ("hour", *DAYS):
        grid.add_column(name, justify="right")
    for hour in range(24):
        people = [needs[day * 24 + hour].people for day in range(len(DAYS))]
        if any(people):
            grid.add_row(f"{hour}:00", *(str(each or "") for each in people))
    return grid


def _opening(text: str) -> Opening:
    match = _OPENING.fullmatch(text.strip())
    names = [name.lower() for name in DAYS]
    days = [each.lower() for each in (match[1] or "mon", match[2] or match[1] or "sun")] if match else []
    if match is None or not set(days) <= set(names) or not int(match[3]) < int(match[4]) <= 24:
        raise ConfigurationError(f"{text!r} names no working hours", where="--open", fix='for example "Mon-Fri 9-18"')
    first, last = (names.index(each) for each in days)
    if last < first:
        last += len(names)
    return Opening(frozenset(day % 7 for day in range(first, last + 1)), int(match[3]), int(match[4]))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ConfigurationError(
            f"there is no time zone {name!r}", where="--time-zone", fix="for example Europe/London"
        ) from error

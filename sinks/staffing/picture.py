"""Draws the week of each team as one SVG: a square per hour, darker where more people are needed. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from itertools import groupby

from sinks.staffing.plan import DAYS, Need

__all__ = ["svg"]

_CELL, _LEFT, _TOP, _HEAD = 26, 46, 34, 22
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#1b1f24}text.n{font-size:11px;text-anchor:middle}"
    ".b{fill:#fff}.c{fill:#0b5cad}.d{fill:#fff}"
    "@media(prefers-color-scheme:dark){text{fill:#e6e9ed}.b{fill:#14181d}.c{fill:#5aa9ff}.d{fill:#0b0e12}}"
)


def svg(needs: Sequence[Need], title: str) -> str:
    """Returns a picture of all teams, one below the other; every square says its figures to who points at it."""
    teams = [(team, list(rows)) for team, rows in groupby(needs, key=lambda need: need.team)]
    most = max((need.people for need in needs), default=0) or 1
    height = _TOP + len(teams) * (_HEAD * 2 + _CELL * len(DAYS))
    width = _LEFT + 24 * _CELL + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">',
        f'<style>{_STYLE}</style><rect class="b" width="{width}" height="{height}"/>',
        f'<text x="8" y="20" font-weight="bold">{escape(title)}</text>',
    ]
    for place, (team, rows) in enumerate(teams):
        parts += _team(team, rows, most, _TOP + place * (_HEAD * 2 + _CELL * len(DAYS)))
    return "\n".join([*parts, "</svg>\n"])


def _team(team: str, rows: Sequence[Need], most: int, top: int) -> list[str]:
    hours = sum(need.people for need in rows)
    parts = [
        f'<text x="8" y="{top + 14}">{escape(team)}: {hours} hours a week, at most {max(n.people for n in rows)} at once</text>'
    ]
    top += _HEAD
    parts += [f'<text class="n" x="{_x(hour) + _CELL / 2:g}" y="{top + 13}">{hour}</text>' for hour in range(0, 24, 3)]
    top += _HEAD - 4
    parts += [f'<text x="8" y="{top + day * _CELL + 17}">{name}</text>' for day, name in enumerate(DAYS)]
    for need in rows:
        if need.people:
            parts += _square(need, most, top + need.hour // 24 * _CELL)
    return parts


def _square(need: Need, most: int, y: int) -> list[str]:
    x, share = _x(need.hour % 24), need.people / most
    told = f"{need.team}, {DAYS[need.hour // 24]} {need.hour % 24}:00: {need.people} people"
    told += f" ({need.live} for calls and chats, {need.written:.1f} in writing, the rest for absences)"
    opacity = 0.15 + 0.85 * math.sqrt(share)
    dark = ' class="n d"' if opacity > 0.6 else ' class="n"'
    return [
        f'<rect class="c" x="{x}" y="{y}" width="{_CELL - 2}" height="{_CELL - 2}" rx="3" fill-opacity="{opacity:.2f}">'
        f"<title>{escape(told)}</title></rect>",
        f'<text{dark} x="{x + _CELL / 2 - 1:g}" y="{y + 16}" pointer-events="none">{need.people}</text>',
    ]


def _x(hour: int) -> int:
    return _LEFT + hour * _CELL

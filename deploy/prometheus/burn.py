"""Computes the thresholds of multi-window, multi-burn-rate alerts.

A burn of 1 uses up the budget exactly in the period; a burn of `1 / (1 - objective)` is a total failure, and no burn is
higher. The workbook's 14.4 in one hour therefore never happens below an objective of 93.06 %, and its 6 not below 83.3 %.
Source of windows and factors: Google, The Site Reliability Workbook, chapter 5, table 5-8.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Burn", "Window", "burns", "greatest_burn", "seconds", "span"]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(text: str) -> int | None:
    """Returns `90s`, `10m`, `6h` or `3d` in seconds; None when it is no such duration."""
    match = re.fullmatch(r"([1-9]\d*)([smhd])", text)
    return int(match[1]) * _UNITS[match[2]] if match else None


def span(duration: float) -> str:
    """Returns seconds as Prometheus writes them, in the largest unit that divides them: 3600 is `1h`."""
    for unit in ("d", "h", "m", "s"):
        if duration >= _UNITS[unit] and duration % _UNITS[unit] == 0:
            return f"{duration // _UNITS[unit]:.0f}{unit}"
    return f"{round(duration * 1000)}ms"


@dataclass(frozen=True, slots=True)
class Window:
    """One pair of windows of an alert.

    long, short  seconds
    budget       the share of the period's budget that is used up when the alert fires
    most         the largest share of failures that the alert may require
    """

    long: int
    short: int
    budget: float
    most: float
    severity: str


@dataclass(frozen=True, slots=True)
class Burn:
    """One window of one objective; it fires at this `share` of failures, which is a burn rate of `factor`."""

    window: Window
    factor: float
    share: float


def greatest_burn(objective: float) -> float:
    """Returns the burn rate of a total failure; `objective` is a share below 1."""
    return 1 / (1 - objective)


def burns(
    objective: float, windows: Sequence[Window], period: int, own: dict[int, float] | None = None
) -> tuple[Burn, ...]:
    """Returns the burn of every window: that of its budget, or the largest that it may require, whichever is less.

    `own` are factors that somebody chose, by long window in seconds.

    Raises:
        ValueError: a factor can never be reached, is below 1 (the budget would be kept), or does not fall from a
            shorter window to a longer one (the longer one would then never be the first to fire).
    """
    percent = f"{objective * 100:.8g} %"
    chosen: list[Burn] = []
    for window in windows:
        factor = min(window.budget * period / window.long, window.most * greatest_burn(objective))
        factor = (own or {}).get(window.long, factor)
        name, greatest = span(window.long), greatest_burn(objective)
        if factor >= greatest * (1 - 1e-9):
            raise ValueError(
                f"a burn of {factor:.4g} over {name} is impossible at {percent}: "
                f"when everything fails it is {greatest:.4g}"
            )
        if factor < 1 - 1e-9:
            raise ValueError(f"a burn of {factor:.3g} over {name} keeps the budget of {percent}: nobody need know")
        if chosen and factor >= chosen[-1].factor:
            raise ValueError(
                f"at {percent} the burn over {name} would be {factor:.3g}, no less than {chosen[-1].factor:.3g} over "
                f"{span(chosen[-1].window.long)}: the longer window would add nothing"
            )
        chosen.append(Burn(window, round(factor, 6), round(factor * (1 - objective), 6)))
    return tuple(chosen)

"""Spreads written work over the hours in which people work, so that none is late and the busiest hour is least busy. Pure.

What is done by the end of an hour lies between two lines: all that has come by then, and all that is due by then. The
string pulled taut between them is the plan with the lowest peak, and the smoothest one. Work is done in the order in which it
came, as it has one target.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

__all__ = ["spread"]


def spread(work: Sequence[float], target_hours: int) -> list[float]:
    """Returns the work to be done in each working hour of a period that repeats itself, a week for example.

    Args:
        work: what comes in each working hour; what comes between two of them counts in the next.
        target_hours: the working hours within which it is done, the one in which it comes included; at least 1.
    """
    hours, target = len(work), max(1, target_hours)
    if not any(work):
        return [0.0] * hours
    rounds = 3 + 2 * (
        target // hours
    )  # the first and the last are not like the others: nothing comes before or is due after
    came = [0.0, *accumulate(list(work) * rounds)]
    due = [0.0] * min(target - 1, len(came) - 1)
    due += came[: len(came) - len(due)]
    due[-1] = came[-1]
    done = _taut(due, came)
    begin = rounds // 2 * hours
    return [done[hour + 1] - done[hour] for hour in range(begin, begin + hours)]


def _taut(low: Sequence[float], high: Sequence[float]) -> list[float]:
    """Returns the shortest line from the first to the last point that stays between `low` and `high`."""
    line, at = [low[0]], 0
    while at < len(low) - 1:
        to, level = _next_corner(low, high, at, line[-1])
        slope = (level - line[-1]) / (to - at)
        start = line[-1]
        line += [start + slope * (step - at) for step in range(at + 1, to)]
        line.append(level)
        at = to
    return line


def _next_corner(low: Sequence[float], high: Sequence[float], at: int, level: float) -> tuple[int, float]:
    """Returns where a line from `level` at `at` must bend first, and its level there."""
    steepest, flattest = float("inf"), float("-inf")
    over = under = at + 1
    for place in range(at + 1, len(low)):
        most, least = (high[place] - level) / (place - at), (low[place] - level) / (place - at)
        if least > steepest:
            return over, high[over]  # it would pass above `high` before
        if most < flattest:
            return under, low[under]
        if most <= steepest:
            steepest, over = most, place
        if least >= flattest:
            flattest, under = least, place
    return len(low) - 1, low[-1]

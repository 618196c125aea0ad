"""Rounds a measured time up to one that people say, and says it in our languages. Pure."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache

from babel import Locale
from babel.dates import format_timedelta

__all__ = ["in_words", "rounded_up"]

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_STEPS = (
    *(_MINUTE * each for each in (1, 2, 3, 5, 10, 15, 20, 30, 45)),
    *(_HOUR * each for each in (1, 2, 3, 4, 6, 8, 12, 18)),
    *(_DAY * each for each in (1, 2, 3, 4, 5, 7)),
)


def rounded_up(seconds: float) -> int | None:
    """Returns a time that people say, not shorter than this one; None beyond a week."""
    return next((step for step in _STEPS if seconds <= step), None)


@lru_cache(maxsize=128)
def in_words(seconds: int, locale: str) -> str:
    """Returns a rounded time as people say it: `4 hours`, `4 時間`."""
    return format_timedelta(timedelta(seconds=seconds), threshold=1, locale=Locale.parse(locale, sep="-"))

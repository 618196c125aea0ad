"""Decides whether a tag breaks out: a CUSUM of Poisson counts against what the rhythm expects, for a rate that trebles.

Each contact adds ln 3 to a sum, and each contact that is expected takes 2 from it; it never falls below 0. The sum is the
log-likelihood ratio of "three times as many since then" against "as usual", so its limit is a matter of how many false
alarms are borne, and no test with as few of them finds a tripling sooner in the mean (ADR 45). `since` is where it last
stood at 0: from there on count and expectation are the evidence.
"""

from __future__ import annotations

from math import log

import msgspec

from schemas.clock import MICROS

__all__ = ["HOUR_MICROS", "Sum", "limit"]

HOUR_MICROS = 3600 * MICROS
#: A spike is so many times the usual: what the sum is made for.
_TIMES = 3.0
_GAIN, _LOSS = log(_TIMES), _TIMES - 1.0
#: So many steady tags may give one false alarm a week, all together.
_TAGS_PER_FALSE_ALARM = 140.0
#: False alarms per expected contact are this times e^-limit, as simulated with independent contacts; and what is kept in
#: reserve for what the rhythm does not know.
_FALSE_ALARMS, _RESERVE = 0.6, 4.0
#: Fewer contacts are no spike, however rare the tag is.
_FEWEST = 5


class Sum(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Holds how much speaks for a spike by now, and the evidence.

    score     the sum; one contact above its limit at most, so that the end of a spike shows soon
    since     the contact (micros) before which nothing spoke for it
    count     contacts since then
    expected  contacts that were expected since then
    """

    score: float = 0.0
    since: int = 0
    count: int = 0
    expected: float = 0.0

    def passed(self, expected: float, dispersion: float) -> Sum:
        """Returns the sum after a time in which so many contacts were expected."""
        score = self.score - _LOSS * expected / dispersion
        if score <= 0:
            return _NOTHING
        return Sum(score, self.since, self.count, self.expected + expected)

    def with_contact(self, at: int, dispersion: float, most: float) -> Sum:
        """Returns the sum with one more contact. `most` is the limit."""
        return Sum(
            min(self.score + _GAIN / dispersion, most + _GAIN),
            self.since if self.count else at,
            self.count + 1,
            self.expected,
        )


_NOTHING = Sum()


def limit(per_week: float) -> float:
    """Returns from which sum on a tag with so many contacts a week breaks out."""
    return max(log(_RESERVE * _FALSE_ALARMS * _TAGS_PER_FALSE_ALARM * max(per_week, 1.0)), (_FEWEST - 0.5) * _GAIN)

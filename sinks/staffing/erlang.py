"""Reckons how long customers of calls and chats wait for so many people (Erlang A, M/M/n+M). Pure.

Customers arrive at random, a conversation takes a random time, and who waits gives up after a random time; each of the three
is exponential. The wait that the queue offers then has a known density (Baccelli and Hebuterne, 1981):

    v(x) = arrivals * P(all but one busy) * exp(arrivals * integral of exp(-u / patience) over u from 0 to x - people * x / handle)

Without patience known nobody gives up, which is Erlang C: then fewer people than conversations never catch up.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Load", "Service", "people_needed", "service"]

#: What is exp(-this) of the density's peak adds nothing.
_NEGLIGIBLE = 40.0
#: Simpson's rule over so many intervals; halving them changes no figure by 1e-6.
_INTERVALS = 2_000
#: More people than this per unit of load never help.
_MOST_PEOPLE = 1_000_000


class Load(NamedTuple):
    """Conversations of an hour.

    per_hour          how many begin
    handle_seconds    how long a person has one, on average
    gives_up_seconds  how long customers would wait before they give up, on average; None when nobody does
    """

    per_hour: float
    handle_seconds: float
    gives_up_seconds: float | None


class Service(NamedTuple):
    """How customers fare: shares of all who came, from 0 to 1.

    in_target     answered by a person within the target
    gives_up      left before that
    occupancy     share of their time that people are in conversations
    """

    in_target: float
    gives_up: float
    occupancy: float


def service(load: Load, people: int, target_seconds: float) -> Service:
    """Returns how customers fare with so many people who take one conversation at a time."""
    arrivals, handled = load.per_hour / 3600, 1 / load.handle_seconds
    if arrivals <= 0:
        return Service(1.0, 0.0, 0.0)
    if people <= 0:
        return Service(0.0, 1.0, 0.0)
    leaves = 1 / load.gives_up_seconds if load.gives_up_seconds else 0.0
    if not leaves and arrivals >= people * handled:
        return Service(0.0, 0.0, 1.0)  # the queue grows for ever

    def exponent(x: float) -> float:
        waiting = -math.expm1(-leaves * x) / leaves if leaves else x
        return arrivals * waiting - people * handled * x

    peak_at = math.log(arrivals / (people * handled)) / leaves if leaves and arrivals > people * handled else 0.0
    peak, end = exponent(peak_at), _end(exponent, peak_at)

    def integral(until: float, weight: Callable[[float], float]) -> float:
        return _simpson(lambda x: weight(x) * math.exp(exponent(x) - peak), min(until, end))

    def stays(x: float) -> float:
        return math.exp(-leaves * x)

    # Everything is relative to P(people - 1 busy), so that no factorial overflows.
    free = math.fsum(_relative(arrivals / handled, people))
    if free > 1e250:
        return Service(1.0, 0.0, arrivals / (people * handled))  # somebody is always free
    scale = arrivals * math.exp(min(peak, 600.0))  # beyond that, `free` is nothing beside it
    whole = free + scale * integral(end, lambda _: 1.0)
    answered = (free + scale * integral(end, stays)) / whole
    in_target = (free + scale * integral(target_seconds, stays)) / whole
    return Service(min(1.0, in_target), max(0.0, 1 - answered), min(1.0, arrivals * answered / (people * handled)))


def people_needed(load: Load, target_seconds: float, share: float) -> int:
    """Returns the fewest people with whom `share` of the customers are answered within the target; 0 without customers."""
    if load.per_hour <= 0:
        return 0
    low, high = 0, 1
    while service(load, high, target_seconds).in_target < share and high < _MOST_PEOPLE:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if service(load, middle, target_seconds).in_target < share:
            low = middle
        else:
            high = middle
    return high


def _relative(offered: float, people: int) -> list[float]:
    """Returns P(j busy) for j below `people`, each divided by P(people - 1 busy)."""
    shares, share = [1.0], 1.0
    for busy in range(people - 1, 0, -1):
        share *= busy / offered
        shares.append(share)
        if not 1e-18 < share < 1e250:
            break
    return shares


def _end(exponent: Callable[[float], float], peak_at: float) -> float:
    """Returns where the density has become negligible."""
    least, step = exponent(peak_at) - _NEGLIGIBLE, 1.0
    while exponent(peak_at + step) > least:
        step *= 2
    return peak_at + step


def _simpson(of: Callable[[float], float], until: float) -> float:
    if until <= 0:
        return 0.0
    step = until / _INTERVALS
    odd = math.fsum(of(step * place) for place in range(1, _INTERVALS, 2))
    even = math.fsum(of(step * place) for place in range(2, _INTERVALS, 2))
    return step / 3 * (of(0.0) + 4 * odd + 2 * even + of(until))

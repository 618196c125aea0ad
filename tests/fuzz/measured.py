"""Takes inputs one after the other within a budget of CPU and memory, and measures each.

The process that does so is a child of the runner: an input that ends it, or that never ends, costs that input only.
"""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
import resource
import signal
import struct
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from tests.fuzz.memory_kafka import Balance
from tests.fuzz.target import Target, input_of

__all__ = ["MOST_CPU_MS", "MOST_MEGABYTES", "Offence", "Result", "quiet", "take_one", "take_range"]

MOST_CPU_MS, MOST_MEGABYTES = 250.0, 200.0
#: An input that takes so much CPU is given up, and is an offence; and one that waits so long for anything.
_GIVE_UP_SECONDS, _GIVE_UP_WAITING_SECONDS = 10.0, 300.0
#: Address space beyond what the process has when it begins; memory that was only reserved counts.
_ADDRESS_SPACE_BYTES = 1 << 30
#: What is too slow or too large is taken again: other processes share the machine, and caches are filled once.
_TAKEN_AGAIN = 3


class Endless(BaseException):
    """Raised in an input that does not end; no `except Exception` catches it."""


@dataclass
class Offence:
    """One input that must not be: `what` is `crash`, `slow`, `memory`, `endless` or `ended`."""

    target: str
    number: int
    what: str
    detail: str


@dataclass
class Result:
    """What became of a range of inputs. `balance` holds received, published, duplicates and dead letters."""

    inputs: int = 0
    slowest_ms: float = 0.0
    peak_megabytes: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    offences: list[Offence] = field(default_factory=list)
    balance: tuple[int, ...] = (0, 0, 0, 0)


class _Meter:
    """Measures CPU and the growth of the resident memory of one call."""

    def __init__(self) -> None:
        self._refs = os.open("/proc/self/clear_refs", os.O_WRONLY)
        for alarm in (signal.SIGALRM, signal.SIGPROF):
            signal.signal(alarm, _ring)

    def call(self, take: Callable[[bytes], str], raw: bytes) -> tuple[str, float, float]:
        """Returns the outcome, the milliseconds and the megabytes; raises what the call raises."""
        os.write(self._refs, b"5")  # the peak begins again
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, _GIVE_UP_SECONDS)
        signal.setitimer(signal.ITIMER_REAL, _GIVE_UP_WAITING_SECONDS)
        try:
            outcome = take(raw)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
        seconds = time.process_time() - began
        return outcome, seconds * 1000, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def take_range(
    target: Target, seeds: Sequence[bytes], seed: int, numbers: range, place: mmap.mmap, budget: bool = True
) -> Result:
    """Takes the inputs of these numbers; writes into `place` which one it is at, for whoever finds this process dead."""
    quiet()
    take, meter, result = target.open(), _Meter(), Result()
    for raw in seeds[:50]:  # caches that are filled once are no cost of an input
        with contextlib.suppress(Exception):
            take(raw)
    gc.collect()
    gc.freeze()
    if budget:
        _limit_memory()
    before = Balance.now()
    for number in numbers:
        struct.pack_into("<q", place, 0, number)
        raw = input_of(target, seeds, seed, number)
        result.inputs += 1
        outcome, offence = _taken(meter, take, raw, result)
        result.outcomes[outcome] += 1
        if offence is not None:
            result.offences.append(Offence(target.name, number, *offence))
    result.balance = tuple(now - then for now, then in zip(Balance.now(), before, strict=True))
    return result


def take_one(target: Target, raw: bytes) -> dict[str, Any]:
    """Takes one input, as the replay of an offence does."""
    quiet()
    take, meter, result = target.open(), _Meter(), Result()
    outcome, offence = _taken(meter, take, raw, result)
    return {"outcome": outcome, "offence": offence, "ms": result.slowest_ms, "megabytes": result.peak_megabytes}


def _taken(
    meter: _Meter, take: Callable[[bytes], str], raw: bytes, result: Result
) -> tuple[str, tuple[str, str] | None]:
    try:
        outcome, ms, megabytes = meter.call(take, raw)
        for _ in range(_TAKEN_AGAIN):
            if ms <= MOST_CPU_MS and megabytes <= MOST_MEGABYTES:
                break
            gc.collect()
            outcome, again_ms, again_megabytes = meter.call(take, raw)
            ms, megabytes = min(ms, again_ms), min(megabytes, again_megabytes)
    except Endless:
        return "endless", (
            "endless",
            f"no end after {_GIVE_UP_SECONDS:.0f} s of CPU or {_GIVE_UP_WAITING_SECONDS:.0f} s",
        )
    except MemoryError:
        return "memory", ("memory", f"more than {_ADDRESS_SPACE_BYTES >> 20} MB of address space")
    except Exception:
        return "crash", ("crash", traceback.format_exc())
    result.slowest_ms = max(result.slowest_ms, ms)
    result.peak_megabytes = max(result.peak_megabytes, megabytes)
    if ms > MOST_CPU_MS:
        return outcome, ("slow", f"{ms:.0f} ms of CPU, {outcome}")
    if megabytes > MOST_MEGABYTES:
        return outcome, ("memory", f"{megabytes:.0f} MB, {outcome}")
    return outcome, None


def quiet() -> None:
    """Drops logs, which would be most of the time."""

    def drop(*_: Any) -> Any:
        raise structlog.DropEvent

    structlog.configure(processors=[drop])


def _ring(*_: Any) -> None:
    raise Endless


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    most = pages * resource.getpagesize() + _ADDRESS_SPACE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))

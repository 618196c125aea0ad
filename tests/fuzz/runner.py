"""Runs targets in child processes, keeps what offends in files that can be taken again, and prints a table."""

from __future__ import annotations

import json
import mmap
import os
import pickle
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.fuzz.measured import Offence, Result, take_one, take_range
from tests.fuzz.memory_kafka import Balance
from tests.fuzz.target import Target, input_of

__all__ = ["replayed", "run", "shares", "table"]

#: Inputs of one child: memory that leaks through a million inputs would be taken for that of one.
_PART = 20_000


def shares(chosen: Iterable[Target], inputs: int) -> dict[str, int]:
    """Returns how many of all inputs each target gets, at least one; they add up to at least `inputs`."""
    found = list(chosen)
    whole = sum(target.weight for target in found)
    return {target.name: max(1, -(-inputs * int(target.weight * 1000) // int(whole * 1000))) for target in found}


def run(target: Target, inputs: int, seed: int, keep_in: Path) -> Result:
    """Takes so many inputs, in children one after the other. Offending inputs are kept in `keep_in`."""
    seeds, found = list(target.seeds()), Result()
    number = 0
    while number < inputs:
        part, at = _child(target, seeds, seed, range(number, min(inputs, number + _PART)))
        if part is None:  # the child ended: that input is an offence, the others of its range are taken again
            part = Result(1, offences=[Offence(target.name, at, "ended", "the process ended")])
            if at > number:
                before, _ = _child(target, seeds, seed, range(number, at))
                _add(found, before or Result())
            number = at + 1
        else:
            number = min(inputs, number + _PART)
        _add(found, part)
    for offence in found.offences[:50]:
        _keep(keep_in, offence, input_of(target, seeds, seed, offence.number))
    return found


def replayed(path: Path, targets: dict[str, Target]) -> Iterator[str]:
    """Takes kept inputs again; yields a line for each."""
    for each in sorted(path.rglob("*.input")) if path.is_dir() else [path]:
        target = targets[each.parent.name]
        yield f"{each}: {json.dumps(take_one(target, each.read_bytes()), ensure_ascii=False, indent=1)}"


def table(results: dict[str, Result]) -> str:
    """Returns a line for each target, and one for all."""
    whole = Result()
    for result in results.values():
        _add(whole, result)
    head = ["target", "inputs", "crashes", "over", "slowest ms", "peak MB", *Balance.NAMES]
    rows = [head, *[_row(name, result) for name, result in results.items()], _row("all", whole)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def balanced(result: Result) -> bool:
    """Says if received = published + duplicates + dead-lettered."""
    return result.balance[0] == sum(result.balance[1:])


def _row(name: str, result: Result) -> list[str]:
    crashes = sum(offence.what in ("crash", "ended", "endless") for offence in result.offences)
    numbers = (result.inputs, crashes, len(result.offences) - crashes)
    return [
        name,
        *map(str, numbers),
        f"{result.slowest_ms:.0f}",
        f"{result.peak_megabytes:.0f}",
        *map(str, result.balance),
    ]


def _add(whole: Result, part: Result) -> None:
    whole.inputs += part.inputs
    whole.slowest_ms = max(whole.slowest_ms, part.slowest_ms)
    whole.peak_megabytes = max(whole.peak_megabytes, part.peak_megabytes)
    whole.outcomes += part.outcomes
    whole.offences += part.offences
    whole.balance = tuple(one + other for one, other in zip(whole.balance, part.balance, strict=True))


def _child(target: Target, seeds: Sequence[bytes], seed: int, numbers: range) -> tuple[Result | None, int]:
    """Returns what a child made of these inputs, None when it ended, and the number of the last input that it began."""
    place = mmap.mmap(-1, 8)
    struct.pack_into("<q", place, 0, numbers.start)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            result = take_range(target, seeds, seed, numbers, place)
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(result, pipe)
            code = 0
        except BaseException as error:
            os.write(2, f"{target.name}: {error!r}\n".encode())
            raise
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return (pickle.loads(answer) if answer else None), struct.unpack_from("<q", place, 0)[0]


def _keep(folder: Path, offence: Offence, raw: bytes) -> None:
    to = folder / offence.target
    to.mkdir(parents=True, exist_ok=True)
    (to / f"{offence.number}.input").write_bytes(raw)
    (to / f"{offence.number}.json").write_text(
        json.dumps(asdict(offence) | {"bytes": len(raw), "at": time.strftime("%FT%TZ", time.gmtime())}, indent=1),
        "utf-8",
    )

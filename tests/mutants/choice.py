"""Chooses the tests that could notice a change, those that stand closest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePath

from tests.mutants.changes import Mutant
from tests.mutants.reach import Function, Reach, Test

_ELSEWHERE = 3


def chosen(file: str, mutant: Mutant, reach: Reach, most_seconds: float) -> list[Test]:
    """The tests for one change, in the order in which they are to run, up to so many seconds in all."""
    direct = _ordered(file, _direct(file, mutant, reach))
    named = {name for test in direct for name in [test.name.partition("::")[0]]} | _by_file(file, mutant, reach)
    if _is_data(file, mutant, reach):
        named |= {name for name in reach.importing[file] if not named or _distance(file, name) < _ELSEWHERE}
    known = {test.name for test in direct}
    others = [test for name in named for test in reach.tests[name] if test.name not in known]
    return list(_limited([*direct, *_ordered(file, others)], most_seconds))


def _is_data(file: str, mutant: Mutant, reach: Reach) -> bool:
    """True for the fields of a class, and for what no function mentions, or one that is called."""
    if mutant.where == "module":
        mentions = reach.mentions.get(mutant.name, set())
        return not mentions or any(key in reach.direct for key in mentions)
    return (file, mutant.where) not in reach.functions


def _functions(file: str, mutant: Mutant, reach: Reach) -> set[Function]:
    """The changed function; for a change outside of functions those that mention what it gives a value to."""
    here = {key for key in {*reach.direct, *reach.by_file} if key[0] == file}
    if (file, mutant.where) in reach.functions:
        return {(file, mutant.where)}
    if mutant.name:
        return set(reach.mentions[mutant.name])
    inside = {key for key in here if key[1].startswith(f"{mutant.where}.")}
    return inside or (here if mutant.where == "module" else set())


def _direct(file: str, mutant: Mutant, reach: Reach) -> list[Test]:
    found = {test.name: test for function in _functions(file, mutant, reach) for test in reach.direct.get(function, ())}
    return list(found.values())


def _by_file(file: str, mutant: Mutant, reach: Reach) -> set[str]:
    return {name for function in _functions(file, mutant, reach) for name in reach.by_file.get(function, ())}


def _ordered(file: str, tests: Iterable[Test]) -> list[Test]:
    return sorted(
        tests, key=lambda test: (test.is_property, _distance(file, test.name.partition("::")[0]), test.seconds)
    )


def _distance(file: str, test_file: str) -> int:
    """0 for the mirrored test file, then the same folder, the same package (or a test of them all), then `_ELSEWHERE`."""
    source, test = PurePath(file), PurePath(test_file)
    if len(test.parts) == 2:
        return 2
    stem = test.stem.removeprefix("test_")
    ours, theirs = source.parts[:-1], test.parts[1:-1]
    words = source.stem if source.stem != "__init__" else source.parent.name
    if ours[0] == theirs[0] if ours and theirs else False:
        if words.removesuffix("s") in stem or stem in words:  # `clocks.py`, `test_clock_cases.py`
            return 0
        return 1 if ours[:2] == theirs[:2] else 2
    return _ELSEWHERE


def _limited(tests: list[Test], most_seconds: float) -> Iterator[Test]:
    seconds = 0.0
    for test in tests:
        if test.seconds > most_seconds / 2 and seconds:
            continue  # so long a test only if it is the closest
        seconds += test.seconds
        if seconds > most_seconds:
            return
        yield test

"""Runs one pure test for many cases as one item of pytest, for what takes less time than pytest does for an item."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

Test = Callable[..., None]


def each(names: str | tuple[str, ...], cases: Iterable[Any]) -> Callable[[Test], Test]:
    """Returns a decorator for a test that is to pass for every case; `names` and `cases` as for `parametrize`.

    All cases run, whatever fails. The cases share their fixtures: for tests that change nothing.

    Raises:
        ExceptionGroup: from the test, with what each failed case raised; a note names the case.
        AssertionError: from the test, if there is no case.
    """
    arguments = tuple(name.strip() for name in names.split(",")) if isinstance(names, str) else names
    rows = [row if len(arguments) > 1 else (row,) for row in cases]

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def run(**fixtures: Any) -> None:
            assert rows, "no case to test"
            failures = [raised for row in rows if (raised := _failure(test, arguments, row, fixtures)) is not None]
            if failures:
                raise ExceptionGroup(f"{len(failures)} of {len(rows)} cases fail", failures)

        signature = inspect.signature(test)
        asked = [each for name, each in signature.parameters.items() if name not in arguments]
        run.__signature__ = signature.replace(parameters=asked)  # type: ignore[attr-defined]  # which fixtures pytest gives
        return run

    return decorate


def _failure(test: Test, arguments: tuple[str, ...], row: Any, fixtures: dict[str, Any]) -> Exception | None:
    try:
        test(**fixtures, **dict(zip(arguments, row, strict=True)))
    except Exception as raised:
        raised.add_note(f"case: {', '.join(str(value)[:200] for value in row)}")
        return raised
    return None

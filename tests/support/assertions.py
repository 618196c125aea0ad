"""Watches whether a property test asserts anything: one whose inputs are all refused before its asserts cannot fail.

A trace function follows the frames of the tests and their helpers until one of them has passed an `assert` or entered
a `pytest.raises`; from then on it costs nothing.
"""

from __future__ import annotations

import ast
import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

TESTS = f"{Path(__file__).parents[1]}/"


@functools.cache
def asserting_lines(file: str) -> frozenset[int]:
    """The lines of a file on which an assertion stands."""
    lines = set[int]()
    for node in ast.walk(ast.parse(Path(file).read_text("utf-8"))):
        if isinstance(node, ast.Assert):
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        elif isinstance(node, ast.With) and "pytest.raises" in ast.unparse(node.items[0]):
            lines.add(node.lineno)
    return frozenset(lines)


class Watch:
    """Holds whether an assertion was passed: one whose condition raises an error of its own has asserted nothing."""

    def __init__(self) -> None:
        self.passed = False
        self._in: FrameType | None = None  #: the frame that stands on an assertion

    def call(self, frame: FrameType, event: str, value: Any) -> Any:
        """Follow the lines of a frame that has assertions."""
        file = frame.f_code.co_filename
        return self.line if file.startswith(TESTS) and asserting_lines(file) else None

    def line(self, frame: FrameType, event: str, value: Any) -> Any:
        """Note that a frame stands on an assertion, has left it, or has raised an error on it."""
        asserts = event == "line" and frame.f_lineno in asserting_lines(frame.f_code.co_filename)
        if self._in is frame and event != "exception" and not asserts:
            self.passed = True
            sys.settrace(None)
            return None
        if asserts:
            self._in = frame
        elif self._in is frame:
            self._in = None
        return self.line


@contextmanager
def watched() -> Iterator[Watch]:
    """Watch what runs inside. Where a debugger or a recorder of coverage traces already, everything counts as passed."""
    watch = Watch()
    if sys.gettrace() is not None:
        watch.passed = True
        yield watch
        return
    sys.settrace(watch.call)
    try:
        yield watch
    finally:
        sys.settrace(None)

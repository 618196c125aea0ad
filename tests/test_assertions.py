"""A property test has to assert something: the check of it, and what it does about a test that does not."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import pytest

from tests.support.assertions import watched


@pytest.fixture(autouse=True)
def untraced() -> Iterator[None]:
    """Nothing else traces, be it a debugger or a recorder of coverage."""
    before = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(before)


def _asserts_never(value: int) -> None:
    if value > 1000:
        assert value


def _raises_before_it_asserts() -> None:
    with contextlib.suppress(ValueError):
        assert int("x") == 1


def _expects_an_error() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        int("x")


def test_an_assertion_is_noticed() -> None:
    with watched() as watch:
        _asserts_never(1001)
    assert watch.passed


def test_an_expected_error_counts() -> None:
    with watched() as watch:
        _expects_an_error()
    assert watch.passed


def test_an_assertion_that_is_not_reached_is_none() -> None:
    with watched() as watch:
        _asserts_never(1)
    assert not watch.passed


def test_an_assertion_that_raises_an_error_is_none() -> None:
    with watched() as watch:
        _raises_before_it_asserts()
    assert not watch.passed


def test_what_traces_already_goes_on() -> None:
    def trace(*_: object) -> None:
        return None

    sys.settrace(trace)
    try:
        with watched() as watch:
            _asserts_never(1)
        assert watch.passed
        assert sys.gettrace() is trace
    finally:
        sys.settrace(None)

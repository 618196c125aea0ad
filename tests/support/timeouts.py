"""How tests wait for what other processes do: for a condition, and so long that a busy machine is no failure.

Whoever passes waits no longer than it takes; only a test that fails waits to the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
#: For anything that takes a second or two on an idle machine.
TIMEOUT_SECONDS = 120.0


def eventually(condition: Callable[[], T], what: str = "it", seconds: float = TIMEOUT_SECONDS) -> T:
    """The first true value of `condition`; `what` is said when none comes."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds:.0f} s (last: {value!r})"
        time.sleep(0.02)
    return value

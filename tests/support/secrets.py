"""Sets the secrets of tags and tokens for a while, as the entry point of a process does for good."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from schemas import identity

FIRST, SECOND = "first-secret-of-a-deployment", "second-secret-of-a-deployment"


@contextmanager
def secrets(*tags: str, tokens: tuple[str, ...] = ()) -> Iterator[None]:
    """Names are derived with these secrets within the block, and with those of before after it."""
    before = identity._keys
    identity.use(tags, tokens)
    try:
        yield
    finally:
        identity._keys = before
        identity._mac.cache_clear()

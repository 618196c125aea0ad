"""Remembers for what request an old signature was used first, which binds neither path nor idempotency key.

So one that somebody recorded is of no use for another request, as far as one process sees both. It goes away with the old
signature.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from schemas.errors import Refused
from schemas.signature import WINDOW_SECONDS, RequestHead

__all__ = ["FirstUse"]

#: A signature may be made 300 s after our time and is valid for 300 s: after that it is stale anyway.
_KEPT_SECONDS = 2 * WINDOW_SECONDS
_MOST = 100_000


class FirstUse:
    """Holds the first request of each signature for ten minutes. `now` is monotonic seconds, which never fall."""

    def __init__(self) -> None:
        self._first: OrderedDict[bytes, tuple[RequestHead, float]] = OrderedDict()

    def require(self, signed: bytes, head: RequestHead, now: float) -> None:
        """Accepts the first request of what was `signed`, and the very same one again.

        Raises:
            Refused: `bad_signature`.
        """
        while self._first and (len(self._first) > _MOST or next(iter(self._first.values()))[1] + _KEPT_SECONDS < now):
            self._first.popitem(last=False)
        digest = hashlib.sha256(signed).digest()
        first, _ = self._first.setdefault(digest, (head, now))
        if first != head:
            raise Refused(
                "bad_signature",
                "this signature was used for another path or Idempotency-Key: sign the whole request (v2)",
            )

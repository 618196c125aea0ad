"""Delays all messages of a channel while its service does not work."""

from __future__ import annotations

import time
from collections import Counter, defaultdict

from schemas.backoff import Backoff

__all__ = ["FIRST_WAIT_SECONDS", "ChannelBackoff"]

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.2, 30.0


class ChannelBackoff:
    """Holds one wait per channel, which doubles with each failure and is shared by all messages of the channel."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._backoff = defaultdict[str, Backoff](lambda: Backoff(FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS))
        self._answered = Counter[str]()

    @property
    def any_unavailable(self) -> bool:
        """True while a channel has failed and not worked again."""
        return bool(self._until)

    def seconds(self, channel: str) -> float:
        """Returns the seconds until the channel may be tried again; 0 is now."""
        return max(0.0, self._until.get(channel, 0.0) - time.monotonic())

    def failed(self, channel: str) -> None:
        """Counts a failure; of many messages that fail together, only the first."""
        if not self.seconds(channel):
            self._until[channel] = time.monotonic() + self._backoff[channel].failed()

    def answered(self, channel: str) -> int:
        """Returns how many messages the service took or refused; it tells a message's own failure from the channel's."""
        return self._answered[channel]

    def works(self, channel: str) -> None:
        """Counts an answer of the service, and ends the wait of the channel."""
        self._answered[channel] += 1
        self._until.pop(channel, None)
        self._backoff.pop(channel, None)

"""Records chat messages as handed over; the chat process reads them from `outbound` itself.

Only the chat process (`python -m producers chat`) has the visitors' sockets. A message's offset on `outbound` is the
number by which a visitor who reconnects asks for the messages since. A second way to the visitor would give each message
two numbers and could show it twice. The message is durable on `outbound` when this sink sees it. A visitor who does not
come back gets it by e-mail, with the transcript; later answers to the same ticket go by e-mail.
"""

from __future__ import annotations

from schemas.facts import Outbound
from schemas.settings import SinkSettings
from sinks.delivery.adapter import Attempt

CHANNELS = ("chat",)


class Chat:
    """Takes every message without sending it."""

    async def deliver(self, message: Outbound, earlier: Attempt | None = None) -> str:
        """Returns at once."""
        return "handed to the chat process"

    async def close(self) -> None:
        """Does nothing: there are no connections."""


def connect(settings: SinkSettings) -> Chat:
    """Returns the adapter."""
    return Chat()

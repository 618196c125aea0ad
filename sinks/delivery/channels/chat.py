"""Live chat: a message is handed to the chat process by standing on `outbound`, so there is nothing left to send.

The chat process (`python -m producers chat`) reads `outbound` itself, because only it has the visitors' sockets, and
because a message's offset there is the number by which a visitor who was away asks for it again. If this sink handed
messages over a second way, every line would have two numbers and could be shown twice. So it records what is true
when it sees the message: it is durable where the chat process takes it from, kept for whoever comes back. A visitor
who does not come back gets it by e-mail, with the transcript, and later answers to the same ticket go by e-mail.
"""

from __future__ import annotations

from schemas.facts import Outbound
from schemas.settings import SinkSettings
from sinks.delivery.adapter import Tried

CHANNELS = ("chat",)


class Chat:
    """Takes every message and says where it is."""

    async def deliver(self, message: Outbound, tried: Tried | None = None) -> str:
        return "handed to the chat process"

    async def close(self) -> None:
        pass


def connect(settings: SinkSettings) -> Chat:
    return Chat()

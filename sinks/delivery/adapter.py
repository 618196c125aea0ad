"""What a delivery channel is to the delivery sink, and which there are: every module in `delivery/` declares one.

A module declares `CHANNELS`, the channels it serves (`("*",)`: all that no other module serves), and `connect`, which
makes the `Adapter`, or None when the settings do not ask for it: then it claims nothing. `deliver` returns when the
channel has taken the message, and raises one of the three below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from schemas import plugins
from schemas.errors import DeskstreamError
from schemas.facts import Outbound
from schemas.settings import SinkSettings

REST = "*"


class Away(DeskstreamError):
    """The channel itself does not work now (no connection, wrong password): nobody's message is to blame."""


class TryLater(DeskstreamError):
    """This message is not taken now; the same message may be taken later."""


class Undeliverable(DeskstreamError):
    """This message will never be taken.

    outcome  `bounced` the other side said no · `refused` we did not even try
    reason   a short bounded word for metrics and the dead letter
    """

    def __init__(self, outcome: str, reason: str, detail: str) -> None:
        self.outcome, self.reason = outcome, reason
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class Tried:
    """A sink that is gone may have begun to hand a message over before it could write down so.

    since  wall microseconds: not before that
    known  whether an id of the other side's belongs to another message, which was handed over for certain
    """

    since: int
    known: Callable[[str], bool]


class Adapter(Protocol):
    """One open channel. `deliver` may be called many times at once."""

    async def deliver(self, message: Outbound, tried: Tried | None = None) -> str:
        """Hand the message over; returns what the other side said, for people.

        With `tried` it may be there already, as a whole or in part: an adapter that can ask the other side does.

        Raises:
            Away, TryLater, Undeliverable
        """

    async def close(self) -> None:
        """Let go of connections."""


class Adapters:
    """The adapter of every channel."""

    def __init__(self, by_channel: dict[str, Adapter]) -> None:
        self._by_channel = by_channel

    def of(self, channel: str) -> Adapter:
        """The adapter that serves this channel.

        Raises:
            Undeliverable: there is none.
        """
        adapter = self._by_channel.get(channel) or self._by_channel.get(REST)
        if adapter is None:
            raise Undeliverable("refused", "no_adapter", f"no adapter for the channel {channel!r}")
        return adapter

    @property
    def channels(self) -> list[str]:
        return sorted(self._by_channel)

    async def close(self) -> None:
        for adapter in {id(adapter): adapter for adapter in self._by_channel.values()}.values():
            await adapter.close()


def adapters(settings: SinkSettings, modules: Iterable[Any] | None = None) -> Adapters:
    """Every adapter of the folder `delivery/`, sorted by file name.

    Raises:
        ConfigurationError: two modules claim a channel, or one declares none.
    """
    owners = plugins.Owners()
    found: dict[str, Adapter] = {}
    for module, channels in plugins.declarations(
        "CHANNELS", plugins.modules("sinks.delivery.channels") if modules is None else modules
    ):
        adapter = module.connect(settings)
        if adapter is None:
            continue
        for channel in channels:
            owners.claim(channel, module)
            found[channel] = adapter
    return Adapters(found)

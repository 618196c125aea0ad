"""Defines the contract of a delivery channel, and finds the modules of `delivery/channels/` that implement it.

A module declares `CHANNELS`, the channels it serves (`("*",)`: all that no other module serves), and `connect(settings)`,
which returns an `Adapter`, or None when the settings do not ask for it: then it serves no channel. `Adapter.deliver`
returns when the channel has taken the message, or raises:

DeskstreamError
├── ServiceUnavailable  the channel itself does not work now; nothing was sent, or the adapter asks before it sends again
├── TryLater            this message is not taken now; nothing was sent
├── AnswerLost          this message was handed over and may have been taken
└── Undeliverable       this message will never be taken
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from schemas import plugins
from schemas.errors import DeskstreamError
from schemas.facts import Outbound
from schemas.settings import SinkSettings

REST = "*"
#: The reasons that no message to another address would have met: they are ours. `RecordsDeadLettered` looks for them.
DEFECT_REASONS = ("bad_header", "defect", "no_adapter")


class ServiceUnavailable(DeskstreamError):
    """The channel itself does not work now (no connection, wrong password); no message is the cause."""


class TryLater(DeskstreamError):
    """This message is not taken now; the same message may be taken later."""


class AnswerLost(DeskstreamError):
    """This message was handed over whole and may have been taken: the answer did not come, or says nothing about it.

    Another attempt may double the message, so it is tried again `delivery_answer_retries` times and no more.
    """


class Undeliverable(DeskstreamError):
    """This message will never be taken.

    outcome  `bounced`: the service refused it, or was given up on · `refused`: it was not tried
    reason   a short bounded word for metrics and the dead letter
    """

    def __init__(self, outcome: str, reason: str, detail: str) -> None:
        self.outcome, self.reason = outcome, reason
        self.dead_letter_kind = "defect" if reason in DEFECT_REASONS else "refused"
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class Attempt:
    """An earlier attempt that a killed sink may have made without recording it.

    since          wall microseconds since 1970; it was not made before that
    is_of_another  tells whether an id of the service belongs to another message, which is recorded as delivered
    """

    since: int
    is_of_another: Callable[[str], bool]


class Adapter(Protocol):
    """An open channel. `deliver` may run many times at once."""

    async def deliver(self, message: Outbound, earlier: Attempt | None = None) -> str:
        """Hands a message over; returns the service's answer, for people.

        With `earlier` the service may have the message already, or parts of it: an adapter asks it, where it can.

        Raises:
            ServiceUnavailable, TryLater, AnswerLost, Undeliverable
        """

    async def close(self) -> None:
        """Closes the connections."""


@runtime_checkable
class Checkable(Protocol):
    """An adapter whose connection can be tried without a message."""

    @property
    def to_publish(self) -> list[str]:
        """The DNS records that it needs, a line each."""

    async def check(self) -> str:
        """Connects as for a message; returns a line about the server.

        Raises:
            Unavailable: with the next step to take.
        """


class Adapters:
    """Holds the adapter of every channel."""

    def __init__(self, by_channel: dict[str, Adapter]) -> None:
        self._by_channel = by_channel

    def of(self, channel: str) -> Adapter:
        """Returns the adapter that serves this channel.

        Raises:
            Undeliverable: there is none.
        """
        adapter = self._by_channel.get(channel) or self._by_channel.get(REST)
        if adapter is None:
            raise Undeliverable("refused", "no_adapter", f"no adapter for the channel {channel!r}")
        return adapter

    async def check(self) -> list[str]:
        """Tries the connection of every adapter that has one to try; returns a line about each.

        Raises:
            Unavailable: with the next step to take.
        """
        return [await adapter.check() for adapter in self._checkable]

    @property
    def to_publish(self) -> list[str]:
        """The DNS records that the adapters need, a line each."""
        return [record for adapter in self._checkable for record in adapter.to_publish]

    @property
    def _checkable(self) -> list[Checkable]:
        each_once = {id(adapter): adapter for adapter in self._by_channel.values()}.values()
        return [adapter for adapter in each_once if isinstance(adapter, Checkable)]

    @property
    def channels(self) -> list[str]:
        """The channels that have an adapter, sorted; `*` stands for all others."""
        return sorted(self._by_channel)

    async def close(self) -> None:
        """Closes every adapter once."""
        for adapter in {id(adapter): adapter for adapter in self._by_channel.values()}.values():
            await adapter.close()


def adapters(settings: SinkSettings, modules: Iterable[Any] | None = None) -> Adapters:
    """Connects the adapters of `modules`, by default of the folder `delivery/channels/`, sorted by file name.

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

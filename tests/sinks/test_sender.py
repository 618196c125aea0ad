"""To which addresses a webhook's connection may go."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from sinks.webhooks import sender


class Resolver:
    """Answers every name with the same addresses."""

    closed = False

    def __init__(self, *hosts: str) -> None:
        self.hosts = hosts
        self.asked: list[tuple[Any, ...]] = []

    async def resolve(self, *asked: Any) -> list[dict[str, Any]]:
        self.asked.append(asked)
        return [{"host": host, "port": asked[1]} for host in self.hosts]

    async def close(self) -> None:
        self.closed = True


def resolved(*hosts: str) -> tuple[list[Any], Resolver]:
    async def resolve() -> tuple[list[Any], Resolver]:
        public = sender.PublicOnly()
        inner = Resolver(*hosts)
        public._inner = inner  # type: ignore[assignment]
        try:
            return list(await public.resolve("shop.example", 443, socket.AF_INET6)), inner
        finally:
            await public.close()

    return asyncio.run(resolve())


def test_only_the_public_addresses_of_a_name_are_tried() -> None:
    found, inner = resolved("10.0.0.1", "93.184.216.34", "127.0.0.1", "2606:4700::1111")
    assert [(each["host"], each["port"]) for each in found] == [("93.184.216.34", 443), ("2606:4700::1111", 443)]
    assert (inner.asked, inner.closed) == ([("shop.example", 443, socket.AF_INET6)], True)


def test_a_name_with_private_addresses_alone_is_not_connected_to() -> None:
    with pytest.raises(sender.PrivateAddress, match=r"shop\.example has no public address"):
        resolved("10.0.0.1", "169.254.169.254")

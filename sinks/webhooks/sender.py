"""Posts one webhook: follows no redirection, connects to no private address, reads 1000 bytes of the answer."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from schemas.settings import SinkSettings
from schemas.text import error_line, one_line
from sinks.webhooks import signing
from sinks.webhooks.addresses import is_public, literal
from sinks.webhooks.retry_decision import Answer, retry_after
from sinks.webhooks.subscriptions import Subscription

__all__ = ["Sender"]

READ_BYTES = 1000


class PrivateAddress(OSError):
    """A host has no public address."""


class PublicOnly(AbstractResolver):
    """Resolves names to their public addresses; the connection goes to the address that was checked."""

    def __init__(self) -> None:
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Returns the public addresses among those of the system's resolver.

        Raises:
            PrivateAddress: the name has no public address.
        """
        found = await self._inner.resolve(host, port, family)
        public = [each for each in found if is_public(each["host"])]
        if not public:
            raise PrivateAddress(errno.EACCES, f"{host} has no public address")
        return public

    async def close(self) -> None:
        await self._inner.close()


class Sender:
    """Holds the connections to one receiver. Needs a running event loop; many `post`s may run at once."""

    def __init__(self, subscription: Subscription, settings: SinkSettings) -> None:
        self._subscription, self._private = subscription, settings.webhook_allow_private
        self._seconds, self._url = settings.webhook_timeout_seconds, URL(subscription.url)
        resolver = None if self._private else PublicOnly()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=settings.webhook_in_flight, resolver=resolver),
            timeout=aiohttp.ClientTimeout(total=self._seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )

    async def post(self, body: bytes, delivery: str, kind: str) -> Answer:
        """Sends a body, signed now. Returns an answer whatever happens; raises only CancelledError."""
        ours, began = self._subscription, time.monotonic()
        try:
            self._require_public()
            at, target = int(time.time()), self._url.raw_path_qs
            headers = signing.headers(ours.name, ours.secrets, target, body, delivery, kind, at)
            async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
                said = (await answer.content.read(READ_BYTES)).decode("utf-8", "replace")
                wait = retry_after(answer.headers.get("Retry-After", ""), time.time())
                return Answer(answer.status, one_line(said), wait, time.monotonic() - began)
        except TimeoutError:
            return Answer(None, f"no answer within {self._seconds:g} s", seconds=time.monotonic() - began)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(None, error_line(error), seconds=time.monotonic() - began)

    async def close(self) -> None:
        """Closes the connections."""
        await self._session.close()
        await asyncio.sleep(0)

    def _require_public(self) -> None:
        """Checks a URL that names an address itself, which no resolver sees."""
        host = urlsplit(self._subscription.url).hostname or ""
        address = literal(host)
        if not self._private and address is not None and not is_public(address):
            raise PrivateAddress(errno.EACCES, f"{host} is not a public address")

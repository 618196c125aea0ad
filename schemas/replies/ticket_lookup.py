"""Looks a ticket up in ClickHouse, to find the answers that fit it. The only part of the package that reaches a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import msgspec

from schemas.errors import ConfigurationError, Unavailable
from schemas.events import UNVERIFIED
from schemas.replies.answers import PERSONAL

__all__ = ["FoundTicket", "find", "told"]

TIMEOUT_SECONDS = 3.0
_QUERY = """SELECT ticket_id, tags, language, brand, subject, customer_name, order_number, verified
FROM tickets FINAL WHERE ticket_id = {ticket:String} LIMIT 1 FORMAT JSONEachRow"""


class FoundTicket(msgspec.Struct, frozen=True):
    """Holds what is known of a ticket that was found."""

    ticket_id: str
    tags: list[str]
    language: str
    brand: str = ""
    subject: str = ""
    customer_name: str = ""
    order_number: str = ""
    verified: str = ""

    @property
    def known(self) -> dict[str, str]:
        """What fills placeholders, of this customer as far as it may be told."""
        values = {"ticket": self.ticket_id, "name": self.customer_name, "order_number": self.order_number}
        return told(values, self.verified)


def told(values: Mapping[str, str], verified: str) -> dict[str, str]:
    """Returns the values that may be told: stored names and order numbers only to a sender who is verified."""
    is_verified = verified not in ("", UNVERIFIED)
    return {name: value for name, value in values.items() if value and (is_verified or name not in PERSONAL)}


def find(url: str, database: str, ticket_id: str) -> FoundTicket | None:
    """Returns a ticket; None when there is none. Blocks for three seconds at most.

    Raises:
        Unavailable: ClickHouse does not answer, or refuses.
        ConfigurationError: the URL is none.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError("is not http(s)://[user[:password]@]host:port", where="the URL of ClickHouse")
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/"
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    asked: dict[str, Any] = {"database": database, "param_ticket": ticket_id, "readonly": "1"}
    try:
        answer = httpx.post(address, params=asked, content=_QUERY, auth=login, timeout=TIMEOUT_SECONDS)
    except httpx.HTTPError as error:
        raise Unavailable(f"ClickHouse at {address} does not answer: {error or type(error).__name__}") from error
    if answer.status_code != 200:
        raise Unavailable(f"ClickHouse at {address} refuses: {answer.text[:200]}")
    row = answer.content.strip()
    return msgspec.json.decode(row, type=FoundTicket) if row else None

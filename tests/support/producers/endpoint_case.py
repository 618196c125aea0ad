"""Sends the tests' deliveries to webhook endpoints, signed as the real sender signs them.

Every process of endpoints has a module `tests/support/producers/endpoints_<process>.py` with `CASES`, one for each of its endpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from schemas import plugins

SECRET, OLD_SECRET, WRONG_SECRET = (
    "new-secret-0123456789abcdef",
    "old-secret-0123456789abcdef",
    "wrong-secret-0123456789",
)
PUBLIC_URL = "https://hooks.example"


@dataclass(frozen=True)
class SignedRequest:
    """A request: header names as the sender writes them. `query` is the raw query string, without `?`."""

    body: bytes
    headers: Mapping[str, str]
    query: str = ""


@dataclass(frozen=True)
class Case:
    """An endpoint and its sender.

    endpoint   the endpoint's name
    body       (number) the body of the n-th genuine delivery; each number is another contact of the same customer
    sign       (body, secret, wall seconds) the request with that body, as the sender signs it for PUBLIC_URL + path
    malformed  a body that is no event (but signed like any other)
    events     how many events one delivery becomes
    """

    endpoint: str
    body: Callable[[int], bytes]
    sign: Callable[[bytes, str, float], SignedRequest]
    malformed: bytes = b"\xff\xfe not a delivery"
    events: int = 1
    timestamped: bool = field(default=False)  # whether the signature holds a time, so that an old one is refused


def cases() -> dict[str, Case]:
    """Every case, by the name of its endpoint."""
    modules = plugins.modules("tests.support.producers", "endpoints_")
    return {case.endpoint: case for module in modules for case in module.CASES}

"""Signs what the tests send with the key of `keys.yaml`, whose secrets are those of `endpoint_case`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from schemas import signature
from schemas.signature import RequestHead, sign_request
from tests.support.producers.endpoint_case import SignedRequest

KEYS_FILE = Path(__file__).parent / "keys.yaml"
KEY_ID = "test"


def header(target: str, body: bytes, secret: str, at: float, *, idempotency_key: str = "") -> str:
    """The signature of a POST."""
    return sign_request(KEY_ID, secret, RequestHead("POST", target, idempotency_key), body, int(at))


def signed_json(target: str, body: bytes, secret: str, at: float) -> SignedRequest:
    """A POST of JSON."""
    signed = {"Content-Type": "application/json", signature.HEADER: header(target, body, secret, at)}
    return SignedRequest(body, signed)


def signer(target: str) -> Callable[[bytes, str, float], SignedRequest]:
    """What signs the requests of one address, as a `Case` wants it."""
    return partial(signed_json, target)

"""How our webhooks are signed: `Deskstream-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`.

The same scheme as that of our own signed endpoints. With two secrets there are two `v1`, so that a receiver can change
its secret without missing a webhook. Times are wall seconds of the attempt.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from schemas import identity

__all__ = ["DELIVERY", "SIGNATURE", "TYPE", "delivery_id", "headers", "sign"]

SIGNATURE, DELIVERY, TYPE = "Deskstream-Signature", "Deskstream-Delivery", "Deskstream-Type"


def sign(secrets: Sequence[str], body: bytes, at: int) -> str:
    """The header's value for a body sent `at` wall seconds since 1970, one signature for each secret."""
    signed = str(at).encode() + b"." + body
    digests = (hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets)
    return ",".join([f"t={at}", *(f"v1={digest}" for digest in digests)])


def delivery_id(subscription: str, topic: str, partition: int, offset: int) -> str:
    """The id of handing one record to one subscription, the same in every attempt of every run."""
    return identity.event_id("webhook", subscription, topic, str(partition), str(offset))


def headers(secrets: Sequence[str], body: bytes, delivery: str, kind: str, at: int) -> dict[str, str]:
    """Everything that a request carries beside its body."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "Deskstream",
        DELIVERY: delivery,
        TYPE: kind,
        SIGNATURE: sign(secrets, body, at),
    }

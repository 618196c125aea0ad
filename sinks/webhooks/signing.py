"""Makes the headers of webhooks: the id of the delivery, the kind of record, the signature."""

from __future__ import annotations

from collections.abc import Sequence

from schemas import identity, signature

__all__ = ["DELIVERY", "TYPE", "delivery_id", "headers"]

DELIVERY, TYPE = "Deskstream-Delivery", "Deskstream-Type"


def delivery_id(subscription: str, topic: str, partition: int, offset: int) -> str:
    """Returns the id of one record for one subscription, the same in every attempt and after every restart."""
    return identity.event_id("webhook", subscription, topic, str(partition), str(offset))


def headers(secrets: Sequence[str], body: bytes, delivery: str, kind: str, at: int) -> dict[str, str]:
    """Returns the headers of a request sent `at` wall seconds since 1970."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "Deskstream",
        DELIVERY: delivery,
        TYPE: kind,
        signature.HEADER: signature.sign(secrets, body, at),
    }

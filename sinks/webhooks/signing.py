"""Makes the headers of webhooks: the id of the delivery, the kind of record, the signature."""

from __future__ import annotations

from collections.abc import Sequence

from schemas import identity, signature

__all__ = ["DELIVERY", "TYPE", "delivery_id", "headers"]

DELIVERY, TYPE = "Deskstream-Delivery", "Deskstream-Type"


def delivery_id(subscription: str, topic: str, partition: int, offset: int) -> str:
    """Returns the id of one record for one subscription, the same in every attempt and after every restart."""
    return identity.event_id("webhook", subscription, topic, str(partition), str(offset))


def headers(
    subscription: str, secrets: Sequence[str], target: str, body: bytes, delivery: str, kind: str, at: int
) -> dict[str, str]:
    """Returns the headers of a request sent `at` wall seconds since 1970 to `target`, the path and query of its address.

    The signature (`schemas/signature.py`) names the subscription as its key, and covers the delivery's id as the
    Idempotency-Key. For one more release the old signature stands before it, for receivers that know no other.
    """
    head = signature.RequestHead("POST", target, delivery)
    old, new = signature.sign(secrets, body, at), signature.sign_request(subscription, secrets, head, body, at)
    return {
        "Content-Type": "application/json",
        "User-Agent": "Deskstream",
        DELIVERY: delivery,
        signature.KEY_HEADER: delivery,
        TYPE: kind,
        signature.HEADER: f"{old},{new.partition(',')[2]}",
    }

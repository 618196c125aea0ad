"""Declares the endpoint for orders of a shop: webhooks as Shopify sends them, signed with HMAC-SHA256 over the body.

A delivery that is genuine and no order (another topic, an amount that is none) is kept as a dead letter: the shop cannot
mend it and would switch the webhook off. Its signature holds no time, but the order does; what is sent again soon is a
duplicate.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence

from producers.channels import orders
from producers.endpoint import Delivery, WebhookEndpoint
from schemas.errors import Refused
from schemas.events import Event

__all__ = ["ENDPOINTS", "sign"]

SIGNATURE, TOPIC, TRIGGERED = "x-shopify-hmac-sha256", "x-shopify-topic", "x-shopify-triggered-at"
#: Without `created_at`, which a real one has: that of an example would be stale a week later.
_EXAMPLE = {
    "id": 820982911946154508,
    "name": "#10023",
    "email": "ann@example.org",
    "total_price": "49.90",
    "currency": "EUR",
    "line_items": [{"sku": "JACKET-M", "title": "Jacket"}],
}


def sign(secret: str, body: bytes) -> str:
    """Returns the signature header's value: base64 of HMAC-SHA256 over the body."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def _verify(delivery: Delivery, secrets: Sequence[str], wall: float) -> None:
    given = delivery.headers.get(SIGNATURE, "").strip()
    if not given:
        raise Refused("missing_signature", "send X-Shopify-Hmac-Sha256: base64 of HMAC-SHA256 over the body")
    matches = [
        hmac.compare_digest(sign(secret, delivery.body).encode(), given.encode("utf-8", "replace"))
        for secret in secrets
    ]  # all are compared, so that the time taken says nothing
    if not any(matches):
        raise Refused("bad_signature", "it matches none of our secrets")


def _normalise(delivery: Delivery, now: int, source: str) -> Sequence[Event]:
    headers = delivery.headers
    triggered_at = headers.get(TRIGGERED, "")
    return [orders.normalise(delivery.body, headers.get(TOPIC, ""), now=now, triggered_at=triggered_at, source=source)]


ENDPOINTS = (
    WebhookEndpoint(
        process="orders",
        name="orders",
        path="/v1/orders",
        channel="none",
        secrets="order_secrets",
        verify=_verify,
        proof=SIGNATURE,
        normalise=_normalise,
        reads=(TOPIC, TRIGGERED),
        signed_at=lambda delivery: orders.signed_at(delivery.body),
        summary="A shop's webhooks: orders/create, orders/cancelled, refunds/create",
        example=Delivery(
            "POST",
            "/v1/orders",
            {"content-type": "application/json", TOPIC: "orders/create"},
            body=json.dumps(_EXAMPLE).encode(),
        ),
        max_bytes=2_000_000,
    ),
)

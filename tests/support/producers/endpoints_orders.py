"""Sends a shop's orders: signed over the body, the topic in a header."""

from __future__ import annotations

import json

from producers.endpoints.orders import sign
from tests.support.producers.endpoint_case import Case, SignedRequest


def _body(number: int) -> bytes:
    order = {"id": 450789469 + number, "name": f"#{1000 + number}", "email": "ann@example.org", "currency": "EUR"}
    return json.dumps(order | {"total_price": "12.30", "line_items": [{"sku": "MUG"}]}).encode()


def _sign(body: bytes, secret: str, at: float) -> SignedRequest:
    signed = {"Content-Type": "application/json", "X-Shopify-Topic": "orders/create"}
    return SignedRequest(
        body, signed | {"X-Shopify-Hmac-Sha256": sign(secret, body), "X-Shopify-Webhook-Id": "b54557e4"}
    )


CASES = (Case(endpoint="orders", body=_body, sign=_sign, malformed=b'{"id": 1, "total_price": "a lot"}'),)

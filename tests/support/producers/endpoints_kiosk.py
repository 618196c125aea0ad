"""Sends what a person typed on a kiosk: signed JSON."""

from __future__ import annotations

import json

from schemas import signature
from tests.support.producers.endpoint_case import Case, SignedRequest


def _body(number: int) -> bytes:
    values = {"email": "ann@example.org", "message": f"The zip is broken, {number}", "place": "Dublin, ground floor"}
    return json.dumps(values | {"submission_id": f"k-{number}"}).encode()


def _sign(body: bytes, secret: str, at: float) -> SignedRequest:
    signed = {"Content-Type": "application/json", signature.HEADER: signature.sign(secret, body, int(at))}
    return SignedRequest(body, signed)


CASES = (Case(endpoint="kiosk", body=_body, sign=_sign, timestamped=True),)

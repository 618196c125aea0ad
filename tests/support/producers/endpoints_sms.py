"""Sends what an SMS service sends to the endpoints of `sms`."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlencode

from producers.channels.twilio import FORM, sign
from tests.support.producers.endpoint_case import PUBLIC_URL, Case, SignedRequest


def signed(path: str, body: bytes, secret: str, at: float, query: str = "") -> SignedRequest:
    """Signed as Twilio does: over the public address with its query, and the fields. No time is in it."""
    url = f"{PUBLIC_URL}{path}{'?' + query if query else ''}"
    return SignedRequest(body, {"Content-Type": FORM, "X-Twilio-Signature": sign(secret, url, body)}, query)


def message(number: int) -> bytes:
    fields = {"MessageSid": f"SM{number:032}", "From": "+819012345678", "To": "+815055550100"}
    return urlencode(fields | {"Body": f"荷物が届きません {number}", "NumMedia": "0"}).encode()


def report(number: int) -> bytes:
    fields = {"MessageSid": f"SM9{number:031}", "MessageStatus": "delivered", "To": "+819012345678"}
    return urlencode(fields).encode()


CASES = [
    Case(
        endpoint="sms-incoming",
        body=message,
        sign=partial(signed, "/v1/sms/incoming"),
        malformed=urlencode({"Body": "from nobody"}).encode(),
    ),
    Case(
        endpoint="sms-status",
        body=report,
        sign=partial(signed, "/v1/sms/status", query="id=OUT1"),
        malformed=b"MessageSid=SM1&MessageStatus=%FF%FE&To=%2B819012345678",
    ),
]

"""Sends what a help centre and its bot report: signed JSON. The bot of these cases has failed for the second time."""

from __future__ import annotations

import json

from schemas import signature
from tests.support.producers.endpoint_case import Case, SignedRequest


def _body(number: int) -> bytes:
    before = [{"by": "customer", "text": "My card was declined"}, {"by": "bot", "text": "Sorry?", "failed": True}]
    turn = {"type": "bot_turn", "id": f"t-{number}", "conversation_id": f"c-{number}", "conversation": before}
    asked = {"question": "It still is", "answer": "Sorry?", "failed": True}
    return json.dumps(turn | asked | {"customer": {"email": "ann@example.org"}}).encode()


def _sign(body: bytes, secret: str, at: float) -> SignedRequest:
    signed = {"Content-Type": "application/json", signature.HEADER: signature.sign(secret, body, int(at))}
    return SignedRequest(body, signed)


CASES = (Case(endpoint="help-centre", body=_body, sign=_sign, events=2, timestamped=True),)

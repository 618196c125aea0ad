"""Sends what a help centre and its bot report: signed JSON. The bot of these cases has failed for the second time."""

from __future__ import annotations

import json

from tests.support.producers.endpoint_case import Case
from tests.support.producers.signing import signer


def _body(number: int) -> bytes:
    before = [{"by": "customer", "text": "My card was declined"}, {"by": "bot", "text": "Sorry?", "failed": True}]
    turn = {"type": "bot_turn", "id": f"t-{number}", "conversation_id": f"c-{number}", "conversation": before}
    asked = {"question": "It still is", "answer": "Sorry?", "failed": True}
    return json.dumps(turn | asked | {"customer": {"email": "ann@example.org"}}).encode()


CASES = (Case(endpoint="help-centre", body=_body, sign=signer("/v1/help-centre"), events=2, timestamped=True),)

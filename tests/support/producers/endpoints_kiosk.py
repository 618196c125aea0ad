"""Sends what a person typed on a kiosk: signed JSON."""

from __future__ import annotations

import json

from tests.support.producers.endpoint_case import Case
from tests.support.producers.signing import signer


def _body(number: int) -> bytes:
    values = {"email": "ann@example.org", "message": f"The zip is broken, {number}", "place": "Dublin, ground floor"}
    return json.dumps(values | {"submission_id": f"k-{number}"}).encode()


CASES = (Case(endpoint="kiosk", body=_body, sign=signer("/v1/kiosk"), timestamped=True),)

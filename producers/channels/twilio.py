"""Verifies and reads the form-encoded requests that Twilio signs, for SMS and telephone.

`X-Twilio-Signature` is base64 of HMAC-SHA1, keyed with the auth token, over the public address with its query and then
every field in the order of its name, name and value run together. It holds no time: a delivery that is sent again is
known by its ids.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl

from producers.endpoint import Answer, Delivery
from producers.text.fields import MAX_SHORT, prose
from schemas.clock import to_micros
from schemas.errors import Refused
from schemas.events import Event

__all__ = ["FORM", "HEADER", "TWIML", "answer", "fields", "moment", "seconds", "sign", "verify", "written"]

HEADER = "x-twilio-signature"
FORM = "application/x-www-form-urlencoded"
#: The empty answer.
TWIML = '<?xml version="1.0" encoding="UTF-8"?><Response/>'
MOST_FIELDS = 200


def answer(delivery: Delivery, events: Sequence[Event]) -> Answer:
    """Returns an empty answer: the pipeline sends its own."""
    return Answer(body=TWIML, media_type="text/xml")


def sign(token: str, url: str, body: bytes) -> str:
    """Returns the header's value for a form-encoded body that is sent to `url`.

    Raises:
        Refused: `bad_encoding`, the body has too many fields.
    """
    signed = hmac.new(token.encode(), _signed(url, body), hashlib.sha1)
    return base64.b64encode(signed.digest()).decode()


def verify(delivery: Delivery, tokens: Sequence[str], wall: float) -> None:
    """Accepts a delivery that was signed with any of `tokens`.

    Raises:
        Refused: `missing_signature`, `bad_signature`, `bad_encoding`.
    """
    signature = delivery.headers.get(HEADER, "")
    if not signature:
        raise Refused("missing_signature", "X-Twilio-Signature is missing")
    ours = [sign(token, delivery.url, delivery.body).encode() for token in tokens]
    matches = [hmac.compare_digest(each, signature.encode("utf-8", "replace")) for each in ours]
    if not any(matches):  # all were compared, so that the time taken says nothing
        raise Refused(
            "bad_signature", "it matches none of our tokens for this address; is DESKSTREAM_PUBLIC_URL right?"
        )


def fields(delivery: Delivery) -> dict[str, str]:
    """Returns the fields of a delivery, those in its address below those in its body.

    Raises:
        Refused: `bad_encoding`.
    """
    return {**delivery.query, **delivery.form()}


def seconds(text: str) -> float:
    """Returns a duration; 0 for what is none."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0.0


def moment(text: str, now: int) -> int:
    """Returns micros of an RFC 2822 time such as `Mon, 02 Mar 2026 09:00:00 +0000`, not after `now`; `now` when it is none."""
    at = written(text)
    return now if at is None else min(now, at)


def written(text: str) -> int | None:
    """Returns micros of an RFC 2822 time, wherever it lies; None when it is none."""
    try:
        at = parsedate_to_datetime(text)
        return to_micros(at if at.tzinfo else at.replace(tzinfo=UTC))
    except (ValueError, TypeError, OverflowError):
        return None


def short(text: str, limit: int = MAX_SHORT) -> str:
    """Returns one line of somebody else's text, as it goes to Kafka."""
    return prose(text.strip(), limit)


def _signed(url: str, body: bytes) -> bytes:
    """Decodes as Latin-1, which keeps every byte; if the text is UTF-8 is checked later."""
    try:
        pairs = parse_qsl(body.decode("latin-1"), True, encoding="latin-1", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise Refused("bad_encoding", str(error)[:200]) from error
    return url.encode() + "".join(name + value for name, value in sorted(set(pairs))).encode("latin-1")

"""Signatures of requests: `Deskstream-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`.

Our webhook endpoints verify it, and the webhooks that we send carry it. Times are wall seconds, not the pipeline's
clock: a signature says when the sender's machine made it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from schemas.errors import Refused

__all__ = ["HEADER", "WINDOW_SECONDS", "sign", "verify"]

HEADER = "Deskstream-Signature"
WINDOW_SECONDS = 300
_MOST_SIGNATURES = 4


def sign(secrets: str | Sequence[str], body: bytes, at: int) -> str:
    """Returns the header's value for a body sent `at` wall seconds since 1970, one `v1` for each secret.

    With two secrets a receiver can change its own without missing a request.
    """
    secrets = (secrets,) if isinstance(secrets, str) else secrets
    return ",".join([f"t={at}", *(f"v1={_digest(secret, str(at), body)}" for secret in secrets)])


def verify(header: str | None, body: bytes, secrets: Sequence[str], *, wall: float) -> None:
    """Accepts a body that was signed with any of `secrets` within five minutes of `wall` (seconds since 1970).

    Raises:
        Refused: `missing_signature`, `malformed_signature`, `stale_signature`, `bad_signature`.
    """
    if not header:
        raise Refused("missing_signature", f"send {HEADER}: t=<unix seconds>,v1=<hex HMAC-SHA256 of 't.body'>")
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    signatures = [value.lower() for name, _, value in parts if name == "v1"][:_MOST_SIGNATURES]
    if len(times) != 1 or not times[0].isascii() or not times[0].isdigit() or len(times[0]) > 12 or not signatures:
        raise Refused("malformed_signature", f"{HEADER} is not t=<unix seconds>,v1=<hex>")
    matches = [
        hmac.compare_digest(_digest(secret, times[0], body).encode(), signature.encode("utf-8", "replace"))
        for secret in secrets
        for signature in signatures
    ]  # all are compared, so that the time taken says nothing
    if not any(matches):
        raise Refused("bad_signature", "it matches none of our secrets")
    if abs(wall - int(times[0])) > WINDOW_SECONDS:
        raise Refused("stale_signature", f"it was made more than {WINDOW_SECONDS} s from now; is the clock right?")


def _digest(secret: str, at: str, body: bytes) -> str:
    return hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()

"""Signatures of requests, for our endpoints and for the webhooks that we send.

    Deskstream-Signature: t=<unix seconds>,k=<key id>,sha256=<hex SHA-256 of the body>,v2=<hex HMAC-SHA256>

The HMAC is over seven lines, joined by single line feeds, with none at the end:

    deskstream-v2
    <t>
    <k>
    <method, in capitals>
    <path and query, byte for byte as they are sent>
    <Idempotency-Key; an empty line without one>
    <sha256>

No line can hold a line feed, so two different requests never have the same text. The body is in it by its digest: so a
receiver checks the signature before it reads the body. Times are wall seconds, not the pipeline's clock: a signature says
when the sender's machine made it.

Before, the header was `t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`, by `sign` and `verify`. It binds neither path nor
method, and goes away with the next release.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.errors import Refused

__all__ = [
    "HEADER",
    "KEY_HEADER",
    "KEY_ID",
    "MOST_IDEMPOTENCY_KEY",
    "WINDOW_SECONDS",
    "RequestHead",
    "RequestSignature",
    "old_time",
    "sign",
    "sign_request",
    "verify",
    "verify_request",
]

HEADER, KEY_HEADER = "Deskstream-Signature", "Idempotency-Key"
WINDOW_SECONDS = 300
MOST_IDEMPOTENCY_KEY = 300
#: Ids of keys: no blank, comma or equals sign, which the header has a use for.
KEY_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
_SCHEME = "deskstream-v2"
_MOST_SIGNATURES = 4
_LONGEST_HEADER = 1_000
_TIME, _DIGEST = re.compile(r"0|[1-9][0-9]{0,11}"), re.compile(r"[0-9a-f]{64}")
_METHOD, _VISIBLE = re.compile(r"[A-Z]{1,20}"), re.compile(r"[\x21-\x7e]+")
_KEY_VALUE = re.compile(rf"(?:[\x21-\x7e](?:[\x20-\x7e]{{0,{MOST_IDEMPOTENCY_KEY - 2}}}[\x21-\x7e])?)?")
_FORM = f"{HEADER}: t=<unix seconds>,k=<key id>,sha256=<hex SHA-256 of the body>,v2=<hex HMAC-SHA256>"
_BAD = "no key of ours made this signature for this method, path, time, idempotency key and body"


@dataclass(frozen=True, slots=True)
class RequestHead:
    """Holds what is signed of a request beside its body.

    method           in capitals
    target           path and query as they are sent, such as `/v1/agents/notes?dry=1`
    idempotency_key  the value of the header `Idempotency-Key`, visible ASCII with blanks inside; '' for none
    """

    method: str
    target: str
    idempotency_key: str = ""

    @property
    def is_signable(self) -> bool:
        """Says whether every part is one line of ASCII, so that no part can be taken for two."""
        return (
            _METHOD.fullmatch(self.method) is not None
            and _VISIBLE.fullmatch(self.target) is not None
            and _KEY_VALUE.fullmatch(self.idempotency_key) is not None
        )


@dataclass(frozen=True, slots=True)
class RequestSignature:
    """Holds a header that is well-formed; proves nothing before `verify_head` and `verify_body`."""

    key_id: str
    at: int
    sha256: str
    macs: tuple[str, ...]

    @classmethod
    def parse(cls, header: str | None) -> RequestSignature:
        """Reads a header.

        Raises:
            Refused: `missing_signature`, `malformed_signature`.
        """
        if not header:
            raise Refused("missing_signature", f"send {_FORM}")
        parts = _parts(header)
        times, keys, digests = (parts.get(name, []) for name in ("t", "k", "sha256"))
        macs = tuple(value.lower() for value in parts.get("v2", []))[:_MOST_SIGNATURES]
        well_formed = (
            [len(times), len(keys), len(digests)] == [1, 1, 1]
            and _TIME.fullmatch(times[0])
            and KEY_ID.fullmatch(keys[0])
            and _DIGEST.fullmatch(digests[0])
            and macs
            and all(map(_DIGEST.fullmatch, macs))
        )
        if not well_formed:
            raise Refused("malformed_signature", f"it is not {_FORM}")
        return cls(keys[0], int(times[0]), digests[0], macs)

    @staticmethod
    def is_old(header: str | None) -> bool:
        """Says whether a header has only the old signature, by which `verify` goes."""
        parts = _parts(header or "")
        return "v1" in parts and "v2" not in parts

    def verify_head(self, head: RequestHead, secrets: Sequence[str], *, wall: float) -> int:
        """Accepts a request that any of `secrets` signed within five minutes of `wall`; its body is not compared yet.

        Returns the place in `secrets` of the one that signed.

        Raises:
            Refused: `bad_signature`, `stale_signature`; `malformed_signature` for a head that nobody can sign.
        """
        if not head.is_signable:
            raise Refused("malformed_signature", f"method, address and {KEY_HEADER} must be one line of ASCII each")
        text = _signed_text(head, str(self.at), self.key_id, self.sha256)
        matches = [
            place
            for place, secret in enumerate(secrets)
            for given in self.macs
            if hmac.compare_digest(_mac(secret, text), given)
        ]  # all are compared, so that the time taken says nothing
        if not matches:
            raise Refused("bad_signature", _BAD)
        require_recent(self.at, wall)
        return matches[0]

    def verify_body(self, body: bytes) -> None:
        """Accepts the body whose digest was signed.

        Raises:
            Refused: `bad_signature`.
        """
        if not hmac.compare_digest(hashlib.sha256(body).hexdigest(), self.sha256):
            raise Refused("bad_signature", "the body is not the one that was signed: its SHA-256 is another")


def sign_request(key_id: str, secrets: str | Sequence[str], head: RequestHead, body: bytes, at: int) -> str:
    """Returns the header's value for a request sent `at` wall seconds since 1970, one `v2` for each secret.

    Raises:
        ValueError: the key's id, or a part of the head, is none that can be signed.
    """
    if not KEY_ID.fullmatch(key_id) or not head.is_signable:
        raise ValueError(f"cannot be signed: key {key_id!r}, {head}")
    secrets = (secrets,) if isinstance(secrets, str) else secrets
    digest = hashlib.sha256(body).hexdigest()
    text = _signed_text(head, str(at), key_id, digest)
    return ",".join([f"t={at}", f"k={key_id}", f"sha256={digest}", *(f"v2={_mac(each, text)}" for each in secrets)])


def verify_request(
    header: str | None, key_id: str, secrets: Sequence[str], head: RequestHead, body: bytes, *, wall: float
) -> None:
    """Accepts a whole request that the key signed with any of its secrets within five minutes of `wall`.

    Raises:
        Refused: `missing_signature`, `malformed_signature`, `bad_signature`, `stale_signature`.
    """
    given = RequestSignature.parse(header)
    if given.key_id != key_id:
        raise Refused("bad_signature", _BAD)
    given.verify_head(head, secrets, wall=wall)
    given.verify_body(body)


def sign(secrets: str | Sequence[str], body: bytes, at: int) -> str:
    """Returns the old header's value for a body sent `at` wall seconds since 1970, one `v1` for each secret.

    With two secrets a receiver can change its own without missing a request.
    """
    secrets = (secrets,) if isinstance(secrets, str) else secrets
    return ",".join([f"t={at}", *(f"v1={_old_mac(secret, str(at), body)}" for secret in secrets)])


def verify(header: str | None, body: bytes, secrets: Sequence[str], *, wall: float) -> None:
    """Accepts a body that was signed in the old way with any of `secrets` within five minutes of `wall`.

    Raises:
        Refused: `missing_signature`, `malformed_signature`, `stale_signature`, `bad_signature`.
    """
    if not header:
        raise Refused("missing_signature", f"send {_FORM}")
    parts = _parts(header)
    times = parts.get("t", [])
    signatures = [value.lower() for value in parts.get("v1", [])][:_MOST_SIGNATURES]
    if len(times) != 1 or not _TIME.fullmatch(times[0]) or not signatures:
        raise Refused("malformed_signature", f"it is not {_FORM}")
    matches = [
        hmac.compare_digest(_old_mac(secret, times[0], body).encode(), signature.encode("utf-8", "replace"))
        for secret in secrets
        for signature in signatures
    ]  # all are compared, so that the time taken says nothing
    if not any(matches):
        raise Refused("bad_signature", "it matches none of our secrets")
    require_recent(int(times[0]), wall)


def old_time(header: str) -> str:
    """Returns the time in an old header that `verify` has accepted, as it stands there."""
    return "".join(_parts(header).get("t", []))


def require_recent(at: int, wall: float) -> None:
    """Accepts a time that is at most five minutes from ours.

    Raises:
        Refused: `stale_signature`, with how far the clocks are apart.
    """
    late = wall - at
    if abs(late) > WINDOW_SECONDS:
        side = "before" if late > 0 else "after"
        raise Refused(
            "stale_signature",
            f"it was made {abs(late):.0f} s {side} the time of our clock, at most {WINDOW_SECONDS} s are allowed: "
            "is the sender's clock right, or is this an old request?",
        )


def _parts(header: str) -> dict[str, list[str]]:
    """Returns the values of each name in a header; a header that is too long has none."""
    found: dict[str, list[str]] = {}
    for part in header.split(",") if len(header) <= _LONGEST_HEADER else ():
        name, _, value = part.strip(" \t").partition("=")
        found.setdefault(name, []).append(value)
    return found


def _signed_text(head: RequestHead, at: str, key_id: str, sha256: str) -> bytes:
    return "\n".join((_SCHEME, at, key_id, head.method, head.target, head.idempotency_key, sha256)).encode("ascii")


def _mac(secret: str, text: bytes) -> str:
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def _old_mac(secret: str, at: str, body: bytes) -> str:
    return hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()

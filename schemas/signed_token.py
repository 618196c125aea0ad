"""Signed tokens: small texts that prove that we made them, for one purpose, and that nobody changed them.

A token is `<payload>.<MAC>`, both in URL-safe base64 without padding; the MAC is HMAC-SHA256 of the purpose and
the payload (RFC 2104). The payload is signed, not hidden.

An encrypted token hides its payload, too: AES-SIV (RFC 5297) with the purpose as associated data, one text in base64 without a
point. The same payload gives the same token, so that a record that is folded again gives the same bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from functools import cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

__all__ = ["LONGEST", "decrypt", "encrypt", "is_encrypted", "payload_of", "sign", "verify"]

#: A longer text is no token of ours, whatever it holds.
LONGEST = 4_000
_SIV_BYTES = 16


def sign(purpose: bytes, payload: bytes, secrets: Sequence[str]) -> str:
    """Returns the token of a payload, signed with the first of the secrets; `purpose` ends in a line feed, so that none begins another."""
    return f"{_text(payload)}.{_text(_mac(secrets[0], purpose, payload))}"


def verify(purpose: bytes, text: str, secrets: Sequence[str]) -> bytes | None:
    """Returns the payload, or None when none of the secrets signed it for this purpose.

    Raises:
        ValueError: it is no token.
    """
    raw, given = _parts(text)
    matches = [hmac.compare_digest(_mac(secret, purpose, raw), given) for secret in secrets]
    return raw if any(matches) else None  # all are compared, so that the time taken says nothing


def encrypt(purpose: bytes, payload: bytes, secrets: Sequence[str]) -> str:
    """Returns a token that hides the payload, encrypted with the first of the secrets."""
    return _text(_cipher(secrets[0]).encrypt(payload, [purpose]))


def is_encrypted(text: str) -> bool:
    """Says whether a token is an encrypted one, by its form."""
    return "." not in text


def decrypt(purpose: bytes, text: str, secrets: Sequence[str]) -> bytes | None:
    """Returns the payload of an encrypted token, or None when none of the secrets encrypted it for this purpose.

    Raises:
        ValueError: it is no token.
    """
    if len(text) > LONGEST or len(encrypted := _bytes(text)) <= _SIV_BYTES:
        raise ValueError("it is no encrypted token")
    for secret in secrets:
        try:
            return _cipher(secret).decrypt(encrypted, [purpose])
        except InvalidTag:
            continue
    return None


@cache
def _cipher(secret: str) -> AESSIV:
    """Returns the cipher of a secret; its key of 512 bits is for nothing else."""
    return AESSIV(hashlib.blake2b(secret.encode(), digest_size=64, person=b"encrypted-token").digest())


def payload_of(text: str) -> bytes:
    """Returns the payload of a text that `verify` has accepted; proves nothing.

    Raises:
        ValueError: it is no token.
    """
    return _parts(text)[0]


def _parts(text: str) -> tuple[bytes, bytes]:
    payload, _, mac = text.partition(".")
    if len(text) > LONGEST or not payload or not mac:
        raise ValueError("it is not <payload>.<MAC>")
    return _bytes(payload), _bytes(mac)


def _mac(secret: str, purpose: bytes, payload: bytes) -> bytes:
    return hmac.new(secret.encode(), purpose + payload, hashlib.sha256).digest()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    """Returns the bytes of unpadded URL-safe base64 in its only spelling."""
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("it is not base64") from error
    if _text(raw) != text:
        raise ValueError("it is not base64 as we write it")
    return raw

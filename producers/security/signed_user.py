"""Verifies users whom the shop has signed: the identity verification of help desks, for chat and form.

The shop's server, where the user is signed in, works out `user_hash`, the hexadecimal HMAC-SHA256 of the user's e-mail
address with a secret that it shares with us (`DESKSTREAM_USER_SECRETS`), and puts it into the page beside the address. Pure.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256

from schemas.events import UNVERIFIED

__all__ = ["problem", "sign", "verified"]

SIGNED = "signed_user"


def sign(address: str, secret: str) -> str:
    """Returns the `user_hash` of an address, in the spelling in which the page sends it."""
    return hmac.new(secret.encode(), address.strip().encode("utf-8", "surrogatepass"), sha256).hexdigest()


def problem(address: str, user_hash: str, secrets: Sequence[str]) -> str:
    """Returns what is wrong with a `user_hash`, '' when nothing is, none was sent, or none can be checked."""
    if not user_hash or not secrets or _is_signed(address, user_hash, secrets):
        return ""
    return "is not the signature of this address"


def verified(address: str, user_hash: str, secrets: Sequence[str]) -> str:
    """Returns `signed_user` for an address with its signature, else `none`."""
    return SIGNED if address.strip() and _is_signed(address, user_hash, secrets) else UNVERIFIED


def _is_signed(address: str, user_hash: str, secrets: Sequence[str]) -> bool:
    sent = user_hash.strip().lower().encode("utf-8", "replace")
    spellings = dict.fromkeys((address, address.lower()))
    ours = [sign(each, secret).encode() for secret in secrets if secret for each in spellings]
    matches = [hmac.compare_digest(each, sent) for each in ours]
    return any(matches)  # all were compared, so that the time taken says nothing

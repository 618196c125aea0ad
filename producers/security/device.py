"""Makes and checks the tokens of devices that cannot sign, such as a kiosk: `Authorization: Bearer <token>`.

A token is the JSON array `[2, token id, device, issued, expires]` in wall seconds, signed (`schemas/signed_token.py`) with
the first of the secrets. It expires, and it is revoked by its id or with all tokens of its device (`keys.py`). Taking a
secret away takes all tokens away that it signed.

Before, a token was the device's name alone and never expired. Those are valid for one more release; they were issued at 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from schemas import signed_token
from schemas.errors import Refused

__all__ = ["DeviceToken", "claimed_token", "device_token", "token_of"]

_DEVICE, _OLD_DEVICE = b"deskstream-device-2\n", b"deskstream-device\n"
_FORMAT = 2
_BEARER = "bearer "


@dataclass(frozen=True, slots=True)
class DeviceToken:
    """Holds what a token says; times are wall seconds. A token of the old format has no id and was issued at 0."""

    device: str
    id: str = ""
    issued: int = 0
    expires: int = 0

    @property
    def is_old(self) -> bool:
        """Says whether the token has the format of the release before."""
        return not self.id


def device_token(token: DeviceToken, secrets: Sequence[str]) -> str:
    """Returns the token to put into a device."""
    fields = [_FORMAT, token.id, token.device, token.issued, token.expires]
    return signed_token.sign(_DEVICE, msgspec.json.encode(fields), secrets)


def token_of(authorization: str, secrets: Sequence[str], wall: float) -> DeviceToken:
    """Returns the token that this `Authorization` header proves; it may have been revoked.

    Raises:
        Refused: `malformed_signature` it is no token, `bad_signature` none of our secrets made it, `expired_token`.
    """
    try:
        text = _text(authorization)
        payload = signed_token.verify(_DEVICE, text, secrets)
        old = signed_token.verify(_OLD_DEVICE, text, secrets)
        token = None if payload is None else _read(payload)
        token = DeviceToken(old.decode()) if old is not None else token
    except ValueError as error:
        raise Refused("malformed_signature", str(error)) from error
    if token is None:
        raise Refused("bad_signature", "none of our secrets made this token")
    if not token.is_old and wall >= token.expires:
        raise Refused("expired_token", f"the token of {token.device[:60]!r} has expired: give the device a new one")
    return token


def claimed_token(authorization: str) -> DeviceToken | None:
    """Returns the token in a header that `token_of` has accepted; None when there is none. Proves nothing."""
    try:
        payload = signed_token.payload_of(_text(authorization))
    except ValueError:
        return None
    try:
        return _read(payload)
    except ValueError:
        return DeviceToken(payload.decode("utf-8", "replace"))


def _read(payload: bytes) -> DeviceToken:
    try:
        version, token_id, device, issued, expires = msgspec.json.decode(payload, type=_Fields)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError("it is no token of this release") from error
    if version != _FORMAT or not token_id:
        raise ValueError(f"it is a token of format {version}")
    return DeviceToken(device, token_id, issued, expires)


def _text(authorization: str) -> str:
    if authorization[: len(_BEARER)].lower() != _BEARER:
        raise ValueError("Authorization is not Bearer <token>")
    return authorization[len(_BEARER) :].strip()


_Fields = tuple[int, str, str, int, int]

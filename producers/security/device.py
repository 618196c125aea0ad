"""Makes and checks the tokens of devices that cannot sign, such as a kiosk: `Authorization: Bearer <token>`.

A token is the device's name, signed with the first of the secrets. It never expires: taking the secret away takes all
of its tokens away, and two secrets are valid while devices are given new tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

from schemas import signed_token
from schemas.errors import Refused

__all__ = ["claimed_device", "device_of", "device_token"]

_DEVICE = b"deskstream-device\n"
_BEARER = "bearer "


def device_token(name: str, secrets: Sequence[str]) -> str:
    """Returns the token to put into a device."""
    return signed_token.sign(_DEVICE, name.encode(), secrets)


def device_of(authorization: str, secrets: Sequence[str]) -> str:
    """Returns the name of the device that sent this `Authorization` header.

    Raises:
        Refused: `malformed_signature` it is no token, `bad_signature` none of our secrets made it.
    """
    try:
        name = signed_token.verify(_DEVICE, _token(authorization), secrets)
    except ValueError as error:
        raise Refused("malformed_signature", str(error)) from error
    if name is None:
        raise Refused("bad_signature", "none of our secrets made this token")
    return name.decode()


def claimed_device(authorization: str) -> str:
    """Returns the name in a header that `device_of` has accepted; '' when there is none."""
    try:
        return signed_token.payload_of(_token(authorization)).decode()
    except ValueError:
        return ""


def _token(authorization: str) -> str:
    if authorization[: len(_BEARER)].lower() != _BEARER:
        raise ValueError("Authorization is not Bearer <token>")
    return authorization[len(_BEARER) :].strip()

"""Declares the endpoint of kiosks and counters: what a person types on a device of ours, as the web form's fields and `place`.

A device either signs (`Deskstream-Signature`, with a key that has the scope `kiosk:write`) or carries a token of its own
(`Authorization: Bearer ...`, from `python -m producers kiosk-token NAME`); the token's name is the place when none is
sent. A request that was signed and is sent again is the same contact, for the time of its signature is a part of its id.
Someone is standing there and waits: the channel is `in_person`.
"""

from __future__ import annotations

from collections.abc import Sequence

from producers.channels import form, generic
from producers.endpoint import Delivery, WebhookEndpoint
from producers.security.device import claimed_token, token_of
from schemas import signature
from schemas.clock import MICROS
from schemas.errors import Refused
from schemas.events import MessageReceived

__all__ = ["ENDPOINTS"]

#: The name in a device's token, which is a secret, for what reads the delivery afterwards.
DEVICE = "deskstream-device"
#: When a request was signed, wall seconds.
SIGNED_AT = "deskstream-signed-at"
_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"
_EXAMPLE = b"""{"name": "Ann Lee", "email": "ann@example.org", "message": "The zip of this jacket is broken.", \
"order_number": "10023", "language": "en", "place": "Dublin, ground floor", "submission_id": "k1-0001"}"""


def _verify(delivery: Delivery, secrets: Sequence[str], wall: float) -> None:
    if authorization := delivery.headers.get("authorization", ""):
        token_of(authorization, secrets, wall)
    else:
        signature.verify(delivery.headers.get(signature.HEADER.lower()), delivery.body, secrets, wall=wall)


def _normalise(delivery: Delivery, now: int, source: str) -> Sequence[MessageReceived]:
    is_form = delivery.headers.get("content-type", "").lower().startswith(_FORM)
    values = dict(delivery.form()) if is_form else generic.parse(delivery.body)
    values = {name: value for name, value in values.items() if value != ""}
    values.setdefault("place", delivery.headers.get(DEVICE, ""))
    signed_at = int(delivery.headers.get(SIGNED_AT, "0")) * MICROS
    return [form.normalise(values, now=now, source=source, channel=form.KIOSK, submitted_at=signed_at or now)]


def _proved(delivery: Delivery) -> dict[str, str]:
    token = claimed_token(delivery.headers.get("authorization", ""))
    proved = {DEVICE: token.device if token is not None else ""}
    try:
        signed_at = signature.RequestSignature.parse(delivery.headers.get(signature.HEADER.lower())).at
    except Refused:
        return proved
    return proved if token is not None else {**proved, SIGNED_AT: str(signed_at)}


ENDPOINTS = (
    WebhookEndpoint(
        process="kiosk",
        name="kiosk",
        path="/v1/kiosk",
        channel=form.KIOSK,
        scope="kiosk:write",
        device=token_of,
        secrets="kiosk_secrets",
        verify=_verify,
        normalise=_normalise,
        proved=_proved,
        summary="What a person types on a kiosk: the fields of the contact form, and place",
        example=Delivery("POST", "/v1/kiosk", {"content-type": _JSON}, body=_EXAMPLE),
        max_bytes=200_000,
        keep=False,
        media_types=(_JSON, _FORM),
        schema=form.json_schema(form.KIOSK_FIELDS),
    ),
)

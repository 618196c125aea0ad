"""Declares the endpoint of kiosks and counters: what a person types on a device of ours, as the web form's fields and `place`.

A device either signs (`Deskstream-Signature`, as for /v1/events) or carries a token of its own
(`Authorization: Bearer ...`, from `python -m producers kiosk-token NAME`); the token's name is the place when none is
sent. Someone is standing there and waits: the channel is `in_person`.
"""

from __future__ import annotations

from collections.abc import Sequence

from producers.channels import form, generic
from producers.endpoint import Delivery, WebhookEndpoint
from producers.security.device import claimed_device, device_of
from schemas import signature
from schemas.events import MessageReceived

__all__ = ["ENDPOINTS"]

#: The name in a device's token, which is a secret, for what reads the delivery afterwards.
DEVICE = "deskstream-device"
_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"
_EXAMPLE = b"""{"name": "Ann Lee", "email": "ann@example.org", "message": "The zip of this jacket is broken.", \
"order_number": "10023", "language": "en", "place": "Dublin, ground floor", "submission_id": "k1-0001"}"""


def _verify(delivery: Delivery, secrets: Sequence[str], wall: float) -> None:
    if authorization := delivery.headers.get("authorization", ""):
        device_of(authorization, secrets)
    else:
        signature.verify(delivery.headers.get(signature.HEADER.lower()), delivery.body, secrets, wall=wall)


def _normalise(delivery: Delivery, now: int, source: str) -> Sequence[MessageReceived]:
    is_form = delivery.headers.get("content-type", "").lower().startswith(_FORM)
    values = dict(delivery.form()) if is_form else generic.parse(delivery.body)
    values = {name: value for name, value in values.items() if value != ""}
    values.setdefault("place", delivery.headers.get(DEVICE, ""))
    return [form.normalise(values, now=now, source=source, channel=form.KIOSK)]


def _proved(delivery: Delivery) -> dict[str, str]:
    return {DEVICE: claimed_device(delivery.headers.get("authorization", ""))}


ENDPOINTS = (
    WebhookEndpoint(
        process="kiosk",
        name="kiosk",
        path="/v1/kiosk",
        channel=form.KIOSK,
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

"""Declares the endpoints of SMS and WhatsApp: incoming messages, and what carriers report of ours (`producers/channels/sms.py`).

At the service, set the webhook of a number (or of its messaging service) to `<DESKSTREAM_PUBLIC_URL>/v1/sms/incoming`
with POST, and leave its own answering of STOP and HELP switched off, or let it send `OptOutType`. Reports come by
themselves when `DESKSTREAM_SMS_STATUS_URL` of the delivery sink is `<DESKSTREAM_PUBLIC_URL>/v1/sms/status`.

The service signs address and fields, and no time. The address of a report is ours and says when we made it
(`schemas/signed_callback.py`): a report more than a week later is kept as a dead letter. An incoming message has no time
at all; sent again, it has the same id and is the same event.
"""

from __future__ import annotations

from collections.abc import Sequence

from producers.channels import sms, twilio
from producers.endpoint import Delivery, WebhookEndpoint
from schemas import signed_callback
from schemas.clock import MICROS

__all__ = ["ENDPOINTS"]


def _verify_report(delivery: Delivery, tokens: Sequence[str], wall: float) -> None:
    twilio.verify(delivery, tokens, wall)
    signed_callback.verify(delivery.query, tokens)


ENDPOINTS = (
    WebhookEndpoint(
        process="sms",
        name="sms-incoming",
        path="/v1/sms/incoming",
        channel=sms.CHANNEL,
        secrets="sms_secrets",
        verify=twilio.verify,
        proof=twilio.HEADER,
        normalise=sms.incoming,
        answer=twilio.answer,
        summary="An SMS or WhatsApp message; STOP, START and HELP are obeyed before anything else.",
        example=Delivery(
            "POST",
            "https://hooks.example/v1/sms/incoming",
            body=b"MessageSid=SM1&From=%2B15550100&To=%2B15550199&Body=Where+is+my+parcel%3F&NumMedia=0",
        ),
        max_bytes=100_000,
        media_types=(twilio.FORM,),
    ),
    WebhookEndpoint(
        process="sms",
        name="sms-status",
        path="/v1/sms/status",
        channel=sms.CHANNEL,
        secrets="sms_secrets",
        verify=_verify_report,
        proof=twilio.HEADER,
        signed_at=lambda delivery: signed_callback.made_at(delivery.query) * MICROS,
        is_old_proof=lambda delivery: signed_callback.is_unbound(delivery.query),
        normalise=sms.status,
        asks=("id",),
        answer=twilio.answer,
        summary="What became of a message of ours: sent, delivered, failed.",
        example=Delivery(
            "POST",
            "https://hooks.example/v1/sms/status",
            body=b"MessageSid=SM2&MessageStatus=delivered&From=%2B15550199&To=%2B15550100",
        ),
        max_bytes=100_000,
        media_types=(twilio.FORM,),
    ),
)

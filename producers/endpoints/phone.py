"""Declares the endpoints of telephony: calls, and voicemail (`producers/channels/phone.py` says which callback becomes what).

Point these at `<DESKSTREAM_PUBLIC_URL>/v1/phone/status`: the number's status callback, the `statusCallback` of every
`<Number>` and `<Client>` that is dialled (with `initiated ringing answered completed`), and the `action` of a `<Dial>`
or `<Enqueue>` where nothing follows. Where a menu or a machine takes the call first, add `?menu=1` to the first of
them. Point the `action` (or `recordingStatusCallback`) and the `transcribeCallback` of `<Record>` at
`/v1/phone/voicemail`: the recording is acknowledged at once, its transcript joins the same ticket.

An `action` is answered with an empty `<Response/>`: the call ends there.
"""

from __future__ import annotations

from producers.channels import phone, twilio
from producers.endpoint import Delivery, WebhookEndpoint

__all__ = ["ENDPOINTS"]


ENDPOINTS = (
    WebhookEndpoint(
        process="phone",
        name="phone-status",
        path="/v1/phone/status",
        channel=phone.CHANNEL,
        secrets="phone_secrets",
        verify=twilio.verify,
        proof=twilio.HEADER,
        signed_at=phone.signed_at,
        normalise=phone.status,
        asks=phone.ASKS,
        answer=twilio.answer,
        summary="What becomes of a call: it rings, is taken, ends.",
        example=Delivery(
            "POST",
            "https://hooks.example/v1/phone/status",
            body=b"CallSid=CA1&From=%2B15550100&To=%2B15550199&CallStatus=no-answer&Direction=inbound&CallDuration=0",
        ),
        max_bytes=100_000,
        media_types=(twilio.FORM,),
    ),
    WebhookEndpoint(
        process="phone",
        name="phone-voicemail",
        path="/v1/phone/voicemail",
        channel=phone.VOICEMAIL,
        secrets="phone_secrets",
        verify=twilio.verify,
        proof=twilio.HEADER,
        signed_at=phone.signed_at,
        normalise=phone.recording,
        asks=phone.ASKS,
        answer=twilio.answer,
        summary="What a customer said to the voicemail: the recording, and its transcript.",
        example=Delivery(
            "POST",
            "https://hooks.example/v1/phone/voicemail",
            body=b"CallSid=CA2&From=%2B15550100&RecordingSid=RE1&RecordingUrl=https%3A%2F%2Fapi.example%2FRE1"
            b"&RecordingDuration=12&TranscriptionText=Please+call+me+back.&TranscriptionStatus=completed",
        ),
        max_bytes=100_000,
        media_types=(twilio.FORM,),
    ),
)

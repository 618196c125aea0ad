"""Sends what a telephone service sends to the endpoints of `phone`."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlencode

from tests.support.producers.endpoint_case import Case
from tests.support.producers.endpoints_sms import signed


def call(number: int) -> bytes:
    fields = {"CallSid": f"CA{number:032}", "From": "+442079460000", "To": "+442079460999", "Direction": "inbound"}
    return urlencode(fields | {"CallStatus": "no-answer", "CallDuration": "0"}).encode()


def voicemail(number: int) -> bytes:
    fields = {"CallSid": f"CA8{number:031}", "From": "+442079460000", "RecordingSid": f"RE{number:032}"}
    recording = {"RecordingUrl": f"https://recordings.example/RE{number}", "RecordingDuration": "9"}
    return urlencode(fields | recording | {"RecordingStatus": "completed"}).encode()


CASES = [
    Case(
        endpoint="phone-status",
        body=call,
        sign=partial(signed, "/v1/phone/status"),
        malformed=urlencode({"CallSid": "CA1", "From": "+442079460000", "CallStatus": "levitating"}).encode(),
    ),
    Case(
        endpoint="phone-voicemail",
        body=voicemail,
        sign=partial(signed, "/v1/phone/voicemail"),
        malformed=urlencode({"CallSid": "CA1", "From": "+442079460000", "RecordingStatus": "completed"}).encode(),
    ),
]

"""Every webhook endpoint, the signed endpoint, the form. One process serves them all, and the survey pages."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import ClassVar

import httpx

from producers.endpoint import endpoints
from tests.support.producers.conformance import Answer, Becomes, Channel, Process
from tests.support.producers.endpoint_case import (
    OLD_SECRET,
    PUBLIC_URL,
    SECRET,
    WRONG_SECRET,
    Case,
    SignedRequest,
    cases,
)
from tests.support.producers.signing import KEYS_FILE, signer

ENDPOINTS = {endpoint.name: endpoint for endpoint in endpoints()}
BOTH = f"{SECRET}, {OLD_SECRET}"  # one of them is being rotated out
PROCESS = Process(
    "http",
    "http",
    DESKSTREAM_HTTP_PORT="0",
    DESKSTREAM_FORM_SUBMISSIONS_PER_MINUTE="100000",
    DESKSTREAM_PUBLIC_URL=PUBLIC_URL,
    DESKSTREAM_KEYS_FILE=str(KEYS_FILE),
    DESKSTREAM_SURVEY_SECRETS=BOTH,
    **{f"DESKSTREAM_{endpoint.secrets.upper()}": BOTH for endpoint in ENDPOINTS.values() if not endpoint.scope},
)


def answered(response: httpx.Response) -> Answer:
    if response.status_code == 503:
        assert int(response.headers["retry-after"]) >= 1
        return Answer.LATER
    assert response.is_success or response.status_code in (400, 401, 413, 422), response.text
    return Answer.RECEIVED if response.is_success else Answer.REFUSED


class Endpoint(Channel):
    """One address, and a sender who signs as the real one does: every second contact with the secret of before."""

    process = PROCESS

    def __init__(self, case: Case, path: str, max_bytes: int, *, keep: bool) -> None:
        self.name, self.events = case.endpoint, case.events
        self.garbled = Becomes.DEAD_LETTER if keep else Becomes.REFUSED
        self._case, self._path, self._max_bytes = case, path, max_bytes
        self._client = httpx.Client(trust_env=False, timeout=90)

    def close(self) -> None:
        self._client.close()

    def _send(self, sent: SignedRequest, seconds: float = 90.0) -> Answer:
        query = f"?{sent.query}" if sent.query else ""
        url = f"{PROCESS.url}{self._path}{query}"
        try:
            return answered(self._client.post(url, content=sent.body, headers=dict(sent.headers), timeout=seconds))
        except httpx.TimeoutException:
            return Answer.SILENT

    def offer(self, number: int, seconds: float = 90.0) -> Answer:
        return self._send(
            self._case.sign(self._case.body(number), (SECRET, OLD_SECRET)[number % 2], time.time()), seconds
        )

    def offer_oversize(self) -> Answer:
        return self._send(self._case.sign(b"x" * (self._max_bytes + 1), SECRET, time.time()))

    def offer_garbled(self) -> Answer:
        return self._send(self._case.sign(self._case.malformed, SECRET, time.time()))

    def forge(self) -> list[Answer]:
        body, now = self._case.body(1), time.time()
        right = self._case.sign(body, SECRET, now)
        only_type = {name: value for name, value in right.headers.items() if name.lower() == "content-type"}
        forged = [
            self._case.sign(body, WRONG_SECRET, now),
            SignedRequest(body, only_type, right.query),
            SignedRequest(body + b" ", right.headers, right.query),
        ]
        if self._case.timestamped:
            forged.append(self._case.sign(body, SECRET, now - 400))
        return [self._send(sent) for sent in forged]


class Form(Endpoint):
    """The contact form as a page's script sends it."""

    exempt: ClassVar[Mapping[str, str]] = {"forged": "anybody may write; robots are told by the honeypot (test_http)"}

    def __init__(self) -> None:
        super().__init__(
            Case("form", self._body, self._unsigned, b'{"message": "\xe9t\xe9"}'), "/v1/form", 256_000, keep=False
        )

    @staticmethod
    def _body(number: int) -> bytes:
        said = {"email": "ann@example.org", "message": f"Where is my parcel? {number}"}
        return json.dumps(said | {"submission_id": f"{number:032x}"}).encode()

    @staticmethod
    def _unsigned(body: bytes, secret: str, at: float) -> SignedRequest:
        return SignedRequest(body, {"Content-Type": "application/json"})


def _reply(number: int) -> bytes:
    said = {"type": "reply", "id": f"r{number}", "ticket_id": "ABCDEFGHIJKL-1", "agent_id": "mei", "text": "Here it is"}
    return json.dumps(said).encode()


EVENTS = Case("events", _reply, signer("/v1/events"), b'{"type": "reply", "text": "\xe9t\xe9"}', timestamped=True)
CHANNELS: list[Channel] = [
    *(
        Endpoint(case, ENDPOINTS[name].path, ENDPOINTS[name].max_bytes, keep=ENDPOINTS[name].keep)
        for name, case in cases().items()
    ),
    Endpoint(EVENTS, "/v1/events", 4_000_000, keep=False),
    Form(),
]

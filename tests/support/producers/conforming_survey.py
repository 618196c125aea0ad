"""The survey pages: a customer with the link of an invitation, who keeps the page open until it says thanks."""

from __future__ import annotations

import html
import re
import time

import httpx

from schemas import survey_link
from schemas.survey_link import SurveyLink
from tests.support.producers.conformance import Answer, Channel
from tests.support.producers.conforming_http import PROCESS
from tests.support.producers.endpoint_case import OLD_SECRET, SECRET, WRONG_SECRET

DAY = 86_400_000_000
MOST_BYTES = 200_000
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Survey(Channel):
    """One survey per number; every second link is signed with the secret of before."""

    name, process = "survey", PROCESS

    def __init__(self) -> None:
        self._client = httpx.Client(trust_env=False, timeout=90)
        self._links: dict[int, str] = {}
        self._pages: dict[int, str] = {}

    def close(self) -> None:
        self._client.close()

    def offer(self, number: int, seconds: float = 90.0) -> Answer:
        """Opens the page if it is not open, and presses its button. What the page says must be what is so."""
        path = self._links.setdefault(number, self._link(number, (SECRET, OLD_SECRET)[number % 2]))
        typed = f"Where is parcel {number}?"
        try:
            if number not in self._pages:
                self._pages[number] = token_of(self._client.get(PROCESS.url + path, timeout=seconds).text)
            fields = {"page": self._pages[number], "csat": str(1 + number % 5), "comment": typed}
            response = self._client.post(PROCESS.url + path, data=fields, timeout=seconds)
        except httpx.TimeoutException:
            return Answer.SILENT
        if response.status_code == 503:
            assert int(response.headers["retry-after"]) >= 1
            assert "press the button again" in response.text and "Thank you" not in response.text
            assert typed in html.unescape(response.text) and token_of(response.text) == self._pages[number]
            return Answer.LATER
        assert response.status_code == 200 and "Thank you" in response.text, response.text
        return Answer.RECEIVED

    def offer_oversize(self) -> Answer:
        return self._refused(self._link(1), b"csat=5&comment=" + b"x" * MOST_BYTES, 413)

    def offer_garbled(self) -> Answer:
        return self._refused(self._link(1), b"csat=5&comment=%e9t%e9", 400)

    def forge(self) -> list[Answer]:
        right = self._link(1)
        return [
            self._refused(self._link(1, WRONG_SECRET), b"csat=5", 403),
            self._refused(self._link(1, expires_in=-DAY), b"csat=5", 410),
            self._refused(right[:-4] + "!", b"csat=5", 404),
        ]

    @staticmethod
    def _link(number: int, secret: str = SECRET, expires_in: int = DAY) -> str:
        expires = time.time_ns() // 1000 + expires_in
        return survey_link.url("", SurveyLink(f"ABCDEFGHIJKL-{number}", 1, "mei", expires), [secret])

    def _refused(self, path: str, body: bytes, status: int) -> Answer:
        response = self._client.post(PROCESS.url + path, content=body, headers=FORM)
        assert response.status_code == status and 'role="alert"' in response.text, response.text
        return Answer.REFUSED


def token_of(page: str) -> str:
    found = re.search(r'name="page" value="([^"]+)"', page)
    assert found, page
    return found[1]


CHANNELS: list[Channel] = [Survey()]

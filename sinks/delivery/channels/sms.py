"""Sends SMS and WhatsApp messages over Twilio's REST interface, when DESKSTREAM_SMS_ACCOUNT is set.

| the service answers                                        | then                                               |
|------------------------------------------------------------|----------------------------------------------------|
| 2xx                                                        | taken                                              |
| nothing, 5xx, 429                                          | ServiceUnavailable: every message waits            |
| 401, 403, 404, an error code 20xxx: token, account, limits | ServiceUnavailable: no message is the cause        |
| 21611: its queue for our number is full                    | TryLater                                           |
| any other 4xx, such as 21610: the customer sent STOP       | Undeliverable, `bounced`                           |

The interface has no idempotency key. When it is unknown whether a message was taken (the answer was lost, or was a 5xx),
the service's list of messages is read before the message is sent again. A message in that list is ours when it has this
text and number, is not older than our first attempt, and is not known as another message of ours. The list is also read
for a message that a killed process may have begun to send (`Attempt`).

WhatsApp takes free text until 24 hours after the customer's last message (`Outbound.window_ends_at`). Later the brand's
template goes, and where there is none the message is refused, `whatsapp_window`.

A text longer than `sms_characters` UTF-16 units goes in at most `sms_most_parts` numbered parts. To the service each part
is a message; a part that was taken is not sent again.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from schemas import signed_callback
from schemas.clock import MICROS, Clock, to_micros
from schemas.errors import ConfigurationError
from schemas.facts import Outbound
from schemas.settings import SinkSettings
from schemas.text import named_error_line, one_line
from sinks.delivery import whatsapp
from sinks.delivery.adapter import Attempt, ServiceUnavailable, TryLater, Undeliverable
from sinks.delivery.split import split

CHANNELS = ("sms",)
_WHATSAPP = "whatsapp:"
_NUMBER = re.compile(r"\+[1-9][0-9]{5,14}")
_SENDER = re.compile(r"\+[1-9][0-9]{5,14}|[A-Za-z0-9 ]{1,11}|MG[0-9a-f]{32}")
_SERVICE = re.compile(r"MG[0-9a-f]{32}")
_QUEUE_FULL = 21611
_ABOUT_US = frozenset((401, 403, 404, 429))
#: The service's clock and ours may differ by this.
_SKEW_MICROS = 30 * MICROS
_REMEMBERED = 2_000
_ASKED_FOR = 50


class Sms:
    """Sends for one account; reuses its connections."""

    def __init__(self, settings: SinkSettings) -> None:
        base = settings.sms_base_url.rstrip("/")
        self._address = f"{base}/2010-04-01/Accounts/{quote(settings.sms_account, safe='')}/Messages.json"
        self._sms_from, self._whatsapp_from = settings.sms_from, settings.sms_whatsapp_from or settings.sms_from
        self._status_url, self._token = settings.sms_status_url, settings.sms_token.get_secret_value()
        self._most, self._parts = settings.sms_characters, settings.sms_most_parts
        self._pipeline_clock = settings.pipeline_clock
        self._clock = Clock.parse("")  # the service's times are wall times, whatever ours are
        self._client = httpx.AsyncClient(
            auth=(settings.sms_account, self._token),
            timeout=settings.sms_timeout_seconds,
            limits=httpx.Limits(max_connections=settings.delivery_in_flight),
            verify=base.startswith("https:"),  # without TLS there is nothing to verify, and loading it takes long
            trust_env=False,
        )
        self._uncertain: OrderedDict[str, int] = OrderedDict()  # part → when it was first sent
        self._taken: OrderedDict[str, str] = OrderedDict()  # their id → our part
        self._begun: OrderedDict[str, list[str]] = OrderedDict()  # outbound id → their ids of the parts it has so far

    async def deliver(self, message: Outbound, earlier: Attempt | None = None) -> str:
        """Sends the parts one after the other; returns the service's ids, joined by spaces.

        Raises:
            ServiceUnavailable, TryLater, Undeliverable
        """
        if not message.text.strip():
            raise Undeliverable("refused", "empty", "there is nothing to say")
        fields = self._fields(message)
        parts = self._contents(message)
        sids = self._begun.setdefault(message.outbound_id, [])
        if len(self._begun) > _REMEMBERED:
            self._begun.popitem(last=False)
        for number in range(len(sids), len(parts)):
            part = f"{message.outbound_id}/{number}"
            sids.append(await self._deliver(part, fields | parts[number], earlier))
        self._begun.pop(message.outbound_id, None)
        return " ".join(sids)

    async def _deliver(self, part: str, fields: dict[str, str], earlier: Attempt | None) -> str:
        since = self._uncertain.get(part)
        if earlier is not None:
            since = earlier.since if since is None else min(since, earlier.since)
        if since is not None and (sid := await self._found(fields, part, since, earlier)):
            return self._take(part, sid)
        started = self._clock.now()
        try:
            answer = await self._request("POST", self._address, content=urlencode(fields).encode())
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:  # it never left
            raise ServiceUnavailable(f"SMS: {_error_text(error)}") from error
        except httpx.HTTPError as error:
            self._doubt(part, started)
            raise ServiceUnavailable(f"SMS: {_error_text(error)}") from error
        if answer.status_code >= 500:
            self._doubt(part, started)
        if not answer.is_success:
            raise _failure_of(answer)
        return self._take(part, str(_json(answer).get("sid") or ""))

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    def _contents(self, message: Outbound) -> list[dict[str, str]]:
        """Returns what each part says: its text, or the template that WhatsApp takes when the window has ended.

        Raises:
            Undeliverable: the window has ended, and there is no template.
        """
        until = message.window_ends_at
        if until is None or self._pipeline_clock.now() <= until:
            is_long = _units(message.text) > self._most
            texts = split(message.text, self._most, self._parts, _units) if is_long else [message.text]
            return [{"Body": text} for text in texts]
        return [
            {"ContentSid": message.template, "ContentVariables": variables}
            for variables in whatsapp.contents(message, self._most, self._parts)
        ]

    def _fields(self, message: Outbound) -> dict[str, str]:
        """Returns the request's fields without the text.

        Raises:
            Undeliverable: there is no number.
        """
        number = message.address.removeprefix(_WHATSAPP)
        if not _NUMBER.fullmatch(number):
            raise Undeliverable("refused", "bad_address", f"{message.address[:60]!r} is no number such as +15550100")
        by_whatsapp = message.address.startswith(_WHATSAPP)
        sender = message.sender or (self._whatsapp_from if by_whatsapp else self._sms_from)
        fields = {"To": message.address}
        if _SERVICE.fullmatch(sender):
            fields["MessagingServiceSid"] = sender
        else:
            fields["From"] = f"{_WHATSAPP}{sender}" if by_whatsapp else sender
        if self._status_url:
            at = self._clock.now() // MICROS
            fields["StatusCallback"] = signed_callback.url(self._status_url, message.outbound_id, self._token, at)
        return fields

    async def _found(self, fields: dict[str, str], part: str, since: int, earlier: Attempt | None) -> str:
        """Returns the service's id of a part that an earlier attempt handed over; '' when none did.

        Raises:
            ServiceUnavailable: the service does not answer that either.
        """
        wanted = {"To": fields["To"], "PageSize": str(_ASKED_FOR)}
        try:
            answer = await self._request("GET", f"{self._address}?{urlencode(wanted)}")
        except httpx.HTTPError as error:
            raise ServiceUnavailable(f"SMS: {_error_text(error)}") from error
        if not answer.is_success:
            raise ServiceUnavailable(f"SMS: {_answer_text(answer)}")
        listed = _json(answer).get("messages")
        for each in [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []:
            sid = str(each.get("sid") or "")
            ours = self._taken.get(sid, part) == part and not (earlier is not None and earlier.is_of_another(sid))
            if ours and sid and _says(each, fields) and _sent_at(each) >= since - _SKEW_MICROS:
                return sid
        return ""

    async def _request(self, method: str, url: str, content: bytes | None = None) -> httpx.Response:
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if content is not None else {}
        return await self._client.request(method, url, content=content, headers=headers)

    def _take(self, part: str, sid: str) -> str:
        self._uncertain.pop(part, None)
        if sid:
            self._taken[sid] = part
            if len(self._taken) > _REMEMBERED:
                self._taken.popitem(last=False)
        return sid or "taken"

    def _doubt(self, part: str, started: int) -> None:
        self._uncertain.setdefault(part, started)
        if len(self._uncertain) > _REMEMBERED:
            self._uncertain.popitem(last=False)


def connect(settings: SinkSettings) -> Sms | None:
    """Returns the adapter, or None without an account.

    Raises:
        ConfigurationError: there is an account and no token or sender.
    """
    if not settings.sms_account:
        return None
    if not settings.sms_token.get_secret_value():
        raise ConfigurationError("is empty", where="DESKSTREAM_SMS_TOKEN", fix="set it, or leave the account empty too")
    for name, needed in (("sms_from", True), ("sms_whatsapp_from", False)):
        sender = getattr(settings, name)
        if (sender or needed) and not _SENDER.fullmatch(sender):
            where = f"DESKSTREAM_{name.upper()}"
            raise ConfigurationError(f"{sender!r} is no sender", where=where, fix="such as +15550199, or MG...")
    if not settings.sms_base_url.startswith(("http://", "https://")):
        raise ConfigurationError("must begin with https://", where="DESKSTREAM_SMS_BASE_URL")
    return Sms(settings)


def _failure_of(answer: httpx.Response) -> Exception:
    """Returns the exception for an error answer."""
    code = _json(answer).get("code")
    code = code if isinstance(code, int) else 0
    if answer.status_code >= 500 or answer.status_code == 429 or 20_000 <= code < 21_000:
        return ServiceUnavailable(f"SMS: {_answer_text(answer)}")
    if code == _QUEUE_FULL:
        return TryLater(_answer_text(answer))
    if not code and answer.status_code in _ABOUT_US:
        return ServiceUnavailable(f"SMS: {_answer_text(answer)}")
    return Undeliverable("bounced", "sms_permanent", _answer_text(answer))


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        value = answer.json()
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _answer_text(answer: httpx.Response) -> str:
    fields = _json(answer)
    text = f"{answer.status_code} {fields.get('code', '')} {fields.get('message', '') or answer.text[:200]}"
    return one_line(text, 500)


def _error_text(error: Exception) -> str:
    return named_error_line(error, 500)


def _says(listed: dict[str, Any], fields: dict[str, str]) -> bool:
    """Returns true when a message in the service's list has this text, or what this template is filled with."""
    body = str(listed.get("body"))
    if "Body" in fields:
        return body.strip() == fields["Body"].strip()
    return whatsapp.says(body, fields["ContentVariables"])


def _units(text: str) -> int:
    """Counts UTF-16 code units; most emoji have two."""
    return len(text) + sum(each > "\uffff" for each in text)


def _sent_at(each: dict[str, Any]) -> int:
    try:
        at = parsedate_to_datetime(str(each.get("date_created")))
        return to_micros(at if at.tzinfo else at.replace(tzinfo=UTC))
    except (ValueError, TypeError, OverflowError):
        return 0

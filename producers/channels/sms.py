"""Turns Twilio's form fields into events: SMS and WhatsApp messages, and the delivery status of ours.

| field                                     | becomes                                                             |
|-------------------------------------------|---------------------------------------------------------------------|
| From `+81...`, `whatsapp:+81...`          | customer `tel:+81...`; address as it is, so that we answer by the same service |
| Body                                      | text, or a change of consent when it is only a word of `KEYWORDS`   |
| NumMedia, MediaUrl0, MediaContentType0 ...| attachments; where they are, not their bytes                        |
| Latitude, Longitude, Address, Label       | the place that a WhatsApp message holds, as its text                |
| MessageSid                                | the event's id                                                      |
| OptOutType                                | the change of consent that the service recognised and answered      |
| MessageStatus, ErrorCode                  | DeliveryReported, one per message and status                        |

A change of consent comes first: it is a ConsentChanged and never a message. The keyword is the whole message, in any
case and width, with any punctuation and blanks around it; around an unmistakable STOP also signs and pictures.
`Help 😢` is a call for help, and `Cancel 🙏` may be about an order.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any, NamedTuple

from producers.channels.social import file_of
from producers.channels.telephone import CARRIER, Caller, caller, language_of
from producers.channels.twilio import fields, short
from producers.endpoint import Delivery
from producers.text.fields import identifier, prose
from schemas.errors import Refused
from schemas.events import UNVERIFIED, Attachment, ConsentChanged, DeliveryReported, Event, MessageReceived
from schemas.identity import canonical_customer_id, customer_tag, event_id

__all__ = ["CHANNEL", "KEYWORDS", "Keyword", "incoming", "keyword_of", "status"]

CHANNEL = "sms"
MOST_MEDIA = 20
_WHATSAPP = "whatsapp:"
#: Statuses of messages to us.
_THEIRS = frozenset(("receiving", "received"))
_STATUS = re.compile(r"[a-z][a-z_-]{0,29}")
#: Invisible characters that telephones put into words.
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff]")
_AROUND = " .,!?\"'`。．，、！？…「」『』“”‘’()[]（）【】"
#: Signs and pictures around a word: `*STOP* 🛑`.
_ANYTHING_AROUND = re.compile(r"^[\W_]+|(?<![\W_])[\W_]++$")


class Keyword(NamedTuple):
    """A word that asks for something: the request (`stop start help`), and the language, '' when it does not tell."""

    request: str
    language: str = ""


KEYWORDS: dict[str, Keyword] = {
    **dict.fromkeys(
        (
            "stop",
            "stopall",
            "stop all",
            "unsubscribe",
            "cancel",
            "end",
            "quit",
            "revoke",
            "optout",
            "opt out",
            "opt-out",
        ),
        Keyword("stop"),
    ),
    **dict.fromkeys(("td", "停止", "拒收"), Keyword("stop")),
    **dict.fromkeys(("退订", "取消订阅", "停止订阅"), Keyword("stop", "zh-Hans")),
    **dict.fromkeys(("退訂", "取消訂閱", "停止訂閱"), Keyword("stop", "zh-Hant")),
    **dict.fromkeys(("配信停止", "配信解除", "受信拒否", "ストップ"), Keyword("stop", "ja")),
    **dict.fromkeys(("start", "yes", "unstop"), Keyword("start")),
    **dict.fromkeys(("订阅", "恢复订阅", "重新订阅"), Keyword("start", "zh-Hans")),
    **dict.fromkeys(("訂閱", "恢復訂閱", "重新訂閱"), Keyword("start", "zh-Hant")),
    **dict.fromkeys(("配信再開", "配信開始"), Keyword("start", "ja")),
    **dict.fromkeys(("help", "info"), Keyword("help")),
    "帮助": Keyword("help", "zh-Hans"),
    "幫助": Keyword("help", "zh-Hant"),
    "ヘルプ": Keyword("help", "ja"),
}


#: Words with the single meaning that somebody wants no more messages.
_UNMISTAKABLE = frozenset(
    word
    for word, keyword in KEYWORDS.items()
    if keyword.request == "stop" and word not in ("cancel", "end", "quit", "revoke", "td", "停止")
)


def keyword_of(text: str) -> Keyword | None:
    """Returns the keyword that a whole message is, None for a message like any other."""
    if len(text) > 100:
        return None
    words = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).casefold()
    words = " ".join(words.split())
    if found := KEYWORDS.get(words.strip(_AROUND)):
        return found
    plain = _ANYTHING_AROUND.sub("", words)
    return KEYWORDS.get(plain) if plain in _UNMISTAKABLE else None


def incoming(delivery: Delivery, now: int, source: str) -> list[Event]:
    """Returns the event of one incoming message; `now` in micros.

    Raises:
        Refused: `bad_encoding`; `bad_fields`, it has no sender or no id.
    """
    form = fields(delivery)
    sid = form.get("MessageSid") or form.get("SmsMessageSid") or form.get("SmsSid", "")
    who = _sender(form.get("From", ""), form.get("FromCountry", ""))
    if not sid or not who.customer:
        raise Refused("bad_fields", f"{'MessageSid' if not sid else 'From'} is missing or empty")
    body = form.get("Body", "")
    customer_id = canonical_customer_id(*_kind_and_value(who.customer))
    base: dict[str, Any] = {
        "event_id": event_id("sms", "message", sid),
        "occurred_at": now,
        "received_at": now,
        "customer_tag": customer_tag(customer_id),
        "channel": CHANNEL,
        "source": source,
        "customer_id": customer_id,
        "address": who.address,
        "verified": CARRIER if who.address else UNVERIFIED,
    }
    country = language_of(who.address.removeprefix(_WHATSAPP))
    known = _by_service(form.get("OptOutType", ""))
    keyword = known or keyword_of(body)
    if keyword is not None:
        return [
            ConsentChanged(
                **base,
                wish=keyword.request,
                keyword=short(body, 100),
                language=keyword.language or country,
                answered=known is not None,
                brand=identifier(form.get("To", ""), 100),
            )
        ]
    text = prose(body.strip() or _place(form))
    return [
        MessageReceived(
            **base,
            customer_name=short(form.get("ProfileName", ""), 200),
            text=text,
            full_text=text,
            recipients=[identifier(form["To"], 200)] if form.get("To") else [],
            attachments=_media(form),
            language=country,
        )
    ]


def status(delivery: Delivery, now: int, source: str) -> list[Event]:
    """Returns the delivery status of a message of ours. `id` in the address is our own id of it, from our sender.

    Raises:
        Refused: `bad_encoding`; `bad_fields`, it names no message, no recipient or no status.
    """
    form = fields(delivery)
    sid = form.get("MessageSid") or form.get("SmsSid", "")
    state = (form.get("MessageStatus") or form.get("SmsStatus", "")).strip().lower()
    who = _sender(form.get("To", ""), "")
    if not sid or not who.customer or not _STATUS.fullmatch(state):
        missing = "MessageSid" if not sid else "To" if not who.customer else "MessageStatus"
        raise Refused("bad_fields", f"{missing} is missing or is none")
    if state in _THEIRS:
        return []
    customer_id = canonical_customer_id(*_kind_and_value(who.customer))
    return [
        DeliveryReported(
            event_id=event_id("sms", "status", sid, state),
            occurred_at=now,
            received_at=now,
            customer_tag=customer_tag(customer_id),
            channel=CHANNEL,
            source=source,
            customer_id=customer_id,
            address=who.address,
            message_id=identifier(delivery.query.get("id", "") or sid, 100),
            status=state,
            error_code=short(form.get("ErrorCode", ""), 20),
        )
    ]


def _sender(text: str, country: str) -> Caller:
    """Returns the sender; one on WhatsApp is the customer of the same number, answered on WhatsApp."""
    if not text.strip().lower().startswith(_WHATSAPP):
        return caller(text, country)
    who = caller(text.strip()[len(_WHATSAPP) :], country)
    return Caller(who.customer, f"{_WHATSAPP}{who.address}" if who.address else "")


def _kind_and_value(customer: str) -> tuple[str, str]:
    kind, _, value = customer.partition(":")
    return kind, value


def _by_service(kind: str) -> Keyword | None:
    request = kind.strip().lower()
    return Keyword(request) if request in ("stop", "start", "help") else None


def _media_count(form: dict[str, str]) -> int:
    number = form.get("NumMedia", "0").strip()
    return min(MOST_MEDIA, int(number)) if number.isascii() and number.isdigit() and len(number) < 6 else 0


def _media(form: dict[str, str]) -> list[Attachment]:
    found = []
    for number in range(_media_count(form)):
        url = identifier(form.get(f"MediaUrl{number}", ""))
        if url:
            kind = short(form.get(f"MediaContentType{number}", ""), 100) or "application/octet-stream"
            found.append(Attachment(name=short(file_of(url), 200), media_type=kind, reference=url))
    return found


def _place(form: dict[str, str]) -> str:
    """Returns a shared location in words: its label, its address, its coordinates."""
    if not form.get("Latitude") or not form.get("Longitude"):
        return ""
    where = f"{form['Latitude']}, {form['Longitude']}"
    return "\n".join(filter(None, (form.get("Label", ""), form.get("Address", ""), where)))

"""Turns a submitted contact form, a mapping of field names to values, into a `MessageReceived`.

A kiosk sends the same fields and its location (`place`); its channel is `in_person`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from producers.security import signed_user
from producers.text.fields import MAX_PROBLEMS, FieldProblems, address_problem, prose, time_zone_problem
from producers.text.locales import locale_hint
from schemas import identity
from schemas.clock import MICROS
from schemas.errors import Refused
from schemas.events import MessageReceived

__all__ = ["CHANNEL", "FIELDS", "HONEYPOT", "KIOSK", "KIOSK_FIELDS", "FormProblems", "json_schema", "normalise"]

CHANNEL, KIOSK = "form", "in_person"
#: Hidden from people; programs that fill in everything fill it in.
HONEYPOT = "website"
#: Accepted fields: name → (needed, longest in characters, meaning).
FIELDS: dict[str, tuple[bool, int, str]] = {
    "name": (False, 200, "how to address the customer"),
    "email": (True, 254, "where we answer"),
    "subject": (False, 300, "one line"),
    "message": (True, 20_000, "what the customer writes"),
    "order_number": (False, 64, "the order that it is about"),
    "language": (False, 35, "the page's language, such as ja or zh-TW"),
    "time_zone": (False, 64, "the browser's time zone, such as Asia/Tokyo"),
    "submission_id": (False, 100, "your own id of this submission: the same one again is the same contact"),
    "brand": (False, 40, "which of our brands it is for: its slug"),
    "help_query": (False, 200, "what they searched the help centre for, before they wrote"),
    "help_article": (False, 80, "the slug of the help article that they read, before they wrote"),
    "user_hash": (False, 128, "of a user who is signed in with you: your signature of the address"),
    HONEYPOT: (False, 1_000, "leave it empty"),
}
#: What somebody looked for and read before they wrote; agents see it beside the message.
HELP = ("help_query", "help_article")
KIOSK_FIELDS: dict[str, tuple[bool, int, str]] = {
    **{name: spec for name, spec in FIELDS.items() if name not in (HONEYPOT, "user_hash", *HELP)},
    "place": (False, 100, "where the kiosk stands, such as the branch and the floor"),
}
_FIELDS_OF = {CHANNEL: FIELDS, KIOSK: KIOSK_FIELDS}
_SAME_SUBMISSION = 600 * MICROS


def json_schema(fields: Mapping[str, tuple[bool, int, str]]) -> dict[str, Any]:
    """Returns the JSON schema of a form with these fields."""
    return {
        "type": "object",
        "properties": {
            name: {"type": "string", "maxLength": longest, "description": about}
            for name, (_, longest, about) in fields.items()
        },
        "required": [name for name, (needed, _, _) in fields.items() if needed],
        "additionalProperties": False,
    }


class FormProblems(FieldProblems):
    """Some fields are wrong. `words` maps a field's name to the kind of its problem, for pages in other languages.

    A kind is one of `needed address time_zone too_long not_text unknown`.
    """

    def __init__(self, fields: dict[str, str], words: dict[str, str]) -> None:
        self.words = words
        super().__init__(fields)


class _Problems:
    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self.words: dict[str, str] = {}

    def add(self, name: str, word: str, problem: str) -> None:
        if name not in self.fields:
            self.fields[name], self.words[name] = problem, word


def normalise(
    values: Mapping[str, object],
    *,
    now: int,
    source: str = "",
    channel: str = CHANNEL,
    submitted_at: int = 0,
    user_secrets: Sequence[str] = (),
) -> MessageReceived:
    """Returns the event of a form, or of a kiosk's (`channel` KIOSK). `now` is the pipeline's time in microseconds.

    `user_secrets` are those that the shop signs its users with.

    The same content again within ten minutes is the same submission (a double click), unless `submission_id` says so.
    `submitted_at`, in microseconds, says when it was sent if the sender has proved that; otherwise that is `now`.

    Raises:
        FormProblems: `bad_fields`, with every problem by field.
        Refused: `honeypot`, a program filled in the hidden field.
    """
    texts = _checked(values, channel, user_secrets)
    address = texts["email"]
    customer_id = identity.canonical_customer_id("email", address)
    message = prose(texts["message"])
    subject = prose(texts.get("subject", ""), 300)
    ticket = identity.ticket_in_mail(subject, [], [])
    owner = identity.split_ticket_id(ticket)
    return MessageReceived(
        event_id=_event_id(channel, texts, address, submitted_at or now),
        occurred_at=now,
        received_at=now,
        customer_tag=owner[0] if owner else identity.customer_tag(customer_id),
        channel=channel,
        source=source,
        customer_id=customer_id,
        address=address,
        customer_name=prose(texts.get("name", ""), 200),
        subject=subject,
        text=message,
        full_text=message,
        ticket_ref=ticket,
        language=locale_hint(texts.get("language", "")),
        time_zone=texts.get("time_zone", ""),
        order_number=prose(texts.get("order_number", ""), 64),
        fields={name: prose(texts[name], 200) for name in ("place", *HELP) if texts.get(name)},
        brand=texts.get("brand", ""),
        verified=signed_user.verified(address, texts.get("user_hash", ""), user_secrets),
    )


def _checked(values: Mapping[str, object], channel: str, user_secrets: Sequence[str]) -> dict[str, str]:
    """Returns the fields of a complete form. Raises as `normalise`."""
    texts, problems = _texts(values, _FIELDS_OF[channel])
    if texts.get(HONEYPOT):
        raise Refused("honeypot", "the hidden field is filled in")
    address = texts.get("email", "")
    if problem := address_problem(address):
        problems.add("email", "address" if address else "needed", problem)
    if problem := signed_user.problem(address, texts.get("user_hash", ""), user_secrets):
        problems.add("user_hash", "address", problem)
    if not texts.get("message"):
        problems.add("message", "needed", "is needed")
    if problem := time_zone_problem(texts.get("time_zone", "")):
        problems.add("time_zone", "time_zone", problem)
    if problems.fields:
        raise FormProblems(problems.fields, problems.words)
    return texts


def _texts(
    values: Mapping[str, object], fields: Mapping[str, tuple[bool, int, str]]
) -> tuple[dict[str, str], _Problems]:
    texts: dict[str, str] = {}
    problems = _Problems()
    for name, value in values.items():
        known = fields.get(name)
        if known is None:
            if len(problems.fields) >= MAX_PROBLEMS:
                continue
            told = f"is not a field of this form; its fields are {', '.join(fields)}"
            problems.add(str(name)[:60], "unknown", told)
        elif value is None:
            continue
        elif not isinstance(value, str | int) or isinstance(value, bool):
            problems.add(name, "not_text", "must be text")
        elif len(text := str(value).strip()) > known[1]:
            problems.add(name, "too_long", f"is too long: {len(text)} characters, at most {known[1]}")
        else:
            texts[name] = text
    return texts, problems


def _event_id(channel: str, texts: dict[str, str], address: str, now: int) -> str:
    kind = "form" if channel == CHANNEL else "kiosk"
    if own := texts.get("submission_id"):
        return identity.event_id(kind, address.lower(), own)
    content = (texts.get(name, "") for name in ("subject", "message", "order_number"))
    return identity.event_id(f"{kind}-content", address.lower(), *content, str(now // _SAME_SUBMISSION))

"""A submitted contact form, as a mapping of field names to values, to a `MessageReceived`."""

from __future__ import annotations

from collections.abc import Mapping

from producers.fields import FieldProblems, address_problem, prose, time_zone_problem
from producers.locales import locale_hint
from schemas import identity
from schemas.clock import MICROS
from schemas.errors import Refused
from schemas.events import MessageReceived

__all__ = ["CHANNEL", "FIELDS", "HONEYPOT", "normalise"]

CHANNEL = "form"
#: Hidden from people; programs that fill in everything fill it in.
HONEYPOT = "website"
#: What may be sent: name → (needed, longest in characters, what it is).
FIELDS: dict[str, tuple[bool, int, str]] = {
    "name": (False, 200, "how to address the customer"),
    "email": (True, 254, "where we answer"),
    "subject": (False, 300, "one line"),
    "message": (True, 20_000, "what the customer writes"),
    "order_number": (False, 64, "the order that it is about"),
    "language": (False, 35, "the page's language, such as ja or zh-TW"),
    "time_zone": (False, 64, "the browser's time zone, such as Asia/Tokyo"),
    "submission_id": (False, 100, "your own id of this submission: the same one again is the same contact"),
    HONEYPOT: (False, 1_000, "leave it empty"),
}
_SAME_SUBMISSION = 600 * MICROS


def normalise(values: Mapping[str, object], *, now: int, source: str = "") -> MessageReceived:
    """The event of a form. `now` is the pipeline's time in microseconds.

    The same content again within ten minutes is the same submission (a double click), unless `submission_id` says so.

    Raises:
        FieldProblems: `bad_fields`, with every problem by field.
        Refused: `honeypot`, a program filled in the hidden field.
    """
    texts, problems = _texts(values)
    if texts.get(HONEYPOT):
        raise Refused("honeypot", "the hidden field is filled in")
    address = texts.get("email", "")
    if "email" not in problems and (problem := address_problem(address)):
        problems["email"] = problem
    if "message" not in problems and not texts.get("message"):
        problems["message"] = "is needed"
    if problem := time_zone_problem(texts.get("time_zone", "")):
        problems.setdefault("time_zone", problem)
    if problems:
        raise FieldProblems(problems)

    customer_id = identity.canonical_customer_id("email", address)
    message = prose(texts["message"])
    subject = prose(texts.get("subject", ""), 300)
    ticket = identity.ticket_in_mail(subject, [], [])
    owner = identity.split_ticket_id(ticket)
    return MessageReceived(
        event_id=_event_id(texts, address, now),
        occurred_at=now,
        received_at=now,
        customer_tag=owner[0] if owner else identity.customer_tag(customer_id),
        channel=CHANNEL,
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
    )


def _texts(values: Mapping[str, object]) -> tuple[dict[str, str], dict[str, str]]:
    texts: dict[str, str] = {}
    problems: dict[str, str] = {}
    for name, value in values.items():
        known = FIELDS.get(name)
        if known is None:
            problems[str(name)[:60]] = f"is not a field of this form; its fields are {', '.join(FIELDS)}"
        elif value is None:
            continue
        elif not isinstance(value, str | int) or isinstance(value, bool):
            problems[name] = "must be text"
        elif len(text := str(value).strip()) > known[1]:
            problems[name] = f"is too long: {len(text)} characters, at most {known[1]}"
        else:
            texts[name] = text
    return texts, problems


def _event_id(texts: dict[str, str], address: str, now: int) -> str:
    if own := texts.get("submission_id"):
        return identity.event_id("form", address.lower(), own)
    content = (texts.get(name, "") for name in ("subject", "message", "order_number"))
    return identity.event_id("form-content", address.lower(), *content, str(now // _SAME_SUBMISSION))

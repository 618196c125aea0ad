"""Writes a customer's words on a channel: a scenario, filled in and worded as people write there."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from producers.simulation.mail import Mail
from producers.simulation.people import PRODUCTS, Person
from producers.simulation.planned import SOURCE, Form, Planned
from producers.simulation.scenarios import ANGER, CLOSINGS, GREETINGS, Scenario, Wording
from schemas.clock import from_micros
from schemas.events import CallEnded, MessageReceived
from schemas.identity import event_id, subject_token

__all__ = ["Matter", "contact", "matter", "message_id", "on_ticket", "retold", "spoken", "worded"]

_DAY = 24 * 3600 * 1_000_000
#: The local part of our own address.
SUPPORT = "support"


@dataclass(frozen=True, slots=True)
class Matter:
    """Holds what somebody writes about: the same words again must be about the same order."""

    scenario: Scenario
    order: str
    product: int
    angry: bool


def matter(rng: Random, scenario: Scenario) -> Matter:
    """Draws a case of a scenario."""
    return Matter(
        scenario, f"DS{rng.randrange(10**7, 10**8)}", rng.randrange(len(PRODUCTS)), rng.random() < scenario.mood
    )


def contact(rng: Random, person: Person, about: Matter, channel: str, at: int, unique: str, domain: str) -> Planned:
    """Plans the first contact about a matter. `unique` tells this contact from all others."""
    wording = about.scenario.wordings[person.language]
    subject = _filled(wording.subject, about, person.language, at)
    if channel in ("email", "form"):
        text = _long_text(rng, person, about, wording, at)
        if channel == "form":
            return Planned(at, unique, _form(person, subject, text, about.order, unique))
        return Planned(at, unique, _mail(person, subject, text, unique, domain))
    text = _short_text(rng, person, about, wording, at)
    return Planned(at, unique, spoken(person, channel, text, at, unique, public=rng.random() < 0.6))


def worded(rng: Random, language: str, about: Matter, at: int = 10 * _DAY) -> tuple[str, str]:
    """Returns subject and text of a matter, without greeting and name."""
    wording = about.scenario.wordings[language]
    return _filled(wording.subject, about, language, at), _filled(rng.choice(wording.long), about, language, at)


def retold(rng: Random, person: Person, about: Matter, at: int) -> str:
    """Returns the matter in one sentence, for somebody who has to say it again."""
    return _filled(rng.choice(about.scenario.wordings[person.language].short), about, person.language, at)


def on_ticket(person: Person, ticket: str, channel: str, text: str, subject: str, at: int, unique: str, domain: str,
              quoted: str = "") -> Planned:  # fmt: skip
    """Plans a further message about a ticket: by mail to its own address, elsewhere in the same conversation."""
    if channel not in ("email", "form"):
        return Planned(at, unique, spoken(person, channel, text, at, unique), ticket)
    mail = Mail(
        sender_name=person.name,
        sender=person.email,
        recipient=f"{SUPPORT}+{ticket}@{domain}",
        subject=f"Re: {subject} {subject_token(ticket)}",
        text=f"{text}\n\n{person.name}",
        message_id=message_id(person, unique),
        language=person.language,
        style=person.style,
        quoted=quoted,
    )
    return Planned(at, unique, mail, ticket)


def spoken(
    person: Person, channel: str, text: str, at: int, unique: str, *, public: bool = False
) -> MessageReceived | CallEnded:
    """Returns a message or voice message on a channel without documents."""
    if channel == "voicemail":
        return CallEnded(
            event_id=event_id("sim-call", unique),
            occurred_at=at,
            received_at=at,
            customer_tag=person.tag(channel),
            channel=channel,
            source=SOURCE,
            customer_id=person.customer_id(channel),
            address=person.phone,
            outcome="voicemail",
            wait_seconds=float(len(text) % 40),
            transcript=text,
            recording=f"recordings/{unique}.ogg",
            language=person.language,
        )
    return MessageReceived(
        event_id=event_id("sim-message", channel, unique),
        occurred_at=at,
        received_at=at,
        customer_tag=person.tag(channel),
        channel=channel,
        source=SOURCE,
        customer_id=person.customer_id(channel),
        address=person.address(channel),
        customer_name=person.name if channel == "chat" else "",
        text=text,
        full_text=text,
        public=public and channel == "social",
        thread_id=f"{channel}-{person.number}" if channel == "social" else "",
        language=person.language if channel == "chat" else "",
        time_zone=person.time_zone if channel == "chat" else "",
        tier=person.tier if channel == "chat" else "",
    )


def message_id(person: Person, unique: str) -> str:
    """Returns the Message-ID of a customer's mail."""
    return f"<{unique}@{person.email.rpartition('@')[2]}>"


def _mail(person: Person, subject: str, text: str, unique: str, domain: str) -> Mail:
    return Mail(
        sender_name=person.name,
        sender=person.email,
        recipient=f"{SUPPORT}@{domain}",
        subject=subject,
        text=text,
        message_id=message_id(person, unique),
        language=person.language,
        style=person.style,
    )


def _form(person: Person, subject: str, text: str, order: str, unique: str) -> Form:
    values = {
        "name": person.name,
        "email": person.email,
        "subject": subject,
        "message": text,
        "order_number": order if order in text + subject else "",
        "language": person.language,
        "time_zone": person.time_zone,
        "submission_id": unique,
    }
    return Form(tuple(values.items()))


def _long_text(rng: Random, person: Person, about: Matter, wording: Wording, at: int) -> str:
    language = person.language
    body = _filled(rng.choice(wording.long), about, language, at)
    anger = f"\n{rng.choice(ANGER[language])}" if about.angry else ""
    return f"{rng.choice(GREETINGS[language])}\n\n{body}{anger}\n\n{rng.choice(CLOSINGS[language])}\n{person.name}"


def _short_text(rng: Random, person: Person, about: Matter, wording: Wording, at: int) -> str:
    text = _filled(rng.choice(wording.short), about, person.language, at)
    return f"{text} {rng.choice(ANGER[person.language])}" if about.angry else text


def _filled(text: str, about: Matter, language: str, at: int) -> str:
    if "{" not in text:
        return text
    moment = from_micros(at - 4 * _DAY)
    date = f"{moment.day} {moment:%B}" if language == "en" else f"{moment.month}月{moment.day}日"
    product = PRODUCTS[about.product][0][language]
    filled = text.format(order=about.order, product=product, date=date)
    return filled[0].upper() + filled[1:] if text.startswith("{product}") else filled

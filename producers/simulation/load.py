"""Makes an endless stream of events for benchmarks and kill tests: cheap, and the same for the same seed.

Customers come as they like; each goes through the same life: a contact opens ticket `<tag>-1`, an agent answers, the
customer answers, the agent answers and solves, a survey; then `<tag>-2`. So the ticket that any event belongs to is
known without asking anybody.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from msgspec.structs import replace

from producers.simulation.people import STAFF, Person, customers
from producers.simulation.planned import SOURCE
from producers.simulation.scenarios import ANSWERS, REPLIES, SCENARIOS
from producers.simulation.writing import matter, message_id, spoken, worded
from schemas.clock import MICROS
from schemas.events import AgentReplied, Event, MessageReceived, OrderPlaced, StatusChanged, SurveyAnswered
from schemas.identity import event_id, ticket_id

__all__ = ["LIFE", "contacts"]

#: 2026-03-02T00:00:00Z
START = 1_772_409_600 * MICROS
#: The steps of one ticket, in order.
LIFE = ("contact", "reply", "answer", "reply", "solve", "survey", "order")
_CHANNELS = ("email", "email", "email", "chat", "sms", "social")
_TEXTS = 400


class _Life:
    """Holds what one customer did last."""

    __slots__ = ("channel", "number", "person", "step", "tag")

    def __init__(self, person: Person) -> None:
        self.person, self.step, self.number = person, 0, 1
        self.channel = _CHANNELS[person.number % len(_CHANNELS)]
        self.tag = person.tag(self.channel)


def contacts(
    seed: int = 1, customers_count: int = 10_000, *, start: int = START, per_second: float = 500.0
) -> Iterator[Event]:
    """Yields events of so many customers without end; the n-th happens `n / per_second` seconds after `start`.

    Two in seven are messages of customers, one opens a ticket. Event ids differ between seeds.
    """
    rng = Random(f"{seed}:load")
    lives = [_Life(person) for person in customers(rng, customers_count)]
    texts = {
        language: [worded(rng, language, matter(rng, rng.choice(SCENARIOS))) for _ in range(_TEXTS)]
        for language in REPLIES
    }
    serial = 0
    while True:
        life = rng.choice(lives)
        yield _event(rng, life, texts, start + round(serial * MICROS / per_second), f"l{seed}-{serial}")
        life.step += 1
        if life.step == len(LIFE):
            life.step, life.number = 0, life.number + 1
        serial += 1


def _event(rng: Random, life: _Life, texts: dict[str, list[tuple[str, str]]], at: int, unique: str) -> Event:
    step, ticket = LIFE[life.step], ticket_id(life.tag, life.number)
    base: dict[str, Any] = {
        "event_id": event_id("load", unique),
        "occurred_at": at,
        "received_at": at,
        "customer_tag": life.tag,
        "source": SOURCE,
    }
    language = life.person.language
    if step == "contact":
        subject, text = rng.choice(texts[language])
        return _message(life, subject, text, at, unique)
    if step == "answer":
        return _message(life, "", rng.choice(ANSWERS[language]), at, unique, ticket)
    agent = STAFF[(life.person.number + life.number) % len(STAFF)].name
    if step == "reply":
        return AgentReplied(**base, ticket_id=ticket, agent_id=agent, text=rng.choice(REPLIES[language][0]))
    if step == "solve":
        return StatusChanged(**base, ticket_id=ticket, agent_id=agent, status="solved")
    if step == "survey":
        return SurveyAnswered(**base, ticket_id=ticket, survey_id=f"{ticket}:1", csat=rng.choice((2, 3, 4, 4, 5, 5)))
    return OrderPlaced(
        **base, customer_id=life.person.customer_id(life.channel), order_number=f"DS{rng.randrange(10**7, 10**8)}",
        amount=4900, currency="GBP",
    )  # fmt: skip


def _message(life: _Life, subject: str, text: str, at: int, unique: str, ticket: str = "") -> MessageReceived:
    """Returns a message as the channel's producer would make it; a thread of its own for every ticket."""
    person, channel = life.person, life.channel
    if channel != "email":
        message = spoken(person, channel, text, at, unique)
        assert isinstance(message, MessageReceived)
        return replace(message, ticket_ref=ticket, thread_id=f"{channel}-{person.number}-{life.number}")
    return MessageReceived(
        event_id=event_id("load", unique),
        occurred_at=at,
        received_at=at,
        customer_tag=life.tag,
        channel=channel,
        source=SOURCE,
        customer_id=person.customer_id(channel),
        address=person.email,
        customer_name=person.name,
        subject=subject,
        text=text,
        full_text=text,
        ticket_ref=ticket,
        message_id=message_id(person, unique),
        recipients=["support@support.example"],
        language=person.language,
    )

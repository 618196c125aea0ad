"""Customers who ask the bot first: some are helped, some want a person after all, some go away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

from producers.simulation.day import PROFILE
from producers.simulation.people import Person
from producers.simulation.planned import Planned
from producers.simulation.scenarios import SCENARIOS
from producers.simulation.writing import matter, retold
from schemas.clock import MICROS
from schemas.events import BotAnswered, MessageReceived
from schemas.identity import canonical_customer_id, customer_tag, event_id
from tests.support.month.actors import Actor

__all__ = ["SelfService"]

SOURCE = "seekers"
#: Conversations with the bot for each contact.
_ASKS, _KNOWN, _HELPED, _HANDED_OVER = 0.1, 0.6, 0.45, 0.5
_HOUR = 3600 * MICROS


class SelfService(Actor):
    """Whoever asks the bot on a day."""

    def opens(self, seed: int, contacts: int, start: int, people: list[Person]) -> Iterable[Planned]:
        rng = Random(f"{seed}:bot")
        for number in range(round(contacts * _ASKS)):
            at = start + rng.choices(range(24), PROFILE)[0] * _HOUR + rng.randrange(_HOUR)
            yield from self._asks(rng, rng.choice(people), f"bot-s{seed}-{number}", at)

    def _asks(self, rng: Random, person: Person, thread: str, at: int) -> Iterator[Planned]:
        known = rng.random() < _KNOWN
        customer = person.customer_id("email") if known else canonical_customer_id("web", thread)
        who = {"customer_tag": customer_tag(customer), "customer_id": customer, "channel": "bot", "source": SOURCE}
        turns = rng.choice((1, 1, 2, 3))
        helped = rng.random() < _HELPED
        for turn in range(turns):
            at += round(rng.uniform(5, 90) * MICROS)
            identity = event_id(SOURCE, thread, str(turn))
            resolved = helped and turn == turns - 1
            answered = BotAnswered(
                event_id=identity, occurred_at=at, received_at=at, thread_id=thread, resolved=resolved, **who
            )
            yield Planned(at, identity, answered)
        if helped or rng.random() >= _HANDED_OVER:
            return
        at += round(rng.uniform(5, 60) * MICROS)
        text = retold(rng, person, matter(rng, rng.choice(SCENARIOS)), at)
        wants = MessageReceived(
            event_id=event_id(SOURCE, thread, "person"),
            occurred_at=at,
            received_at=at,
            address=person.email if known else "",
            text=text,
            full_text=text,
            thread_id=thread,
            language=person.language,
            **who,
        )
        yield Planned(at, wants.event_id, wants)

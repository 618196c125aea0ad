"""The telephone: people who call, wait, give up or speak with somebody, and who are called back.

Some telephone systems tell when a call is taken, all tell when it is over. While one that tells only of the end is on
the line, the colleagues leave its ticket alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

from producers.simulation.day import PROFILE
from producers.simulation.people import STAFF, Person
from producers.simulation.planned import Planned
from producers.simulation.scenarios import SCENARIOS, Scenario
from producers.simulation.writing import matter, retold
from schemas.clock import MICROS
from schemas.events import AgentReplied, CallAnswered, CallEnded, CallStarted, Event, StatusChanged, Transferred
from schemas.facts import AssignmentFact, Fact, TicketFact
from schemas.identity import canonical_customer_id, customer_tag, event_id, split_ticket_id
from tests.support.month.actors import Actor

__all__ = ["Calls"]

SOURCE, SILENT = "telephone", "silent telephone"
#: Calls for each contact in writing.
_CALLS, _AGAIN, _TELLS, _SPEAKS_OF_IT = 0.2, 0.45, 0.5, 0.7
_OUTCOMES = {"answered": 0.55, "abandoned": 0.2, "missed": 0.25}
_LEAVES_WORD, _CALLED_BACK = 0.6, 0.6
_SOLVED, _SOLVED_MEANWHILE = 0.85, 0.35
_HOUR = 3600 * MICROS
_OPEN = ("new", "open")
_BY_AGENTS = (AgentReplied, StatusChanged, Transferred)


class Calls(Actor):
    """The telephone system, and everybody on it. `_lines` says which call a number is on, and whether we know of it."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._tickets: dict[str, TicketFact] = {}
        self._numbers: dict[str, str] = {}
        self._met: set[str] = set()
        self._backs: dict[str, str] = {}
        self._calling: dict[str, int] = {}
        self._rang: set[str] = set()
        self._lines: dict[str, tuple[str, bool]] = {}

    # -- who calls ------------------------------------------------------------------------------------------------

    def opens(self, seed: int, contacts: int, start: int, people: list[Person]) -> Iterable[Planned]:
        """The calls of a day; nobody is on two lines at once."""
        rng = Random(f"{seed}:calls")
        called: list[Person] = []
        busy: dict[str, int] = {}
        for number in range(round(contacts * _CALLS)):
            person = rng.choice(called if called and rng.random() < _AGAIN else people)
            at = start + rng.choices(range(24), PROFILE)[0] * _HOUR + rng.randrange(_HOUR)
            if at <= busy.get(person.phone, 0):
                continue
            call = list(self._call(rng, person, f"s{seed}-t{number}", at))
            busy[person.phone] = max(each.at for each in call)
            called.append(person)
            yield from call

    def _call(self, rng: Random, person: Person, call: str, rang: int) -> Iterator[Planned]:
        wait = round((rng.uniform(2, 60) if rng.random() < 0.7 else rng.uniform(60, 400)) * MICROS)
        outcome = rng.choices(list(_OUTCOMES), list(_OUTCOMES.values()))[0]
        who = _who(person)
        tells = rng.random() < _TELLS
        yield _planned(CallStarted, rang, call, who, source=SOURCE if tells else SILENT)
        if outcome != "answered":
            yield _planned(CallEnded, rang + wait, call, who, outcome=outcome, wait_seconds=wait / MICROS)
            if outcome == "missed" and rng.random() < _LEAVES_WORD:
                told = rang + wait + round(rng.uniform(20, 90) * MICROS)
                said = retold(rng, person, matter(rng, _scenario(rng)), told)
                left = {**who, "channel": "voicemail"}
                yield _planned(CallEnded, told, call, left, outcome="voicemail", transcript=said)
            return
        agent = rng.choice(STAFF).name
        talk = round(rng.uniform(20, 1500) * MICROS)
        text = retold(rng, person, matter(rng, _scenario(rng)), rang) if rng.random() < _SPEAKS_OF_IT else ""
        if tells:
            yield _planned(CallAnswered, rang + wait, call, who, agent_id=agent, wait_seconds=wait / MICROS)
        yield self._spoke(rang + wait + talk, call, who, agent, wait, talk, text)

    def _spoke(
        self, at: int, call: str, who: dict[str, str], agent: str, wait: int, talk: int, text: str = ""
    ) -> Planned:
        seconds = {"wait_seconds": wait / MICROS, "talk_seconds": talk / MICROS}
        return _planned(CallEnded, at, call, who, outcome="answered", agent_id=agent, transcript=text, **seconds)

    # -- who is called back ---------------------------------------------------------------------------------------

    def saw(self, fact: Fact) -> Iterable[Planned]:
        if isinstance(fact, TicketFact):
            if fact.channel in ("phone", "voicemail"):
                self._tickets[fact.ticket_id] = fact
                kind, _, number = fact.customer_id.partition(":")
                if kind == "tel":
                    self._numbers[fact.ticket_id] = number
        elif isinstance(fact, AssignmentFact) and fact.agent_id and self._is_new(fact.ticket_id):
            self._met.add(fact.ticket_id)
            return self._calls_back(fact)
        return ()

    def _is_new(self, ticket: str) -> bool:
        return ticket in self._tickets and ticket not in self._met

    def _calls_back(self, fact: AssignmentFact) -> Iterator[Planned]:
        rng = Random(f"{self._seed}:{fact.ticket_id}:callback")
        number = self._numbers.get(fact.ticket_id, "")
        if rng.random() >= _CALLED_BACK or not number:
            return
        call, tells = event_id(SOURCE, "back", fact.ticket_id), rng.random() < 0.7
        customer = canonical_customer_id("tel", number)
        who = {"customer_tag": customer_tag(customer), "customer_id": customer, "address": number}
        took = fact.at + round(rng.uniform(0.6, 50) * 60 * MICROS)
        talk = round(rng.uniform(20, 900) * MICROS)
        self._backs[call], self._calling[fact.ticket_id] = fact.ticket_id, took
        dialled = took - round(rng.uniform(4, 30) * MICROS)
        yield _planned(CallStarted, dialled, call, who, source=SOURCE if tells else SILENT)
        if tells:
            yield _planned(CallAnswered, took, call, who, agent_id=fact.agent_id)
        yield self._spoke(took + talk, call, who, fact.agent_id, 0, talk)

    # -- what happens on the line ---------------------------------------------------------------------------------

    def heard(self, event: Event, ticket: str) -> Iterable[Planned]:
        if isinstance(event, CallStarted):
            self._rang.add(event.call_id)
            self._lines[event.address] = event.call_id, event.source == SILENT
        elif isinstance(event, CallAnswered):
            if not ticket:  # it answers nothing that we know of, so only its end tells
                self._lines[event.address] = event.call_id, True
            return self._solves_meanwhile(event, ticket)
        elif isinstance(event, CallEnded) and event.source == SOURCE:
            if self._lines.get(event.address, ("",))[0] == event.call_id:
                del self._lines[event.address]
            if event.outcome == "answered":
                return self._solves(event, ticket)
        return ()

    def stands(self, planned: Planned) -> bool:
        """Nobody is on two lines at once, and who is called back still waits.

        Nobody touches the ticket of a call that only those who speak know of.
        """
        event = planned.thing
        if isinstance(event, CallStarted):
            return event.address not in self._lines and self._waits(self._backs.get(event.call_id, ""))
        if isinstance(event, CallAnswered | CallEnded):
            return event.call_id in self._rang if event.source == SOURCE else event.address not in self._lines
        if not isinstance(event, _BY_AGENTS) or event.ticket_id not in self._tickets:
            return True
        _, silent = self._lines.get(self._numbers.get(event.ticket_id, ""), ("", False))
        if isinstance(event, AgentReplied) and planned.at < self._calling.get(event.ticket_id, 0):
            return False  # who is going to call does not write
        return not silent and (event.source != SOURCE or self._tickets[event.ticket_id].status in ("open", "pending"))

    def _waits(self, ticket: str) -> bool:
        if not ticket:
            return True
        known = self._tickets[ticket]
        return known.status in _OPEN and known.waiting_since is not None

    def _solves_meanwhile(self, event: CallAnswered, ticket: str) -> Iterator[Planned]:
        """While they speak it is done."""
        rng = Random(f"{self._seed}:{event.call_id}:meanwhile")
        if ticket and rng.random() < _SOLVED_MEANWHILE:
            yield self._solved(event, ticket, event.occurred_at + round(rng.uniform(5, 300) * MICROS))

    def _solves(self, event: CallEnded, ticket: str) -> Iterator[Planned]:
        rng = Random(f"{self._seed}:{event.call_id}:solved")
        if rng.random() < _SOLVED:
            yield self._solved(event, ticket, event.occurred_at + round(rng.uniform(5, 10_000) * MICROS))

    def _solved(self, event: CallAnswered | CallEnded, ticket: str, at: int) -> Planned:
        parts = split_ticket_id(ticket)
        solved = StatusChanged(
            event_id=event_id(SOURCE, "solved", ticket, str(at)),
            occurred_at=at,
            received_at=at,
            customer_tag=parts[0] if parts else "",
            source=SOURCE,
            ticket_id=ticket,
            status="solved",
            agent_id=event.agent_id,
        )
        return Planned(at, solved.event_id, solved, ticket)


def _scenario(rng: Random) -> Scenario:
    return rng.choices(SCENARIOS, [each.weight for each in SCENARIOS])[0]


def _who(person: Person) -> dict[str, str]:
    return {
        "customer_tag": person.tag("phone"),
        "customer_id": person.customer_id("phone"),
        "address": person.phone,
    }


def _planned(kind: type[Any], at: int, call: str, who: dict[str, str], **said: Any) -> Planned:
    given = {"channel": "phone", "source": SOURCE, "call_id": call, **who, **said}
    identity = event_id(SOURCE, kind.__name__, call, given["channel"])
    event = kind(event_id=identity, occurred_at=at, received_at=at, **given)
    return Planned(at, event.event_id, event)

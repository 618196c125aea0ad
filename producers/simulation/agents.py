"""Decides what agents do about a ticket, and what the customer does then, from the ticket's id and the seed.

The director is told every fact about tickets. Whenever a ticket waits on us and somebody holds it, it plans that
person's answer; after the answer, that the ticket is solved or the customer answers; after a solve, thanks. Customers
answer surveys that they were invited to, and whoever gets a low score to look after calls and leaves a note. Its
decisions depend on the seed, the ticket and how far the conversation is, never on when it was told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, log
from random import Random

from producers.simulation.people import Person
from producers.simulation.planned import SOURCE, Planned
from producers.simulation.scenarios import ANSWERS, CHASERS, COMMENTS, REPLIES, THANKS
from producers.simulation.writing import on_ticket
from schemas.clock import MICROS
from schemas.events import LOCALES, AgentReplied, NoteAdded, OfferAnswered, StatusChanged, SurveyAnswered
from schemas.facts import AssignmentFact, Fact, FollowUpFact, InvitationFact, OfferFact, TicketFact
from schemas.identity import event_id, split_ticket_id

__all__ = ["HANDLING", "Director", "Handling"]

MINUTE, HOUR = 60, 3600


@dataclass(frozen=True, slots=True)
class Handling:
    """Holds how long people take on a channel, in seconds.

    fastest, slowest  the usual span from having a ticket to answering it, evenly spread on a logarithmic scale
    slow              the share that takes up to `very_slow` instead
    target            what customers expect of the first answer; their score drops with the delay beyond it
    patience          so long they wait for an answer before they ask again
    """

    fastest: float
    slowest: float
    slow: float
    very_slow: float
    target: float
    patience: float


HANDLING = {
    "chat": Handling(20, 150, 0.08, 400, 120, 300),
    "phone": Handling(20, 150, 0.08, 400, 120, 300),
    "sms": Handling(2 * MINUTE, 40 * MINUTE, 0.08, 150 * MINUTE, HOUR, 80 * MINUTE),
    "social": Handling(2 * MINUTE, 40 * MINUTE, 0.08, 150 * MINUTE, HOUR, 80 * MINUTE),
    "voicemail": Handling(5 * MINUTE, 50 * MINUTE, 0.1, 3 * HOUR, HOUR, 2 * HOUR),
    "email": Handling(10 * MINUTE, 2 * HOUR, 0.05, 30 * HOUR, 24 * HOUR, 6 * HOUR),
}
_MAIL = HANDLING["email"]

_SOLVED_AT_ONCE, _ANSWERED = (
    0.45,
    0.8,
)  # below the first: solved; up to the second: the customer answers; else solved later
_MOST_ROUNDS = 3
_THANKS, _SURVEYS, _CHASES = 0.22, 0.38, 0.5


@dataclass(slots=True)
class Case:
    """Holds what is known of one ticket. `revision` rises whenever what was planned no longer fits."""

    channel: str = "email"
    language: str = "en"
    subject: str = ""
    status: str = "new"
    team: str = ""
    agent: str = ""
    assigned_at: int = 0
    created_at: int = 0
    waiting_since: int | None = None
    first_response: float | None = None
    replies: int = 0
    episode: int = 1
    answering: tuple[str, int, int] | None = None
    finished: int = 0
    revision: int = 0


class Director:
    """Turns facts into plans. `people` are the customers who can answer; others are served, but stay silent."""

    def __init__(self, seed: int, people: list[Person], mail_domain: str = "support.example") -> None:
        self._seed, self._domain = seed, mail_domain
        self._people: dict[str, Person] = {}
        self._cases: dict[str, Case] = {}
        self.meet(people)

    def meet(self, people: Iterable[Person]) -> None:
        """Adds customers who can answer."""
        for person in people:
            for channel in ("email", "sms", "social"):
                self._people[person.tag(channel)] = person

    def saw(self, fact: Fact) -> list[Planned]:
        """Returns what follows from a fact; empty for facts that change nothing for anybody."""
        if isinstance(fact, AssignmentFact):
            case = self._case(fact.ticket_id)
            if case.agent != fact.agent_id and (case.waiting_since is not None or not case.revision):
                case.revision += 1
                case.answering = None
            case.agent, case.team, case.assigned_at = fact.agent_id, fact.team, fact.at
            case.created_at = case.created_at or fact.at - round((fact.wait_seconds or 0) * MICROS)
            if case.waiting_since is None and case.status in ("new", "open"):
                case.waiting_since = case.created_at
            return self._answer(fact.ticket_id, case)
        if isinstance(fact, OfferFact) and fact.outcome == "open" and fact.expires_at is not None:
            return [self._accepts(fact, fact.expires_at)]
        if isinstance(fact, TicketFact) and not fact.imported:
            return self._changed(fact)
        if isinstance(fact, InvitationFact) and fact.outcome == "sent":
            return self._invited(fact)
        if isinstance(fact, FollowUpFact) and fact.status == "assigned":
            return [self._follow_up(fact)]
        return []

    def stands(self, planned: Planned) -> bool:
        """Tells if something planned still fits: nobody else took or answered the ticket, no new message came."""
        case = self._cases.get(planned.ticket)
        if case is None or planned.revision == 0:
            return True
        if case.status in ("solved", "closed") or case.revision != planned.revision:
            return False
        if isinstance(planned.thing, AgentReplied):
            return case.replies == planned.round
        if not isinstance(planned.thing, StatusChanged):
            return True
        return case.waiting_since is None or case.waiting_since > planned.at or case.replies == planned.round

    def _case(self, ticket: str) -> Case:
        return self._cases.setdefault(ticket, Case())

    def _changed(self, fact: TicketFact) -> list[Planned]:
        case = self._case(fact.ticket_id)
        case.channel, case.subject, case.team = fact.channel, fact.subject, fact.team
        case.language = fact.language if fact.language in LOCALES else "en"
        case.status, case.episode, case.created_at = fact.status, fact.episode, fact.created_at
        case.waiting_since, case.replies = fact.waiting_since, fact.public_replies
        case.first_response = fact.first_response_seconds
        if fact.assignee_id and fact.assignee_id != case.agent:  # assigned by hand, or before we looked
            case.agent, case.assigned_at, case.answering = fact.assignee_id, fact.at, None
            case.revision += 1
        elif not fact.assignee_id:
            case.agent = ""
        if fact.status == "solved":
            return self._after_solve(fact.ticket_id, case, fact.last_solved_at or fact.at)
        return self._answer(fact.ticket_id, case)

    def _accepts(self, fact: OfferFact, expires_at: int) -> Planned:
        """Plans that an agent accepts what is offered to them, in the first half of their time."""
        rng = self._rng(fact.ticket_id, "offer", fact.agent_id, fact.offered_at)
        at = fact.offered_at + round(rng.uniform(0.1, 0.5) * (expires_at - fact.offered_at))
        accepted = OfferAnswered(
            event_id=event_id("sim-accepts", fact.offer_id),
            occurred_at=at,
            received_at=at,
            customer_tag=_tag(fact.ticket_id),
            source=SOURCE,
            ticket_id=fact.ticket_id,
            agent_id=fact.agent_id,
            outcome="accepted",
        )
        return Planned(at, accepted.event_id, accepted, fact.ticket_id)

    # -- the agent answers --------------------------------------------------------------------------------------

    def _answer(self, ticket: str, case: Case) -> list[Planned]:
        """Plans the answer to what waits, and what follows it; nothing when it is planned already."""
        if not case.agent or case.waiting_since is None or case.status in ("solved", "closed"):
            return []
        answer = (case.agent, case.replies, case.episode)
        if case.answering == answer:
            return []  # a message more, or one that arrived out of order, does not make it two answers
        case.answering = answer
        rng = self._rng(ticket, "answer", case.replies, case.episode)
        handling = HANDLING.get(case.channel, _MAIL)
        at = max(case.assigned_at, case.waiting_since) + round(_seconds(rng, handling) * MICROS)
        first, later = REPLIES[case.language]
        reply = AgentReplied(
            event_id=event_id("sim-reply", ticket, str(case.episode), str(case.replies), case.agent),
            occurred_at=at,
            received_at=at,
            customer_tag=_tag(ticket),
            source=SOURCE,
            ticket_id=ticket,
            agent_id=case.agent,
            text=rng.choice(later if case.replies else first),
        )
        plan = [Planned(at, reply.event_id, reply, ticket, case.revision, case.replies)]
        plan += self._chase(rng, ticket, case, handling, at)
        plan += self._after_reply(rng, ticket, case, handling, at)
        return plan

    def _chase(self, rng: Random, ticket: str, case: Case, handling: Handling, answered_at: int) -> list[Planned]:
        """Plans the second message of a customer who waits longer than their patience."""
        assert case.waiting_since is not None
        at = case.waiting_since + round(handling.patience * rng.uniform(0.8, 1.5) * MICROS)
        if at >= answered_at or rng.random() >= _CHASES:
            return []
        return self._says(ticket, case, rng.choice(CHASERS[case.language]), at, "chase", case.revision)

    def _after_reply(self, rng: Random, ticket: str, case: Case, handling: Handling, at: int) -> list[Planned]:
        draw, quick = rng.random(), case.channel in ("chat", "phone")
        if draw < _SOLVED_AT_ONCE or case.replies + 1 >= _MOST_ROUNDS:
            return [self._solve(ticket, case, at + rng.randrange(20, 90) * MICROS)]
        if draw < _ANSWERED:
            delay = rng.uniform(15, 120) if quick else rng.uniform(3 * MINUTE, handling.patience)
            text, then = rng.choice(ANSWERS[case.language]), at + round(delay * MICROS)
            if said := self._says(ticket, case, text, then, "answer", case.revision):
                return said
        delay = rng.uniform(2 * MINUTE, 6 * MINUTE) if quick else rng.uniform(HOUR, 4 * HOUR)
        return [self._solve(ticket, case, at + round(delay * MICROS))]

    def _solve(self, ticket: str, case: Case, at: int) -> Planned:
        solved = StatusChanged(
            event_id=event_id("sim-solved", ticket, str(case.episode), str(case.replies)),
            occurred_at=at,
            received_at=at,
            customer_tag=_tag(ticket),
            source=SOURCE,
            ticket_id=ticket,
            status="solved",
            agent_id=case.agent,
        )
        return Planned(at, solved.event_id, solved, ticket, case.revision, case.replies)

    # -- the customer -------------------------------------------------------------------------------------------

    def _says(self, ticket: str, case: Case, text: str, at: int, what: str, revision: int = 0) -> list[Planned]:
        """Plans a further message of a customer, valid at that `revision`; whoever left a voice message sends none."""
        person = self._people.get(_tag(ticket))
        if person is None or case.channel not in ("email", "form", "chat", "sms", "social"):
            return []
        unique = event_id("sim-says", ticket, what, str(case.episode), str(case.replies))
        quoted = REPLIES[case.language][0][0] if what != "chase" else ""
        said = on_ticket(person, ticket, case.channel, text, case.subject, at, unique, self._domain, quoted)
        return [said._replace(revision=revision)]

    def _after_solve(self, ticket: str, case: Case, solved_at: int) -> list[Planned]:
        if case.finished >= case.episode:
            return []
        case.finished = case.episode
        rng = self._rng(ticket, "solved", case.episode)
        if rng.random() >= _THANKS:
            return []
        at = solved_at + rng.randrange(30, 20 * MINUTE) * MICROS
        return self._says(ticket, case, rng.choice(THANKS[case.language]), at, "thanks")

    def _invited(self, fact: InvitationFact) -> list[Planned]:
        """Plans the answers to a survey; some of those who are asked follow the link."""
        rng = self._rng(fact.ticket_id, "invited", fact.episode)
        if rng.random() >= _SURVEYS or _tag(fact.ticket_id) not in self._people:
            return []
        quick = fact.channel in ("chat", "phone")
        delay = rng.uniform(10, 180) if quick else rng.uniform(2 * MINUTE, 2 * HOUR)
        return [self._survey(rng, fact, self._case(fact.ticket_id), fact.at + round(delay * MICROS))]

    def _survey(self, rng: Random, fact: InvitationFact, case: Case, at: int) -> Planned:
        """Plans a survey's answer. The score falls with the wait for the first answer, measured in what the channel leads to expect."""
        target = HANDLING.get(case.channel, _MAIL).target
        waited = (case.first_response if case.first_response is not None else target) / target
        mean = 4.7 - 1.5 * min(waited, 2.0) - 0.4 * (fact.episode - 1)
        csat = max(1, min(5, round(rng.gauss(mean, 0.9))))
        good, bad = COMMENTS[case.language]
        comment = rng.choice(good if csat >= 4 else bad) if csat != 3 and rng.random() < 0.4 else ""
        answered = SurveyAnswered(
            event_id=event_id("sim-survey", fact.ticket_id, str(fact.episode)),
            occurred_at=at,
            received_at=at,
            customer_tag=_tag(fact.ticket_id),
            channel=case.channel,
            source=SOURCE,
            ticket_id=fact.ticket_id,
            survey_id=fact.survey_id,
            csat=csat,
            ces=max(1, min(7, csat + rng.choice((0, 1, 2)))) if rng.random() < 0.6 else None,
            comment=comment,
            language=case.language,
            episode=fact.episode,
            agent_id=fact.agent_id,
        )
        return Planned(at, answered.event_id, answered, fact.ticket_id)

    def _follow_up(self, fact: FollowUpFact) -> Planned:
        """Plans the note of an agent who called a customer after a low score."""
        rng = self._rng(fact.ticket_id, "follow-up", fact.episode)
        at = fact.at + round(rng.uniform(2 * MINUTE, 40 * MINUTE) * MICROS)
        note = NoteAdded(
            event_id=event_id("sim-follow-up", fact.ticket_id, str(fact.episode), fact.agent_id),
            occurred_at=at,
            received_at=at,
            customer_tag=_tag(fact.ticket_id),
            source=SOURCE,
            ticket_id=fact.ticket_id,
            agent_id=fact.agent_id,
            text="Called the customer about the low score, and made it right.",
        )
        return Planned(at, note.event_id, note, fact.ticket_id)

    def _rng(self, ticket: str, *parts: object) -> Random:
        return Random(":".join(map(str, (self._seed, ticket, *parts))))


def _seconds(rng: Random, handling: Handling) -> float:
    """Draws how long somebody takes, in seconds."""
    if rng.random() < handling.slow:
        return rng.uniform(handling.slowest, handling.very_slow)
    return exp(rng.uniform(log(handling.fastest), log(handling.slowest)))


def _tag(ticket: str) -> str:
    parts = split_ticket_id(ticket)
    return parts[0] if parts else ""

"""Offers from the router to an agent and back, through the ticket's own partition (ADR 51): every way in which one can end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from schemas import events
from schemas.events import Event
from schemas.facts import AssignmentFact, OfferFact, PresenceFact
from schemas.identity import customer_tag, ticket_id
from stream_processors.routing.offers import MOST_MISSED, MOST_ROUNDS
from stream_processors.rules import ruleset
from stream_processors.rules.ruleset import Rules
from tests.support.routing.partitions import Partitions

TEAMS = ("support", "returns", "payments", "delivery", "product", "accounts")
ACCEPT = 20


def names(number: int) -> tuple[str, str]:
    tag = customer_tag(f"email:customer{number}@example.org")
    return tag, ticket_id(tag, 1)


TAG, TICKET = names(0)


class Desk:
    """A team that offers its tickets, and says what became of them."""

    def __init__(self, rules: Rules, **configuration: Any) -> None:
        self.partitions = Partitions(rules, TEAMS)
        self.configure(1, **configuration)

    def configure(self, number: int, **configuration: Any) -> None:
        fields = {"accept_seconds": {"default": ACCEPT}, "limits": {"default": 1}} | configuration
        self.tell(events.TeamConfigured, customer_tag="", team="support", number=number, content=f"{number}", **fields)

    def tell(self, kind: type[Event], **fields: Any) -> None:
        self.partitions.tell(kind, **fields)
        self.partitions.settle()

    def present(self, agent: str, status: str = "online", **fields: Any) -> None:
        report = {"source": "desk", "valid_seconds": 1_000_000} | fields
        self.tell(events.PresenceChanged, customer_tag="", agent_id=agent, team="support", status=status, **report)

    def message(self, number: int = 0, text: str = "Hello", **fields: Any) -> None:
        who = f"email:customer{number}@example.org"
        about = {"channel": "email", "customer_id": who, "address": who[6:], "customer_tag": names(number)[0]}
        self.tell(events.MessageReceived, **about | fields, text=text)

    def answer(self, agent: str, outcome: str = "accepted", number: int = 0) -> None:
        self.about(events.OfferAnswered, number, agent_id=agent, outcome=outcome)

    def about(self, kind: type[Event], number: int = 0, **fields: Any) -> None:
        tag, ticket = names(number)
        self.tell(kind, customer_tag=tag, ticket_id=ticket, **fields)

    # -- what came of it ----------------------------------------------------------------------------------------

    def offers(self, number: int = 0) -> list[tuple[str, str]]:
        """The offers of a ticket in the order of their beginning, as the newest fact of each says."""
        found: dict[str, OfferFact] = {}
        for worker in self.partitions.tickets:
            for fact in worker.records(OfferFact):
                if fact.ticket_id == names(number)[1]:
                    found[fact.offer_id] = fact
        return [(fact.agent_id, fact.outcome) for fact in found.values()]

    def owner(self, number: int = 0) -> str:
        return self.partitions.held()[names(number)[1]].assignee

    def router(self, number: int = 0) -> tuple[str, bool]:
        """Who has a ticket as the router sees it, and whether it is only offered to them."""
        ((_, entry),) = self.partitions.entries()[names(number)[1]]
        return entry.agent, entry.offered

    @property
    def team(self) -> Any:
        return self.partitions.routing["support"].state(b"tsupport")

    def dead_letters(self) -> list[str]:
        return [reason for worker in self.partitions.workers for _, _, reason, _ in worker.dead_letters]


@pytest.fixture(scope="module")
def new_desk() -> Callable[..., Desk]:
    rules = ruleset.load()
    return lambda *agents, **configuration: _desk(rules, agents, configuration)


def _desk(rules: Rules, agents: tuple[str, ...], configuration: dict[str, Any]) -> Desk:
    desk = Desk(rules, **configuration)
    for agent in agents:
        desk.present(agent)
    return desk


def test_an_accepted_offer_is_an_assignment_and_takes_room_from_its_beginning(new_desk: Any) -> None:
    desk = new_desk("mei")
    desk.message()
    assert (desk.owner(), desk.router(), desk.offers()) == ("", ("mei", True), [("mei", "open")])
    assert (desk.team.agents["mei"].open, desk.team.offered) == ({"email": 1}, {"mei": 1})
    desk.message(1)
    assert desk.router(1) == ("", False), "a place that is kept free is taken"
    desk.answer("mei")
    assert (desk.owner(), desk.router(), desk.offers()) == ("mei", ("mei", False), [("mei", "accepted")])
    assert desk.team.offered == {}
    (fact,) = [
        each
        for each in desk.partitions.tickets[0].records() + desk.partitions.tickets[1].records()
        if isinstance(each, AssignmentFact)
    ]
    assert (fact.agent_id, fact.reason, fact.wait_seconds) == ("mei", "least_open", 2.0)
    busy = [(fact.status, fact.busy) for fact in desk.partitions.routing["support"].records(PresenceFact)]
    assert busy[-1] == ("online", True) and busy.count(("online", True)) == 1, "an offer is no work"
    desk.partitions.advance(ACCEPT + 1)
    assert (desk.owner(), desk.offers(), desk.dead_letters()) == ("mei", [("mei", "accepted")], [])


def test_a_declined_offer_goes_to_the_next_best_and_comes_back_only_if_nobody_else_can(new_desk: Any) -> None:
    desk = new_desk("mei", "tom", "yui")
    desk.message()
    for agent in ("mei", "tom", "yui"):
        desk.answer(agent, "declined")
    assert [agent for agent, _ in desk.offers()] == ["mei", "tom", "yui", "mei"]
    desk = new_desk("mei")
    desk.message()
    for _ in range(MOST_ROUNDS):
        assert desk.owner() == ""
        desk.answer("mei", "declined")
    assert desk.offers() == [("mei", "declined")] * MOST_ROUNDS
    assert (desk.owner(), desk.team.missed) == ("mei", {}), "everybody passed so often that it is assigned"


def test_a_missed_offer_goes_on_and_three_in_a_row_send_the_agent_away(new_desk: Any) -> None:
    desk = new_desk("mei", "tom", limits={"default": 2})
    desk.message()
    desk.partitions.advance(ACCEPT - 1)
    assert desk.offers() == [("mei", "open")]
    desk.partitions.advance(1)
    assert desk.offers() == [("mei", "missed"), ("tom", "open")]
    desk.answer("tom")
    desk.present("tom", "away")
    for missed in range(1, MOST_MISSED + 1):
        assert (desk.team.missed["mei"], desk.team.agents["mei"].status) == (missed, "online")
        desk.message(missed)
        desk.partitions.advance(ACCEPT)
        if desk.team.agents["mei"].status == "away":
            break
    fact = desk.partitions.routing["support"].records(PresenceFact)[-1]
    assert (fact.agent_id, fact.status, fact.reason, fact.until) == ("mei", "away", "missed_offers", None)
    told = desk.partitions.routing["support"].records(events.PresenceChanged)[-1]
    assert (told.agent_id, told.status, told.reason, told.source) == ("mei", "away", "missed_offers", "routing")


@pytest.mark.parametrize("how", ["says so", "was reported away", "takes it late"])
def test_who_was_set_away_comes_back_by_their_own_doing_only(new_desk: Any, how: str) -> None:
    desk = new_desk("mei")
    desk.message()
    desk.partitions.advance(ACCEPT * MOST_MISSED)
    assert desk.offers() == [("mei", "missed")] * MOST_MISSED
    desk.present("mei")
    assert desk.team.agents["mei"].status == "away", "a program goes on reporting online"
    if how == "says so":
        desk.present("mei", returned=True)
    elif how == "was reported away":
        desk.present("mei", "away")
        desk.present("mei")
    else:
        desk.answer("mei")
        assert desk.owner() == "mei"
    assert (desk.team.agents["mei"].status, desk.team.missed) == ("online", {})


def test_who_accepts_late_gets_it_unless_somebody_else_is_asked(new_desk: Any) -> None:
    desk = new_desk("mei", "tom")
    desk.message()
    desk.partitions.advance(ACCEPT)
    desk.answer("mei")
    assert (desk.owner(), desk.router()) == ("", ("tom", True)), "tom is asked now"
    assert desk.offers() == [("mei", "missed"), ("tom", "open"), ("mei", "late")]
    desk.answer("tom")
    desk.answer("mei")
    assert (desk.owner(), desk.offers()[-1], desk.dead_letters()) == ("tom", ("mei", "late"), [])
    desk.answer("joe")
    assert desk.dead_letters() == ["not_offered"]
    desk = new_desk("mei")
    desk.message()
    desk.present("mei", "away")
    assert desk.offers() == [("mei", "withdrawn")]
    desk.answer("mei")
    assert (desk.owner(), desk.router(), desk.team.offered) == ("mei", ("mei", False), {})


def test_what_is_done_to_a_ticket_ends_its_offer(new_desk: Any) -> None:
    cases: dict[str, tuple[Any, str, str]] = {
        "solved by its customer": (lambda desk: desk.about(events.StatusChanged, status="solved"), "withdrawn", ""),
        "pending": (lambda desk: desk.about(events.StatusChanged, status="pending", agent_id="boss"), "withdrawn", ""),
        "transferred": (
            lambda desk: desk.about(events.Transferred, to_team="returns", agent_id="boss"),
            "withdrawn",
            "",
        ),
        "transferred to an agent": (
            lambda desk: desk.about(events.Transferred, to_team="returns", to_agent="joe", agent_id="boss"),
            "withdrawn",
            "joe",
        ),
        "taken by another": (
            lambda desk: desk.about(events.AssignmentChanged, agent_id="tom", to_agent="tom"),
            "withdrawn",
            "tom",
        ),
        "taken by hand": (
            lambda desk: desk.about(events.AssignmentChanged, agent_id="mei", to_agent="mei"),
            "accepted",
            "mei",
        ),
        "given to its agent": (
            lambda desk: desk.about(events.AssignmentChanged, agent_id="boss", to_agent="mei"),
            "accepted",
            "mei",
        ),
        "answered": (lambda desk: desk.about(events.AgentReplied, agent_id="mei", text="Here."), "accepted", "mei"),
        "answered by another": (
            lambda desk: desk.about(events.AgentReplied, agent_id="tom", text="Here."),
            "withdrawn",
            "tom",
        ),
        "its agent went offline": (lambda desk: desk.present("mei", "offline"), "withdrawn", ""),
        "its agent went away": (lambda desk: desk.present("mei", "away"), "withdrawn", ""),
        "its agent left the team": (
            lambda desk: desk.tell(events.RosterChanged, customer_tag="", agent_id="mei", team="support", active=False),
            "withdrawn",
            "",
        ),
    }
    wrong = {}
    for name, (happens, outcome, owner) in cases.items():
        desk = new_desk("mei")
        desk.message()
        happens(desk)
        desk.partitions.advance(ACCEPT + 1)
        found = desk.offers(), desk.owner(), desk.team.offered, desk.team.missed, desk.dead_letters()
        if found != ([("mei", outcome)], owner, {}, {}, []):
            wrong[name] = found
        desk.answer("mei")
        if desk.owner() not in (owner, "mei" if "its agent went" in name or "left" in name else owner):
            wrong[f"late, {name}"] = desk.owner()
    assert wrong == {}


def test_customers_that_are_merged_keep_the_offer_of_their_ticket(new_desk: Any) -> None:
    desk = new_desk("mei")
    desk.message()
    into = "email:other@example.org"
    who = "email:customer0@example.org"
    fields = {"from_customer_id": who, "into_customer_id": into, "agent_id": "boss"}
    desk.tell(events.CustomersMerged, customer_tag=TAG, **fields)
    desk.answer("mei")
    assert (desk.owner(), desk.offers(), desk.router()) == ("mei", [("mei", "accepted")], ("mei", False))


def test_what_is_said_of_a_ticket_meanwhile_leaves_its_offer_alone(new_desk: Any) -> None:
    desk = new_desk("mei")
    desk.message()
    desk.message(0, "Is anybody there?", ticket_ref=TICKET)
    desk.about(events.PriorityChanged, agent_id="boss", priority="urgent")
    desk.about(events.NoteAdded, agent_id="mei", text="I know her.")
    assert desk.offers() == [("mei", "open")]
    ((_, entry),) = desk.partitions.entries()[TICKET]
    assert entry.priority == "urgent", "which is its place when nobody accepts it"
    desk.present("tom")
    desk.answer("mei", "declined")
    assert desk.offers() == [("mei", "declined"), ("tom", "open")]


def test_offers_end_in_the_fallback_when_the_ticket_waited_too_long(new_desk: Any) -> None:
    desk = new_desk("mei", overflow_seconds={"default": 30}, fallback="returns")
    desk.message()
    desk.partitions.advance(ACCEPT)
    assert desk.offers() == [("mei", "missed"), ("mei", "open")]
    desk.partitions.advance(ACCEPT)
    ticket = desk.partitions.held()[TICKET]
    if ticket.routing.rule == "overflow":
        assert [outcome for _, outcome in desk.offers()] == ["missed", "missed"]


def test_a_pipeline_that_stood_still_counts_no_offer_as_missed(new_desk: Any) -> None:
    desk = new_desk("mei")
    desk.message()
    desk.partitions.time_passes(10 * ACCEPT)
    desk.partitions.settle()
    assert (desk.offers(), desk.team.missed) == ([("mei", "open")], {}), "it has its time again"
    desk.partitions.advance(ACCEPT)
    assert desk.team.missed == {"mei": 1}


def test_without_a_time_to_accept_tickets_are_assigned(new_desk: Any) -> None:
    desk = new_desk("mei", "tom", accept_seconds={"chat": 20})
    desk.message()
    assert (desk.owner(), desk.offers()) == ("mei", [])
    desk.message(1, channel="chat", thread_id="T" * 26)
    assert (desk.owner(1), desk.offers(1)) == ("", [("tom", "open")])
    desk.configure(2, accept_seconds={})
    desk.answer("tom", "declined", 1)
    assert desk.owner(1) == "mei", "the configuration of now assigns it"

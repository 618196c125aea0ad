"""A ticket that an agent gave back or away goes to somebody else, whatever is said of it later, if there is anybody."""

from __future__ import annotations

from itertools import product
from typing import Any

from schemas import events
from schemas.identity import customer_tag, ticket_id
from stream_processors.rules import ruleset
from stream_processors.rules.ruleset import Rules
from tests.support.routing.partitions import Partitions

ANN = "email:ann@example.org"
TAG = customer_tag(ANN)
MESSAGE = {"channel": "email", "customer_id": ANN, "address": "ann@example.org", "customer_tag": TAG}
ABOUT = {"customer_tag": TAG, "ticket_id": ticket_id(TAG, 1)}
TEAMS = ("support", "returns", "payments", "delivery", "product", "accounts")


def present(desk: Partitions, agent: str, status: str = "online") -> None:
    report: dict[str, Any] = {"capacity": {"default": 3}, "source": "desk", "valid_seconds": 100_000}
    desk.tell(events.PresenceChanged, customer_tag="", agent_id=agent, team="support", status=status, **report)
    desk.settle()


def who_has_it_then(rules: Rules, later: str, others: int, *, loaded: bool) -> str:
    """Mei has a ticket and gives it back; the others have more to do, so that the router would choose her again."""
    desk = Partitions(rules, TEAMS)
    present(desk, "mei")
    desk.tell(events.MessageReceived, **MESSAGE, text="Hello")
    desk.settle()
    for number in range(others):
        present(desk, f"tom{number}")
        if loaded:
            who = f"email:other{number}@example.org"
            contact = {"channel": "email", "customer_id": who, "address": "x", "customer_tag": customer_tag(who)}
            desk.tell(events.MessageReceived, **contact, text="Hello")
            desk.settle()
    if later == "transferred there and back":
        desk.tell(events.Transferred, **ABOUT, to_team="returns", agent_id="mei")
        desk.settle()
        desk.tell(events.Transferred, **ABOUT, to_team="support", agent_id="boss")
    else:
        desk.tell(events.AssignmentChanged, **ABOUT, agent_id="mei", from_agent="mei")
    if later in ("a message", "pending, then a message"):
        if later == "pending, then a message":
            desk.tell(events.StatusChanged, **ABOUT, status="pending", agent_id="boss")
            desk.settle()
        desk.tell(events.MessageReceived, **MESSAGE, text="Is anybody there?", ticket_ref=ABOUT["ticket_id"])
    elif later == "a priority":
        desk.tell(events.PriorityChanged, **ABOUT, agent_id="boss", priority="high")
    desk.settle()
    return desk.held()[ABOUT["ticket_id"]].assignee


def test_what_was_given_back_goes_to_somebody_else_if_there_is_anybody() -> None:
    rules = ruleset.load()
    said = ("nothing", "a message", "a priority", "pending, then a message", "transferred there and back")
    wrong = []
    for later, others, loaded in product(said, (0, 1, 3), (False, True)):
        has_it = who_has_it_then(rules, later, others, loaded=loaded)
        if not has_it or (others and has_it == "mei"):
            wrong.append((later, others, loaded, has_it))
    assert wrong == []

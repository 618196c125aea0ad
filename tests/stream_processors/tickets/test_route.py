"""What the router is told of a ticket."""

from __future__ import annotations

from collections.abc import Callable

from schemas.events import RoutingUpdate
from schemas.facts import AssignmentFact
from tests.support.tickets.story import Story, at


def test_a_new_ticket_is_queued_with_its_team(story: Story) -> None:
    story.message(5, "Hello", priority="high", language="en")
    update = story.last(RoutingUpdate)
    assert (update.team, update.action, update.priority, update.channel) == ("support", "queue", "high", "email")
    assert (update.eligible_at, update.ticket_id, update.customer_tag) == (at(5), story.ticket_id(), story.tag)
    assert (update.partition, update.version) == (0, 0)
    assert next(each.key for each in story.worker.outputs if each.topic == "routing") == b"support"


def test_the_router_is_told_of_changes_only(story: Story) -> None:
    story.message(0, "Hello")
    story.add_note(10)
    story.more(20, "Hello?")
    story.tick(30)
    assert story.routing() == ["queue support"]


def test_the_routers_own_assignment_is_not_told_back(story: Story) -> None:
    story.message(0, "Hello")
    story.assign(10, "mei")
    assert story.routing() == ["queue support"]
    assert story.ticket().assignee == "mei"


def test_the_way_of_a_ticket_through_hands(story: Story) -> None:
    story.message(0, "Hello")
    story.assign(10, "mei")
    story.reply(20)
    story.more(30, "And now?")
    story.reply(40)
    story.solve(50)
    assert story.routing() == ["queue support", "idle support", "busy support mei", "idle support", "done support"]


def test_a_transfer_leaves_one_team_and_joins_the_other(story: Story) -> None:
    story.message(0, "Hello")
    story.transfer(10, "returns")
    assert story.routing() == ["queue support", "done support", "queue returns"]


def test_a_transfer_to_an_agent_is_busy_there(story: Story) -> None:
    story.message(0, "Hello")
    story.transfer(10, "returns", to_agent="tom")
    assert story.routing() == ["queue support", "done support", "busy returns tom"]


def test_a_transfer_within_the_team_takes_the_ticket_out_of_the_agents_hands_first(story: Story) -> None:
    story.message(0, "Hello")
    story.assign(10, "mei")
    story.transfer(20, "support")
    assert story.routing() == ["queue support", "idle support", "queue support"]


def test_an_answer_before_the_assignment_makes_the_assignment_stale(story: Story) -> None:
    story.message(0, "Hello")
    story.reply(10, agent="tom")
    story.assign(11, "mei")
    assert story.ticket().assignee == "tom"
    assert story.routing() == ["queue support", "idle support", "idle support"]
    assert story.all(AssignmentFact) == []


def test_an_assignment_of_a_solved_ticket_is_answered_with_done(story: Story) -> None:
    story.message(0, "Hello")
    story.solve(10)
    story.assign(11, "mei")
    assert story.ticket().assignee == ""
    assert story.routing() == ["queue support", "done support", "done support"]


def test_an_assignment_by_the_team_that_lost_the_ticket_is_answered_with_done(story: Story) -> None:
    story.message(0, "Hello")
    story.transfer(10, "returns")
    story.assign(11, "mei", team="support")
    assert story.ticket().assignee == ""
    assert story.routing() == ["queue support", "done support", "queue returns", "done support"]


def test_a_person_may_assign_what_the_router_was_not_asked_for(story: Story) -> None:
    story.message(0, "Hello")
    story.assign(10, "mei")
    story.assign(20, "tom", source="console")
    assert story.ticket().assignee == "tom"
    assert story.routing() == ["queue support", "busy support tom"]


def test_a_ticket_given_back_is_in_the_queue_already(story: Story) -> None:
    story.message(0, "Hello")
    story.assign(10, "mei")
    story.assign(20, "")
    assert story.routing() == ["queue support"]
    story.assign(30, "tom")
    assert story.ticket().assignee == "tom"


def test_a_reopened_ticket_is_queued_for_the_agent_who_had_it(story: Story) -> None:
    story.message(0, "Hello")
    story.assign(10, "mei")
    story.solve(20)
    story.more(30, "It is broken again")
    update = story.last(RoutingUpdate)
    assert (update.action, update.preferred_agent, update.eligible_at) == ("queue", "mei", at(30))


def test_a_customer_comes_back_to_the_agent_they_know(story: Story) -> None:
    story.message(0, "Hello")
    story.assign(10, "mei")
    story.solve(20)
    story.message(30, "Hello, a new question")
    assert story.last(RoutingUpdate).preferred_agent == "mei"


def test_an_answered_call_needs_no_agent(tell: Callable[..., Story]) -> None:
    story = tell(channel="phone")
    story.call(0, "answered", agent_id="tom")
    assert story.routing() == []


def test_history_is_not_routed(tell: Callable[..., Story]) -> None:
    story = tell(imported=True)
    story.message(0, "Hello")
    story.assign(10, "mei", source="import")
    story.solve(20)
    assert story.routing() == []
    assert story.ticket_fact().assignee_id == "mei"


def test_an_update_has_an_id_of_its_own(story: Story) -> None:
    story.message(0, "Hello")
    story.transfer(10, "returns")
    ids = [update.event_id for update in story.all(RoutingUpdate)]
    assert len(set(ids)) == len(ids) == 3

"""A call that a person takes: it counts from when it was taken, whatever its end says of the length of the talk."""

from __future__ import annotations

from collections.abc import Callable

from schemas.events import CallAnswered
from schemas.facts import TicketFact
from tests.support.tickets.story import Story, at

Tell = Callable[..., Story]


def taken(story: Story, seconds: float, call: str = "C1", agent: str = "mei") -> None:
    person = {"customer_id": story.customer_id, "address": "+15550100", "call_id": call, "agent_id": agent}
    story.tell(CallAnswered(**story.base(seconds), **person))


def test_a_voicemail_is_answered_when_the_call_is_taken(tell: Tell) -> None:
    story = tell(channel="phone", customer_id="tel:+15550100")
    story.call(0, "voicemail", transcript="Please call back")
    assert story.ticket().status == "new"
    taken(story, 100)
    ticket = story.ticket()
    assert (ticket.status, ticket.assignee, ticket.milestones.first_response_at) == ("open", "mei", at(100))
    assert (ticket.conversation.unanswered, ticket.conversation.waiting_since, ticket.conversation.answered_call) == (
        (),
        None,
        ("C1", at(100)),
    )
    story.call(400, "answered", call_id="C1", agent_id="mei", wait_seconds=20, talk_seconds=250)
    assert story.ticket().milestones.first_response_at == at(100)
    assert story.clock_rows("first_response") == ["1 activate @0", "1 fulfil @100 after 100"]
    assert (story.ticket().status, story.ticket().counts.public_replies) == ("pending", 1)


def test_without_notice_of_the_answer_the_talk_is_counted_back_from_its_end(tell: Tell) -> None:
    story = tell(channel="phone", customer_id="tel:+15550100")
    story.call(0, "voicemail")
    story.call(400, "answered", call_id="C1", agent_id="mei", wait_seconds=20, talk_seconds=250)
    assert story.ticket().milestones.first_response_at == at(150)
    assert story.clock_rows("first_response") == [
        "1 activate @0",
        "1 breach @120 after 120",
        "1 fulfil @150 after 150",
    ]


def test_another_call_is_not_the_one_that_was_taken(tell: Tell) -> None:
    story = tell(channel="phone", customer_id="tel:+15550100")
    story.call(0, "voicemail")
    taken(story, 100, call="C1")
    story.call(600, "answered", call_id="C2", agent_id="mei", talk_seconds=50)
    facts = [fact for fact in story.all(TicketFact) if fact.ticket_id == story.ticket_id()]
    assert facts[-1].first_response_at == at(100)
    assert story.ticket().counts.public_replies == 1

"""What the staff does about one ticket, told fact by fact."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from producers.simulation.agents import HANDLING, Director
from producers.simulation.mail import Mail
from producers.simulation.people import Person
from producers.simulation.planned import Planned, event_of
from schemas.events import AgentReplied, MessageReceived, NoteAdded, OfferAnswered, StatusChanged, SurveyAnswered
from schemas.facts import AssignmentFact, FollowUpFact, InvitationFact, OfferFact, TicketFact
from schemas.identity import ticket_id

AT = 1_772_409_600_000_000
SECOND = 1_000_000
ANN = Person(1, "Ann Baker", "en", "ann@example.org", "+15550000001", "@ann", "", 0)
TAG = ANN.tag("email")
TICKETS = [ticket_id(TAG, number) for number in range(1, 200)]


def assigned(ticket: str, agent: str = "mei", at: int = AT) -> AssignmentFact:
    return AssignmentFact(
        customer_tag=TAG, version=1, partition=0, at=at, event_id="a", ticket_id=ticket, team="support", agent_id=agent
    )


def stands(ticket: str, status: str = "open", at: int = AT, **fields: Any) -> TicketFact:
    base: dict[str, Any] = {"channel": "email", "language": "en", "subject": "Late", "assignee_id": "mei"}
    base |= {"created_at": AT, "episode": 1, "priority": "normal", "team": "support"}
    if status in ("new", "open"):
        base["waiting_since"] = AT
    if status == "solved":
        base["last_solved_at"] = at
    return TicketFact(
        customer_tag=TAG, version=1, partition=0, at=at, ticket_id=ticket, status=status, **{**base, **fields}
    )


def invited(ticket: str, outcome: str = "sent") -> InvitationFact:
    return InvitationFact(
        customer_tag=TAG,
        version=1,
        partition=0,
        at=AT,
        ticket_id=ticket,
        episode=1,
        survey_id=f"survey of {ticket}",
        outcome=outcome,
        channel="email",
        agent_id="tom",
    )


def follow_up(ticket: str, status: str) -> FollowUpFact:
    return FollowUpFact(
        customer_tag=TAG,
        version=1,
        partition=0,
        at=AT,
        ticket_id=ticket,
        episode=1,
        survey_id="s",
        status=status,
        opened_at=AT,
        agent_id="tom",
    )


def of(kind: type, plan: list[Planned]) -> list[Planned]:
    return [planned for planned in plan if isinstance(planned.thing, kind)]


def director() -> Director:
    return Director(7, [ANN])


@pytest.mark.parametrize("channel", sorted(HANDLING))
def test_an_assigned_ticket_is_answered_in_its_channels_time(channel: str) -> None:
    handling, delays = HANDLING[channel], []
    for ticket in TICKETS:
        staff = director()
        assert staff.saw(stands(ticket, "new", channel=channel, assignee_id="")) == []
        (reply,) = of(AgentReplied, staff.saw(assigned(ticket)))
        delays.append((reply.at - AT) / SECOND)
        assert event_of(reply).occurred_at == reply.at
    assert handling.fastest <= min(delays)
    assert max(delays) <= handling.very_slow
    late = sum(delay > handling.slowest for delay in delays) / len(delays)
    assert handling.slow / 4 < late < handling.slow * 2.5


def test_time_and_order_of_the_facts_change_nothing() -> None:
    one, other = director(), director()
    plan = [*one.saw(stands(TICKETS[0], "new", assignee_id="")), *one.saw(assigned(TICKETS[0]))]
    facts = (stands(TICKETS[0], "new", assignee_id=""), assigned(TICKETS[0]), stands(TICKETS[0]), assigned(TICKETS[0]))
    again = [planned for fact in facts for planned in other.saw(fact)]
    assert [(planned.at, planned.order) for planned in again] == [(planned.at, planned.order) for planned in plan]


def test_who_loses_the_ticket_does_not_answer_it() -> None:
    staff = director()
    staff.saw(stands(TICKETS[0], "new", assignee_id=""))
    (first,) = of(AgentReplied, staff.saw(assigned(TICKETS[0], "mei")))
    staff.saw(assigned(TICKETS[0], ""))
    assert not staff.stands(first)
    (second,) = of(AgentReplied, staff.saw(assigned(TICKETS[0], "tom")))
    assert staff.stands(second)
    assert isinstance(second.thing, AgentReplied)
    assert second.thing.agent_id == "tom"


def test_what_somebody_else_answered_or_solved_is_left_alone() -> None:
    for fact in (stands(TICKETS[0], "open", public_replies=1), stands(TICKETS[0], "solved")):
        staff = director()
        staff.saw(stands(TICKETS[0], "new", assignee_id=""))
        (reply,) = of(AgentReplied, staff.saw(assigned(TICKETS[0])))
        staff.saw(fact)
        assert not staff.stands(reply)


def test_a_customer_who_answers_is_answered_again() -> None:
    staff = director()
    staff.saw(stands(TICKETS[0], "new", assignee_id=""))
    staff.saw(assigned(TICKETS[0]))
    staff.saw(stands(TICKETS[0], "pending", public_replies=1))
    wrote = AT + 3600 * SECOND
    (reply,) = of(AgentReplied, staff.saw(stands(TICKETS[0], "open", at=wrote, public_replies=1, waiting_since=wrote)))
    assert reply.at > wrote


def test_messages_out_of_order_do_not_make_it_two_answers() -> None:
    staff = director()
    staff.saw(stands(TICKETS[0], "new", assignee_id=""))
    staff.saw(assigned(TICKETS[0]))
    staff.saw(stands(TICKETS[0], "pending", public_replies=1))
    later, earlier = AT + 7200 * SECOND, AT + 3600 * SECOND
    assert staff.saw(stands(TICKETS[0], "open", public_replies=1, waiting_since=later))
    assert staff.saw(stands(TICKETS[0], "open", public_replies=1, waiting_since=earlier)) == []


def test_customers_answer_only_an_answer_that_they_got() -> None:
    for ticket in TICKETS:
        staff = director()
        staff.saw(stands(ticket, "new", assignee_id=""))
        said = of(Mail, staff.saw(assigned(ticket, "mei")))
        staff.saw(assigned(ticket, "tom"))
        assert not any(staff.stands(planned) for planned in said)


def test_a_message_after_the_answer_keeps_the_ticket_open() -> None:
    for ticket in TICKETS:
        staff = director()
        staff.saw(stands(ticket, "new", assignee_id=""))
        plan = staff.saw(assigned(ticket))
        if not (solves := of(StatusChanged, plan)):
            continue
        (reply,) = of(AgentReplied, plan)
        staff.saw(stands(ticket, "pending", public_replies=1))
        assert staff.stands(solves[0])
        staff.saw(stands(ticket, "open", public_replies=1, waiting_since=reply.at + 1))
        assert not staff.stands(solves[0])
        return
    pytest.fail("no ticket is solved at once")


def test_customers_answer_on_the_ticket_s_own_address() -> None:
    says = []
    for ticket in TICKETS:
        staff = director()
        staff.saw(stands(ticket, "new", assignee_id=""))
        says += [event_of(planned) for planned in staff.saw(assigned(ticket)) if planned.ticket == ticket]
    messages = [event for event in says if isinstance(event, MessageReceived)]
    assert len(messages) > 30
    assert {message.ticket_ref for message in messages} <= set(TICKETS)
    assert all(message.customer_tag == TAG and message.text for message in messages)


def test_a_customer_who_is_not_simulated_is_served_and_silent() -> None:
    staff, kinds = Director(7, []), set()
    for ticket in TICKETS:
        staff.saw(stands(ticket, "new", assignee_id=""))
        kinds |= {type(planned.thing) for planned in staff.saw(assigned(ticket))}
        kinds |= {type(planned.thing) for planned in staff.saw(stands(ticket, "solved", public_replies=1))}
    assert kinds == {AgentReplied, StatusChanged}


def test_one_survey_per_episode_and_worse_scores_after_long_waits() -> None:
    means = []
    for waited in (600.0, 2 * 86_400.0):
        scores = []
        for ticket in TICKETS:
            staff = director()
            solved = stands(ticket, "solved", public_replies=1, first_response_seconds=waited)
            assert of(SurveyAnswered, [*staff.saw(solved), *staff.saw(solved)]) == [], "nobody was asked yet"
            surveys = of(SurveyAnswered, staff.saw(invited(ticket)))
            assert {survey.thing.agent_id for survey in surveys} <= {"tom"}  # type: ignore[union-attr]
            scores += [survey.thing.csat for survey in surveys]  # type: ignore[union-attr]
        assert 40 < len(scores) < 110
        means.append(sum(scores) / len(scores))
    assert means[0] > 4.2
    assert means[1] < 2.8


def test_who_was_not_asked_does_not_answer() -> None:
    assert [planned for ticket in TICKETS for planned in director().saw(invited(ticket, "withheld"))] == []


@pytest.mark.parametrize(("status", "notes"), [("open", 0), ("assigned", 1), ("done", 0)])
def test_who_has_a_low_score_to_look_after_leaves_a_note(status: str, notes: int) -> None:
    staff = director()
    staff.saw(stands(TICKETS[0], "solved", public_replies=1))
    plan = staff.saw(follow_up(TICKETS[0], status))
    assert [planned.thing.agent_id for planned in of(NoteAdded, plan)] == ["tom"] * notes  # type: ignore[union-attr]
    assert all(staff.stands(planned) for planned in plan)


def test_history_is_nobody_s_work() -> None:
    assert director().saw(stands(TICKETS[0], "open", imported=True)) == []


def test_agents_accept_what_is_offered_to_them_in_time() -> None:
    base: dict[str, Any] = {"customer_tag": TAG, "version": 1, "partition": 0, "at": AT, "team": "support"}
    offer = OfferFact(
        **base,
        offer_id="o",
        ticket_id=TICKETS[0],
        agent_id="mei",
        outcome="open",
        offered_at=AT,
        expires_at=AT + 20 * SECOND,
    )
    (planned,) = Director(7, []).saw(offer)
    assert isinstance(planned.thing, OfferAnswered)
    assert (planned.thing.agent_id, planned.thing.outcome, planned.thing.ticket_id) == ("mei", "accepted", TICKETS[0])
    assert AT < planned.at <= AT + 10 * SECOND
    ended = msgspec.structs.replace(offer, outcome="missed")
    assert Director(7, []).saw(ended) == []

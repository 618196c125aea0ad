"""Events that come after a merge, under the old id or from the old address, reach the moved ticket."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import pytest
from msgspec.structs import replace

from schemas import events
from schemas.events import Event
from schemas.facts import ContactFact, Outbound, SurveyFact
from schemas.identity import customer_tag
from tests.support.tickets.story import at
from tests.support.tickets.town import ANN, BOB, CAT, DAN, Town, first


def test_a_reply_to_the_old_id_reaches_the_moved_ticket_and_goes_to_its_own_address(merged: Town) -> None:
    merged.reply(60, first(ANN))
    ticket = merged.settle().tickets(BOB)[first(ANN)]
    assert (ticket.status, ticket.counts.public_replies) == ("pending", 1)
    [sent] = [each for each in merged.facts(Outbound) if each.kind == "reply"]
    assert (sent.address, sent.ticket_id, sent.customer_tag) == ("ann@example.org", first(ANN), customer_tag(BOB))
    assert f"support+{first(ANN)}@" in sent.sender


@pytest.mark.parametrize(
    ("kind", "fields", "changed"),
    [
        (events.NoteAdded, {"agent_id": "mei", "text": "n"}, {"counts.internal_notes": 1}),
        (events.StatusChanged, {"status": "solved", "agent_id": "mei"}, {"status": "solved"}),
        (events.Transferred, {"to_team": "returns"}, {"team": "returns", "counts.transfers": 1}),
        (events.Assigned, {"team": "support", "agent_id": "tom", "source": "desk"}, {"assignee": "tom"}),
        (events.TagCorrected, {"agent_id": "mei", "add": ["delivery.lost_parcel"]},
         {"tags": ("delivery.lost_parcel",)}),
        (events.SurveyAnswered, {"survey_id": "s", "csat": 5}, {"survey.csat": 5, "survey.answers": 1}),
    ],
)  # fmt: skip
def test_whatever_names_the_old_id_reaches_the_ticket(
    merged: Town, kind: type[Event], fields: dict[str, Any], changed: dict[str, Any]
) -> None:
    merged.about(kind, 60, first(ANN), **fields)
    ticket = merged.settle().tickets(BOB)[first(ANN)]
    assert {name: attrgetter(name)(ticket) for name in changed} == changed
    assert merged.cluster.dead_letters() == []
    facts = [fact for fact in merged.facts(ContactFact) if fact.ticket_id == first(ANN) and fact.at == at(60)]
    assert len(facts) == 1


def test_the_router_assigns_a_moved_ticket_by_its_old_id(merged: Town) -> None:
    [queued] = [each for each in merged.facts(events.RoutingUpdate) if each.ticket_id == first(ANN)]
    merged.about(events.Assigned, 60, first(ANN), team=queued.team, agent_id="tom", source="routing")
    ticket = merged.settle().tickets(BOB)[first(ANN)]
    assert (ticket.assignee, ticket.status) == ("tom", "open")


def test_a_new_mail_from_the_old_address_opens_a_ticket_of_the_new_customer(merged: Town) -> None:
    merged.message(60, ANN, text="And another thing")
    assert len(merged.settle().tickets(BOB)) == 4
    [acknowledged] = [each for each in merged.facts(Outbound) if each.at == at(60)]
    assert (acknowledged.address, acknowledged.customer_tag) == ("ann@example.org", customer_tag(BOB))


@pytest.mark.parametrize("reference", [{"ticket_ref": first(ANN)}, {"in_reply_to": "<1@ann>"}])
def test_a_mail_that_answers_a_moved_ticket_joins_it(merged: Town, reference: dict[str, str]) -> None:
    merged.message(60, ANN, **reference)
    assert merged.settle().tickets(BOB)[first(ANN)].counts.customer_messages == 2
    assert len(merged.held()) == 3


def test_a_third_person_who_answers_a_moved_ticket_is_recorded_on_it(merged: Town) -> None:
    merged.message(60, DAN, first(ANN))
    counts = merged.settle().tickets(BOB)[first(ANN)].counts
    assert (counts.customer_messages, counts.third_party_messages) == (1, 1)
    assert merged.customer(BOB).customer_id == BOB


def test_who_mails_about_a_ticket_of_who_they_are_now_is_no_third_person(town: Town) -> None:
    """Bob had a ticket when Ann went up in him; she mails to its own address. Until now he was not told of her reasons."""
    town.message(0, BOB, channel="sms", thread_id="bob")
    town.message(1, ANN)
    town.merge(2, ANN, BOB)
    town.settle().message(9, ANN, first(BOB), "My parcel never arrived.", language="en")
    assert ("delivery.carrier_delay", at(9)) in town.settle().customer(BOB).reasons
    assert town.customer(BOB).customer_id == BOB


def test_who_went_up_in_one_who_went_up_in_a_third_is_no_third_person_either(town: Town) -> None:
    town.message(0, CAT, channel="sms", thread_id="cat")
    town.message(1, ANN)
    town.message(1, BOB)
    town.merge(2, ANN, BOB)
    town.settle().merge(3, BOB, CAT)
    town.settle().message(9, ANN, first(CAT), "My parcel never arrived.")
    assert ("delivery.carrier_delay", at(9)) in town.settle().customer(CAT).reasons


def test_who_was_split_off_again_is_somebody_else(merged: Town) -> None:
    merged.split(20, BOB, ANN, first(ANN))
    merged.settle().message(60, ANN, first(BOB), "My parcel never arrived.")
    assert "delivery.carrier_delay" not in dict(merged.settle().customer(BOB).reasons)


def test_who_goes_round_by_a_ticket_that_ended_is_not_lost(town: Town) -> None:
    """Ann, merged into Bob, answers a ticket of Bob's that nobody has: to her own log, and from there back to Bob."""
    town.message(0, BOB, channel="sms")
    town.merge(1, ANN, BOB)
    town.settle().message(9, ANN, first(BOB, 7))
    town.settle()
    assert len(town.tickets(BOB)) == 2
    assert town.cluster.dead_letters() == []


def test_an_order_of_the_old_customer_counts_for_the_new_one(merged: Town) -> None:
    base = merged.base(60, customer_tag(ANN))
    merged.tell(events.OrderPlaced(**base, customer_id=ANN, order_number="A-1"))
    [fact] = [fact for fact in merged.settle().facts(ContactFact) if fact.kind == "order_placed"]
    assert (fact.customer_tag, fact.author) == (customer_tag(BOB), BOB)


def test_a_number_that_an_adopted_ticket_occupies_names_no_ticket(merged: Town) -> None:
    merged.reply(60, first(BOB, 2))
    assert merged.settle().cluster.dead_letters() == ["unknown_ticket"]


def test_the_same_mail_again_after_the_merge_is_the_same_mail(merged: Town) -> None:
    again = merged.message(60, ANN)
    merged.settle().cluster.append([again, merged.appended[0]])
    before = dict(merged.held())
    assert dict(merged.settle().held()) == before


def test_an_adoption_that_is_written_again_when_everybody_has_forgotten_its_id_changes_nothing(merged: Town) -> None:
    """As after a rebuild: where the ticket is by now, where it was once, and where it ended."""
    merged.split(40, BOB, CAT, first(ANN, 1))
    merged.settle().merge(41, BOB, DAN)
    merged.status(42, first(BOB), "solved")
    merged.settle().message(43 + 30 * 86_400, DAN)
    before = dict(merged.settle().held())
    adoptions = merged.facts(events.TicketAdopted)
    assert {each.moves for each in adoptions} == {1, 2}
    assert first(BOB) not in before
    merged.cluster.append(replace(each, event_id=f"again-{each.event_id}") for each in adoptions)
    assert dict(merged.settle().held()) == before


def test_a_survey_about_a_ticket_that_ended_long_ago_counts_wherever_it_ended(merged: Town) -> None:
    merged.status(60, first(ANN), "solved")
    merged.settle().message(60 + 30 * 86_400, BOB, channel="sms")
    assert first(ANN) not in merged.settle().tickets(BOB)
    merged.about(events.SurveyAnswered, 60 + 31 * 86_400, first(ANN), survey_id="s", csat=4)
    [answer] = merged.settle().facts(SurveyFact)
    assert (answer.ticket_id, answer.csat, answer.customer_tag) == (first(ANN), 4, customer_tag(BOB))


def test_who_asks_to_be_forgotten_is_forgotten_in_both_places(merged: Town) -> None:
    merged.tell(events.ErasureRequested(**merged.base(60, customer_tag(ANN))))
    merged.settle()
    assert merged.held() == []
    assert (merged.customer(ANN).name, merged.customer(BOB).customer_id) == ("", "")

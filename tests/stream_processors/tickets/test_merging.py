"""Merging and splitting customers: what moves, what stays, and how chains and circles of merges end."""

from __future__ import annotations

from schemas import events
from schemas.facts import ClockFact, ClockShare, ContactFact, TagFact, TicketClocks
from schemas.identity import customer_tag
from stream_processors.rules.ruleset import Rules
from stream_processors.tickets.state import customer_key
from tests.support.tickets.story import at
from tests.support.tickets.town import ANN, BOB, CAT, DAN, Town, first


def test_the_people_of_these_tests_live_in_different_partitions(town: Town) -> None:
    places = {town.cluster.partition_of(customer_tag(who).encode()) for who in (ANN, BOB)}
    assert len(places) == 2


# -- what a merge moves -----------------------------------------------------------------------------------------------


def test_a_merge_moves_every_ticket_that_is_not_closed_under_its_own_id(merged: Town) -> None:
    assert merged.tickets(ANN) == {}
    assert set(merged.tickets(BOB)) == {first(ANN, 1), first(ANN, 2), first(BOB)}
    assert merged.cluster.dead_letters() == []


def test_a_closed_ticket_stays(town: Town) -> None:
    town.message(0, ANN)
    town.settle().status(5, first(ANN), "closed")
    town.settle().merge(10, ANN, BOB)
    town.settle()
    assert set(town.tickets(ANN)) == {first(ANN)}
    assert town.tickets(BOB) == {}


def test_the_fact_of_a_moved_ticket_names_its_new_customer_and_wins(merged: Town) -> None:
    fact = merged.last(first(ANN))
    assert (fact.customer_tag, fact.customer_id, fact.subject) == (customer_tag(BOB), BOB, "Parcel")


def test_both_timelines_tell_of_the_merge_and_name_each_other(merged: Town) -> None:
    told = {fact.customer_tag: fact.detail for fact in merged.facts(ContactFact) if fact.kind == "customers_merged"}
    assert told == {customer_tag(ANN): customer_tag(BOB), customer_tag(BOB): customer_tag(ANN)}


def test_what_was_known_of_the_one_fills_the_gaps_of_the_other(town: Town) -> None:
    town.message(0, ANN, customer_name="Ann Lee", tier="gold")
    town.message(1, BOB, channel="sms", customer_name="A. Lee")
    town.settle().merge(5, ANN, BOB)
    town.settle()
    assert (town.customer(BOB).name, town.customer(BOB).tier) == ("A. Lee", "gold")
    assert len(town.customer(BOB).acknowledgements) == 2  # the caps of one person count both


def test_a_customer_who_never_wrote_can_be_merged_into(town: Town) -> None:
    town.message(0, ANN)
    town.merge(5, ANN, CAT)
    town.settle()
    assert set(town.tickets(CAT)) == {first(ANN)}
    assert town.customer(CAT).customer_id == CAT
    town.message(9, CAT)
    assert set(town.settle().tickets(CAT)) == {first(ANN), first(CAT, 2)}


def test_merging_again_changes_nothing(merged: Town) -> None:
    before = dict(merged.held())
    merged.merge(40, ANN, BOB)
    assert dict(merged.settle().held()) == before
    assert merged.cluster.dead_letters() == []


def test_a_customer_cannot_be_merged_into_themselves(town: Town) -> None:
    town.merge(0, ANN, ANN)
    assert town.settle().cluster.dead_letters() == ["same_customer"]


# -- clocks and versions ----------------------------------------------------------------------------------------------


def test_a_deadline_is_met_or_missed_where_the_ticket_is_now(merged: Town) -> None:
    """First response is due after 3600 s, whoever has the ticket; the acknowledgement has been met."""
    merged.cluster.advance(at(4000))
    breaches = [
        fact for fact in merged.facts(ClockFact) if fact.transition == "breach" and fact.ticket_id == first(ANN)
    ]
    assert [(fact.clock, fact.at, fact.customer_tag) for fact in breaches] == [
        ("first_response", at(3600), customer_tag(BOB))
    ]
    states = dict(merged.cluster.states(b"c"))
    processor = merged.cluster.workers[0].processor
    key = customer_key(customer_tag(ANN))
    assert processor.deadline(key, states[key]) is None


def test_a_moved_ticket_keeps_its_history_its_measures_and_who_is_charged(merged: Town) -> None:
    """Written at 0, moved, assigned to mei at 600 and answered at 900 under its old id: 600 s of the team, 300 s of mei."""
    merged.about(events.Assigned, 600, first(ANN), agent_id="mei", team="support")
    merged.settle().reply(900, first(ANN))
    merged.settle()
    rows = [fact for fact in merged.facts(TicketClocks) if fact.ticket_id == first(ANN)]
    row = max(rows, key=lambda fact: fact.version)
    assert (row.customer_tag, row.first_response_seconds, row.new_seconds, row.open_seconds) == (
        customer_tag(BOB), 900.0, 600.0, 300.0
    )  # fmt: skip
    newest: dict[str, tuple[int, float]] = {}
    for share in merged.facts(ClockShare):
        if share.ticket_id == first(ANN) and share.clock == "first_response":
            newest[share.agent_id] = max(newest.get(share.agent_id, (-1, 0.0)), (share.version, share.seconds))
    assert {agent: seconds for agent, (_, seconds) in newest.items()} == {"": 600.0, "mei": 300.0}


def test_the_facts_of_a_moved_ticket_rise_in_version_even_in_a_partition_that_is_far_behind(rules: Rules) -> None:
    town = Town(rules)
    town.message(0, ANN, text="Where is my parcel?")
    for number in range(40):
        town.message(number, DAN if town.cluster.partition_of(customer_tag(DAN).encode()) == town.cluster.partition_of(
            customer_tag(ANN).encode()) else ANN, text="More")  # fmt: skip
    town.merge(50, ANN, BOB)
    town.settle()
    assert len(town.cluster.workers[town.cluster.partition_of(customer_tag(BOB).encode())].log) < 60
    town.about(events.TagCorrected, 60, first(ANN), agent_id="mei", remove=["delivery.order_status"])
    town.reply(70, first(ANN))
    town.settle()
    ticket = town.tickets(BOB)[first(ANN)]
    fact = town.last(first(ANN))
    assert (fact.status, fact.public_replies, fact.tags) == (ticket.status, 1, list(ticket.tags))
    tags = [fact for fact in town.facts(TagFact) if fact.ticket_id == first(ANN)]
    for name in {fact.tag for fact in tags}:
        newest = max((fact for fact in tags if fact.tag == name), key=lambda fact: fact.version)
        assert newest.active == (name in ticket.tags)


# -- circles and chains -----------------------------------------------------------------------------------------------


def test_a_into_b_and_b_into_a_ends_with_all_at_a(merged: Town) -> None:
    merged.merge(40, BOB, ANN)
    merged.settle()
    assert set(merged.tickets(ANN)) == {first(ANN, 1), first(ANN, 2), first(BOB)}
    merged.message(60, BOB)
    merged.message(61, ANN)
    merged.reply(62, first(BOB))
    assert len(merged.settle().tickets(ANN)) == 5
    assert merged.tickets(ANN)[first(BOB)].counts.public_replies == 1
    assert merged.tickets(BOB) == {}


def test_two_merges_against_each_other_at_the_same_time_leave_one_customer(town: Town) -> None:
    town.message(0, ANN)
    town.message(0, BOB)
    town.settle()
    town.merge(5, ANN, BOB)
    town.merge(5, BOB, ANN)
    town.message(6, ANN)
    town.message(6, BOB)
    town.settle()
    assert sorted((len(town.tickets(ANN)), len(town.tickets(BOB)))) == [0, 4]


def test_a_ring_of_three_merges_ends_with_one_customer(town: Town) -> None:
    for who in (ANN, BOB, CAT):
        town.message(0, who)
    town.settle()
    for who, into in ((ANN, BOB), (BOB, CAT), (CAT, ANN)):
        town.merge(5, who, into)
        town.settle()
    assert sorted(len(town.tickets(who)) for who in (ANN, BOB, CAT)) == [0, 0, 3]


def test_merging_a_merged_customer_merges_whoever_they_are_now(merged: Town) -> None:
    merged.merge(40, ANN, CAT)
    merged.settle()
    assert set(merged.tickets(CAT)) == {first(ANN, 1), first(ANN, 2), first(BOB)}
    merged.message(60, ANN)
    merged.message(61, BOB)
    assert len(merged.settle().tickets(CAT)) == 5


# -- splits -----------------------------------------------------------------------------------------------------------


def test_a_split_gives_the_chosen_tickets_back_and_the_customer_stands_alone_again(merged: Town) -> None:
    merged.split(40, BOB, ANN, first(ANN, 1))
    merged.settle()
    assert set(merged.tickets(ANN)) == {first(ANN, 1)}
    assert set(merged.tickets(BOB)) == {first(ANN, 2), first(BOB)}
    merged.message(60, ANN)
    merged.reply(61, first(ANN, 1))
    merged.reply(62, first(ANN, 2))
    merged.settle()
    assert set(merged.tickets(ANN)) == {first(ANN, 1), first(ANN, 3)}
    assert merged.tickets(ANN)[first(ANN, 1)].counts.public_replies == 1
    assert merged.tickets(BOB)[first(ANN, 2)].counts.public_replies == 1
    assert merged.last(first(ANN, 1)).customer_tag == customer_tag(ANN)


def test_a_split_can_give_a_ticket_to_somebody_new(merged: Town) -> None:
    merged.split(40, BOB, DAN, first(BOB))
    merged.settle()
    merged.message(60, BOB, first(BOB))
    merged.settle()
    assert set(merged.tickets(DAN)) == {first(BOB)}
    assert merged.tickets(DAN)[first(BOB)].counts.customer_messages == 2
    assert merged.customer(BOB).customer_id == BOB
    merged.message(70, BOB, text="Something else")
    assert len(merged.settle().tickets(BOB)) == 3


def test_a_split_of_a_merged_customer_splits_whoever_they_are_now(merged: Town) -> None:
    merged.split(40, ANN, DAN, first(ANN, 2))
    merged.settle()
    assert set(merged.tickets(DAN)) == {first(ANN, 2)}


def test_a_split_with_a_ticket_that_is_not_theirs_changes_nothing(merged: Town) -> None:
    before = dict(merged.held())
    merged.split(40, BOB, ANN, first(ANN, 1), first(CAT))
    merged.settle()
    assert merged.cluster.dead_letters() == ["unknown_ticket"]
    assert dict(merged.held()) == before
    merged.message(60, ANN)
    assert merged.settle().tickets(ANN) == {}


def test_merged_split_and_merged_again(merged: Town) -> None:
    merged.split(40, BOB, ANN, first(ANN, 1), first(ANN, 2))
    merged.settle().merge(50, ANN, BOB)
    merged.settle()
    assert set(merged.tickets(BOB)) == {first(ANN, 1), first(ANN, 2), first(BOB)}
    assert merged.tickets(BOB)[first(ANN, 1)].adopted is not None
    merged.message(60, ANN)
    assert len(merged.settle().tickets(BOB)) == 4

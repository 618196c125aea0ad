"""Merging and splitting customers: no ticket is lost, none doubled, every clock ends once, and nothing runs in circles."""

from __future__ import annotations

from collections import Counter
from operator import attrgetter
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas import codec, events
from schemas.events import Event
from schemas.facts import (
    ClockFact,
    ClockShare,
    ContactFact,
    Outbound,
    PaneFact,
    SurveyFact,
    TagFact,
    TicketClocks,
    TicketFact,
)
from schemas.identity import customer_tag, event_id, ticket_id
from stream_processors.rules.ruleset import Rules
from stream_processors.tickets.processor import TicketsProcessor
from stream_processors.tickets.sla import clocks
from stream_processors.tickets.state import Customer, Ticket, customer_key
from tests.support.memory_worker import IDS, MemoryCluster
from tests.support.tickets.story import at

ANN, BOB, CAT, DAN = "email:ann@example.org", "tel:+15550100", "ext:4711", "email:dan@example.org"
PEOPLE = (ANN, BOB, CAT, DAN)
PARTITIONS = 3
FAST = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Town:
    """Several customers over several partitions. Methods append; `town.settle()` folds, or a random schedule does."""

    def __init__(self, rules: Rules, partitions: int = PARTITIONS) -> None:
        self.cluster = MemoryCluster(lambda: TicketsProcessor(rules), partitions)
        self.told = 0
        self.appended: list[Event] = []

    def tell(self, event: Event) -> None:
        self.appended.append(event)
        self.cluster.append([event])

    def base(self, seconds: float, tag: str) -> dict[str, Any]:
        self.told += 1
        return {
            "event_id": event_id("town", str(self.told)),
            "occurred_at": at(seconds),
            "received_at": at(seconds),
            "customer_tag": tag,
        }

    def message(self, seconds: float, who: str, ticket: str = "", text: str = "Hello", **fields: Any) -> Event:
        tag = ticket.partition("-")[0] if ticket else customer_tag(who)
        address = who.partition(":")[2]
        event = events.MessageReceived(
            **self.base(seconds, tag) | {"channel": "email", "customer_id": who, "address": address, "text": text,
                                         "ticket_ref": ticket} | fields
        )  # fmt: skip
        self.tell(event)
        return event

    def about(self, kind: type[Event], seconds: float, ticket: str, **fields: Any) -> Event:
        event = kind(**self.base(seconds, ticket.partition("-")[0]) | {"ticket_id": ticket} | fields)
        self.tell(event)
        return event

    def reply(self, seconds: float, ticket: str, **fields: Any) -> Event:
        return self.about(events.AgentReplied, seconds, ticket, agent_id="mei", text="Here it is.", **fields)

    def status(self, seconds: float, ticket: str, status: str) -> Event:
        return self.about(events.StatusChanged, seconds, ticket, status=status)

    def merge(self, seconds: float, who: str, into: str) -> Event:
        base = self.base(seconds, customer_tag(who))
        event = events.CustomersMerged(**base, from_customer_id=who, into_customer_id=into, agent_id="mei")
        self.tell(event)
        return event

    def split(self, seconds: float, who: str, to: str, *tickets: str) -> Event:
        base = self.base(seconds, customer_tag(who))
        event = events.CustomersSplit(**base, customer_id=who, to_customer_id=to, ticket_ids=[*tickets], agent_id="mei")
        self.tell(event)
        return event

    def settle(self) -> Town:
        self.cluster.settle()
        return self

    # -- seeing -------------------------------------------------------------------------------------------------

    def customer(self, who: str) -> Customer:
        state = self.cluster.state(customer_key(customer_tag(who)))
        return state if isinstance(state, Customer) else Customer()

    def tickets(self, who: str) -> dict[str, Ticket]:
        return {each.id_at(customer_tag(who)): each for each in self.customer(who).tickets}

    def held(self) -> list[tuple[str, Ticket]]:
        """Every ticket of everybody, under its id."""
        found = []
        for key, customer in self.cluster.states(b"c"):
            found += [(ticket.id_at(key[1:].decode()), ticket) for ticket in customer.tickets]
        return found

    def facts(self, *kinds: type) -> list[Any]:
        return self.cluster.records(*kinds)

    def last(self, ticket: str) -> TicketFact:
        """The ticket as analysts see it: its fact with the highest version."""
        return max((fact for fact in self.facts(TicketFact) if fact.ticket_id == ticket), key=lambda fact: fact.version)


def first(who: str, number: int = 1) -> str:
    return ticket_id(customer_tag(who), number)


@pytest.fixture
def town(rules: Rules) -> Town:
    return Town(rules)


@pytest.fixture
def merged(town: Town) -> Town:
    """Ann has two tickets and Bob one; then Ann goes up in Bob."""
    town.message(0, ANN, subject="Parcel", message_id="<1@ann>")
    town.message(10, ANN, subject="Refund")
    town.message(20, BOB, channel="sms", text="Hi")
    town.settle()
    town.merge(30, ANN, BOB)
    return town.settle()


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


# -- what comes later reaches the ticket ------------------------------------------------------------------------------


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


def test_a_third_person_who_answers_a_moved_ticket_joins_it_and_stays_who_they_are(merged: Town) -> None:
    merged.message(60, DAN, first(ANN))
    assert merged.settle().tickets(BOB)[first(ANN)].counts.customer_messages == 2
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
    assert {ticket.request.subject + ticket.request.address for _, ticket in merged.held()} == {""}
    assert (merged.customer(ANN).name, merged.customer(BOB).customer_id) == ("", "")


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


# -- every order of things --------------------------------------------------------------------------------------------


def live(rules: Rules, seed: int, length: int, *, crashes: bool = False) -> Town:
    """A random life of four people, folded in random batches while it goes on; the same for the same seed."""
    random, town, seconds = Random(seed), Town(rules), 0
    pick = random.choice
    for _ in range(length):
        seconds += pick((0, 1, 5, 600))
        known = sorted(name for name, _ in town.held())
        match pick("mmmmmmtttrrrrsMMMSS"):
            case "m":
                town.message(seconds, pick(PEOPLE))
            case "t" if known:
                town.message(seconds, pick(PEOPLE), pick(known))
            case "r" if known:
                town.reply(seconds, pick(known), public=random.random() < 0.8)
            case "s" if known:
                town.status(seconds, pick(known), pick(("solved", "open", "hold", "closed")))
            case "M":
                who, into = random.sample(PEOPLE, 2)
                town.merge(seconds, who, into)
            case "S":
                who, to = random.sample(PEOPLE, 2)
                theirs = sorted(town.tickets(who))
                town.split(seconds, who, to, *random.sample(theirs, random.randint(0, len(theirs))))
        for _ in range(random.randint(0, 3)):
            crash = random.randint(0, 30) if crashes and random.random() < 0.3 else None
            town.cluster.step(random.randrange(PARTITIONS), random.randint(1, 6), crash)
        if random.random() < 0.05:
            town.cluster.advance(at(seconds))
    return town.settle()


def nothing_is_lost_or_doubled(town: Town) -> None:
    opened = {fact.ticket_id for fact in town.facts(ContactFact) if fact.opened_ticket}
    held = [name for name, _ in town.held()]
    assert Counter(held) == Counter(opened)
    assert set(town.cluster.dead_letters()) <= {"closed_ticket", "unknown_ticket", "same_customer"}


def everything_was_folded_once(town: Town) -> None:
    facts: dict[str, set[bytes]] = {}
    for fact in town.facts(ContactFact):
        if fact.kind in ("message_received", "agent_replied"):
            facts.setdefault(fact.event_id, set()).add(codec.encode(fact))
    said = [each for each in town.appended if isinstance(each, events.MessageReceived | events.AgentReplied)]
    assert set(facts) == {each.event_id for each in said}
    assert {name: len(versions) for name, versions in facts.items() if len(versions) > 1} == {}
    tickets = [ticket for _, ticket in town.held()]
    assert sum(ticket.counts.customer_messages for ticket in tickets) == sum(
        isinstance(each, events.MessageReceived) for each in said
    )
    assert sum(ticket.counts.public_replies + ticket.counts.internal_notes for ticket in tickets) == sum(
        isinstance(each, events.AgentReplied) for each in said
    )


def the_newest_facts_are_true(town: Town) -> None:
    written: dict[tuple[str, int], bytes] = {}
    for fact in town.facts(TicketFact):
        assert written.setdefault((fact.ticket_id, fact.version), codec.encode(fact)) == codec.encode(fact)
    for key, customer in town.cluster.states(b"c"):
        tag = key[1:].decode()
        for ticket in customer.tickets:
            fact = town.last(ticket.id_at(tag))
            assert (fact.customer_tag, fact.status, fact.episode, fact.customer_messages, fact.public_replies) == (
                tag, ticket.status, ticket.episode, ticket.counts.customer_messages, ticket.counts.public_replies
            )  # fmt: skip


def every_ledger_is_whole(town: Town) -> None:
    """Row after row without a gap or a second version, and what the state says is what the last row says."""
    rows: dict[tuple[str, int, str, int], dict[int, ClockFact]] = {}
    for fact in town.facts(ClockFact):
        ledger = rows.setdefault((fact.ticket_id, fact.episode, fact.clock, fact.instance), {})
        assert codec.encode(ledger.setdefault(fact.sequence, fact)) == codec.encode(fact)
    for ledger in rows.values():
        told = [ledger[sequence].transition for sequence in range(1, len(ledger) + 1)]
        assert told[0] == "activate"
        assert told.count("activate") == 1
        assert told.count("breach") <= 1 + told.count("correct")
        assert told.count("fulfil") + told.count("cancel") <= 1 + told.count("correct")
    for name, ticket in town.held():
        for clock in ticket.clocks:
            last = rows[name, clock.episode, clock.name, clock.instance]
            assert max(last) == clock.sequence
            assert (last[clock.sequence].transition in ("fulfil", "cancel")) == (clock.stopped_at is not None)


def nobody_goes_in_circles(town: Town) -> None:
    marks = {key[1:].decode(): customer.merge_history.merged_into.tag for key, customer in town.cluster.states(b"c")
             if customer.merge_history and customer.merge_history.merged_into}  # fmt: skip
    for start in marks:
        seen, here = set(), start
        while here in marks:
            assert here not in seen
            seen.add(here)
            here = marks[here]
    for tag in marks:
        state = town.cluster.state(customer_key(tag))
        assert all(ticket.status == "closed" for ticket in state.tickets)


def the_backlog_is_what_is_open(town: Town) -> None:
    """What left one customer came to another: over all panes every open ticket counts once, and so does its age."""
    panes: dict[tuple[Any, ...], PaneFact] = {}
    for pane in town.facts(PaneFact):  # in the order of each log
        panes[tuple(getattr(pane, name) for name in IDS[PaneFact])] = pane
    still_open = [ticket for _, ticket in town.held() if ticket.status not in ("solved", "closed")]
    assert sum(pane.backlog_change for pane in panes.values()) == len(still_open)
    created = sum(ticket.created_at // 1_000_000 for ticket in still_open)
    assert sum(pane.backlog_created_change for pane in panes.values()) == created


def holds(town: Town) -> None:
    nothing_is_lost_or_doubled(town)
    everything_was_folded_once(town)
    the_newest_facts_are_true(town)
    every_ledger_is_whole(town)
    the_backlog_is_what_is_open(town)
    nobody_goes_in_circles(town)


lives = {"seed": st.integers(0, 2**32), "length": st.integers(1, 50)}


@FAST
@given(**lives)
def test_no_ticket_is_lost_or_doubled_whatever_is_merged_and_split_meanwhile(
    seed: int, length: int, rules: Rules
) -> None:
    holds(live(rules, seed, length))


@FAST
@given(**lives)
def test_nor_when_workers_crash_between_any_two_writes(seed: int, length: int, rules: Rules) -> None:
    holds(live(rules, seed, length, crashes=True))


@FAST
@given(**lives)
def test_afterwards_every_customer_and_every_ticket_is_still_reached(seed: int, length: int, rules: Rules) -> None:
    town = live(rules, seed, length)
    before = dict(town.held())
    end = 100_000
    for who in PEOPLE:
        town.message(end, who)
    for name, ticket in before.items():
        if ticket.status != "closed":
            town.reply(end + 1, name)
    town.settle()
    after = dict(town.held())
    assert len(after) == len(before) + len(PEOPLE)
    for name, ticket in before.items():
        assert after[name].counts.public_replies == ticket.counts.public_replies + (ticket.status != "closed")
    holds(town)


@FAST
@given(**lives)
def test_every_clock_ends_once_when_everything_is_solved(seed: int, length: int, rules: Rules) -> None:
    town = live(rules, seed, length)
    town.cluster.advance(at(400_000))
    for name, ticket in town.held():
        if ticket.status not in ("solved", "closed"):
            town.status(400_001, name, "solved")
    town.settle()
    every_ledger_is_whole(town)
    assert [clock for _, ticket in town.held() for clock in ticket.clocks if clock.stopped_at is None] == []
    assert {clocks.next_deadline(state) for _, state in town.cluster.states(b"c")} <= {None}


@FAST
@given(**lives, sizes=st.lists(st.integers(1, 9), max_size=30))
def test_the_same_logs_give_the_same_bytes_however_they_are_cut(
    seed: int, length: int, sizes: list[int], rules: Rules
) -> None:
    town, again = live(rules, seed, length), Town(rules)
    clean = Town(rules)
    for worker, other, third in zip(town.cluster.workers, again.cluster.workers, clean.cluster.workers, strict=True):
        other.log = third.log = list(worker.log)
        other.run(sizes)
        third.run()
        assert other.outputs == third.outputs == worker.outputs
        assert other.store == third.store == worker.store


@FAST
@given(**lives)
def test_what_is_written_back_a_second_time_changes_no_ticket(seed: int, length: int, rules: Rules) -> None:
    """A rebuild from an empty state writes it all again, behind everything else. What was refused may succeed then."""
    town = live(rules, seed, length)
    before, refused = dict(town.held()), town.cluster.dead_letters()
    again = [each for each in town.facts(*events.EVENTS) if not isinstance(each, events.RoutingUpdate)]
    town.cluster.append(again)
    holds(town.settle())
    assert set(dict(town.held())) == set(before)
    if not refused:
        assert dict(town.held()) == before

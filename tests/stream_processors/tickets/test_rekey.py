"""Customers move to the tags of another secret: nobody loses a ticket, and what is under way still arrives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from schemas import events, identity
from schemas.facts import ContactFact
from schemas.identity import customer_tag
from stream_processors.rekey import Known, merges
from stream_processors.rules.ruleset import Rules
from tests.support.secrets import FIRST, SECOND, secrets
from tests.support.tickets.story import at
from tests.support.tickets.town import ANN, BOB, CAT, Town, first

#: The tags and the first tickets of before: without a key.
OLD = {who: customer_tag(who) for who in (ANN, BOB, CAT)}
OLD_TICKET = first(ANN)
LATER = at(1000)


def known(town: Town) -> list[Known]:
    """What the changelog says of each customer."""
    found = []
    for key, state in town.cluster.states(b"c"):
        history = state.merge_history
        merged_into = history.merged_into if history is not None else None
        found.append(Known(key[1:].decode(), state.customer_id, "" if merged_into is None else merged_into.customer_id))
    return found


def rekey(town: Town) -> list[events.CustomersMerged]:
    moving = list(merges(known(town), LATER))
    for event in moving:
        town.tell(event)
    town.settle()
    return moving


@pytest.fixture
def town(rules: Rules) -> Iterator[Town]:
    """Ann and Bob have tickets from before; the secret is set now, and every process has it."""
    town = Town(rules)
    town.message(0, ANN, customer_name="Ann", message_id="<1@example.org>")
    town.message(1, BOB, channel="sms")
    town.settle()
    with secrets(FIRST):
        yield town


def test_every_open_ticket_moves_and_keeps_its_id(town: Town) -> None:
    assert len(rekey(town)) == 2
    assert set(town.tickets(ANN)) == {OLD_TICKET}
    assert town.customer(ANN).name == "Ann"
    assert town.cluster.dead_letters() == []


def test_what_a_moved_customer_writes_joins_the_old_ticket(town: Town) -> None:
    """A mail in transit from before: it answers our Message-ID without a MAC, and its own tag is that of today."""
    [answered] = [each for each in town.customer_by(OLD[ANN]).tickets[0].conversation.message_ids if "ds." in each]
    rekey(town)
    assert identity.ticket_in_mail("Re: Parcel", [], [answered]) == ""
    town.message(2000, ANN, text="Any news?", in_reply_to=answered)
    town.settle()
    assert set(town.tickets(ANN)) == {OLD_TICKET}
    assert town.tickets(ANN)[OLD_TICKET].counts.customer_messages == 2


def test_a_new_ticket_has_an_id_that_nobody_can_reckon(town: Town) -> None:
    rekey(town)
    town.message(2000, ANN, text="Another matter")
    town.settle()
    [new] = set(town.tickets(ANN)) - {OLD_TICKET}
    assert not new.startswith(OLD[ANN])
    assert new.startswith(customer_tag(ANN))


def test_an_agent_who_knows_the_old_id_reaches_the_ticket(town: Town) -> None:
    rekey(town)
    town.reply(2000, OLD_TICKET)
    town.settle()
    assert town.tickets(ANN)[OLD_TICKET].counts.public_replies == 1
    assert town.cluster.dead_letters() == []


def test_a_contact_that_was_under_way_under_the_old_tag_is_written_on(town: Town) -> None:
    rekey(town)
    town.message(2000, ANN, customer_tag=OLD[ANN], text="I wrote before the switch", message_id="<2@example.org>")
    town.settle()
    assert town.customer_by(OLD[ANN]).tickets == ()
    assert len(town.tickets(ANN)) == 2  # the same as it would have been: a new mail is a new matter


def test_somebody_new_who_comes_under_the_old_kind_of_tag_gets_the_new_one(town: Town) -> None:
    """A producer that lacks the secret does not split the customer: the worker writes on to the right tag."""
    town.message(2000, CAT, customer_tag=OLD[CAT])
    town.settle()
    assert len(town.tickets(CAT)) == 1
    assert town.customer_by(OLD[CAT]).tickets == ()


def test_a_merge_of_before_holds_for_the_new_tags(town: Town) -> None:
    with secrets():
        town.merge(500, ANN, BOB)
        town.settle()
    rekey(town)
    town.message(2000, ANN, text="It is me again")
    town.settle()
    assert OLD_TICKET in town.tickets(BOB)
    assert town.tickets(ANN) == {}
    assert len(town.tickets(BOB)) == 3


def test_moving_again_changes_nothing(town: Town) -> None:
    moving = rekey(town)
    held = dict(town.held())
    assert [event for event in merges(known(town), LATER) if event.customer_tag == event.from_tag] == []
    for event in moving:
        town.tell(event)
    town.settle()
    assert dict(town.held()) == held
    assert town.cluster.dead_letters() == []


def test_customers_move_from_one_secret_to_the_next(town: Town) -> None:
    rekey(town)
    with secrets(SECOND, FIRST):
        rekey(town)
        assert set(town.tickets(ANN)) == {OLD_TICKET}
        town.message(3000, ANN, text="Any news?", ticket=OLD_TICKET)
        town.settle()
        assert town.tickets(ANN)[OLD_TICKET].counts.customer_messages == 2
    assert town.cluster.dead_letters() == []


def test_an_erased_customer_and_one_of_an_unknown_secret_stay(town: Town) -> None:
    stay = [Known(OLD[ANN], "", ""), Known("ABCDEFGHIJKL", ANN, ""), Known(customer_tag(ANN), ANN, "")]
    assert list(merges(stay, LATER)) == []


def test_the_timeline_names_the_other_tag(town: Town) -> None:
    rekey(town)
    told = {fact.customer_tag: fact.detail for fact in town.facts(ContactFact) if fact.kind == "customers_merged"}
    assert told[OLD[ANN]] == customer_tag(ANN)
    assert told[customer_tag(ANN)] == OLD[ANN]

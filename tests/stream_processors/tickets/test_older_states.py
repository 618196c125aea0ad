"""States that older builds left: of other shapes, or from before there was a status history."""

from __future__ import annotations

import struct
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import msgspec
import pytest

from schemas.facts import ClockShare, TicketClocks
from stream_processors.runtime.state_codec import StateCodec
from stream_processors.tickets import older_states
from stream_processors.tickets.state import (
    Clock,
    Customer,
    Episode,
    StatusChange,
    Ticket,
    TicketRouting,
    customer_key,
)
from tests.support.each import each
from tests.support.tickets.story import Story, at


def left_as(story: Story, **fields: Any) -> None:
    """The customer's tickets in the store, without status history and with these fields."""
    tickets = tuple(
        msgspec.structs.replace(ticket, sla=msgspec.structs.replace(ticket.sla, status_history=()), **fields)
        for ticket in story.customer.tickets
    )
    key = customer_key(story.tag)
    story.worker.store[key] = story.worker.folder.codec.dump(
        key, msgspec.structs.replace(story.customer, tickets=tickets)
    )


@pytest.fixture
def old(tell: Callable[..., Story]) -> Story:
    """Written to at 0, assigned to mei of support at 60, which opens it, and without a status history."""
    story = tell()
    story.message(0)
    story.assign(60, "mei")
    left_as(story)
    return story


def test_what_is_known_of_it_is_how_it_stood_before_the_event(old: Story) -> None:
    old.add_note(600)
    assert old.ticket().sla.status_history == (StatusChange(at(600), "open", "support", "mei"),)


def test_an_event_that_changes_how_it_stands_begins_with_that(old: Story) -> None:
    old.status(600, "pending")
    assert old.ticket().sla.status_history == (StatusChange(at(600), "pending", "support", "mei"),)


def test_without_a_beginning_the_time_in_its_states_is_undefined(old: Story) -> None:
    old.status(600, "pending")
    old.reply(900)
    row: dict[str, Any] = msgspec.structs.asdict(old.last(TicketClocks))
    assert row["first_response_seconds"] == 900
    assert row["agent_wait_seconds"] is row["agent_work_seconds"] is row["unassigned_seconds"] is None


def test_a_ticket_that_was_with_a_team_only_by_its_policy_is_with_that_team(old: Story) -> None:
    left_as(old, team="", assignee="")
    old.add_note(600)
    (change,) = old.ticket().sla.status_history
    assert change.team != "" and change.agent == ""
    old.reply(900)
    assert {share.team for share in old.all(ClockShare)} == {change.team}


# -- shapes up to version 5 -------------------------------------------------------------------------------------------


def flat(state: msgspec.Struct, names: list[str]) -> list[Any]:
    """The fields of a state in the order of version 5."""
    return [attrgetter(name)(state) for name in names]


def as_stored(customer: Customer, version: int, fields: int = 99) -> bytes:
    """A customer as a build of this version stored it, whose tickets had so many fields."""
    tickets = [
        flat(msgspec.structs.replace(ticket, clocks=()), older_states._TICKET)[:fields] for ticket in customer.tickets
    ]
    for stored, ticket in zip(tickets, customer.tickets, strict=True):
        if (place := older_states._TICKET.index("clocks")) < len(stored):
            stored[place] = [flat(clock, older_states._CLOCK) for clock in ticket.clocks]
    values = {name: getattr(customer, name) for name in Customer.__struct_fields__}
    values |= {"tickets": tickets, "episodes": [flat(each, older_states._EPISODE) for each in customer.episodes]}
    return struct.pack(">Bq", version, customer.offset) + msgspec.msgpack.encode(list(values.values()))


def known_to_version_7(ticket: Ticket) -> Ticket:
    """Leaves out what version 8 keeps besides (promises, the last answer, what a solve left unanswered), and version 9."""
    milestones = msgspec.structs.replace(ticket.milestones, last_response_at=None)
    conversation = msgspec.structs.replace(ticket.conversation, unanswered_at_solve=())
    later = {"promise": None, "routing": TicketRouting()}
    return msgspec.structs.replace(ticket, milestones=milestones, conversation=conversation, **later)


@pytest.fixture
def lived(tell: Callable[..., Story]) -> Customer:
    """A customer with a ticket of nearly everything: answered, solved, rated low, reopened."""
    story = tell()
    story.message(0, "My parcel never arrived.", message_id="<1@ann>")
    story.assign(60, "mei")
    story.reply(600)
    story.solve(900)
    story.survey(1200, csat=1, episode=1)
    story.more(3600, "It is broken.")
    story.transfer(4000, "returns")
    assert story.customer.episodes and story.ticket().clocks and story.ticket().survey.csat == 1
    return story.customer


@pytest.mark.parametrize("version", range(1, 6))
def test_a_customer_of_an_older_version_is_the_same(lived: Customer, version: int) -> None:
    known = msgspec.structs.replace(lived, tickets=tuple(map(known_to_version_7, lived.tickets)))
    assert StateCodec({b"c": Customer}).load(b"cX", as_stored(lived, version)) == known


def test_so_is_one_of_version_6_whose_groups_were_shorter(lived: Customer) -> None:
    fields = msgspec.to_builtins(lived)
    names = Ticket.__struct_fields__
    for ticket in fields[Customer.__struct_fields__.index("tickets")]:
        for group, appended in (("request", 1), ("conversation", 1), ("counts", 1)):
            del ticket[names.index(group)][-appended:]
    stored = struct.pack(">Bq", 6, lived.offset) + msgspec.msgpack.encode(fields)
    assert StateCodec({b"c": Customer}).load(b"cX", stored) == lived


@each("fields", range(3, len(older_states._TICKET)))
def test_what_an_older_ticket_did_not_have_yet_has_its_default(lived: Customer, fields: int) -> None:
    upgraded = StateCodec({b"c": Customer}).load(b"cX", as_stored(lived, 1, fields))
    (ticket,), (now,) = upgraded.tickets, lived.tickets
    fresh = Ticket(now.number, now.channel, now.created_at)
    for place, name in enumerate(older_states._TICKET):
        assert attrgetter(name)(ticket) == attrgetter(name)(now if place < fields else fresh), name


#: What later versions added to a state itself, not to one of its groups.
LATER: dict[type, set[str]] = {Ticket: {"automated", "brand", "promise", "routing"}, Episode: {"brand"}}


def test_every_field_of_version_5_has_one_place_today() -> None:
    for kind, names in (
        (Ticket, older_states._TICKET),
        (Clock, older_states._CLOCK),
        (Episode, older_states._EPISODE),
    ):
        assert len(names) == len(set(names))
        assert {name.partition(".")[0] for name in names} == set(kind.__struct_fields__) - LATER.get(kind, set())
    assert (len(older_states._TICKET), len(older_states._CLOCK), len(older_states._EPISODE)) == (63, 26, 22)

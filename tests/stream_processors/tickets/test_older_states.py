"""Tickets in the state that a build from before there were stations left: they get theirs from the next event on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from schemas.facts import ClockShare, TicketClocks
from stream_processors.tickets.state import StatusChange, customer_key
from tests.support.tickets.story import Story, at


def left_as(story: Story, **fields: Any) -> None:
    """The customer's tickets in the store, with these fields."""
    tickets = tuple(msgspec.structs.replace(ticket, **fields) for ticket in story.customer.tickets)
    key = customer_key(story.tag)
    story.worker.store[key] = story.worker.folder.codec.dump(
        key, msgspec.structs.replace(story.customer, tickets=tickets)
    )


@pytest.fixture
def old(tell: Callable[..., Story]) -> Story:
    """Written to at 0, assigned to mei of support at 60, which opens it, and without stations."""
    story = tell()
    story.message(0)
    story.assign(60, "mei")
    left_as(story, status_history=())
    return story


def test_what_is_known_of_it_is_how_it_stood_before_the_event(old: Story) -> None:
    old.add_note(600)
    assert old.ticket().status_history == (StatusChange(at(600), "open", "support", "mei"),)


def test_an_event_that_changes_how_it_stands_begins_with_that(old: Story) -> None:
    old.status(600, "pending")
    assert old.ticket().status_history == (StatusChange(at(600), "pending", "support", "mei"),)


def test_without_a_beginning_the_time_in_its_states_is_undefined(old: Story) -> None:
    old.status(600, "pending")
    old.reply(900)
    row: dict[str, Any] = msgspec.structs.asdict(old.last(TicketClocks))
    assert row["first_response_seconds"] == 900
    assert row["agent_wait_seconds"] is row["agent_work_seconds"] is row["unassigned_seconds"] is None


def test_a_ticket_that_was_with_a_team_only_by_its_policy_is_with_that_team(old: Story) -> None:
    left_as(old, team="", assignee="")
    old.add_note(600)
    (change,) = old.ticket().status_history
    assert change.team != "" and change.agent == ""
    old.reply(900)
    assert {share.team for share in old.all(ClockShare)} == {change.team}

"""The SLA clocks beyond the ledger of one ticket: calls, policies, breaches, imported history and late evidence."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.facts import ClockFact, TicketClocks
from stream_processors.tickets.sla.clocks import next_deadline
from tests.support.tickets.ledger_case import ACK, FIRST, play
from tests.support.tickets.story import Story, at


def test_an_answered_call_is_a_first_response_after_the_wait(tell: Callable[..., Story]) -> None:
    story = tell(channel="phone")
    story.call(700, "answered", wait_seconds=40.0, talk_seconds=600.0, agent_id="mei")
    # answered at 700 - 600 = 100, called at 100 - 40 = 60; the target is 120 s, so due at 180
    assert story.clock_rows(FIRST) == ["1 activate @60", "1 fulfil @100 after 40"]
    assert story.ticket_fact().first_response_seconds == 40.0
    assert story.ticket_fact().clocks_breached == 0


def test_a_call_answered_after_the_target_is_a_breach_and_then_an_answer(tell: Callable[..., Story]) -> None:
    story = tell(channel="phone")
    story.call(1000, "answered", wait_seconds=200.0, talk_seconds=300.0, agent_id="mei")
    # answered at 700, called at 500, due at 500 + 120 = 620
    assert story.clock_rows(FIRST) == ["1 activate @500", "1 breach @620 after 120", "1 fulfil @700 after 200"]
    assert story.ticket_fact().clocks_breached == 1


@pytest.mark.parametrize("outcome", ["voicemail", "missed", "abandoned"])
def test_a_call_that_nobody_answered_waits_for_one_from_when_the_caller_rang(
    outcome: str, tell: Callable[..., Story]
) -> None:
    story = tell(channel="phone")
    story.call(100, outcome, wait_seconds=30.0)
    assert story.clock_rows(FIRST) == ["1 activate @70"]  # 100 - 30
    assert story.ticket_fact().waiting_since == at(70)
    story.reply(170)
    assert story.clock_rows(FIRST)[-1] == "1 fulfil @170 after 100"


def test_a_clock_without_a_target_does_not_run(tell: Callable[..., Story]) -> None:
    story = tell(channel="help_centre")
    story.message(0)
    story.reply(99999)
    assert story.all(ClockFact) == []
    assert story.ticket_fact().first_response_seconds == 99999.0


def test_a_clock_keeps_the_policy_with_which_it_started(story: Story) -> None:
    story.message(0)
    story.transfer(10, "returns")
    rows = [fact for fact in story.all(ClockFact) if fact.clock == FIRST]
    assert [(row.policy, row.target_seconds, row.due_at) for row in rows] == [("standard", 3600.0, at(3600))]


def test_a_breach_says_when_it_was_true_and_when_it_was_noticed(story: Story) -> None:
    story.message(0)
    story.tick(3600, noticed=4200)
    breach = story.last(ClockFact)
    assert (breach.transition, breach.at, breach.detected_at) == ("breach", at(3600), at(4200))


def test_a_ledger_row_is_numbered_within_its_clock(story: Story) -> None:
    play(story, "0 message; 3600 tick; 3000 reply; 2000 reply")
    rows = [(fact.transition, fact.sequence) for fact in story.all(ClockFact) if fact.clock == FIRST]
    assert rows == [("activate", 1), ("breach", 2), ("correct", 3), ("fulfil", 4), ("correct", 5), ("fulfil", 6)]


def test_the_next_deadline_is_the_earliest_of_all_tickets(story: Story) -> None:
    story.message(0)
    story.message(600, priority="urgent")
    assert next_deadline(story.customer) == at(1200)  # 600 + 10 min, before 3600


def test_what_has_breached_is_not_due_again(story: Story) -> None:
    play(story, "0 message; 3600 tick")
    assert next_deadline(story.customer) == at(28800)
    play(story, "28800 tick")
    assert next_deadline(story.customer) is None


def test_imported_history_is_never_due_by_the_wall_clock(tell: Callable[..., Story]) -> None:
    story = tell(imported=True)
    story.message(0)
    assert next_deadline(story.customer) is None
    story.message(5000)
    assert story.clock_rows(FIRST) == ["1 activate @0", "1 breach @3600 after 3600"]
    assert story.last(ClockFact).detected_at <= at(5000)


def test_imported_history_has_no_acknowledgement_clock(tell: Callable[..., Story]) -> None:
    story = tell(imported=True)
    story.message(0)
    assert story.clock_rows(ACK) == []


def test_a_breach_of_one_ticket_is_written_when_another_moves(story: Story) -> None:
    story.message(0)
    story.message(4000)
    assert story.clock_rows(FIRST, 1) == ["1 activate @0", "1 breach @3600 after 3600"]
    assert story.ticket_fact(1).clocks_breached == 1
    assert story.ticket_fact(2).clocks_breached == 0


def test_a_withdrawn_breach_is_withdrawn_where_it_was_charged(story: Story) -> None:
    story.message(0)
    story.tick(3600)
    team = story.ticket().team
    story.transfer(3700, "returns")
    story.reply(3000)
    breached = {pane.team: pane.clocks_breached for pane in story.panes() if pane.start == at(3600)}
    assert breached[team] == sum(breached.values()) == 0
    assert story.total("clocks_breached") == 0


def test_breaches_that_one_event_reveals_are_written_in_the_order_of_their_deadlines(story: Story) -> None:
    story.message(0)
    story.add_note(9 * 3600)  # first response was due after 1 h, full resolution after 8 h
    breaches = [(row.clock, row.at) for row in story.all(ClockFact) if row.transition == "breach"]
    assert breaches == [("first_response", at(3600)), ("full_resolution", at(8 * 3600))]


def test_only_what_is_cancelled_has_a_reason(story: Story) -> None:
    story.message(0)
    story.reply(7200)
    story.more(8000)
    story.solve(9000)
    reasons = {(row.transition, row.reason) for row in story.all(ClockFact)}
    assert reasons == {("activate", ""), ("breach", ""), ("fulfil", ""), ("cancel", "solved")}
    assert {row.threshold for row in story.all(ClockFact)} == {0}  # nothing warned


def test_a_first_response_counts_where_no_policy_has_a_target_for_it(tell: Callable[..., Story]) -> None:
    story = tell(channel="help_centre")
    story.message(0)
    story.reply(600)
    assert story.all(ClockFact) == []
    assert story.total("first_responses") == 1


def test_what_changes_no_measure_writes_no_row_of_them(story: Story) -> None:
    story.message(0)
    story.reply(600)
    before = len(story.all(TicketClocks))
    story.add_note(900)
    assert len(story.all(TicketClocks)) == before


def test_what_is_not_acknowledged_on_purpose_is_not_late(story: Story) -> None:
    story.message(0, headers={"auto-submitted": "auto-replied"})
    story.until(120)
    assert story.clock_rows(ACK) == ["1 activate @0", "1 cancel @0 after 0"]
    assert [row.reason for row in story.all(ClockFact) if row.transition == "cancel"] == ["suppressed"]


def test_a_first_response_of_the_instant_of_the_question_took_no_time(story: Story) -> None:
    story.message(0)
    story.reply(0)
    assert (story.total("first_responses"), story.total("first_response_seconds_sum")) == (1, 0.0)

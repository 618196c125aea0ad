"""What must hold of all clocks, whatever happens: to a log of any events, with every clock, a calendar and warnings."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import codec
from schemas.calendars_file import Calendars
from schemas.events import Event
from schemas.facts import ClockFact, ClockShare, PaneBucketFact, PaneFact, TicketClocks, TicketFact
from stream_processors.rules.policies import Policies
from stream_processors.rules.ruleset import Rules
from stream_processors.tickets.sla.clocks import next_deadline
from stream_processors.tickets.sla.status_history import KEPT_STATUS_CHANGES
from tests.stream_processors.tickets.test_replay import FAST, folded, logs, worker
from tests.support.memory_worker import MemoryWorker
from tests.support.tickets.story import Story

CALENDARS = """
calendars:
  - {name: office, time_zone: Europe/London, hours: {mon-fri: "09:00-18:00"}}
"""
ALL = "acknowledgement: 60s, first_response: 1h, next_response: 30m, requester_wait: 6h, agent_work: 4h, first_resolution: 8h, full_resolution: 8h"
POLICIES = f"""
time_zone: Europe/London
at_risk: [50, 75, 90]
reopen: {{window: 7d, thanks: [thank you]}}
policies:
  - {{name: live, when: {{channel: [chat, phone]}}, targets: {{answer: 120s, {ALL}}}}}
  - {{name: urgent, when: {{priority: urgent}}, calendar: office, targets: {{{ALL}}}}}
  - {{name: mail, when: {{channel: email}}, calendar: office, targets: {{{ALL}}}}}
  - {{name: rest, targets: {{{ALL}}}}}
"""
PAUSED = {
    "requester_wait": ("requester_wait_seconds", ("new", "open", "hold")),
    "agent_work": ("agent_work_seconds", ("new", "open")),
}


@pytest.fixture(scope="module")
def every_clock(rules: Rules, tmp_path_factory: pytest.TempPathFactory) -> Rules:
    folder: Path = tmp_path_factory.mktemp("every-clock")
    (folder / "calendars.yaml").write_text(CALENDARS)
    (folder / "policies.yaml").write_text(POLICIES)
    calendars = Calendars.load(folder / "calendars.yaml")
    return replace(rules, calendars=calendars, policies=Policies.load(folder / "policies.yaml", rules.teams, calendars))


def newest(made: MemoryWorker, kind: type) -> list[Any]:
    return [codec.decode(value) for identity, value in made.facts().items() if identity[0] == kind.__name__]


def ledgers(made: MemoryWorker) -> dict[tuple[str, int, str, int], list[ClockFact]]:
    rows: dict[tuple[str, int, str, int], list[ClockFact]] = defaultdict(list)
    for fact in made.records(ClockFact):
        rows[fact.ticket_id, fact.episode, fact.clock, fact.instance].append(fact)
    return rows


@FAST
@given(log=logs, sizes=st.lists(st.integers(1, 9), max_size=40))
def test_the_same_log_gives_the_same_bytes(log: list[Event], sizes: list[int], every_clock: Rules) -> None:
    clean = folded(every_clock, log)
    other = worker(every_clock)
    other.log = clean.log
    other.run(sizes)
    assert (other.outputs, other.store) == (clean.outputs, clean.store)
    clean.facts()  # what has one identity and one version is the same bytes


@FAST
@given(log=logs)
def test_working_time_is_never_more_than_time(log: list[Event], every_clock: Rules) -> None:
    made = folded(every_clock, log)
    for fact in made.records(TicketClocks):
        for name in fact.__struct_fields__:
            if name.endswith("_business_seconds"):
                business, seconds = getattr(fact, name), getattr(fact, name.replace("_business", ""))
                assert (business is None) == (seconds is None or fact.calendar == "")
                assert business is None or 0 <= business <= seconds
    for row in made.records(ClockFact):
        assert row.elapsed_business_seconds is None or 0 <= row.elapsed_business_seconds <= row.elapsed_seconds


@FAST
@given(log=logs)
def test_the_shares_of_a_clock_add_up_to_what_it_ran(log: list[Event], every_clock: Rules) -> None:
    made = folded(every_clock, log)
    shares: dict[tuple[str, int, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for share in newest(made, ClockShare):
        total = shares[share.ticket_id, share.episode, share.clock]
        total[0] += share.seconds
        total[1] += share.business_seconds or 0.0
    ran: dict[tuple[str, int, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    running = set()
    for (ticket, episode, clock, _), rows in ledgers(made).items():
        last = rows[-1]
        if last.transition not in ("fulfil", "cancel", "pause"):
            running.add((ticket, episode, clock))
        ran[ticket, episode, clock][0] += last.elapsed_seconds or 0.0
        ran[ticket, episode, clock][1] += last.elapsed_business_seconds or 0.0
    assert shares.keys() <= ran.keys()
    for clock, seconds in ran.items():
        if clock not in running:
            assert shares[clock] == pytest.approx(seconds, abs=1e-5)


@FAST
@given(log=logs)
def test_a_paused_clock_is_not_due_and_does_not_count(log: list[Event], every_clock: Rules) -> None:
    for rows in ledgers(folded(every_clock, log)).values():
        paused: ClockFact | None = None
        for row in rows:
            if row.transition == "pause":
                assert paused is None and row.due_at is None
                paused = row
            elif paused is not None:
                assert row.elapsed_seconds == paused.elapsed_seconds or row.at < paused.at
                paused = None if row.transition == "resume" else paused
        assert [row.sequence for row in rows] == list(range(rows[0].sequence, rows[0].sequence + len(rows)))


@FAST
@given(log=logs)
def test_running_and_standing_still_make_up_the_whole_time(log: list[Event], every_clock: Rules) -> None:
    """Time in new, open, hold and pending is all the time that the ticket was unsolved, and its parts are what they say."""
    made = folded(every_clock, log)
    for fact in made.records(TicketClocks):
        unsolved = fact.requester_wait_seconds + fact.agent_wait_seconds
        whole = (fact.at - fact.created_at) / 1e6
        assert unsolved <= whole + 1e-5
        assert fact.agent_work_seconds == pytest.approx(fact.new_seconds + fact.open_seconds, abs=1e-5)
        assert fact.requester_wait_seconds == pytest.approx(fact.agent_work_seconds + fact.on_hold_seconds, abs=1e-5)
        assert fact.unassigned_seconds <= unsolved + 1e-5
        if fact.episode == 1 and fact.status not in ("solved", "closed"):
            assert unsolved == pytest.approx(whole, abs=1e-5)


@FAST
@given(log=logs)
def test_warnings_rise_and_come_before_the_breach(log: list[Event], every_clock: Rules) -> None:
    for rows in ledgers(folded(every_clock, log)).values():
        said = [(row.at, row.threshold or 100) for row in rows if row.transition in ("at_risk", "breach")]
        corrected = any(row.transition == "correct" for row in rows)
        assert corrected or said == sorted(said)
        thresholds = [threshold for _, threshold in said]
        assert corrected or thresholds == sorted(set(thresholds))


@FAST
@given(log=logs)
def test_nothing_is_left_unsaid_when_time_has_passed(log: list[Event], every_clock: Rules) -> None:
    made = folded(every_clock, log)
    now = max(each.received_at for each in log) + 10 * 86_400 * 1_000_000
    made.advance(now)
    for _, customer in made.states(b"c"):
        due = next_deadline(customer)
        assert due is None or due > now


@FAST
@given(log=logs)
def test_the_two_rows_of_a_ticket_agree(log: list[Event], every_clock: Rules) -> None:
    made = folded(every_clock, log)
    tickets = {fact.ticket_id: fact for fact in newest(made, TicketFact)}
    for clocks in newest(made, TicketClocks):
        ticket = tickets[clocks.ticket_id]
        assert clocks.first_response_seconds == ticket.first_response_seconds
        assert clocks.first_resolution_seconds == ticket.first_resolution_seconds
        assert clocks.full_resolution_seconds == ticket.full_resolution_seconds
        assert (clocks.status, clocks.episode) == (ticket.status, ticket.episode)


@settings(parent=FAST, max_examples=5)
@given(agents=st.lists(st.sampled_from(("mei", "tom", "")), min_size=120, max_size=150))
def test_a_ticket_that_changes_hands_without_end_stays_small_and_loses_no_second(
    agents: list[str], every_clock: Rules
) -> None:
    story = Story(every_clock)
    story.message(0)
    for number, agent in enumerate(agents, 1):
        story.assign(number * 100, agent, source="help desk")
        if number % 7 == 0:
            story.status(number * 100 + 10, "pending")
            story.status(number * 100 + 30, "open")
    end = len(agents) * 100 + 100
    assert len(story.ticket().sla.status_history) <= KEPT_STATUS_CHANGES
    story.solve(end)
    shares = [share for share in newest(story.worker, ClockShare) if share.clock == "full_resolution"]
    assert sum(share.seconds for share in shares) == pytest.approx(end, abs=1e-5)
    row = story.last(TicketClocks)
    assert row.agent_wait_seconds == 20 * (len(agents) // 7)
    assert row.requester_wait_seconds + row.agent_wait_seconds == end
    work = sum(share.seconds for share in newest(story.worker, ClockShare) if share.clock == "agent_work")
    assert work == pytest.approx(row.agent_work_seconds, abs=1e-5)


@FAST
@given(log=logs)
def test_the_windows_say_of_responses_what_the_tickets_say(log: list[Event], every_clock: Rules) -> None:
    made = folded(every_clock, log)
    panes, rows, tickets = newest(made, PaneFact), newest(made, TicketClocks), newest(made, TicketFact)

    def total(metric: str) -> float:
        return round(sum(getattr(pane, metric) for pane in panes), 3)

    first = [ticket.first_response_seconds for ticket in tickets if ticket.first_response_seconds is not None]
    assert (total("first_responses"), total("first_response_seconds_sum")) == (len(first), round(sum(first), 3))
    assert total("next_responses") == sum(row.next_responses for row in rows)
    assert total("next_response_seconds_sum") == round(sum(row.next_response_sum_seconds or 0.0 for row in rows), 3)
    buckets: dict[str, int] = defaultdict(int)
    for fact in newest(made, PaneBucketFact):
        buckets[fact.measure] += fact.count
    assert (buckets["first_response"], buckets["next_response"]) == (len(first), total("next_responses"))

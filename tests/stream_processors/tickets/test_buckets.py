"""Panes of five minutes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from schemas.events import Tick
from schemas.facts import PaneBucketFact, PaneFact
from stream_processors.rules.ruleset import Rules
from stream_processors.runtime.processor import MOST_BATCH_RECORDS, Position
from stream_processors.tickets.processor import TicketsProcessor
from stream_processors.tickets.state import Pane
from stream_processors.tickets.windows.buckets import forget, forget_at, pane_key
from stream_processors.tickets.windows.quantile_sketch import bucket_of
from tests.support.memory_worker import MemoryWorker
from tests.support.tickets.story import T0, Story, at

HOUR = 3600


def pane_states(story: Story) -> list[Pane]:
    return [state for _, state in story.worker.states(b"p")]


def test_a_message_is_counted_where_its_ticket_is_at_the_end_of_the_fold(story: Story) -> None:
    story.message(0, "Hello")
    panes = story.panes()
    assert len(panes) == 1
    pane = panes[0]
    assert (pane.channel, pane.team, pane.priority, pane.policy) == ("email", "support", "normal", "standard")
    assert (pane.start, pane.part, pane.contacts_received, pane.tickets_created) == (T0, 0, 1, 1)


def test_a_pane_is_five_minutes_of_event_time(story: Story) -> None:
    story.message(299.999999, "Hello")
    story.message(300, "Hello")
    story.message(10, "Hello, late")
    starts = {pane.start: pane.contacts_received for pane in story.panes()}
    assert starts == {T0: 2, at(300): 1}


def test_every_record_that_changes_a_pane_writes_it_in_full(story: Story) -> None:
    story.message(0, "Hello")
    story.message(1, "Hello")
    facts = story.all(PaneFact)
    assert [(fact.version, fact.contacts_received) for fact in facts] == [(0, 1), (1, 2)]


def test_what_changes_no_figure_writes_no_pane(story: Story) -> None:
    story.message(0, "Hello")
    story.add_note(10)
    story.tick(20)
    assert len(story.all(PaneFact)) == 1


def test_first_response_has_count_sum_maximum_and_share_within_target(story: Story) -> None:
    story.message(0, "Hello")
    story.message(0, "Hello")
    story.reply(200, number=1)
    story.reply(4000, number=2)
    metrics = [
        "first_responses",
        "first_response_seconds_sum",
        "first_responses_within_target",
        "messages_out",
        "clocks_breached",
    ]
    # 200 + 4000 = 4200; only 200 is below 3600; the other first response is a breach
    assert [story.total(metric) for metric in metrics] == [2, 4200.0, 1, 2, 1]
    assert max(pane.first_response_seconds_max for pane in story.panes()) == 4000.0


def test_resolutions_count_each_solve_from_creation(story: Story) -> None:
    story.message(0, "Hello")
    story.solve(100)
    story.more(200, "Not solved")
    story.solve(250)
    metrics = ["tickets_solved", "tickets_reopened", "resolutions", "resolution_seconds_sum"]
    assert [story.total(metric) for metric in metrics] == [2, 1, 2, 350.0]  # 100 + 250


def test_a_breach_is_counted_in_the_pane_of_its_deadline(story: Story) -> None:
    story.message(0, "Hello")
    story.tick(3600, noticed=9000)
    assert {pane.start: pane.clocks_breached for pane in story.panes() if pane.clocks_breached} == {at(3600): 1}


def test_a_pane_with_recent_records_is_put_off_at_the_end_of_its_hour(story: Story) -> None:
    story.message(0, "Hello")
    story.worker.advance(at(HOUR) - 1)
    assert pane_states(story)[0].postponed == 0
    story.worker.advance(at(HOUR))
    first = pane_states(story)[0]
    # one record in an hour: 8192 are many weeks away, and (12 + 1)² = 169 hours are the longest that covers a week
    assert (first.postponed, first.offset) == (12, 0)
    assert story.worker.processor.deadline(b"p", first) == at(169 * HOUR)


def test_a_pane_is_put_off_for_as_long_as_the_log_takes(story: Story) -> None:
    story.message(0, "Hello")
    pane = pane_states(story)[0]
    # 100 records an hour: 8192 of them after 81.92 hours, so at the tick of hour (9 + 1)² = 100
    _, put_off = forget(pane, at(HOUR), Position(0, pane.offset + 100))
    assert put_off is not None
    assert (put_off.postponed, forget_at(put_off)) == (9, at(100 * HOUR))
    # at hour 100 only 8000 have come: 102.4 hours would do, and (10 + 1)² = 121
    _, again = forget(put_off, at(100 * HOUR), Position(0, pane.offset + 8000))
    assert again is not None
    assert (again.postponed, forget_at(again)) == (10, at(121 * HOUR))
    assert forget(again, at(121 * HOUR), Position(0, pane.offset + 8192)) == (True, None)


def test_putting_a_pane_off_always_moves_its_end(story: Story) -> None:
    story.message(0, "Hello")
    pane = msgspec.structs.replace(pane_states(story)[0], postponed=12)
    _, put_off = forget(pane, at(169 * HOUR), Position(0, pane.offset + 1))
    assert put_off is not None
    assert put_off.postponed == 13


def test_a_pane_is_forgotten_when_its_records_are_far_enough_back(rules: Rules) -> None:
    story = Story(rules)
    story.worker = MemoryWorker(TicketsProcessor(rules), offset_step=MOST_BATCH_RECORDS)
    story.message(0, "Hello")
    story.worker.advance(at(HOUR))
    assert T0 not in [state.start for state in pane_states(story)]


def test_late_data_for_a_forgotten_pane_opens_a_new_part(rules: Rules) -> None:
    story = Story(rules)
    story.worker = MemoryWorker(TicketsProcessor(rules), offset_step=MOST_BATCH_RECORDS)
    story.message(0, "Hello")
    story.worker.advance(at(HOUR))
    late = story.message(10, "Hello from the past", received_at=at(2 * HOUR))
    parts = {pane.part: pane.contacts_received for pane in story.panes() if pane.start == T0}
    offset = story.worker.log[-1].offset
    assert late.occurred_at == at(10)
    assert parts == {0: 1, offset: 1}


def test_a_tick_for_a_pane_that_was_touched_since_changes_nothing(story: Story) -> None:
    story.message(0, "Hello")
    key = next(key for key, _ in story.worker.states(b"p"))
    story.message(200, "Hello")
    before = story.worker.store[key]
    story.tell(Tick(event_id="t", occurred_at=at(HOUR), received_at=at(HOUR), customer_tag="", state_key=key))
    assert story.worker.store[key] == before


def test_a_tick_for_a_state_that_is_gone_changes_nothing(story: Story) -> None:
    story.message(0, "Hello")
    outputs = len(story.worker.outputs)
    for key in (pane_key(T0, "chat", "x", "y", "z"), b"cAAAAAAAAAAAA"):
        story.tell(Tick(event_id="t", occurred_at=at(HOUR), received_at=at(HOUR), customer_tag="", state_key=key))
    assert len(story.worker.outputs) == outputs
    assert story.refused() == []


def test_a_tick_for_no_known_kind_of_state_is_refused(story: Story) -> None:
    story.tell(Tick(event_id="t", occurred_at=0, received_at=0, customer_tag="", state_key=b"zzz"))
    assert story.refused() == [("fold", "bad_tick")]


def test_imported_history_is_counted_in_its_own_time_and_forgotten_in_ours(tell: Callable[..., Story]) -> None:
    story = tell(imported=True)
    year = 365 * 86_400
    story.message(-year, "Hello", received_at=at(0))
    pane = pane_states(story)[0]
    assert pane.start == at(-year)
    assert story.worker.processor.deadline(b"p", pane) == at(HOUR)


def buckets(story: Story, measure: str) -> dict[int, int]:
    """The sketch of one measure over all panes: the newest count of each bucket of each pane."""
    newest = {}
    for fact in story.all(PaneBucketFact):
        if fact.measure == measure:
            newest[fact.start, fact.part, fact.team, fact.priority, fact.policy, fact.bucket] = fact.count
    counts: dict[int, int] = {}
    for (*_, bucket), count in newest.items():
        counts[bucket] = counts.get(bucket, 0) + count
    return counts


def test_durations_are_counted_in_buckets_and_only_those_that_change_are_written(story: Story) -> None:
    story.message(0, "Hello")
    story.message(0, "Hello")
    story.message(0, "Hello")
    for number, seconds in ((1, 100), (2, 100), (3, 250)):
        story.reply(seconds, number=number)
    assert buckets(story, "first_response") == {bucket_of(100): 2, bucket_of(250): 1}
    assert [fact.count for fact in story.all(PaneBucketFact)] == [1, 2, 1]


def test_a_next_response_is_measured_from_the_oldest_message_that_waited(story: Story) -> None:
    story.message(0, "Hello")
    story.reply(100)
    story.more(200)
    story.more(250)
    story.reply(500)  # 500 - 200
    story.reply(600)  # nobody waited
    assert buckets(story, "next_response") == {bucket_of(300): 1}
    metrics = ["next_responses", "next_response_seconds_sum", "first_responses", "messages_in", "messages_out"]
    assert [story.total(metric) for metric in metrics] == [1, 300.0, 1, 3, 3]


def test_the_first_answer_after_a_reopening_is_a_next_response_even_if_it_is_the_first_of_all(story: Story) -> None:
    story.message(0, "Hello")
    story.solve(50)
    story.more(200)
    story.reply(260)
    assert buckets(story, "next_response") == {bucket_of(60): 1}
    assert buckets(story, "first_response") == {bucket_of(260): 1}
    assert buckets(story, "resolution") == {bucket_of(50): 1}


def backlog(story: Story) -> dict[tuple[str, str], int]:
    """Open tickets by team and priority, as the panes add up."""
    counts: dict[tuple[str, str], int] = {}
    for pane in story.panes():
        counts[pane.team, pane.priority] = counts.get((pane.team, pane.priority), 0) + pane.backlog_change
    return {place: count for place, count in counts.items() if count}


def test_the_backlog_is_what_came_less_what_went(story: Story) -> None:
    story.message(0, "Hello")
    story.message(300, "Hello")
    assert backlog(story) == {("support", "normal"): 2}
    story.reply(400)  # pending is still open
    story.solve(700)
    assert backlog(story) == {("support", "normal"): 1}
    story.more(1000, "No, not yet")
    story.status(1100, "closed", number=2)
    assert backlog(story) == {("support", "normal"): 1}
    # what is open was created at T0: 0 + 300 came, then the first went and came again, then the second went
    assert story.total("backlog_created_change") == T0 // 1_000_000


def test_a_transferred_ticket_leaves_the_backlog_of_one_team_for_that_of_the_other(story: Story) -> None:
    story.message(0, "Hello")
    story.transfer(400, "payments")
    assert backlog(story) == {("payments", "normal"): 1}
    assert {(pane.team, pane.start, pane.backlog_change) for pane in story.panes() if pane.backlog_change} == {
        ("support", T0, 1),
        ("support", at(300), -1),
        ("payments", at(300), 1),
    }


def test_the_backlog_is_right_whatever_comes_late(story: Story) -> None:
    story.message(1000, "Hello")
    story.solve(2000)
    story.message(10, "Hello, late")
    by_pane = {pane.start: pane.backlog_change for pane in story.panes()}
    assert by_pane == {at(900): 1, at(1800): -1, T0: 1}


def test_csat_has_a_distribution_and_what_of_it_is_history(tell: Callable[..., Story]) -> None:
    live, history = tell(), tell(imported=True)
    for story in (live, history):
        story.message(0, "Hello")
        story.solve(10)
        story.survey(20, csat=2)
        assert [story.total(metric) for metric in ("csat_answers", "csat_sum", "csat_2", "csat_low")] == [1, 2, 1, 1]
    metrics = ("csat_answers_imported", "csat_sum_imported")
    assert [live.total(metric) for metric in metrics] == [0, 0]
    assert [history.total(metric) for metric in metrics] == [1, 2]


def test_a_pane_with_scores_is_kept_for_a_week(rules: Rules) -> None:
    story = Story(rules)
    story.worker = MemoryWorker(TicketsProcessor(rules), offset_step=MOST_BATCH_RECORDS)
    story.message(0, "Hello")
    story.solve(10)
    story.survey(20, csat=5)
    story.worker.advance(at(7 * 24 * HOUR))
    assert T0 in [state.start for state in pane_states(story)]
    story.worker.advance(at(7 * 24 * HOUR + HOUR))
    assert T0 not in [state.start for state in pane_states(story)]


def test_a_tick_that_is_too_early_lets_the_pane_tell_its_own_time(rules: Rules) -> None:
    story = Story(rules)
    story.worker = MemoryWorker(TicketsProcessor(rules), offset_step=MOST_BATCH_RECORDS)
    story.message(0, "Hello")
    _, pane = next(story.worker.states(b"p"))
    changed, kept = forget(pane, at(HOUR) - 1, Position(0, 10**9))
    assert (changed, kept) == (True, pane)

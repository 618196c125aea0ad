"""Gauges and counters of the service: what changes keep up to date is what the states and the ledger say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.facts import AcknowledgementFact, ClockFact, TagFact, TicketFact
from schemas.service_metrics import ServiceMetric
from stream_processors.rules.ruleset import Rules
from stream_processors.runtime.batch import BatchFolder, Folded, Overlay
from stream_processors.tickets.gauges import Ages, TicketGauges, bounded_channel
from stream_processors.tickets.state import Customer, Pane
from tests.stream_processors.tickets.test_replay import FAST, folded, log_of
from tests.support.memory_worker import MemoryWorker
from tests.support.tickets.story import SECOND, T0, Story, at

MINUTE, HOUR, DAY = 60, 3600, 86_400


class Partition:
    """A partition that keeps its figures as the worker does: what is durable changes them, a slice reads them again."""

    def __init__(self, worker: MemoryWorker) -> None:
        self.folder = BatchFolder(worker.processor, "t", lambda: 0)
        self.log, self.store = worker.log, dict[bytes, bytes]()
        self.figures, self.counts = TicketGauges(), Counter[tuple[ServiceMetric, tuple[str, ...]]]()
        self.outputs: list[Any] = []

    def fold(self, records: list[Any]) -> None:
        codec = self.folder.codec
        folded: Folded = self.folder.fold(0, records, Overlay(codec, self.store.get, self.scan))
        for key, state in folded.states.items():
            if state is None:
                self.store.pop(key, None)
            else:
                self.store[key] = codec.dump(key, state)
            self.figures.changed(key, folded.before.get(key), state)
        for each in folded.counts:
            metric, labels, value = each.metric, each.labels, each.value
            self.counts[metric, labels] += 1 if metric is ServiceMetric.FIRST_RESPONSE_SECONDS else int(value)
        self.outputs += [output.record for _, output in folded.outputs]

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return ((key, self.store[key]) for key in sorted(self.store) if key.startswith(prefix))

    def read(self, most: int | None = None) -> None:
        """Read so many states again, or all that are left."""
        assert self.figures.cursor is not None
        left = [key for key in sorted(self.store) if key > self.figures.cursor]
        for key in left[:most]:
            self.figures.read(key, self.folder.codec.load(key, self.store[key]))
        if most is None or len(left) <= most:
            self.figures.finish()

    def states(self, kind: type) -> list[Any]:
        return [self.folder.codec.load(key, self.store[key]) for key, _ in self.scan(kind.__name__[0].lower().encode())]

    def total(self, metric: ServiceMetric) -> int:
        return sum(count for (counted, _), count in self.counts.items() if counted is metric)


def naive(partition: Partition, now: int) -> dict[str, Any]:
    """Every gauge, by looking at every ticket."""
    open_, overdue, waits, ages = Counter[Any](), Counter[Any](), dict[Any, float](), Counter[Any]()
    at_risk = Counter[Any]()
    for customer in partition.states(Customer):
        for ticket in customer.tickets:
            if ticket.imported or ticket.status in ("solved", "closed"):
                continue
            place = bounded_channel(ticket.channel), ticket.team
            open_[(*place, ticket.priority, ticket.status)] += 1
            ages[place] += now - ticket.created_at
            if ticket.waiting_since is not None:
                waits[place] = max(waits.get(place, 0), max(0, now - ticket.waiting_since))
            for clock in ticket.clocks:
                if clock.stopped_at is not None or clock.paused_at is not None:
                    continue
                if clock.risk and not clock.breached:
                    at_risk[(clock.name, *place, str(clock.risk))] += 1
                if clock.breached:
                    overdue[(clock.name, *place, ticket.priority)] += 1
    scores = Counter[Any]()
    for pane in partition.states(Pane):
        if now - 7 * DAY * SECOND - 300 * SECOND < pane.start <= now:
            figure = lambda name, pane=pane: pane.metrics.get(name, 0)  # noqa: E731
            scores[pane.channel, pane.team] += figure("csat_sum") - figure("csat_sum_imported")
    return {
        "open": open_,
        "overdue": overdue,
        "at_risk": at_risk,
        "waits": waits,
        "ages": ages,
        "scores": {k: v for k, v in scores.items() if v},
    }


def kept(partition: Partition, now: int) -> dict[str, Any]:
    figures = partition.figures
    return {
        "open": figures.open,
        "overdue": figures.overdue,
        "at_risk": figures.at_risk,
        "waits": {labels: round(seconds * SECOND) for labels, seconds in figures.longest_waits(now)},
        "ages": {labels: round(seconds * SECOND) for labels, seconds in figures.backlog_ages(now)},
        "scores": {labels[1:]: total for *labels, total, count in _flat(figures, now) if labels[0] == "7d" and count},
    }


def _flat(figures: TicketGauges, now: int) -> Iterator[Any]:
    for labels, total, count in figures.window_scores(now):
        yield (*labels, total, count)


@FAST
@given(
    seed=st.integers(0, 2**32),
    length=st.integers(1, 40),
    slices=st.lists(st.integers(0, 3), max_size=20),
)
def test_gauges_that_follow_changes_are_those_of_all_tickets_even_if_they_are_read_again_meanwhile(
    seed: int, length: int, slices: list[int], rules: Rules
) -> None:
    worker = folded(rules, log_of(seed, length))
    partition, random = Partition(worker), Random(seed)
    log = worker.log
    while log:
        size = random.randint(1, 5)
        partition.fold(log[:size])
        log = log[size:]
        if slices and partition.figures.cursor is not None:
            partition.read(slices.pop())
    if partition.figures.cursor is not None:
        partition.read()
    now = at(1000 * DAY)
    assert kept(partition, now) == naive(partition, now)
    again = Partition(worker)
    again.store = partition.store
    again.read()
    assert kept(again, now) == kept(partition, now)


@FAST
@given(seed=st.integers(0, 2**32), length=st.integers(1, 60))
def test_counters_count_what_the_panes_count_but_for_history(seed: int, length: int, rules: Rules) -> None:
    log = [each for each in log_of(seed, length) if not each.imported]
    worker = folded(rules, log)
    partition = Partition(worker)
    partition.fold(worker.log)
    panes = [pane.metrics for pane in partition.states(Pane)]
    forgotten = len({(fact.start, fact.part) for fact in worker.records() if type(fact).__name__ == "PaneFact"}) > len(
        panes
    )
    if forgotten:
        return
    total = lambda figure: sum(figures.get(figure, 0) for figures in panes)  # noqa: E731
    assert partition.total(ServiceMetric.SLA_MET) == total("clocks_met")
    assert partition.total(ServiceMetric.SLA_BREACHED) - partition.total(ServiceMetric.SLA_CORRECTED) == total(
        "clocks_breached"
    )
    assert partition.total(ServiceMetric.FIRST_RESPONSE_SECONDS) == total("first_responses")
    assert partition.total(ServiceMetric.ACKNOWLEDGEMENTS) == total("acknowledged") + total("suppressed")


# -- by hand ----------------------------------------------------------------------------------------------------------


def shown(story: Story) -> Partition:
    partition = Partition(story.worker)
    for record in story.worker.log:
        partition.fold([record])
    partition.read()
    return partition


def test_an_open_ticket_stands_where_it_is_now(story: Story) -> None:
    story.message(0, "Hello")
    assert shown(story).figures.open == {("email", "support", "normal", "new"): 1}
    story.transfer(10, "payments")
    story.reply(20)
    assert shown(story).figures.open == {("email", "payments", "normal", "pending"): 1}
    story.solve(30)
    figures = shown(story).figures
    assert (figures.open, figures.created) == ({}, {})


def test_the_longest_wait_and_the_age_of_the_backlog(story: Story) -> None:
    story.message(0, "Hello")
    story.message(100, "Hello")
    figures = shown(story).figures
    place = ("email", "support")
    assert dict(figures.longest_waits(at(160))) == {place: 160.0}
    assert dict(figures.backlog_ages(at(160))) == {place: 160.0 + 60.0}
    story.reply(200, number=1)
    figures = shown(story).figures
    assert dict(figures.longest_waits(at(260))) == {place: 160.0}
    assert dict(figures.backlog_ages(at(260))) == {place: 260.0 + 160.0}


def test_a_clock_is_overdue_from_its_breach_until_what_it_waits_for(story: Story) -> None:
    story.message(0, "Hello")
    story.tick(3600)
    overdue = ("first_response", "email", "support", "normal")
    partition = shown(story)
    assert partition.figures.overdue == {overdue: 1}
    assert (
        partition.counts[ServiceMetric.SLA_BREACHED, ("first_response", "standard", "email", "support", "normal")] == 1
    )
    story.reply(4000)
    partition = shown(story)
    assert partition.figures.overdue == {}
    assert partition.total(ServiceMetric.SLA_BREACHED) == 1


def test_a_clock_is_at_risk_under_the_highest_threshold_that_it_has_passed_until_it_is_overdue(rules: Rules) -> None:
    warning = tuple(replace(policy, at_risk=(50, 75, 90)) for policy in rules.policies.policies)
    story = Story(replace(rules, policies=replace(rules.policies, policies=warning, _remembered={})))
    story.message(0, "Hello")
    for seconds, threshold in ((1800, "50"), (2700, "75"), (3240, "90")):  # of 3600
        story.worker.advance(at(seconds))
        first = {labels[3]: n for labels, n in shown(story).figures.at_risk.items() if labels[0] == "first_response"}
        assert first == {threshold: 1}
    story.worker.advance(at(3600))
    assert [labels for labels in shown(story).figures.at_risk if labels[0] == "first_response"] == []


def test_late_evidence_corrects_a_breach_where_it_was_charged_and_the_clock_is_met(story: Story) -> None:
    story.message(0, "Hello")
    story.tick(3600)
    story.transfer(3700, "returns")
    story.reply(3000)
    partition = shown(story)
    labels = "first_response", "standard", "email"
    assert partition.counts[ServiceMetric.SLA_BREACHED, (*labels, "support", "normal")] == 1
    assert partition.counts[ServiceMetric.SLA_CORRECTED, (*labels, "support", "normal")] == 1
    assert partition.counts[ServiceMetric.SLA_MET, (*labels, "returns", "normal")] == 1


def test_a_solve_from_before_the_deadline_takes_back_what_was_counted_and_nothing_is_met_by_it(story: Story) -> None:
    story.message(0, "Hello")
    story.tick(3600)
    story.solve(1800)
    partition = shown(story)
    first = "first_response", "standard", "email", "support", "normal"
    assert (
        partition.counts[ServiceMetric.SLA_BREACHED, first],
        partition.counts[ServiceMetric.SLA_CORRECTED, first],
    ) == (1, 1)
    assert partition.counts[ServiceMetric.SLA_MET, first] == 0
    assert story.total("clocks_breached") == 0


def test_an_answer_that_is_restated_is_met_once(story: Story) -> None:
    story.message(0, "Hello")
    story.reply(2000)
    story.reply(1000)
    partition = shown(story)
    assert partition.counts[ServiceMetric.SLA_MET, ("first_response", "standard", "email", "support", "normal")] == 1
    assert partition.total(ServiceMetric.FIRST_RESPONSE_SECONDS) == 1


def test_scores_leave_a_window_with_their_pane(story: Story) -> None:
    story.message(0, "Hello")
    story.message(5, "Hello")
    for number, score in ((1, 2), (2, 4)):
        story.solve(10, number=number)
        story.survey(20, csat=score, number=number, survey_id=f"s{number}")
    figures = shown(story).figures

    def windows(seconds: float) -> list[str]:
        return sorted(
            labels[0] for labels, total, count in figures.window_scores(at(seconds)) if (total, count) == (6, 2)
        )

    assert windows(30) == ["1h", "24h", "5m", "7d"]
    assert windows(10 * MINUTE - 1) == ["1h", "24h", "5m", "7d"]
    assert windows(10 * MINUTE) == ["1h", "24h", "7d"]
    assert windows(DAY + 5 * MINUTE) == ["7d"]
    assert windows(7 * DAY + 5 * MINUTE) == []


def test_history_moves_nothing_and_counts_once_a_live_message_takes_it_up(tell: Callable[..., Story]) -> None:
    story = tell(imported=True)
    story.message(0, "My card was declined")
    story.tick(DAY)
    story.reply(2 * DAY)
    story.survey(2 * DAY + 1, csat=1)
    partition = shown(story)
    assert (partition.counts, partition.figures.open, list(partition.figures.window_scores(at(3 * DAY)))) == (
        {},
        {},
        [],
    )
    story.imported = False
    story.more(3 * DAY, "Are you still there?")
    partition = shown(story)
    assert sum(partition.figures.open.values()) == 1
    assert partition.total(ServiceMetric.SLA_BREACHED) == 0


def test_what_history_was_late_with_pages_nobody_when_a_live_message_takes_it_up(tell: Callable[..., Story]) -> None:
    story = tell(imported=True)
    story.message(0, "Hello")
    story.imported = False
    story.more(30 * DAY, "Are you still there?")  # the response was due a month ago, in the other help desk
    partition = shown(story)
    assert (partition.total(ServiceMetric.SLA_BREACHED), story.total("clocks_breached")) == (0, 2)
    story.worker.advance(at(40 * DAY))
    assert partition.total(ServiceMetric.SLA_BREACHED) == 0
    story.reply(40 * DAY)
    story.more(41 * DAY, "And now?")
    story.worker.advance(at(50 * DAY))
    assert shown(story).total(ServiceMetric.SLA_BREACHED) == 1  # the next response, which is ours


def test_counts_are_the_facts(story: Story) -> None:
    story.message(0, "My card was declined")
    story.message(10, "Where is my parcel? It never arrived.")
    partition = shown(story)
    facts = partition.outputs
    assert partition.total(ServiceMetric.TAGS_APPLIED) == sum(type(fact) is TagFact for fact in facts) > 0
    assert (
        partition.total(ServiceMetric.ACKNOWLEDGEMENTS) == sum(type(fact) is AcknowledgementFact for fact in facts) == 2
    )
    assert partition.total(ServiceMetric.SLA_MET) == sum(
        type(f) is ClockFact and f.transition == "fulfil" for f in facts
    )
    assert sum(partition.figures.open.values()) == len({f.ticket_id for f in facts if type(f) is TicketFact}) == 2


def test_a_skipped_record_counts_nothing(story: Story) -> None:
    story.message(0, "Hello")
    partition = shown(story)
    before = partition.counts.copy()
    partition.fold(story.worker.log)
    assert partition.counts == before
    assert sum(partition.figures.open.values()) == 1


def test_a_channel_that_nobody_knows_is_other() -> None:
    assert [bounded_channel(each) for each in ("email", "", "carrier-pigeon")] == ["email", "", "other"]


@given(st.lists(st.tuples(st.integers(0, 10**11), st.booleans()), max_size=50))
def test_the_oldest_of_what_was_added_and_not_removed(steps: list[tuple[int, bool]]) -> None:
    ages, present = Ages(), list[int]()
    for value, remove in steps:
        if remove and present:
            ages.remove(present.pop(value % len(present)))
        else:
            ages.add(value)
            present.append(value)
        assert ages.oldest() == min(present, default=None)


def test_what_was_never_there_cannot_be_taken_away() -> None:
    with pytest.raises(KeyError):
        Ages().remove(T0)

"""Gauges of tickets: those kept by changes are those of all states, whenever they are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.service_metrics import ServiceMetric
from stream_processors.rules.ruleset import Rules
from stream_processors.tickets.gauges import Ages, TicketGauges, bounded_channel
from tests.stream_processors.tickets.test_replay import FAST, folded, log_of
from tests.support.gauge_partition import GaugePartition, played
from tests.support.tickets.story import SECOND, T0, Story, at

MINUTE, HOUR, DAY = 60, 3600, 86_400


def naive(partition: GaugePartition, now: int) -> dict[str, Any]:
    """Every gauge, by looking at every ticket."""
    open_, overdue, waits, ages = Counter[Any](), Counter[Any](), dict[Any, float](), Counter[Any]()
    at_risk = Counter[Any]()
    for customer in partition.states(b"c"):
        for ticket in customer.tickets:
            if ticket.imported or ticket.status in ("solved", "closed"):
                continue
            place = bounded_channel(ticket.channel), ticket.team
            open_[(*place, ticket.priority, ticket.status)] += 1
            ages[place] += now - ticket.created_at
            if ticket.conversation.waiting_since is not None:
                waits[place] = max(waits.get(place, 0), max(0, now - ticket.conversation.waiting_since))
            for clock in ticket.clocks:
                if clock.stopped_at is not None or clock.paused_at is not None:
                    continue
                if clock.risk and not clock.breached:
                    at_risk[(clock.name, *place, str(clock.risk))] += 1
                if clock.breached:
                    overdue[(clock.name, *place, ticket.priority)] += 1
    scores = Counter[Any]()
    for pane in partition.states(b"p"):
        if now - 7 * DAY * SECOND - 300 * SECOND < pane.start <= now:
            metric = lambda name, pane=pane: pane.metrics.get(name, 0)  # noqa: E731
            scores[pane.channel, pane.team] += metric("csat_sum") - metric("csat_sum_imported")
    return {
        "open": open_,
        "overdue": overdue,
        "at_risk": at_risk,
        "waits": waits,
        "ages": ages,
        "scores": {k: v for k, v in scores.items() if v},
    }


def kept(gauges: TicketGauges, now: int) -> dict[str, Any]:
    return {
        "open": gauges.open,
        "overdue": gauges.overdue,
        "at_risk": gauges.at_risk,
        "waits": {labels: round(seconds * SECOND) for labels, seconds in gauges.longest_waits(now)},
        "ages": {labels: round(seconds * SECOND) for labels, seconds in gauges.backlog_ages(now)},
        "scores": {labels[1:]: total for *labels, total, count in _flat(gauges, now) if labels[0] == "7d" and count},
    }


def _flat(gauges: TicketGauges, now: int) -> Iterator[Any]:
    for labels, total, count in gauges.window_scores(now):
        yield (*labels, total, count)


@FAST
@given(
    seed=st.integers(0, 2**32),
    length=st.integers(1, 40),
    slices=st.lists(st.integers(0, 3), max_size=20),
)
def test_gauges_follow_changes_while_states_are_read(seed: int, length: int, slices: list[int], rules: Rules) -> None:
    worker = folded(rules, log_of(seed, length))
    partition, random = GaugePartition(worker.processor), Random(seed)
    log = worker.log
    while log:
        size = random.randint(1, 5)
        partition.fold(log[:size])
        log = log[size:]
        if slices and partition.gauges.cursor is not None:
            partition.read(slices.pop())
    if partition.gauges.cursor is not None:
        partition.read()
    now = at(1000 * DAY)
    assert kept(partition.gauges, now) == naive(partition, now)
    assert kept(partition.read_again(), now) == kept(partition.gauges, now)


def test_an_open_ticket_counts_where_it_is_now(story: Story) -> None:
    story.message(0, "Hello")
    assert played(story.worker).gauges.open == {("email", "support", "normal", "new"): 1}
    story.transfer(10, "payments")
    story.reply(20)
    assert played(story.worker).gauges.open == {("email", "payments", "normal", "pending"): 1}
    story.solve(30)
    gauges = played(story.worker).gauges
    assert (gauges.open, gauges.created) == ({}, {})


def test_the_longest_wait_and_the_age_of_the_backlog(story: Story) -> None:
    story.message(0, "Hello")
    story.message(100, "Hello")
    gauges = played(story.worker).gauges
    place = ("email", "support")
    assert dict(gauges.longest_waits(at(160))) == {place: 160.0}
    assert dict(gauges.backlog_ages(at(160))) == {place: 160.0 + 60.0}
    story.reply(200, number=1)
    gauges = played(story.worker).gauges
    assert dict(gauges.longest_waits(at(260))) == {place: 160.0}
    assert dict(gauges.backlog_ages(at(260))) == {place: 260.0 + 160.0}


def test_a_clock_is_overdue_from_its_breach_to_its_fulfilment(story: Story) -> None:
    story.message(0, "Hello")
    story.tick(3600)
    overdue = ("first_response", "email", "support", "normal")
    partition = played(story.worker)
    assert partition.gauges.overdue == {overdue: 1}
    assert (
        partition.counts[ServiceMetric.SLA_BREACHED, ("first_response", "standard", "email", "support", "normal")] == 1
    )
    story.reply(4000)
    partition = played(story.worker)
    assert partition.gauges.overdue == {}
    assert partition.total(ServiceMetric.SLA_BREACHED) == 1


def test_a_clock_is_at_risk_under_the_highest_threshold_passed(rules: Rules) -> None:
    warning = tuple(replace(policy, at_risk=(50, 75, 90)) for policy in rules.policies.policies)
    story = Story(replace(rules, policies=replace(rules.policies, policies=warning, _remembered={})))
    story.message(0, "Hello")
    for seconds, threshold in ((1800, "50"), (2700, "75"), (3240, "90")):  # of 3600
        story.worker.advance(at(seconds))
        first = {
            labels[3]: n for labels, n in played(story.worker).gauges.at_risk.items() if labels[0] == "first_response"
        }
        assert first == {threshold: 1}
    story.worker.advance(at(3600))
    assert [labels for labels in played(story.worker).gauges.at_risk if labels[0] == "first_response"] == []


def test_scores_leave_a_window_with_their_pane(story: Story) -> None:
    story.message(0, "Hello")
    story.message(5, "Hello")
    for number, score in ((1, 2), (2, 4)):
        story.solve(10, number=number)
        story.survey(20, csat=score, number=number, survey_id=f"s{number}")
    gauges = played(story.worker).gauges

    def windows(seconds: float) -> list[str]:
        return sorted(
            labels[0] for labels, total, count in gauges.window_scores(at(seconds)) if (total, count) == (6, 2)
        )

    assert windows(30) == ["1h", "24h", "5m", "7d"]
    assert windows(10 * MINUTE - 1) == ["1h", "24h", "5m", "7d"]
    assert windows(10 * MINUTE) == ["1h", "24h", "7d"]
    assert windows(DAY + 5 * MINUTE) == ["7d"]
    assert windows(7 * DAY + 5 * MINUTE) == []


def test_an_unknown_channel_is_other() -> None:
    assert [bounded_channel(each) for each in ("email", "", "carrier-pigeon")] == ["email", "", "other"]


@given(st.lists(st.tuples(st.integers(0, 10**11), st.booleans()), max_size=50))
def test_the_oldest_is_of_those_added_and_not_removed(steps: list[tuple[int, bool]]) -> None:
    ages, present = Ages(), list[int]()
    for value, remove in steps:
        if remove and present:
            ages.remove(present.pop(value % len(present)))
        else:
            ages.add(value)
            present.append(value)
        assert ages.oldest() == min(present, default=None)


def test_an_instant_that_was_never_added_cannot_be_removed() -> None:
    with pytest.raises(KeyError):
        Ages().remove(T0)

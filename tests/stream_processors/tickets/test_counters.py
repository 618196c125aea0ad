"""Counters of tickets: they agree with the facts and the panes, and leave history out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Tick
from schemas.facts import AcknowledgementFact, ClockFact, TagFact, TicketFact
from schemas.service_metrics import ServiceMetric
from stream_processors.rules.ruleset import Rules
from stream_processors.runtime.metrics import begin_at_zero
from stream_processors.runtime.processor import Position
from stream_processors.tickets import counters
from stream_processors.tickets.state import customer_key
from tests.stream_processors.tickets.test_replay import FAST, folded, log_of
from tests.support.gauge_partition import GaugePartition, played
from tests.support.tickets.story import Story, at

MINUTE, HOUR, DAY = 60, 3600, 86_400


@FAST
@given(seed=st.integers(0, 2**32), length=st.integers(1, 60))
def test_counters_agree_with_the_panes(seed: int, length: int, rules: Rules) -> None:
    log = [each for each in log_of(seed, length) if not each.imported]
    worker = folded(rules, log)
    partition = GaugePartition(worker.processor)
    partition.fold(worker.log)
    panes = [pane.metrics for pane in partition.states(b"p")]
    forgotten = len({(fact.start, fact.part) for fact in worker.records() if type(fact).__name__ == "PaneFact"}) > len(
        panes
    )
    if forgotten:
        return
    total = lambda name: sum(pane.get(name, 0) for pane in panes)  # noqa: E731
    assert partition.total(ServiceMetric.SLA_MET) == total("clocks_met")
    assert partition.total(ServiceMetric.SLA_BREACHED) - partition.total(ServiceMetric.SLA_CORRECTED) == total(
        "clocks_breached"
    )
    assert partition.total(ServiceMetric.FIRST_RESPONSE_SECONDS) == total("first_responses")
    assert partition.total(ServiceMetric.ACKNOWLEDGEMENTS) == total("acknowledged") + total("suppressed")


def test_late_evidence_corrects_a_breach_where_it_was_charged(story: Story) -> None:
    story.message(0, "Hello")
    story.tick(3600)
    story.transfer(3700, "returns")
    story.reply(3000)
    partition = played(story.worker)
    labels = "first_response", "standard", "email"
    assert partition.counts[ServiceMetric.SLA_BREACHED, (*labels, "support", "normal")] == 1
    assert partition.counts[ServiceMetric.SLA_CORRECTED, (*labels, "support", "normal")] == 1
    assert partition.counts[ServiceMetric.SLA_MET, (*labels, "returns", "normal")] == 1


def test_an_earlier_solve_corrects_a_breach_and_meets_nothing(story: Story) -> None:
    story.message(0, "Hello")
    story.tick(3600)
    story.solve(1800)
    partition = played(story.worker)
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
    partition = played(story.worker)
    assert partition.counts[ServiceMetric.SLA_MET, ("first_response", "standard", "email", "support", "normal")] == 1
    assert partition.total(ServiceMetric.FIRST_RESPONSE_SECONDS) == 1


def test_history_counts_once_a_live_message_takes_it_up(tell: Callable[..., Story]) -> None:
    story = tell(imported=True)
    story.message(0, "My card was declined")
    story.tick(DAY)
    story.reply(2 * DAY)
    story.survey(2 * DAY + 1, csat=1)
    partition = played(story.worker)
    assert (partition.counts, partition.gauges.open, list(partition.gauges.window_scores(at(3 * DAY)))) == (
        {},
        {},
        [],
    )
    story.imported = False
    story.more(3 * DAY, "Are you still there?")
    partition = played(story.worker)
    assert sum(partition.gauges.open.values()) == 1
    assert partition.total(ServiceMetric.SLA_BREACHED) == 0


def test_a_breach_of_history_pages_nobody(tell: Callable[..., Story]) -> None:
    story = tell(imported=True)
    story.message(0, "Hello")
    story.imported = False
    story.more(30 * DAY, "Are you still there?")  # the response was due a month ago, in the other help desk
    partition = played(story.worker)
    assert (partition.total(ServiceMetric.SLA_BREACHED), story.total("clocks_breached")) == (0, 2)
    story.worker.advance(at(40 * DAY))
    assert partition.total(ServiceMetric.SLA_BREACHED) == 0
    story.reply(40 * DAY)
    story.more(41 * DAY, "And now?")
    story.worker.advance(at(50 * DAY))
    assert played(story.worker).total(ServiceMetric.SLA_BREACHED) == 1  # the next response, which is ours


def test_counts_are_the_facts(story: Story) -> None:
    story.message(0, "My card was declined")
    story.message(10, "Where is my parcel? It never arrived.")
    partition = played(story.worker)
    facts = partition.outputs
    assert partition.total(ServiceMetric.TAGS_APPLIED) == sum(type(fact) is TagFact for fact in facts) > 0
    assert (
        partition.total(ServiceMetric.ACKNOWLEDGEMENTS) == sum(type(fact) is AcknowledgementFact for fact in facts) == 2
    )
    assert partition.total(ServiceMetric.SLA_MET) == sum(
        type(f) is ClockFact and f.transition == "fulfil" for f in facts
    )
    assert sum(partition.gauges.open.values()) == len({f.ticket_id for f in facts if type(f) is TicketFact}) == 2


def test_a_tick_that_was_folded_before_is_skipped(story: Story) -> None:
    story.message(0, "Hello")
    story.tick(3600)
    (customer,) = (state for _, state in story.worker.states(b"c"))
    key = customer_key(story.worker.records(TicketFact)[0].customer_tag)
    again = story.worker.processor.process(
        Tick(event_id="t", occurred_at=at(3600), received_at=at(3600), customer_tag="", source="worker", state_key=key),
        Position(0, customer.offset),
        Stored({key: customer}),
    )
    assert (again.skipped, again.states, list(again.outputs)) == (True, {key: customer}, [])


class Stored(dict[bytes, Any]):
    """States by key, read as from a store."""

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, Any]]:
        return ((key, self[key]) for key in sorted(self) if key.startswith(prefix))


def test_a_skipped_record_counts_nothing(story: Story) -> None:
    story.message(0, "Hello")
    partition = played(story.worker)
    before = partition.counts.copy()
    partition.fold(story.worker.log)
    assert partition.counts == before
    assert sum(partition.gauges.open.values()) == 1


def test_all_series_that_begin_at_0_have_the_labels_of_their_metric(rules: Rules) -> None:
    begin_at_zero(counters.series(rules))  # raises at the start of a worker, where one has others

"""A recomputation over customers who were merged and split: their tickets go over as this run has made them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from schemas import codec
from schemas.facts import ClockFact, Fact, TicketClocks, TicketFact
from stream_processors.recompute.engine import HandedOver, Recomputation
from stream_processors.rules.ruleset import Rules
from stream_processors.tickets.processor import TicketsProcessor
from tests.support.memory_worker import IDS
from tests.support.tickets.moving_story import MovingStory
from tests.support.tickets.story import at

MINUTE, HOUR, DAY = 60, 3600, 86_400
#: What tells when and where something was folded.
FOLDED = ("version", "partition", "detected_at", "policy_version", "updated_at")


@pytest.fixture
def stricter(rules: Rules) -> Rules:
    policies = tuple(
        replace(each, targets={"first_response": 300.0, "agent_work": 900.0}) for each in rules.policies.policies
    )
    return replace(rules, policies=replace(rules.policies, policies=policies, _remembered={}))


def final(facts: list[Fact]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """What the tables hold in the end, of each fact its highest version."""
    kept: dict[tuple[Any, ...], Fact] = {}
    for fact in facts:
        if isinstance(fact, ClockFact | TicketClocks | TicketFact):
            place = (type(fact).__name__, *(getattr(fact, name) for name in IDS[type(fact)]))
            if place not in kept or kept[place].version <= fact.version:
                kept[place] = fact
    return {
        place: {name: getattr(fact, name) for name in fact.__struct_fields__ if name not in FOLDED}
        for place, fact in kept.items()
    }


def recomputed(story: MovingStory, rules: Rules, order: list[int], passes: int) -> dict[tuple[Any, ...], Any]:
    """The logs of the story folded again, partition after partition, so often; what the last time came to."""
    handed_over, facts = HandedOver(), list[Fact]()
    for _ in range(passes):
        facts = []
        for number in order:
            run = Recomputation(TicketsProcessor(rules), number, handed_over=handed_over)
            for record in story.worker.cluster.workers[number].log:
                facts += run.take(codec.decode(record.value))
            facts += run.end(at(DAY))
    return final(facts)


def tell(story: MovingStory) -> MovingStory:
    story.message(0)
    story.merge(10 * MINUTE)
    story.reply(20 * MINUTE)
    story.more(30 * MINUTE)
    story.merge(40 * MINUTE, "bob", "cat")
    story.reply(2 * HOUR)
    story.solve(3 * HOUR)
    story.worker.advance(at(DAY))
    return story


def test_a_ticket_that_changed_hands_is_measured_by_the_rules_of_the_run(rules: Rules, stricter: Rules) -> None:
    as_if = final(tell(MovingStory(stricter)).worker.records(ClockFact, TicketClocks, TicketFact))
    then = tell(MovingStory(rules))
    assert final(then.worker.records(ClockFact, TicketClocks, TicketFact)) != as_if
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]):
        assert recomputed(then, stricter, order, passes=3) == as_if, order


def test_with_the_same_rules_nothing_is_otherwise_whichever_partition_is_folded_first(rules: Rules) -> None:
    then = tell(MovingStory(rules))
    live = final(then.worker.records(ClockFact, TicketClocks, TicketFact))
    for order in ([0, 1, 2], [2, 1, 0]):
        assert recomputed(then, rules, order, passes=1) == live


def test_what_is_handed_over_settles(rules: Rules, stricter: Rules) -> None:
    then, handed_over, known = tell(MovingStory(rules)), HandedOver(), list[dict[str, bytes]]()
    for _ in range(4):
        for number in (2, 1, 0):
            run = Recomputation(TicketsProcessor(stricter), number, handed_over=handed_over)
            for record in then.worker.cluster.workers[number].log:
                list(run.take(codec.decode(record.value)))
        known.append(dict(handed_over.known))
    assert known[2] == known[3]
    assert len(known[3]) == 4  # the word of each merge, and the ticket twice

"""A recomputation with a reorder buffer: the log that arrived shuffled comes to what the ordered log comes to."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Event
from schemas.facts import ClockFact, ClockShare, Fact, ResolutionFact, TicketClocks, TicketFact
from stream_processors.recompute.engine import Recomputation
from stream_processors.recompute.reorder_buffer import ReorderBuffer
from stream_processors.rules.ruleset import Rules
from stream_processors.tickets.processor import TicketsProcessor
from tests.stream_processors.tickets.test_clock_invariants import every_clock as every_clock
from tests.stream_processors.tickets.test_order_of_arrival import FOLDED, TEN_MINUTES, late, lives, observed
from tests.stream_processors.tickets.test_replay import FAST
from tests.support.memory_worker import IDS
from tests.support.tickets.story import SECOND, at

WITHIN = TEN_MINUTES * SECOND


def recomputed(rules: Rules, log: list[Event], buffer: ReorderBuffer | None) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The final facts of a run over the log: the newest of each identity, of each clock's instance the last row."""
    run = Recomputation(TicketsProcessor(rules), 0, buffer)
    facts: list[Fact] = [fact for event in log for fact in run.take(event)]
    facts += run.end(at(60 * 86_400))
    final: dict[tuple[Any, ...], dict[str, Any]] = {}
    for fact in facts:
        if isinstance(fact, ClockFact):
            place: tuple[Any, ...] = ("clock", fact.ticket_id, fact.episode, fact.clock, fact.instance)
        elif isinstance(fact, TicketClocks | TicketFact | ClockShare | ResolutionFact):
            place = (type(fact).__name__, *(getattr(fact, name) for name in IDS[type(fact)]))
        else:
            continue
        final[place] = {name: getattr(fact, name) for name in fact.__struct_fields__ if name not in FOLDED}
    return {place: fact for place, fact in final.items() if fact.get("seconds") != 0.0}  # shares taken back


@FAST
@given(log=lives, seed=st.integers(0, 2**32))
def test_what_arrived_up_to_ten_minutes_late_is_recomputed_as_if_it_had_come_in_order(
    log: list[Event], seed: int, every_clock: Rules
) -> None:
    ordered = recomputed(every_clock, log, None)
    assert recomputed(every_clock, late(log, seed), ReorderBuffer(WITHIN)) == ordered


@given(st.lists(st.integers(0, 10_000), max_size=60), st.integers(0, 2**32), st.integers(1, 2_000))
def test_events_come_out_in_the_order_in_which_they_happened_and_none_is_lost(
    moments: list[int], seed: int, within: int
) -> None:
    dice = Random(seed)
    log = [observed("note", 0, number) for number in range(len(moments))]
    log = [
        msgspec.structs.replace(event, occurred_at=moment, received_at=moment + dice.randint(0, within))
        for event, moment in zip(log, moments, strict=True)
    ]
    log.sort(key=lambda event: event.received_at)
    buffer = ReorderBuffer(within)
    out = [each for event in log for each in buffer.take(event)] + list(buffer.rest())
    assert [event.occurred_at for event in out] == sorted(moments)
    assert {event.event_id for event in out} == {event.event_id for event in log}


def test_only_as_much_waits_as_can_still_be_overtaken():
    buffer, told = ReorderBuffer(600), []
    for moment in (0, 500, 1000, 1700):
        event = observed("note", 0, moment)
        told.append(
            [
                each.occurred_at
                for each in buffer.take(msgspec.structs.replace(event, occurred_at=moment, received_at=moment))
            ]
        )
    assert told == [[], [], [0], [500, 1000]]  # 1000 - 600 = 400, 1700 - 600 = 1100
    assert [each.occurred_at for each in buffer.rest()] == [1700]

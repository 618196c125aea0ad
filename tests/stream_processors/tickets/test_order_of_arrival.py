"""Events that arrive in another order than they happened: what stands at once, and what the reorder buffer brings back.

The **reorder buffer** folds the log again in the order in which things happened, with the times at which they arrived (ticks of
then left out, deadlines said anew). Its final facts are those of the ordered log: the row of all clocks, the ticket, how
every clock ended, every share, every resolution. What differs is how one got there: `detected_at`, versions, and the
breaches that were said and taken back.

**Without it** answers and solves count at their own time, so all that is measured between messages, answers and a
solve is the same at once. Not the same: time in states, since a state begins no earlier than the last one that was known
(ADR 14); a message that arrives after an answer or a solve, which nobody can have read, waits. In which state the ticket
stands in the end is the same for statuses in any order; a solve that is heard of after a message that followed it leaves
the ticket open without a new episode.
"""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import codec, events
from schemas.events import Event
from schemas.facts import ClockFact, ClockShare, ResolutionFact, TicketClocks, TicketFact
from schemas.identity import event_id, ticket_id
from stream_processors.rules.ruleset import Rules
from tests.stream_processors.tickets.test_clock_invariants import every_clock as every_clock
from tests.stream_processors.tickets.test_replay import FAST, worker
from tests.support.memory_worker import MemoryWorker
from tests.support.tickets.story import ANN, SECOND, TAG, at

TEN_MINUTES = 600
#: Fields that tell when and where something was folded, not what it came to.
FOLDED = ("version", "partition", "at", "updated_at", "detected_at", "sequence")
TICKET = ticket_id(TAG, 1)


def observed(kind: str, seconds: float, number: int) -> Event:
    base: dict[str, Any] = {
        "event_id": event_id("arrival", str(number)),
        "occurred_at": at(seconds),
        "received_at": at(seconds),
        "customer_tag": TAG,
    }
    if kind in ("first", "message"):
        reference = "" if kind == "first" else TICKET
        said = {"customer_id": ANN, "address": "ann@example.org", "text": "Where is it?", "ticket_ref": reference}
        return events.MessageReceived(**base, channel="email", **said)
    base["ticket_id"] = TICKET
    match kind:
        case "reply":
            return events.AgentReplied(**base, agent_id="mei", text="Here.")
        case "note":
            return events.NoteAdded(**base, agent_id="mei", text="Asked.")
        case "mei" | "tom":
            return events.Assigned(**base, team="support", agent_id=kind, source="help desk")
        case "returns" | "support":
            return events.Transferred(**base, to_team=kind, agent_id="mei")
        case _:
            return events.StatusChanged(**base, status=kind)


ANY = ("message", "reply", "note", "mei", "tom", "returns", "support", "pending", "open", "hold", "solved")


def life_of(seed: int, length: int) -> list[Event]:
    """One ticket in the order of what happened, no two things in one instant."""
    random, log, seconds = Random(seed), [observed("first", 0, 0)], 0.0
    for number in range(1, length):
        seconds += random.choice((1, 20, 200, 900, 4000, 30_000, 200_000))
        log.append(observed(random.choice(ANY), seconds, number))
    return log


def answered_life_of(seed: int, waits: int) -> list[Event]:
    """Questions, each with answers and notes in the half hour from ten minutes after it on, and a solve at the end."""
    random, log, seconds = Random(seed), [], 0.0
    for number in range(waits):
        log.append(observed("message" if number else "first", seconds, len(log)))
        start = seconds + TEN_MINUTES + 1
        for moment in sorted(random.sample(range(1800), random.randint(1, 5))):
            log.append(observed(random.choice(("reply", "reply", "note", "mei")), start + moment, len(log)))
        seconds = start + 1800 + TEN_MINUTES + random.choice((1, 5000, 90_000))
    if random.random() < 0.7:
        log.append(observed("solved", seconds - TEN_MINUTES, len(log)))
    return log


lives = st.builds(life_of, st.integers(0, 2**32), st.integers(2, 14))
answered_lives = st.builds(answered_life_of, st.integers(0, 2**32), st.integers(1, 4))


def late(log: list[Event], seed: int, most_seconds: float = TEN_MINUTES) -> list[Event]:
    """The log as it arrives when every event is on its way for up to so long."""
    random = Random(seed)
    delayed = (
        msgspec.structs.replace(each, received_at=each.occurred_at + round(random.uniform(0, most_seconds) * SECOND))
        for each in log
    )
    return sorted(delayed, key=lambda each: each.received_at)


def reordered(log: list[Event]) -> list[Event]:
    return sorted(log, key=lambda each: each.occurred_at)


def folded(rules: Rules, log: list[Event], sizes: list[int] | None = None) -> MemoryWorker:
    made = worker(rules)
    for each in log:
        made.advance(each.received_at)
        made.feed([each])
    made.advance(at(60 * 86_400))
    if sizes is not None:
        again = worker(rules)
        again.log = made.log
        again.run(sizes)
        return again
    return made


def ended(made: MemoryWorker) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The final facts: the newest of each identity, and of each clock's instance the last row."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for identity, value in made.facts().items():
        fact = codec.decode(value)
        if isinstance(fact, TicketClocks | TicketFact | ClockShare | ResolutionFact):
            found[identity] = _told(fact)
    for row in made.records(ClockFact):
        found["clock", row.ticket_id, row.episode, row.clock, row.instance] = _told(row)
    return {place: fact for place, fact in found.items() if fact.get("seconds") != 0.0}  # shares taken back


def _told(fact: Any) -> dict[str, Any]:
    return {name: getattr(fact, name) for name in fact.__struct_fields__ if name not in FOLDED}


def measured(made: MemoryWorker) -> dict[str, Any]:
    """What does not depend on the order of arrival: measures from messages to answers and solves, and how clocks ended."""
    row = [fact for fact in made.records(TicketClocks) if fact.ticket_id == TICKET][-1]
    names = ("acknowledgement", "first_response", "next_response", "first_resolution", "full_resolution")
    found = {name: getattr(row, name) for name in row.__struct_fields__ if name.startswith(names)}
    found |= {name: getattr(row, name) for name in ("status", "episode", "next_responses")}
    for fact in made.records(ClockFact):
        if fact.clock in names:
            how = fact.transition, fact.at, fact.elapsed_seconds, fact.elapsed_business_seconds
            found[f"{fact.episode}/{fact.clock}/{fact.instance}"] = how
    return found


@FAST
@given(log=lives, seed=st.integers(0, 2**32))
def test_a_log_that_arrived_shuffled_by_ten_minutes_and_is_reordered_ends_as_the_ordered_one(
    log: list[Event], seed: int, every_clock: Rules
) -> None:
    assert ended(folded(every_clock, reordered(late(log, seed)))) == ended(folded(every_clock, log))


@FAST
@given(log=answered_lives, seed=st.integers(0, 2**32))
def test_answers_and_solves_count_at_their_own_time_in_whatever_order_they_arrive(
    log: list[Event], seed: int, every_clock: Rules
) -> None:
    first, *others = log
    assert measured(folded(every_clock, [first, *late(others, seed)])) == measured(folded(every_clock, log))


@FAST
@given(log=lives, seed=st.integers(0, 2**32), sizes=st.lists(st.integers(1, 7), max_size=20))
def test_where_batches_end_makes_no_difference_to_what_arrives_late(
    log: list[Event], seed: int, sizes: list[int], every_clock: Rules
) -> None:
    shuffled = late(log, seed)
    assert ended(folded(every_clock, shuffled, sizes)) == ended(folded(every_clock, shuffled))


@FAST
@given(log=lives, skew=st.integers(1, TEN_MINUTES * SECOND))
def test_a_broker_that_hears_everything_late_changes_no_figure(log: list[Event], skew: int, every_clock: Rules) -> None:
    behind = [msgspec.structs.replace(each, received_at=each.occurred_at + skew) for each in log]
    assert ended(folded(every_clock, behind)) == ended(folded(every_clock, log))


@settings(parent=FAST, max_examples=30)
@given(status=st.sampled_from(("new", "open", "pending", "hold")), before=st.integers(1, TEN_MINUTES * SECOND))
def test_no_status_from_before_a_solve_reopens_it(status: str, before: int, every_clock: Rules) -> None:
    solved = observed("solved", 3000, 1)
    stale = msgspec.structs.replace(observed(status, 3000, 2), occurred_at=solved.occurred_at - before)
    fact = folded(every_clock, [observed("first", 0, 0), solved, stale]).records(TicketFact)[-1]
    assert (fact.status, fact.episode, fact.reopens) == ("solved", 1, 0)


states = st.sampled_from(("open", "pending", "hold"))


@settings(parent=FAST, max_examples=60)
@given(said=st.lists(states, min_size=2, max_size=5), order=st.randoms(use_true_random=False))
def test_the_last_status_stands_in_whatever_order_statuses_arrive(
    said: list[str], order: Random, every_clock: Rules
) -> None:
    log = [observed(status, 600 * number, number) for number, status in enumerate(said, 1)]
    arrived = order.sample(log, len(log))
    fact = folded(every_clock, [observed("first", 0, 0), *arrived]).records(TicketFact)[-1]
    assert fact.status == said[-1]


@settings(parent=FAST, max_examples=30)
@given(before=st.integers(1, TEN_MINUTES * SECOND), status=st.sampled_from(("solved", "pending", "hold")))
def test_nobody_is_left_waiting_by_what_was_decided_before_they_wrote(
    before: int, status: str, every_clock: Rules
) -> None:
    asked = observed("message", 3000, 1)
    decided = msgspec.structs.replace(observed(status, 3000, 2), occurred_at=asked.occurred_at - before)
    made = folded(every_clock, [observed("first", 0, 0), asked, decided])
    assert made.records(TicketFact)[-1].status == "open"


@FAST
@given(log=lives, seed=st.integers(0, 2**32))
def test_a_clock_that_stopped_was_late_exactly_if_it_had_run_for_its_target_however_late_things_arrived(
    log: list[Event], seed: int, every_clock: Rules
) -> None:
    made = folded(every_clock, late(log, seed, 6 * 3600))
    rows: dict[tuple[str, int, str, int], list[ClockFact]] = {}
    for row in made.records(ClockFact):
        rows.setdefault((row.ticket_id, row.episode, row.clock, row.instance), []).append(row)
    for place, ledger in rows.items():
        last, late_for = ledger[-1], False
        for row in ledger:
            withdrawn = row.transition == "correct" and row.due_at is not None and row.at < row.due_at
            late_for = row.transition == "breach" or (late_for and not withdrawn)
        if last.transition in ("fulfil", "cancel"):
            ran = last.elapsed_business_seconds if last.calendar else last.elapsed_seconds
            assert late_for == (ran >= last.target_seconds), (
                place,
                [(r.transition, r.at - at(0), r.due_at) for r in ledger],
            )

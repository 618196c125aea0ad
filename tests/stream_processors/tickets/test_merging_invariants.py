"""Random merges and splits lose and double no ticket, end every clock once, and never run in circles."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import codec, events
from schemas.facts import ClockFact, ContactFact, PaneFact, TicketFact
from stream_processors.rules.ruleset import Rules
from stream_processors.tickets.sla import clocks
from stream_processors.tickets.state import customer_key
from tests.support.memory_worker import IDS
from tests.support.tickets.story import at
from tests.support.tickets.town import PARTITIONS, PEOPLE, Town

FAST = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def live(rules: Rules, seed: int, length: int, *, crashes: bool = False) -> Town:
    """A random life of four people, folded in random batches while it goes on; the same for the same seed."""
    random, town, seconds = Random(seed), Town(rules), 0
    pick = random.choice
    for _ in range(length):
        seconds += pick((0, 1, 5, 600))
        known = sorted(name for name, _ in town.held())
        match pick("mmmmmmtttrrrrsMMMSS"):
            case "m":
                town.message(seconds, pick(PEOPLE))
            case "t" if known:
                town.message(seconds, pick(PEOPLE), pick(known))
            case "r" if known:
                town.reply(seconds, pick(known), public=random.random() < 0.8)
            case "s" if known:
                town.status(seconds, pick(known), pick(("solved", "open", "hold", "closed")))
            case "M":
                who, into = random.sample(PEOPLE, 2)
                town.merge(seconds, who, into)
            case "S":
                who, to = random.sample(PEOPLE, 2)
                theirs = sorted(town.tickets(who))
                town.split(seconds, who, to, *random.sample(theirs, random.randint(0, len(theirs))))
        for _ in range(random.randint(0, 3)):
            crash = random.randint(0, 30) if crashes and random.random() < 0.3 else None
            town.cluster.step(random.randrange(PARTITIONS), random.randint(1, 6), crash)
        if random.random() < 0.05:
            town.cluster.advance(at(seconds))
    return town.settle()


def nothing_is_lost_or_doubled(town: Town) -> None:
    opened = {fact.ticket_id for fact in town.facts(ContactFact) if fact.opened_ticket}
    held = [name for name, _ in town.held()]
    assert Counter(held) == Counter(opened)
    assert set(town.cluster.dead_letters()) <= {"closed_ticket", "unknown_ticket", "same_customer"}


def everything_was_folded_once(town: Town) -> None:
    facts: dict[str, set[bytes]] = {}
    for fact in town.facts(ContactFact):
        if fact.kind in ("message_received", "agent_replied"):
            facts.setdefault(fact.event_id, set()).add(codec.encode(fact))
    said = [each for each in town.appended if isinstance(each, events.MessageReceived | events.AgentReplied)]
    assert set(facts) == {each.event_id for each in said}
    assert {name: len(versions) for name, versions in facts.items() if len(versions) > 1} == {}
    tickets = [ticket for _, ticket in town.held()]
    assert sum(ticket.counts.customer_messages + ticket.counts.third_party_messages for ticket in tickets) == sum(
        isinstance(each, events.MessageReceived) for each in said
    )
    assert sum(ticket.counts.public_replies + ticket.counts.internal_notes for ticket in tickets) == sum(
        isinstance(each, events.AgentReplied) for each in said
    )


def the_newest_facts_are_true(town: Town) -> None:
    written: dict[tuple[str, int], bytes] = {}
    for fact in town.facts(TicketFact):
        assert written.setdefault((fact.ticket_id, fact.version), codec.encode(fact)) == codec.encode(fact)
    for key, customer in town.cluster.states(b"c"):
        tag = key[1:].decode()
        for ticket in customer.tickets:
            fact = town.last(ticket.id_at(tag))
            assert (fact.customer_tag, fact.status, fact.episode, fact.customer_messages, fact.public_replies) == (
                tag, ticket.status, ticket.episode, ticket.counts.customer_messages, ticket.counts.public_replies
            )  # fmt: skip


def every_ledger_is_whole(town: Town) -> None:
    """Row after row without a gap or a second version, and what the state says is what the last row says."""
    rows: dict[tuple[str, int, str, int], dict[int, ClockFact]] = {}
    for fact in town.facts(ClockFact):
        ledger = rows.setdefault((fact.ticket_id, fact.episode, fact.clock, fact.instance), {})
        assert codec.encode(ledger.setdefault(fact.sequence, fact)) == codec.encode(fact)
    for ledger in rows.values():
        told = [ledger[sequence].transition for sequence in range(1, len(ledger) + 1)]
        assert told[0] == "activate"
        assert told.count("activate") == 1
        assert told.count("breach") <= 1 + told.count("correct")
        assert told.count("fulfil") + told.count("cancel") <= 1 + told.count("correct")
    for name, ticket in town.held():
        for clock in ticket.clocks:
            last = rows[name, clock.episode, clock.name, clock.instance]
            assert max(last) == clock.sequence
            assert (last[clock.sequence].transition in ("fulfil", "cancel")) == (clock.stopped_at is not None)


def nobody_goes_in_circles(town: Town) -> None:
    marks = {key[1:].decode(): customer.merge_history.merged_into.tag for key, customer in town.cluster.states(b"c")
             if customer.merge_history and customer.merge_history.merged_into}  # fmt: skip
    for start in marks:
        seen, here = set(), start
        while here in marks:
            assert here not in seen
            seen.add(here)
            here = marks[here]
    for tag in marks:
        state = town.cluster.state(customer_key(tag))
        assert all(ticket.status == "closed" for ticket in state.tickets)


def the_backlog_is_what_is_open(town: Town) -> None:
    """What left one customer came to another: over all panes every open ticket counts once, and so does its age."""
    panes: dict[tuple[Any, ...], PaneFact] = {}
    for pane in town.facts(PaneFact):  # in the order of each log
        panes[tuple(getattr(pane, name) for name in IDS[PaneFact])] = pane
    still_open = [ticket for _, ticket in town.held() if ticket.status not in ("solved", "closed")]
    assert sum(pane.backlog_change for pane in panes.values()) == len(still_open)
    created = sum(ticket.created_at // 1_000_000 for ticket in still_open)
    assert sum(pane.backlog_created_change for pane in panes.values()) == created


def holds(town: Town) -> None:
    nothing_is_lost_or_doubled(town)
    everything_was_folded_once(town)
    the_newest_facts_are_true(town)
    every_ledger_is_whole(town)
    the_backlog_is_what_is_open(town)
    nobody_goes_in_circles(town)


lives = {"seed": st.integers(0, 2**32), "length": st.integers(1, 50)}


@FAST
@given(**lives)
def test_no_ticket_is_lost_or_doubled_whatever_is_merged_and_split_meanwhile(
    seed: int, length: int, rules: Rules
) -> None:
    holds(live(rules, seed, length))


@FAST
@given(**lives)
def test_nor_when_workers_crash_between_any_two_writes(seed: int, length: int, rules: Rules) -> None:
    holds(live(rules, seed, length, crashes=True))


@FAST
@given(**lives)
def test_afterwards_every_customer_and_every_ticket_is_still_reached(seed: int, length: int, rules: Rules) -> None:
    town = live(rules, seed, length)
    before = dict(town.held())
    end = 100_000
    for who in PEOPLE:
        town.message(end, who)
    for name, ticket in before.items():
        if ticket.status != "closed":
            town.reply(end + 1, name)
    town.settle()
    after = dict(town.held())
    assert len(after) == len(before) + len(PEOPLE)
    for name, ticket in before.items():
        assert after[name].counts.public_replies == ticket.counts.public_replies + (ticket.status != "closed")
    holds(town)


@FAST
@given(**lives)
def test_every_clock_ends_once_when_everything_is_solved(seed: int, length: int, rules: Rules) -> None:
    town = live(rules, seed, length)
    town.cluster.advance(at(400_000))
    for name, ticket in town.held():
        if ticket.status not in ("solved", "closed"):
            town.status(400_001, name, "solved")
    town.settle()
    every_ledger_is_whole(town)
    assert [clock for _, ticket in town.held() for clock in ticket.clocks if clock.stopped_at is None] == []
    assert {clocks.next_deadline(state) for _, state in town.cluster.states(b"c")} <= {None}


@FAST
@given(**lives, sizes=st.lists(st.integers(1, 9), max_size=30))
def test_the_same_logs_give_the_same_bytes_however_they_are_cut(
    seed: int, length: int, sizes: list[int], rules: Rules
) -> None:
    town, again = live(rules, seed, length), Town(rules)
    clean = Town(rules)
    for worker, other, third in zip(town.cluster.workers, again.cluster.workers, clean.cluster.workers, strict=True):
        other.log = third.log = list(worker.log)
        other.run(sizes)
        third.run()
        assert other.outputs == third.outputs == worker.outputs
        assert other.store == third.store == worker.store


@FAST
@given(**lives)
def test_what_is_written_back_a_second_time_changes_no_ticket(seed: int, length: int, rules: Rules) -> None:
    """A rebuild from an empty state writes it all again, behind everything else. What was refused may succeed then."""
    town = live(rules, seed, length)
    before, refused = dict(town.held()), town.cluster.dead_letters()
    again = [each for each in town.facts(*events.EVENTS) if not isinstance(each, events.RoutingUpdate)]
    town.cluster.append(again)
    holds(town.settle())
    assert set(dict(town.held())) == set(before)
    if not refused:
        assert dict(town.held()) == before

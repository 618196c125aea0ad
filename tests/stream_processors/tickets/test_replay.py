"""What must hold for every log: nothing is lost, and how it was cut, crashed or repeated makes no difference."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import codec, events
from schemas.events import STATUSES, Event
from schemas.facts import (
    ContactFact,
    FollowUpFact,
    InvitationFact,
    Outbound,
    ResolutionFact,
    SurveyFact,
    TicketFact,
)
from schemas.identity import customer_tag, event_id, ticket_id
from stream_processors.rules.ruleset import Rules
from stream_processors.rules.surveys import Signing
from stream_processors.tickets.processor import TicketsProcessor
from stream_processors.tickets.state import customer_key
from tests.support.memory_worker import Crashed, MemoryCluster, MemoryWorker
from tests.support.tickets.story import at

CUSTOMERS = ("email:ann@example.org", "email:bob@example.org", "chat:cat")
TEXTS = ("Where is my parcel?", "Thank you!", "返金してください", "我的包裹还没到", "My card was declined", "")
FAST = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def event(random: Random, number: int, clock: int) -> Event:
    """Any event at `clock` seconds: some late, some twice, some imported, some about what does not exist.

    An id comes twice with different content in one log, never in two: both could be written on to a third, each at its
    place, and then the second is no refold of the first (the last test of this file has that case).
    """
    pick, one_in = random.choice, lambda n: random.randrange(n) == 0
    customer_id = pick(CUSTOMERS)
    tag = customer_tag(customer_id)
    identity = random.randint(max(0, number - 3), number) if one_in(10) else number
    base: dict[str, Any] = {
        "event_id": event_id("log", tag, str(identity)),
        "occurred_at": at(clock - pick((0, 0, 0, 45, 4000))),
        "received_at": at(clock),
        "customer_tag": tag,
        "imported": one_in(10),
    }
    ticket = ticket_id(tag, random.randint(1, 3))
    agent = pick(("mei", "tom"))
    message = base | {"customer_id": customer_id, "address": customer_id.partition(":")[2]}
    match pick("mmmmmmrrrssnxacvoet!"):
        case "m":
            return events.MessageReceived(
                **message | {"customer_id": pick(CUSTOMERS) if one_in(10) else customer_id},
                channel=pick(("email", "chat", "sms")),
                text=pick(TEXTS),
                subject="Parcel",
                priority=pick(("", "urgent")),
                ticket_ref=pick(("", "", ticket)),
                message_id=f"<{identity}@log>",
                in_reply_to=pick(("", f"<{number - 1}@log>")),
            )
        case "r":
            return events.AgentReplied(**base, ticket_id=ticket, agent_id=agent, text="Hello", public=not one_in(5))
        case "s":
            return events.StatusChanged(**base, ticket_id=ticket, status=pick(STATUSES))
        case "n":
            return events.NoteAdded(**base, ticket_id=ticket, agent_id=agent, text="note")
        case "x":
            return events.Transferred(**base, ticket_id=ticket, to_team=pick(("returns", "nowhere")))
        case "a":
            return events.Assigned(**base, ticket_id=ticket, team="support", agent_id=agent, source="routing")
        case "c":
            outcome = pick(("answered", "voicemail"))
            return events.CallEnded(**message, channel="phone", outcome=outcome, talk_seconds=9.0)
        case "v":
            csat, ces, episode = random.randint(0, 5), pick((None, 7)), pick((0, 1, 1, 2))
            return events.SurveyAnswered(
                **base, ticket_id=ticket, survey_id="s", csat=csat, ces=ces, scanner=one_in(4), episode=episode
            )
        case "o":
            return events.OrderPlaced(**base, customer_id=customer_id, order_number=f"A-{number}")
        case "e":
            return events.ErasureRequested(**base)
        case "t":
            return events.Tick(**base, state_key=customer_key(tag))
        case _:
            return events.TagCorrected(**base, ticket_id=ticket, agent_id=agent, add=["delivery.never_arrived"])


def log_of(seed: int, length: int) -> list[Event]:
    """A log of three customers, the same for the same seed; times advance by seconds to days."""
    random, clock, log = Random(seed), 0, []
    for number in range(length):
        clock += random.choice((0, 1, 60, 1000, 5000, 40_000, 700_000))
        log.append(event(random, number, clock))
    return log


logs = st.builds(log_of, st.integers(0, 2**32), st.integers(1, 40))


def worker(rules: Rules, *, offset_step: int = 1) -> MemoryWorker:
    signing = Signing("https://shop.example", ("secret",))
    return MemoryWorker(TicketsProcessor(rules, signing=signing), offset_step=offset_step)


def folded(rules: Rules, log: list[Event]) -> MemoryWorker:
    """The log with the ticks that time adds to it, folded in one go; `.log` has them all."""
    made = worker(rules)
    for each in log:
        made.advance(each.received_at)
        made.feed([each])
    clean = worker(rules)
    clean.log = made.log
    clean.run()
    return clean


@FAST
@given(log=logs, sizes=st.lists(st.integers(1, 9), max_size=40))
def test_the_same_log_gives_the_same_bytes_however_it_was_cut_into_batches(
    log: list[Event], sizes: list[int], rules: Rules
) -> None:
    clean = folded(rules, log)
    other = worker(rules)
    other.log = clean.log
    other.run(sizes)
    assert other.outputs == clean.outputs
    assert other.store == clean.store
    assert other.dead_letters == clean.dead_letters


@FAST
@given(log=logs, sizes=st.lists(st.integers(1, 30), max_size=9), crashes=st.lists(st.integers(0, 120), max_size=4))
def test_a_crash_at_any_write_loses_nothing_and_doubles_nothing(
    log: list[Event], sizes: list[int], crashes: list[int], rules: Rules
) -> None:
    clean = folded(rules, log)
    crashed = worker(rules)
    crashed.log = clean.log
    for writes in crashes:
        try:
            crashed.run(sizes, crash_after=writes)
        except Crashed:
            continue
    crashed.run()
    assert crashed.store == clean.store
    assert crashed.facts() == clean.facts()
    assert set(crashed.outputs) == set(clean.outputs)


@FAST
@given(log=logs, writes=st.integers(0, 400))
def test_a_crash_while_panes_are_forgotten_counts_nothing_twice(log: list[Event], writes: int, rules: Rules) -> None:
    """Offsets stand 1000 apart here, so panes are really forgotten within short logs; a batch spans 8 records."""
    made = worker(rules, offset_step=1000)
    for each in log:
        made.advance(each.received_at)
        made.feed([each])
    clean, crashed = worker(rules, offset_step=1000), worker(rules, offset_step=1000)
    clean.log = crashed.log = made.log
    clean.run([8] * 200)
    try:
        crashed.run([8] * 200, crash_after=writes)
    except Crashed:
        crashed.run([8] * 200)
    assert crashed.store == clean.store
    assert set(crashed.outputs) == set(clean.outputs)


@FAST
@given(log=logs)
def test_the_whole_log_again_into_an_empty_state_gives_the_same_facts(log: list[Event], rules: Rules) -> None:
    first, second = folded(rules, log), worker(rules)
    second.log = first.log
    second.run()
    assert second.outputs == first.outputs


@FAST
@given(log=logs)
def test_the_log_delivered_twice_changes_no_ticket(log: list[Event], rules: Rules) -> None:
    once = worker(rules)
    once.feed(log)
    twice = worker(rules)
    twice.feed(log)
    accepted = len(twice.outputs)
    refused = len(twice.dead_letters)
    twice.feed(each for each in log if not isinstance(each, events.Tick))
    again = [each for each in twice.outputs[accepted:] if each.topic != "pane-facts"]
    if not refused:  # what was refused is tried again, and may succeed now
        assert again == []


@FAST
@given(log=logs)
def test_every_message_joins_a_ticket_or_is_a_duplicate_or_forwarded(log: list[Event], rules: Rules) -> None:
    made = worker(rules)
    made.feed(log)
    messages = [each for each in log if isinstance(each, events.MessageReceived)]
    joined = [f for f in made.records(ContactFact) if f.kind == "message_received" and f.ticket_id]
    forwarded = made.records(events.MessageReceived)
    refused = {offset for offset, *_ in made.dead_letters}
    seen: set[tuple[str, str]] = set()
    duplicates = 0
    for offset, each in enumerate(log):
        if isinstance(each, events.Tick) or offset in refused:
            continue
        identity = (each.customer_tag, each.event_id)
        duplicates += identity in seen and isinstance(each, events.MessageReceived)
        seen.add(identity)
    assert len(messages) == len(joined) + len(forwarded) + duplicates


@FAST
@given(log=logs)
def test_what_the_state_says_of_itself_is_true(log: list[Event], rules: Rules) -> None:
    made = folded(rules, log)
    newest = {fact.ticket_id: fact for fact in made.records(TicketFact)}
    for key, customer in made.states(b"c"):
        assert len(customer.tickets) <= 50
        assert len(customer.seen) == len(set(customer.seen)) <= 256
        for ticket in customer.tickets:
            fact = newest[ticket_id(key[1:].decode(), ticket.number)]
            assert (fact.status, fact.episode, fact.clocks_breached) == (
                ticket.status,
                ticket.episode,
                ticket.counts.clocks_breached,
            )
            assert ticket.conversation.waiting_since == (
                ticket.conversation.unanswered[0] if ticket.conversation.unanswered else None
            )
            assert list(ticket.conversation.unanswered) == sorted(ticket.conversation.unanswered)
            names = [clock.name for clock in ticket.clocks]
            assert len(names) == len(set(names))
            for clock in ticket.clocks:
                assert clock.stopped_at is None or clock.stopped_at >= clock.started_at or clock.cancelled
                running = clock.stopped_at is None
                assert not (running and ticket.status in ("solved", "closed"))
                if clock.name == "next_response" and running and not clock.breached:
                    assert clock.started_at == ticket.conversation.waiting_since


@FAST
@given(log=logs)
def test_panes_add_up_to_what_the_facts_say(log: list[Event], rules: Rules) -> None:
    made = folded(rules, log)
    contacts = [fact for fact in made.records(ContactFact) if fact.kind in ("message_received", "call_ended")]
    total: dict[str, float] = {}
    for identity, value in made.facts().items():
        if identity[0] == "PaneFact":
            pane = codec.decode(value)
            for name in ("contacts_received", "tickets_created", "clocks_breached", "csat_answers"):
                total[name] = total.get(name, 0) + getattr(pane, name)
    assert total.get("contacts_received", 0) == len(contacts)
    assert total.get("tickets_created", 0) == sum(fact.opened_ticket for fact in contacts)
    newest = {fact.ticket_id: fact for fact in made.records(TicketFact)}
    assert total.get("clocks_breached", 0) == sum(fact.clocks_breached for fact in newest.values())


@FAST
@given(log=logs)
def test_no_episode_is_asked_about_twice_and_none_in_silence(log: list[Event], rules: Rules) -> None:
    made = folded(rules, log)
    made.advance(max((each.received_at for each in log), default=0) + 40 * 86_400_000_000)
    asked = Counter((fact.ticket_id, fact.episode) for fact in made.records(InvitationFact))
    assert set(asked.values()) <= {1}
    solved = {(fact.ticket_id, fact.episode) for fact in made.records(ResolutionFact)}
    assert solved <= set(asked)
    written = [each.outbound_id for each in made.records(Outbound) if each.kind == "survey"]
    sent = [fact.outbound_id for fact in made.records(InvitationFact) if fact.outcome == "sent"]
    assert sorted(written) == sorted(sent)
    assert all(fact.outbound_id or fact.reason for fact in made.records(InvitationFact))


@FAST
@given(log=logs)
def test_every_resolution_is_decided_once_and_no_later_than_its_seven_days(log: list[Event], rules: Rules) -> None:
    made = folded(rules, log)
    made.advance(max((each.received_at for each in log), default=0) + 40 * 86_400_000_000)
    rows: dict[tuple[str, int], ResolutionFact] = {}
    for fact in made.records(ResolutionFact):
        known = rows.get((fact.ticket_id, fact.episode))
        assert known is None or fact.version >= known.version
        assert known is None or known.fcr is not False or fact.fcr is False, "what was lost stays lost"
        rows[fact.ticket_id, fact.episode] = fact
    for fact in rows.values():
        assert fact.imported or fact.fcr is not None
        assert fact.fcr is not True or (fact.decided_at == fact.decide_at and fact.public_answers == 1)
        assert (fact.reason != "") == (fact.fcr is False)


@FAST
@given(log=logs)
def test_the_first_and_the_last_answer_of_people_are_both_there(log: list[Event], rules: Rules) -> None:
    made = folded(rules, log)
    surveys: dict[tuple[str, int], list[SurveyFact]] = {}
    for fact in made.records(SurveyFact):
        surveys.setdefault((fact.ticket_id, fact.episode), []).append(fact)
    thanked = Counter((each.ticket_id, each.outbound_id) for each in made.records(Outbound) if each.kind == "thanks")
    assert set(thanked.values()) <= {1}
    for answers in surveys.values():
        people = [fact for fact in answers if not fact.scanner]
        assert all(fact.first_csat == people[0].csat for fact in people)
        assert sum(fact.thanked == "sent" for fact in answers) <= 1
        assert sum(fact.follow_up for fact in answers) <= 1
    opened = {(fact.ticket_id, fact.episode) for fact in made.records(FollowUpFact)}
    low = {
        place
        for place, answers in surveys.items()
        for fact in answers
        if not fact.scanner and not fact.imported and fact.csat is not None and fact.csat <= 2
    }
    assert opened == low


@pytest.mark.parametrize("writes", range(9))
def test_what_two_logs_write_on_under_one_id_is_one_contact_wherever_a_worker_dies(writes: int, rules: Rules) -> None:
    """Bob writes to Ann's ticket and to the chat's, which are not there; a source that is wrong calls both the same."""
    ann, bob, cat = (customer_tag(each) for each in CUSTOMERS)
    same: dict[str, Any] = {
        "event_id": event_id("log", "1"),
        "customer_id": CUSTOMERS[1],
        "channel": "email",
        "address": "bob",
    }
    first = events.MessageReceived(
        **same, occurred_at=at(0), received_at=at(0), customer_tag=ann, ticket_ref=ticket_id(ann, 1), text="Refund"
    )
    second = events.MessageReceived(
        **same, occurred_at=at(9), received_at=at(9), customer_tag=cat, ticket_ref=ticket_id(cat, 1), text="Card"
    )
    cluster = MemoryCluster(lambda: TicketsProcessor(rules), partitions=1)
    cluster.append([first, second])
    cluster.step(0, crash_after=writes)
    cluster.settle()
    written_on = cluster.records(events.MessageReceived)
    assert {(each.text, each.customer_tag) for each in written_on} == {("Refund", bob), ("Card", bob)}
    joined = {
        msgspec.json.encode(fact): fact for fact in cluster.records(ContactFact) if fact.kind == "message_received"
    }
    assert [(fact.customer_tag, fact.ticket_id) for fact in joined.values()] == [(bob, ticket_id(bob, 1))]
    assert cluster.dead_letters() == []

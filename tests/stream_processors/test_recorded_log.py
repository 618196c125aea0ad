"""The recorded log folds to the recorded facts, byte for byte; so it does from states that an older build stored.

What to do when one of these fails stands in `tests/support/proof/record.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from stream_processors.routing.state import Team
from stream_processors.runtime.state_codec import StateCodec
from stream_processors.tickets.state import Customer, Ticket, TicketRouting
from tests.support.proof.log import (
    FACTS,
    HALVES,
    HERE,
    STATES,
    Digest,
    Digests,
    Folded,
    Log,
    Stores,
    fold,
    log_digests,
    read,
)
from tests.support.proof.log import unpack as stored_states
from tests.support.proof.record import play

FIRST, SECOND = HALVES


@pytest.fixture(scope="module")
def log() -> Log:
    return read()


@pytest.fixture(scope="module")
def folded(log: Log) -> dict[str, Folded]:
    """The whole log, folded in two halves."""
    first = fold(log, FIRST)
    return {FIRST: first, SECOND: fold(log, SECOND, {name: dict(states) for name, states in first.stores.items()})}


def expected(path: Path, part: str) -> Digests:
    return json.loads(path.read_text())[part]


def test_log_is_the_recorded_one(log):
    assert log_digests(log) == expected(FACTS, "log"), "the log itself is another one: no digest of facts can be right"


@pytest.mark.parametrize("half", HALVES)
def test_log_folds_to_the_recorded_facts(folded, half):
    assert folded[half].facts == expected(FACTS, half)


@pytest.mark.parametrize("half", HALVES)
def test_log_folds_to_the_recorded_states(folded, half):
    assert folded[half].states == expected(STATES, half)


@pytest.mark.parametrize("version", sorted(path.stem.removeprefix("states_") for path in HERE.glob("states_v*.zst")))
def test_states_of_an_older_build_fold_on_to_the_same_facts(version):
    log = read(HERE / f"log_{version}.zst")  # in which stand the ticks that the older build appended
    first = fold(log, FIRST)
    stored: Stores = stored_states(HERE / f"states_{version}.zst")
    upgraded = fold(log, SECOND, {name: as_known_then(states) for name, states in stored.items()})
    folded = fold(log, SECOND, {name: as_known_then(states) for name, states in first.stores.items()})
    assert without(" deadlines", upgraded.facts) == without(" deadlines", folded.facts)
    assert without(" p", without(" j", upgraded.states)) == without(" p", without(" j", folded.states))


def without(end: str, digests: Digests) -> Digests:
    """Leaves out what differs on purpose: an older build puts off the end of a pane for other times, and its read logs
    hold entries whose place in the queue knew no due time."""
    return {what: digest for what, digest in digests.items() if not what.endswith(end)}


def as_known_then(states: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Leaves out what builds before version 8 did not keep (9: orders, routing), and what was promised: they knew no queue.

    Nor of who reported an agent, and when; nor did they know messages by their text, other than mails.
    """
    codec = StateCodec({b"c": Customer, b"t": Team})
    known = {key: value for key, value in states.items() if key[:1] != b"q"}
    for key, value in states.items():
        if key[:1] == b"c":
            customer = codec.load(key, value)
            tickets = tuple(map(_as_known_then, customer.tickets))
            sent = tuple(msgspec.structs.replace(each, subject_fingerprint=0) for each in customer.acknowledgements)
            known[key] = codec.dump(
                key, msgspec.structs.replace(customer, tickets=tickets, orders=(), acknowledgements=sent)
            )
        elif key[:1] == b"t":
            known[key] = codec.dump(key, _without_reports(codec.load(key, value)))
    return known


def _without_reports(team: Team) -> Team:
    change = msgspec.structs.replace
    agents = {name: change(agent, reported_at=None, source="", delay=0) for name, agent in team.agents.items()}
    return change(team, agents=agents, fronts={}, sources={}, next_silence=None)


def _as_known_then(ticket: Ticket) -> Ticket:
    change, waits = msgspec.structs.replace, ticket.sla.next_responses
    if waits is not None:
        waits = change(waits, previous_at=0, overlap=0, overlap_business=0)
    return change(
        ticket,
        promise=None,
        routing=TicketRouting(),
        milestones=change(ticket.milestones, promised_at=None, last_response_at=None),
        conversation=change(ticket.conversation, unanswered_at_solve=()),
        sla=change(ticket.sla, next_responses=waits),
    )


def test_simulator_plays_the_recorded_log():
    assert log_digests(play()) == expected(FACTS, "log"), (
        "the simulator plays other days, or the fold sends it elsewhere"
    )


def test_digest_notices_order_borders_and_missing_items():
    digests = {str(Digest(items)) for items in ([], ["a"], ["a", "b"], ["b", "a"], ["ab"], ["a", ""], ["", "a"])}
    assert len(digests) == 7

"""Webhooks without a network: payload, signature, retry decisions, probe queue, offset tracker, subscriptions."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import nullcontext
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import facts, signature
from schemas.circuit_breaker import CircuitBreaker, State
from schemas.errors import Refused
from sinks.webhooks import payload, signing
from sinks.webhooks.addresses import is_public, literal
from sinks.webhooks.offset_tracker import OffsetTracker
from sinks.webhooks.probe_queue import ProbeQueue
from sinks.webhooks.retry_decision import (
    Accepted,
    Answer,
    GiveUp,
    Retry,
    RetryDecision,
    SwitchOff,
    backoff,
    decide,
    is_delivered,
    receiver_works,
    retry_after,
)
from sinks.webhooks.status import state_of
from tests.support.sinks.examples import NOW, example

# -- what is sent ---------------------------------------------------------------------------------------------------


@given(st.binary(max_size=200), st.integers(0, 2**33), st.text(min_size=1, max_size=40))
def test_our_signature_is_the_one_that_our_own_endpoints_accept(body: bytes, at: int, secret: str) -> None:
    header = signing.headers("desk", [secret], "/in?a=1", body, "id", "TicketFact", at)[signature.HEADER]
    head = signature.RequestHead("POST", "/in?a=1", "id")
    signature.verify_request(header, "desk", [secret], head, body, wall=at)
    for other, sent in (
        (head, body + b" "),
        (replace(head, target="/in"), body),
        (replace(head, idempotency_key="x"), body),
    ):
        with pytest.raises(Refused, match="bad_signature"):
            signature.verify_request(header, "desk", [secret], other, sent, wall=at)


@given(st.binary(max_size=200), st.integers(0, 2**33), st.text(min_size=1, max_size=40))
def test_a_receiver_of_the_release_before_still_finds_its_signature(body: bytes, at: int, secret: str) -> None:
    header = signing.headers("desk", [secret], "/in", body, "id", "TicketFact", at)[signature.HEADER]
    assert header.startswith(signature.sign(secret, body, at))
    signature.verify(header, body, [secret], wall=at)
    with pytest.raises(Refused, match="bad_signature"):
        signature.verify(header, body + b" ", [secret], wall=at)


def test_while_a_secret_is_changed_a_receiver_with_the_old_or_the_new_one_accepts_it() -> None:
    header = signature.sign(["new", "old"], b"{}", 1_700_000_000)
    for secret in ("new", "old"):
        signature.verify(header, b"{}", [secret], wall=1_700_000_000)
    with pytest.raises(Refused):
        signature.verify(header, b"{}", ["other"], wall=1_700_000_000)


def test_the_signature_is_the_hmac_that_anybody_can_compute() -> None:
    # printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 'sixteen-signs-a!'
    digest = "6627e44e1df370760cda41776a5db3b9e0104bafa784807514c3f874ba4b0584"
    assert signature.sign(["sixteen-signs-a!"], b'{"a":1}', 1_700_000_000) == f"t=1700000000,v1={digest}"


PLACES = st.tuples(
    st.sampled_from(["a", "b", "ab"]), st.sampled_from(["t", "u"]), st.integers(0, 9), st.integers(0, 99)
)


@given(PLACES, PLACES)
def test_a_delivery_id_names_one_record_at_one_subscription(one: Any, other: Any) -> None:
    assert (signing.delivery_id(*one) == signing.delivery_id(*other)) == (one == other)


def test_a_delivery_id_never_changes() -> None:
    assert signing.delivery_id("help-desk", "ticket-facts", 3, 41) == "MCTI4J446CRRFNX52XEQ55RU5I"


def test_every_fact_but_those_of_deliveries_themselves_can_be_subscribed_to_and_is_json() -> None:
    own = {facts.WebhookDelivered, facts.MailReport, facts.SuppressionFact}
    assert set(payload.KINDS.values()) == set(facts.FACTS) - own
    for name, kind in payload.KINDS.items():
        sent = json.loads(payload.body(example(kind, 3)))
        assert list(sent) == ["id", "type", "occurred_at", "version", "data"]
        assert (sent["type"], sent["version"]) == (name, 3)
        assert sent["occurred_at"] == sent["data"]["at"]
        assert set(sent["data"]) == set(kind.__struct_fields__) - {"bcc", "message_key", "address_keys"}


def test_times_are_iso_8601_in_utc_and_undefined_is_null() -> None:
    fact = example(facts.TicketFact, 1, ticket_id="ABCDEFGHIJKL-1", at=NOW, acknowledged_at=None, csat=None)
    sent = json.loads(payload.body(fact))
    assert sent["id"] == "ABCDEFGHIJKL-1"
    assert sent["occurred_at"] == "2026-03-02T00:00:00.123456+00:00"
    assert (sent["data"]["acknowledged_at"], sent["data"]["csat"]) == (None, None)


def test_the_id_of_a_fact_is_that_of_its_row() -> None:
    tag = example(facts.TagFact, 1, ticket_id="ABCDEFGHIJKL-1", tag="delivery.lost_parcel")
    assert payload.fact_id(tag) == "ABCDEFGHIJKL-1/delivery.lost_parcel"
    assert payload.fact_id(example(facts.Outbound, 1, outbound_id="O1")) == "O1"


def test_a_time_that_no_calendar_has_does_not_stop_the_others() -> None:
    assert json.loads(payload.body(example(facts.TagFact, 1, at=2**62)))["occurred_at"] == 2**62


# -- what an answer means -------------------------------------------------------------------------------------------


DELIVERED, RETRY, OFF = Accepted(), Retry(0.25), SwitchOff()
REFUSED, REDIRECTED = GiveUp("refused"), GiveUp("redirected")


@pytest.mark.parametrize(
    ("status", "decision", "works"),
    [
        (200, DELIVERED, True), (204, DELIVERED, True), (299, DELIVERED, True), (None, RETRY, False),
        (408, RETRY, False), (429, RETRY, True), (425, RETRY, True),
        (500, RETRY, False), (503, RETRY, False), (599, RETRY, False),
        (410, OFF, True), (400, REFUSED, True), (401, REFUSED, True), (404, REFUSED, True), (499, REFUSED, True),
        (301, REDIRECTED, True), (307, REDIRECTED, True), (304, REDIRECTED, True), (101, REFUSED, True),
    ],
)  # fmt: skip
def test_every_answer_leads_to_one_decision(status: int | None, decision: RetryDecision, works: bool) -> None:
    assert decide(Answer(status), 1, 60.0, 0.0) == decision
    assert (is_delivered(status), receiver_works(status)) == (decision == DELIVERED, works)


@pytest.mark.parametrize(("status", "left"), [(None, 0.0), (503, -1.0), (429, 0.0)])
def test_without_time_left_a_fact_becomes_a_dead_letter(status: int | None, left: float) -> None:
    assert decide(Answer(status), 1, left, 0.0) == GiveUp("retries_exhausted")


@pytest.mark.parametrize(
    ("attempt", "asked", "left", "wait"),
    [(3, 0.0, 60.0, 1.0), (1, 7.0, 60.0, 7.0), (4, 1.0, 60.0, 2.0), (3, 90.0, 5.0, 5.0)],
)
def test_the_wait_is_the_longer_of_ours_and_theirs(attempt: int, asked: float, left: float, wait: float) -> None:
    assert decide(Answer(503, retry_after=asked), attempt, left, 0.0) == Retry(wait)


def test_each_decision_has_its_word_in_the_delivery_log() -> None:
    assert [each.outcome for each in (Accepted, Retry, GiveUp, SwitchOff)] == [
        "delivered", "retried", "dead_lettered", "switched_off",
    ]  # fmt: skip


@given(st.integers(1, 200), st.floats(0, 1, exclude_max=True))
def test_the_wait_doubles_with_jitter_up_to_five_minutes(attempt: int, jitter: float) -> None:
    whole = min(300.0, 0.5 * 2.0 ** (attempt - 1))
    assert whole / 2 <= backoff(attempt, jitter) <= whole


def test_the_first_waits_are_these() -> None:
    assert [backoff(attempt, 0.0) for attempt in range(1, 5)] == [0.25, 0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("", 0), ("7", 7), (" 120 ", 120), ("0", 0), ("-5", 0), ("soon", 0), ("١", 0), ("9" * 30, 86_400),
     (formatdate(1_000_060, usegmt=True), 60), (formatdate(999_000, usegmt=True), 0), ("Mon, 99 Foo", 0)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date_and_nonsense_is_nothing(value: str, seconds: float) -> None:
    assert retry_after(value, wall=1_000_000) == seconds


@given(st.text(max_size=40))
def test_whatever_retry_after_says_it_is_a_bounded_wait(value: str) -> None:
    assert 0 <= retry_after(value, wall=1_000_000) <= 86_400


# -- the queue for the probe ---------------------------------------------------------------------------------------------


def test_attempts_are_the_probe_in_the_order_in_which_they_came() -> None:
    """One fact that always fails must not be the only one that is tried."""
    probes: list[str] = []

    async def persist(queue: ProbeQueue, name: str) -> None:
        while "good" not in probes:
            attempt = await queue.enter()
            probes.append(name)
            await asyncio.sleep(0)
            (queue.succeeded if name == "good" else queue.failed)(attempt)

    async def run() -> None:
        breaker = CircuitBreaker(1, 0.001, longest=0.001)
        breaker.failed(breaker.begin(0.0), time.monotonic())
        seen: list[State] = []
        queue = ProbeQueue(breaker, seen.append)
        await asyncio.wait_for(asyncio.gather(*(persist(queue, name) for name in ("bad", "worse", "good"))), 60)
        assert seen[0] is State.HALF_OPEN and State.CLOSED in seen

    asyncio.run(run())
    assert probes[:3] == ["bad", "worse", "good"]


def test_a_cancelled_attempt_makes_room_for_the_next() -> None:
    async def run() -> None:
        breaker = CircuitBreaker(1, 0.02)
        breaker.failed(breaker.begin(0.0), time.monotonic())
        queue = ProbeQueue(breaker)
        first, second = asyncio.create_task(queue.enter()), asyncio.create_task(queue.enter())
        await asyncio.sleep(0)
        first.cancel()
        queue.succeeded(await asyncio.wait_for(second, 60))
        assert first.cancelled() and queue.state is State.CLOSED

    asyncio.run(run())


# -- the offset tracker --------------------------------------------------------------------------------------------------


def test_nothing_behind_an_unfinished_record_is_committed() -> None:
    async def run() -> None:
        tracker, slow = OffsetTracker(), asyncio.create_task(asyncio.sleep(3600))
        tracker.add(5, None)
        tracker.add(6, slow)
        tracker.add(9, None)
        assert tracker.due("closed@1") == (5, "closed@1"), "nothing is finished, but the state can be committed"
        tracker.advance()
        assert tracker.due("closed@1") == (6, "closed@1")
        tracker.committed = (6, "closed@1")
        tracker.advance()
        assert tracker.due("closed@1") is None
        assert tracker.due("open@2") == (6, "open@2"), "a new state is due as well"
        slow.cancel()
        await asyncio.wait({slow})
        tracker.advance()
        assert tracker.finished_to == 6, "it was given back"

    asyncio.run(run())


@pytest.mark.parametrize(("work", "finished_to"), [("done", 8), ("running", 7), ("cancelled", 7), ("failed", 7)])
def test_the_first_unfinished_record_decides_what_is_finished(work: str, finished_to: int) -> None:
    async def ends() -> None:
        if work == "failed":
            raise ValueError("a defect")

    async def run() -> None:
        tracker = OffsetTracker()
        task = asyncio.create_task(asyncio.sleep(3600) if work in ("running", "cancelled") else ends())
        tracker.add(6, None)
        tracker.add(7, task)
        if work == "cancelled":
            task.cancel()
        await asyncio.wait({task}, timeout=0 if work == "running" else 60)
        with pytest.raises(ValueError, match="a defect") if work == "failed" else nullcontext():
            tracker.advance()
        assert tracker.finished_to == finished_to
        task.cancel()

    asyncio.run(run())


# -- where webhooks may go ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
     "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::", "2001:db8::1", "nonsense", ""],
)  # fmt: skip
def test_a_private_address_is_not_public_however_it_is_written(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808"])
def test_a_public_address_is_public(address: str) -> None:
    assert is_public(address)


def test_only_an_address_is_read_as_one() -> None:
    assert str(literal("[::1]")) == "::1"
    assert literal("desk.example") is None


def test_the_state_of_a_subscription_is_the_newest_that_was_committed() -> None:
    assert state_of([]) == ("new", 0)
    assert state_of(["closed@100", "open@200", "closed@150", "", "nonsense"]) == ("open", 200)


def test_the_headers_of_a_request() -> None:
    at, head = 1_700_000_000, signature.RequestHead("POST", "/in", "delivery-1")
    new = signature.sign_request("desk", ["secret"], head, b"{}", at).removeprefix(f"t={at},")
    assert signing.headers("desk", ["secret"], "/in", b"{}", "delivery-1", "TicketFact", at) == {
        "Content-Type": "application/json",
        "User-Agent": "Deskstream",
        "Deskstream-Delivery": "delivery-1",
        "Idempotency-Key": "delivery-1",
        "Deskstream-Type": "TicketFact",
        "Deskstream-Signature": f"{signature.sign(['secret'], b'{}', at)},{new}",
    }

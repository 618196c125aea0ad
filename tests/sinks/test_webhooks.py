"""Webhooks without a network: who wants what, what is sent, what an answer means, and when the breaker lets through."""

from __future__ import annotations

import asyncio
import json
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import facts, signature
from schemas.circuit_breaker import CircuitBreaker, State
from schemas.errors import ConfigurationError, Refused
from sinks.webhooks import payload, retry_decision, signing
from sinks.webhooks.addresses import is_public, literal
from sinks.webhooks.offset_tracker import Lane
from sinks.webhooks.probe_queue import Gate
from sinks.webhooks.retry_decision import Verdict, backoff, judge, retry_after
from sinks.webhooks.status import state_of
from sinks.webhooks.subscriptions import named, read
from tests.sinks.conftest import NOW, example

# -- what is sent ---------------------------------------------------------------------------------------------------


@given(st.binary(max_size=200), st.integers(0, 2**33), st.text(min_size=1, max_size=40))
def test_our_signature_is_the_one_that_our_own_endpoints_accept(body: bytes, at: int, secret: str) -> None:
    header = signing.headers([secret], body, "id", "TicketFact", at)[signature.HEADER]
    assert header == signature.sign(secret, body, at)
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
    # printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac 'sixteen-letters!'
    digest = "d8d2fb79298a27920a90659fac94d80a2bda255b34018fa8dbfd795ba110542e"
    assert signature.sign(["sixteen-letters!"], b'{"a":1}', 1_700_000_000) == f"t=1700000000,v1={digest}"


PLACES = st.tuples(
    st.sampled_from(["a", "b", "ab"]), st.sampled_from(["t", "u"]), st.integers(0, 9), st.integers(0, 99)
)


@given(PLACES, PLACES)
def test_a_delivery_id_names_one_record_at_one_subscription(one: Any, other: Any) -> None:
    assert (signing.delivery_id(*one) == signing.delivery_id(*other)) == (one == other)


def test_a_delivery_id_never_changes() -> None:
    assert signing.delivery_id("help-desk", "ticket-facts", 3, 41) == "MCTI4J446CRRFNX52XEQ55RU5I"


def test_every_fact_but_those_about_webhooks_can_be_subscribed_to_and_is_json() -> None:
    assert set(payload.KINDS.values()) == set(facts.FACTS) - {facts.WebhookDelivered}
    for name, kind in payload.KINDS.items():
        sent = json.loads(payload.body(example(kind, 3)))
        assert list(sent) == ["id", "type", "occurred_at", "version", "data"]
        assert (sent["type"], sent["version"]) == (name, 3)
        assert sent["occurred_at"] == sent["data"]["at"]
        assert set(sent["data"]) == set(kind.__struct_fields__)


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


@pytest.mark.parametrize(
    ("status", "means", "works"),
    [
        (200, Verdict.DELIVERED, True), (204, Verdict.DELIVERED, True), (None, Verdict.AGAIN, False),
        (408, Verdict.AGAIN, False), (429, Verdict.AGAIN, True), (425, Verdict.AGAIN, True),
        (500, Verdict.AGAIN, False), (503, Verdict.AGAIN, False), (599, Verdict.AGAIN, False),
        (410, Verdict.OFF, True), (400, Verdict.NEVER, True), (401, Verdict.NEVER, True), (404, Verdict.NEVER, True),
        (301, Verdict.NEVER, True), (307, Verdict.NEVER, True), (304, Verdict.NEVER, True), (101, Verdict.NEVER, True),
    ],
)  # fmt: skip
def test_every_answer_has_one_meaning(status: int | None, means: Verdict, works: bool) -> None:
    assert (judge(status), retry_decision.works(status)) == (means, works)


def test_a_dead_letter_says_why() -> None:
    assert [retry_decision.reason(status) for status in (400, 302, 503, None)] == [
        "refused", "redirected", "retries_exhausted", "retries_exhausted",
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


def test_each_that_waits_gets_its_turn_as_the_probe() -> None:
    """One fact that always fails must not be the only one that is tried."""
    turns: list[str] = []

    async def persist(gate: Gate, name: str) -> None:
        while "good" not in turns:
            attempt = await gate.enter()
            turns.append(name)
            await asyncio.sleep(0)
            (gate.succeeded if name == "good" else gate.failed)(attempt)

    async def run() -> None:
        breaker = CircuitBreaker(1, 0.001, longest=0.001)
        breaker.failed(breaker.begin(0.0), time.monotonic())
        seen: list[State] = []
        gate = Gate(breaker, seen.append)
        await asyncio.wait_for(asyncio.gather(*(persist(gate, name) for name in ("bad", "worse", "good"))), 60)
        assert seen[0] is State.HALF_OPEN and State.CLOSED in seen

    asyncio.run(run())
    assert turns[:3] == ["bad", "worse", "good"]


def test_one_that_waits_and_is_called_off_makes_room_for_the_next() -> None:
    async def run() -> None:
        breaker = CircuitBreaker(1, 0.02)
        breaker.failed(breaker.begin(0.0), time.monotonic())
        gate = Gate(breaker)
        first, second = asyncio.create_task(gate.enter()), asyncio.create_task(gate.enter())
        await asyncio.sleep(0)
        first.cancel()
        gate.succeeded(await asyncio.wait_for(second, 60))
        assert first.cancelled() and gate.state is State.CLOSED

    asyncio.run(run())


def test_nothing_behind_an_unfinished_record_is_committed() -> None:
    async def run() -> None:
        lane, slow = Lane(), asyncio.create_task(asyncio.sleep(3600))
        lane.add(5, None)
        lane.add(6, slow)
        lane.add(9, None)
        assert lane.due("closed@1") == (5, "closed@1"), "nothing is finished, but the state can be told"
        lane.advance()
        assert lane.due("closed@1") == (6, "closed@1")
        lane.committed = (6, "closed@1")
        lane.advance()
        assert lane.due("closed@1") is None
        assert lane.due("open@2") == (6, "open@2"), "the state is news as well"
        slow.cancel()
        await asyncio.wait({slow})
        lane.advance()
        assert lane.finished_to == 6, "it was given back"

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


# -- the file -------------------------------------------------------------------------------------------------------

GOOD = """\
subscriptions:
  - name: help-desk
    url: https://desk.example/hooks/in
    secret: 0123456789abcdef-x
    facts: [ticket_fact, contact_fact]
    channels: [email, chat]
  - name: lake
    url: https://lake.example/in
    secrets: [a-new-secret-of-lake, an-old-secret-of-lake]
    facts: "*"
    teams: [billing]
    start: now
    enabled: false
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "webhooks.yaml"
    path.write_text(text)
    return path


def test_a_file_says_who_hears_what(tmp_path: Path) -> None:
    desk, lake = read(written(tmp_path, GOOD))
    assert (desk.name, desk.group, desk.url) == ("help-desk", "webhooks-help-desk", "https://desk.example/hooks/in")
    assert desk.facts == {facts.TicketFact, facts.ContactFact}
    assert [topic.name for topic in desk.topics] == ["contact-facts", "ticket-facts"]
    assert (desk.secrets, desk.start, desk.enabled) == (("0123456789abcdef-x",), "beginning", True)
    assert lake.secrets == ("a-new-secret-of-lake", "an-old-secret-of-lake")
    assert lake.facts == set(payload.KINDS.values())
    assert (lake.names, lake.start, lake.enabled) == (("*",), "now", False)
    assert "secret-of" not in repr(lake)
    assert named([desk, lake], "lake") is lake


def test_a_subscription_hears_its_facts_of_its_channels_and_teams_only(tmp_path: Path) -> None:
    desk, lake = read(written(tmp_path, GOOD))
    assert desk.wants(example(facts.TicketFact, channel="email"))
    assert not desk.wants(example(facts.TicketFact, channel="sms"))
    assert not desk.wants(example(facts.TagFact, channel="email"))
    assert lake.wants(example(facts.TicketFact, team="billing"))
    assert not lake.wants(example(facts.TicketFact, team="other"))
    assert not lake.wants(example(facts.DeliveryFact)), "which has no team"


@pytest.mark.parametrize(
    ("old", "new", "line", "complaint"),
    [
        ("name: help-desk", "name: Help Desk", 2, "'Help Desk' is not lower-case letters"),
        ("name: lake", "name: help-desk", 7, "'help-desk' is there already"),
        ("    secret: 0123", "    secrt: 0123", 4, "'secrt' is not a key (did you mean secret?)"),
        ("secret: 0123456789abcdef-x", "secret: short", 4, "at least 16 characters"),
        ("secret: 0123456789abcdef-x", "secret: 12345678901234567890", 4, "in quotes if it is a number"),
        ("[a-new-secret-of-lake,", "[a-third-secret-of-lake, a-new-secret-of-lake,", 9, "two may be valid"),
        ("ticket_fact,", "ticket,", 5, "'ticket' is not a fact (did you mean ticket_fact?)"),
        ("ticket_fact,", "webhook_delivered,", 5, "'webhook_delivered' is not a fact"),
        ("[ticket_fact, contact_fact]", "[]", 5, "must be a list of facts"),
        ("[email, chat]", "[email, chart]", 6, "'chart' is not a channel (did you mean chat?)"),
        ("ticket_fact,", "delivery_fact, assignment_fact,", 5, "assignment_fact has no channel"),
        ("https://desk", "http://desk", 3, "facts go over https only"),
        ("desk.example", "127.0.0.1", 3, "127.0.0.1 is not a public address"),
        ("desk.example", "[::ffff:10.0.0.1]", 3, "is not a public address"),
        ("desk.example", "localhost", 3, "localhost is not a public address"),
        ("desk.example", "me:word@desk.example", 3, "holds a user or password"),
        ("https://desk.example/hooks/in", "ftp://desk.example", 3, "is not an address"),
        ("https://desk.example/hooks/in", "https://desk.example:port/", 3, "is not an address"),
        ("start: now", "start: later", 12, "'later' is none of beginning, now"),
        ("enabled: false", "enabled: maybe", 13, "must be true or false"),
        ("teams: [billing]", "teams: billing", 11, "must be a list of names"),
        ("    start: now\n", "    start: now\n    start: now\n", 13, "'start' is given twice"),
        ("subscriptions:", "subscribers:", 1, "one key is expected"),
        ("enabled: false", "enabled: [", 14, "is not YAML"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_file_and_line(tmp_path: Path, old: str, new: str, line: int, complaint: str) -> None:
    assert GOOD.count(old) == 1
    path = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(ConfigurationError) as caught:
        read(path)
    assert caught.value.where == f"{path}:{line}"
    assert complaint in str(caught.value)


def test_private_addresses_and_http_are_allowed_by_the_setting(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD.replace("https://desk.example", "http://10.0.0.7:8080"))
    assert read(path, allow_private=True)[0].url == "http://10.0.0.7:8080/hooks/in"


def test_without_a_file_or_a_name_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="DESKSTREAM_WEBHOOKS_FILE: it is not set"):
        read(None)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read(tmp_path / "none.yaml")
    with pytest.raises(ConfigurationError, match="known: help-desk, lake"):
        named(read(written(tmp_path, GOOD)), "desk")


def test_the_state_of_a_subscription_is_the_newest_that_was_committed() -> None:
    assert state_of([]) == ("new", 0)
    assert state_of(["closed@100", "open@200", "closed@150", "", "nonsense"]) == ("open", 200)

"""Canonical customer ids, merges over the signed endpoint, and what is done to every event before it is published."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.channels import generic
from producers.customers.enrichment import Enricher, enrich
from producers.customers.identities import Identities
from producers.customers.profiles import Profile
from producers.text.fields import FieldProblems
from schemas import codec, identity
from schemas.errors import Refused
from schemas.events import (
    AgentReplied,
    CustomersMerged,
    CustomersSplit,
    ErasureRequested,
    Event,
    MessageReceived,
    OrderPlaced,
)
from schemas.identity import customer_tag

NOW = 1_772_442_000_000_000
BRITISH = Identities("GB")
LENIENT = Identities("GB", plus_is_same=True, dots_are_same=True)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("email:ann@example.org", "email:ann@example.org"),
        ("email:Ann.Lee@Example.ORG", "email:ann.lee@example.org"),
        ("EMAIL: ann@example.org ", "email:ann@example.org"),
        ("email:<ann@example.org>", "email:ann@example.org"),
        ('email:"ann@example.org",', "email:ann@example.org"),
        ("email:mailto:Ann@example.org", "email:ann@example.org"),
        ("email:ann@example.org.", "email:ann@example.org"),
        ("email:（ann@example.org）。", "email:ann@example.org"),
        ("email:ａｎｎ＠ｅｘａｍｐｌｅ．ｏｒｇ", "email:ann@example.org"),
        ("email:\u200bann@exam\u00adple.org\ufeff", "email:ann@example.org"),
        ("email:ann@bücher.example", "email:ann@xn--bcher-kva.example"),
        ("email:ann@BÜCHER.example", "email:ann@xn--bcher-kva.example"),
        ("email:ann@xn--bcher-kva.example", "email:ann@xn--bcher-kva.example"),
        ("email:客服@例え.jp", "email:客服@xn--r8jz45g.jp"),
        ("email:ann@under_score.example", "email:ann@under_score.example"),
        ("email:ann@[10.0.0.1]", "email:ann@[10.0.0.1]"),
        ("email:Ann+Shop@example.org", "email:ann+shop@example.org"),
        ("email:a.nn@gmail.com", "email:a.nn@gmail.com"),
        ("tel:+442079460000", "tel:+442079460000"),
        ("tel:020 7946 0000", "tel:+442079460000"),
        ("tel:0044 (20) 7946-0000", "tel:+442079460000"),
        ("tel:whatsapp:+44 20 7946 0000", "tel:+442079460000"),
        ("tel:＋４４ ２０ ７９４６ ００００", "tel:+442079460000"),
        ("tel:+81 3-1234-5678", "tel:+81312345678"),
        ("tel:12345", "tel:12345"),
        ("x:@Ann_Lee", "x:ann_lee"),
        ("x:2244994945", "x:2244994945"),
        ("meta:5544332211", "meta:5544332211"),
        ("ext: 4711 ", "ext:4711"),
        ("ext:Ab-9", "ext:Ab-9"),
        ("chat:Visitor-5", "chat:Visitor-5"),
    ],
)
def test_the_same_customer_has_the_same_id_however_it_is_written(written: str, canonical: str) -> None:
    assert BRITISH.customer_id(written) == canonical


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("email:ann+shop@example.org", "email:ann@example.org"),
        ("email:+@example.org", "email:+@example.org"),
        ("email:a.nn+x@googlemail.com", "email:ann@gmail.com"),
        ("email:a.nn@example.org", "email:a.nn@example.org"),
    ],
)
def test_tags_and_dots_are_dropped_where_the_settings_say_so(written: str, canonical: str) -> None:
    assert LENIENT.customer_id(written) == canonical


def test_a_number_without_a_country_is_none_without_a_region() -> None:
    assert Identities("JP").phone("03-1234-5678") == "tel:+81312345678"
    with pytest.raises(Refused):
        Identities().phone("03-1234-5678")


@pytest.mark.parametrize(
    "written",
    ["", ":", "email:", "email:ann", "email:@example.org", "email:ann@", "email:ann lee@example.org", "tel:hello",
     "tel:+", "x:@", "meta: ", "ext: ", "no-kind", "1x:5", "email:" + "a" * 300 + "@example.org"],
)  # fmt: skip
def test_what_is_no_id_is_refused_with_one_word(written: str) -> None:
    with pytest.raises(Refused) as caught:
        BRITISH.customer_id(written)
    assert caught.value.reason == "bad_customer_id"


@given(st.sampled_from(("email", "tel", "x", "meta", "ext", "chat")), st.text(max_size=80))
def test_a_canonical_id_is_canonical_already(kind: str, value: str) -> None:
    try:
        canonical = LENIENT.customer_id(f"{kind}:{value}")
    except Refused:
        return
    assert LENIENT.customer_id(canonical) == canonical


@given(st.from_regex(r"[A-Za-z0-9._-]{1,30}@[a-z0-9]{1,20}\.(org|com|example)", fullmatch=True))
def test_plain_addresses_agree_with_the_contract(address: str) -> None:
    if address[0] not in "." and ".@" not in address:
        assert BRITISH.email(address) == identity.canonical_customer_id("email", address)


# -- merges and splits over the signed endpoint -----------------------------------------------------------------------


def event(**body: Any) -> Event:
    return generic.normalise(json.dumps(body).encode(), now=NOW, source="test")


def test_a_merge_has_the_key_of_the_merged_customer() -> None:
    made = event(
        type="customers_merged", id="m1", from_customer_id="email:Ann@example.org", into_customer_id="ext:4711"
    )
    assert isinstance(made, CustomersMerged)
    assert (made.from_customer_id, made.into_customer_id) == ("email:ann@example.org", "ext:4711")
    assert made.customer_tag == customer_tag("email:ann@example.org")
    assert (made.stamp, made.known) == (0, b"")


def test_a_split_has_the_key_of_the_customer_who_has_the_tickets() -> None:
    made = event(type="split", id="s1", customer_id="ext:4711", to_customer_id="tel:+15550100",
                 ticket_ids=["abcdefghijkl-1"])  # fmt: skip
    assert isinstance(made, CustomersSplit)
    assert (made.customer_tag, made.ticket_ids) == (customer_tag("ext:4711"), ["ABCDEFGHIJKL-1"])


def test_a_request_to_be_forgotten_has_the_key_of_the_customer_and_no_name() -> None:
    made = event(type="erasure", id="e1", customer_id="email:Ann@example.org", requested_by="dpo")
    assert isinstance(made, ErasureRequested)
    assert (made.customer_tag, made.requested_by) == (customer_tag("email:ann@example.org"), "dpo")
    assert b"ann@example.org" not in codec.encode(made).lower()


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"type": "erasure"}, "customer_id"),
        ({"type": "erasure", "customer_id": "ann"}, "customer_id"),
        ({"type": "erasure", "customer_id": "ext:1", "below": 3}, "below"),
        ({"type": "merge", "from_customer_id": "ann", "into_customer_id": "ext:1"}, "from_customer_id"),
        ({"type": "merge", "from_customer_id": "ext:1"}, "into_customer_id"),
        ({"type": "merge", "from_customer_id": "email:A@b.c", "into_customer_id": "email:a@b.c"}, "into_customer_id"),
        ({"type": "merge", "from_customer_id": "ext:1", "into_customer_id": "ext:2", "stamp": 9}, "stamp"),
        ({"type": "merge", "from_customer_id": "ext:1", "into_customer_id": "ext:2", "known": "AA=="}, "known"),
        ({"type": "split", "customer_id": "ext:1", "to_customer_id": "ext:1"}, "to_customer_id"),
        ({"type": "split", "customer_id": "ext:1", "to_customer_id": "ext:2", "ticket_ids": ["7"]}, "ticket_ids"),
    ],
)
def test_a_wrong_decision_is_told_by_field(body: dict[str, Any], wrong: str) -> None:
    with pytest.raises(FieldProblems) as caught:
        event(id="1", **body)
    assert set(caught.value.fields) == {wrong}


def test_nobody_outside_can_hand_over_tickets() -> None:
    with pytest.raises(Refused) as caught:
        event(type="ticket_adopted", id="1", ticket_id="ABCDEFGHIJKL-1")
    assert caught.value.reason == "unknown_type"


# -- enriching --------------------------------------------------------------------------------------------------------

ANN = Profile(customer_id="ext:4711", name="Ann Lee", language="ja", time_zone="Asia/Tokyo", tier="gold")


def message(**changes: Any) -> MessageReceived:
    fields: dict[str, Any] = {
        "event_id": "E",
        "occurred_at": NOW,
        "received_at": NOW,
        "customer_tag": customer_tag("email:ann@example.org"),
        "channel": "email",
        "customer_id": "email:ann@example.org",
        "address": "ann@example.org",
    }
    return MessageReceived(**fields | changes)


def test_a_profile_names_the_customer_and_fills_what_is_empty() -> None:
    made = enrich(message(language="en"), ANN)
    assert isinstance(made, MessageReceived)
    assert (made.customer_id, made.customer_tag) == ("ext:4711", customer_tag("ext:4711"))
    assert (made.customer_name, made.language, made.time_zone, made.tier) == ("Ann Lee", "en", "Asia/Tokyo", "gold")
    assert made.address == "ann@example.org"


def test_a_contact_about_a_ticket_stays_with_the_ticket() -> None:
    made = enrich(message(customer_tag="ABCDEFGHIJKL", ticket_ref="ABCDEFGHIJKL-1"), ANN)
    assert (made.customer_tag, getattr(made, "customer_id", "")) == ("ABCDEFGHIJKL", "ext:4711")


def test_an_empty_profile_changes_nothing() -> None:
    assert enrich(message(), Profile()) == message()


def test_enriching_twice_is_enriching_once() -> None:
    assert enrich(enrich(message(), ANN), ANN) == enrich(message(), ANN)


def test_a_record_without_these_fields_takes_only_what_it_has() -> None:
    order = OrderPlaced(event_id="O", occurred_at=1, received_at=1, customer_tag=customer_tag("email:ann@example.org"),
                        customer_id="email:ann@example.org", order_number="1")  # fmt: skip
    made = enrich(order, ANN)
    assert (made.customer_tag, made.customer_id) == (customer_tag("ext:4711"), "ext:4711")  # type: ignore[attr-defined]


def test_every_event_gets_its_canonical_customer_and_key() -> None:
    enricher = Enricher(BRITISH)
    made = enricher(message(customer_id="tel:020 7946 0000", customer_tag=customer_tag("tel:020 7946 0000")))
    assert isinstance(made, MessageReceived)
    assert (made.customer_id, made.customer_tag) == ("tel:+442079460000", customer_tag("tel:+442079460000"))


def test_an_id_that_is_none_stays_as_it_is() -> None:
    strange = message(customer_id="email:nobody", customer_tag=customer_tag("email:nobody"))
    assert Enricher(BRITISH)(strange) == strange
    assert asyncio.run(Enricher(BRITISH).later(strange)) == strange


def test_what_agents_do_in_a_conversation_follows_its_customer() -> None:
    """A reply that only knows the conversation has the key of the address; the messages went elsewhere."""
    enricher = Enricher(BRITISH)
    own = customer_tag("email:Ann@Bücher.example")
    enricher(message(customer_id="email:Ann@Bücher.example", customer_tag=own))
    reply = AgentReplied(event_id="R", occurred_at=1, received_at=1, customer_tag=own, ticket_id="", agent_id="mei",
                         text="x", thread_ref="c-1")  # fmt: skip
    assert enricher(reply).customer_tag == customer_tag("email:ann@xn--bcher-kva.example")

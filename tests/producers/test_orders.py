"""A shop's webhooks to events, without any server."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.channels import orders
from producers.endpoint import Delivery
from producers.endpoints import orders as endpoint
from schemas import codec, identity
from schemas.errors import Refused
from schemas.events import OrderChanged, OrderPlaced

NOW = 1772445600_000000  # 2026-03-02T10:00:00Z
HOUR = 3_600_000_000
ORDER: dict[str, Any] = {
    "id": 820982911946154508,
    "name": "#DE1001",
    "order_number": 1001,
    "email": "Ann@Example.org",
    "created_at": "2026-03-02T18:00:00+09:00",  # 09:00 UTC
    "cancelled_at": None,
    "total_price": "1234.50",
    "currency": "EUR",
    "line_items": [{"sku": "MUG", "title": "Mug"}, {"sku": "", "title": "Gift card"}, {"sku": "MUG", "title": "Mug"}],
}
REFUND: dict[str, Any] = {
    "id": 890088186047892319,
    "order_id": 820982911946154508,
    "created_at": "2026-03-02T09:30:00Z",
    "note": "wrong size",
    "transactions": [
        {"kind": "refund", "status": "success", "amount": "41.94", "currency": "EUR"},
        {"kind": "refund", "status": "failure", "amount": "900.00", "currency": "EUR"},
        {"kind": "refund", "status": "success", "amount": "0.06", "currency": "EUR"},
        {"kind": "sale", "status": "success", "amount": "500.00", "currency": "EUR"},
    ],
}


def made(body: object, topic: str = "orders/create", **about: Any) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    event = orders.normalise(raw, topic, **({"now": NOW} | about))
    assert codec.decode(codec.encode(event)) == event
    return event


def refused(body: object, topic: str = "orders/create") -> str:
    with pytest.raises(Refused) as caught:
        made(body, topic)
    return caught.value.reason


def test_an_order_is_placed_for_its_customer_with_exact_amount() -> None:
    order = made(ORDER)
    assert isinstance(order, OrderPlaced)
    assert (order.order_number, order.order_id) == ("DE1001", "820982911946154508")
    assert (order.amount, order.currency, order.products) == (123_450, "EUR", ["MUG", "Gift card"])
    assert order.customer_id == "email:ann@example.org"
    assert order.customer_tag == identity.customer_tag("email:ann@example.org")
    assert (order.occurred_at, order.received_at) == (NOW - HOUR, NOW)


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [
        ("12.30", "EUR", 1230), ("12.3", "USD", 1230), ("12", "GBP", 1200), ("0.07", "EUR", 7), ("-3.50", "EUR", -350),
        ("1230", "JPY", 1230), ("1230.00", "JPY", 1230), ("5000", "KRW", 5000),
        ("1.234", "KWD", 1234), ("1.2", "TND", 1200), ("1.2345", "CLF", 12_345),
        ("9999999999999.99", "EUR", 999_999_999_999_999), (12, "EUR", 1200), ("4.10", "", 410),
    ],
)  # fmt: skip
def test_amounts_are_whole_minor_units_of_their_currency(amount: object, currency: str, units: int) -> None:
    assert orders.minor_units(amount, currency) == units


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("12.345", "EUR"), ("12.5", "JPY"), ("1.2345", "KWD"), ("", "EUR"), ("a lot", "EUR"), ("NaN", "EUR"),
        ("1e3", "EUR"), ("1_000", "EUR"), ("１２", "EUR"), ("9" * 18, "EUR"), ("9" * 400, "EUR"), (None, "EUR"),
        (True, "EUR"), (["1"], "EUR"), (".5", "EUR"),
    ],
)  # fmt: skip
def test_an_amount_in_fractions_of_a_minor_unit_is_refused(amount: object, currency: str) -> None:
    with pytest.raises(Refused, match="bad_amount"):
        orders.minor_units(amount, currency)


@given(st.integers(-(10**15), 10**15), st.sampled_from([("JPY", 0), ("EUR", 2), ("KWD", 3), ("CLF", 4)]))
def test_every_amount_comes_back_from_how_a_shop_writes_it(units: int, currency: tuple[str, int]) -> None:
    code, digits = currency
    assert orders.minor_units(f"{Decimal(units).scaleb(-digits):f}", code) == units


def test_a_fraction_that_is_a_json_number_is_as_exact_as_a_text() -> None:
    # 0.1 + 0.2 as binary fractions is not 0.3, and 1.005 is 1.00499...
    assert made(json.dumps(ORDER).replace('"1234.50"', "1.10").encode()).amount == 110
    assert refused(json.dumps(ORDER).replace('"1234.50"', "1.005").encode()) == "bad_amount"


@pytest.mark.parametrize(
    ("known", "customer_id"),
    [
        ({"email": "ann@example.org", "phone": "+16135551111"}, "email:ann@example.org"),
        ({"email": "", "contact_email": "bo@example.org"}, "email:bo@example.org"),
        ({"email": None, "customer": {"email": "cy@example.org", "id": 7}}, "email:cy@example.org"),
        ({"email": "not an address", "phone": "+1 613-555-1111"}, "tel:+16135551111"),
        ({"email": "", "shipping_address": {"phone": "03-3210-9876", "country_code": "JP"}}, "tel:+81332109876"),
        ({"email": "", "phone": "", "customer": {"id": 115310627314723954}}, "shopify:115310627314723954"),
        ({"email": ""}, "order:820982911946154508"),
    ],
)
def test_a_customer_is_known_by_mail_telephone_or_shop_id(known: dict[str, Any], customer_id: str) -> None:
    assert made(ORDER | known).customer_id == customer_id


def test_a_cancelled_order_gives_back_what_its_refunds_say() -> None:
    order = ORDER | {"cancelled_at": "2026-03-02T09:45:00Z", "cancel_reason": "customer", "refunds": [REFUND]}
    change = made(order, "orders/cancelled")
    assert isinstance(change, OrderChanged)
    assert (change.change, change.amount, change.currency, change.reason) == ("cancelled", 4200, "EUR", "customer")
    assert (change.order_number, change.order_id) == ("DE1001", "820982911946154508")
    assert change.occurred_at == NOW - HOUR // 4
    assert made(order | {"refunds": []}, "orders/cancelled").amount == 0


def test_a_refund_sums_the_successful_transactions() -> None:
    change = made(REFUND, "refunds/create")
    assert (change.change, change.amount, change.currency, change.reason) == ("refunded", 4200, "EUR", "wrong size")
    assert change.order_id == change.order_number == "820982911946154508"
    assert change.customer_id == "order:820982911946154508"
    assert change.occurred_at == NOW - HOUR // 2
    with_order = made(REFUND | {"order": ORDER}, "refunds/create")
    assert (with_order.customer_id, with_order.order_number) == ("email:ann@example.org", "DE1001")


def test_a_refund_in_two_currencies_is_refused() -> None:
    mixed = REFUND | {"transactions": [{"amount": "1.00", "currency": "EUR"}, {"amount": "1", "currency": "JPY"}]}
    assert refused(mixed, "refunds/create") == "bad_amount"


def test_an_order_is_one_event_and_each_refund_another() -> None:
    assert made(ORDER).event_id == made(ORDER | {"note": "sent again"}, now=NOW + HOUR).event_id
    cancelled = ORDER | {"cancelled_at": "2026-03-02T09:45:00Z"}
    second = REFUND | {"id": 890088186047892320}
    ids = {
        made(ORDER).event_id,
        made(cancelled, "orders/cancelled").event_id,
        made(REFUND, "refunds/create").event_id,
        made(second, "refunds/create").event_id,
    }
    assert len(ids) == 4


def test_a_body_under_another_topic_than_its_own_is_refused() -> None:
    """The topic's header is not signed: who replays a delivery can change it."""
    assert refused(ORDER, "orders/cancelled") == "bad_order"
    assert refused(ORDER, "refunds/create") == "bad_order"
    assert refused(REFUND) == "bad_amount"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "bad_json"), (b"\xff", "bad_json"), (b"[]", "bad_json"), (b"[" * 100_000, "bad_json"),
        (b'{"id": NaN}', "bad_json"), (b"{}", "bad_order"), (ORDER | {"id": True}, "bad_order"),
        (ORDER | {"id": ""}, "bad_order"), (ORDER | {"total_price": None}, "bad_amount"), (ORDER | {"test": True}, "test_order"),
    ],
)  # fmt: skip
def test_what_is_no_order_is_refused_with_a_reason(body: object, reason: str) -> None:
    assert refused(body) == reason


def test_a_topic_that_we_do_not_know_is_refused() -> None:
    assert refused(ORDER, "products/update") == refused(ORDER, "") == "unknown_topic"


def test_a_missing_time_is_the_sending_time_and_never_ahead() -> None:
    order = ORDER | {"created_at": "yesterday"}
    assert made(order, triggered_at="2026-03-02T09:59:00Z").occurred_at == NOW - 60_000_000
    assert made(order).occurred_at == NOW
    assert made(ORDER | {"created_at": "2026-03-02T10:01:00Z"}).occurred_at == NOW


@pytest.mark.parametrize(
    ("order", "at"),
    [
        (ORDER, NOW - HOUR),
        (ORDER | {"updated_at": "2026-03-02T11:00:00+00:00"}, NOW + HOUR),
        (REFUND, NOW - HOUR // 2),
        ({"created_at": "soon"}, 0),
        ({}, 0),
    ],
)
def test_a_delivery_is_as_old_as_the_newest_that_it_names(order: dict[str, Any], at: int) -> None:
    assert orders.signed_at(json.dumps(order).encode()) == at
    assert orders.signed_at(b"[") == 0


def test_lists_and_texts_of_odd_shapes_do_no_harm() -> None:
    odd = {"line_items": [None, 3, {"sku": ["x"]}, {"title": "a\x00b"}], "customer": [], "shipping_address": "here"}
    assert made(ORDER | odd).products == ["ab"]


def test_the_signature_is_base64_of_hmac_sha256_over_the_body() -> None:
    # printf '{"id":1}' | openssl dgst -sha256 -hmac shop-secret -binary | base64
    assert endpoint.sign("shop-secret", b'{"id":1}') == "plW8VGqq0nDMIEhDqaNNW99asdUCy7EIqLZVcQwtAZ0="


def test_the_example_of_the_endpoint_is_an_order() -> None:
    [shop] = endpoint.ENDPOINTS
    [event] = shop.normalise(shop.example, NOW, "test")
    assert isinstance(event, OrderPlaced) and (event.amount, event.order_number) == (4990, "10023")


def test_a_delivery_without_a_signature_is_told_what_to_send() -> None:
    with pytest.raises(Refused, match="missing_signature"):
        endpoint.ENDPOINTS[0].verify(Delivery("POST", "/v1/orders", {}, body=b"{}"), ["s"], 0.0)


def test_a_signature_of_half_a_character_is_a_bad_one() -> None:
    delivery = Delivery("POST", "/v1/orders", {"x-shopify-hmac-sha256": "\ud800"}, body=b"{}")
    with pytest.raises(Refused, match="bad_signature"):
        endpoint.ENDPOINTS[0].verify(delivery, ["s"], 0.0)


def test_the_largest_amount_that_is_believed() -> None:
    most = ORDER | {"total_price": "10000000000000.00", "currency": "USD"}
    assert made(most).amount == 10**15
    assert refused(most | {"total_price": "10000000000000.01"}) == "bad_amount"

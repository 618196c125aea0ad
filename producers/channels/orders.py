"""Turns a shop's order webhooks, in Shopify's form, into events: an order was placed, cancelled, refunded.

| topic              | event                    | amount                                                     |
|--------------------|--------------------------|------------------------------------------------------------|
| `orders/create`    | OrderPlaced              | `total_price`                                              |
| `orders/cancelled` | OrderChanged `cancelled` | the sum of its `refunds` so far                            |
| `refunds/create`   | OrderChanged `refunded`  | the sum of this refund                                     |

Amounts are whole numbers of the currency's minor unit (ISO 4217): `"12.30"` EUR is 1230, `"1230"` JPY is 1230. An amount
that is no whole number of them is refused, never rounded. A refund names the order by the shop's own id only, so that
is its `order_id`; without a customer in it, the customer is `order:<that id>`. An order that is refunded when it is
cancelled is reported by both.

The event ids come from the shop's ids of the order and of the refund, which are in the signed body; the topic is in a
header that is not signed, so the body has to fit it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from producers.channels.customer import Known, known
from producers.text.fields import MAX_SHORT, identifier, moment, prose, require_few_containers
from schemas import identity
from schemas.errors import Refused
from schemas.events import Event, OrderChanged, OrderPlaced

__all__ = ["TOPICS", "minor_units", "normalise", "signed_at"]

#: Digits after the point of the ISO 4217 currencies that have not two.
_CURRENCIES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DIGITS = {code: digits for digits, codes in _CURRENCIES.items() for code in codes.split()}
_AMOUNT = re.compile(r"(-?)([0-9]{1,18})(?:\.([0-9]{1,40}))?")
_MOST = 10**15
_MOST_PRODUCTS = 200
#: Later than every time of an order, wall micros.
_NEVER_AHEAD = 2**62


def normalise(body: bytes, topic: str, *, now: int, triggered_at: str = "", source: str = "") -> Event:
    """Returns the event of one delivery. `now` is pipeline microseconds; `triggered_at` is when the shop says it happened.

    Raises:
        Refused: `bad_json`, `unknown_topic`, `bad_order` (not the object that the topic is about), `bad_amount`,
            `test_order`.
    """
    kind = TOPICS.get(topic.strip().lower())
    if kind is None:
        raise Refused("unknown_topic", f"{topic[:80]!r} is none of {', '.join(TOPICS)}")
    order = _object(body)
    if order.get("test") is True:
        raise Refused("test_order", "it was placed to try the shop out")
    fields: dict[str, Any] = {"received_at": now, "source": source}
    return kind(order, fields, now, triggered_at)


def signed_at(body: bytes) -> int:
    """Returns the newest moment that a delivery names, wall micros; 0 for none."""
    try:
        order = _object(body)
    except Refused:
        return 0
    names = ("created_at", "updated_at", "cancelled_at", "processed_at")
    return max(_time(order.get(name), _NEVER_AHEAD) or 0 for name in names)


def minor_units(amount: object, currency: str) -> int:
    """Returns an amount in the smallest unit, exactly: `("12.3", "EUR")` is 1230.

    Raises:
        Refused: `bad_amount`: no number, no whole number of minor units, or no believable one.
    """
    text = str(amount).strip() if isinstance(amount, str | int) and not isinstance(amount, bool) else ""
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise Refused("bad_amount", f"{str(amount)[:40]!r} is no amount")
    digits, fraction = _DIGITS.get(currency, 2), (match[3] or "").rstrip("0")
    if len(fraction) > digits:
        raise Refused("bad_amount", f"{text!r}: {currency or 'a currency'} has {digits} digits after the point")
    return _believable(int(match[1] + match[2] + fraction.ljust(digits, "0")))


def _placed(order: Mapping[str, Any], fields: dict[str, Any], now: int, triggered_at: str) -> OrderPlaced:
    number = _id(order, "id")
    currency = _currency(order)
    return OrderPlaced(
        event_id=identity.event_id("shopify-order-placed", number),
        occurred_at=_when(now, order.get("created_at"), triggered_at),
        order_number=_order_number(order),
        order_id=number,
        amount=minor_units(order.get("total_price"), currency),
        currency=currency,
        products=_products(order.get("line_items")),
        verified="platform",
        **_of(_customer(order, number)),
        **fields,
    )


def _cancelled(order: Mapping[str, Any], fields: dict[str, Any], now: int, triggered_at: str) -> OrderChanged:
    number = _id(order, "id")
    if not order.get("cancelled_at"):
        raise Refused("bad_order", "cancelled_at is empty: the order was not cancelled")
    currency = _currency(order)
    given_back = [_given_back(refund, currency)[0] for refund in _objects(order.get("refunds"))]
    return OrderChanged(
        event_id=identity.event_id("shopify-order-cancelled", number),
        occurred_at=_when(now, order["cancelled_at"], triggered_at),
        order_number=_order_number(order),
        order_id=number,
        change="cancelled",
        amount=_believable(sum(given_back)),
        currency=currency,
        reason=_short(order.get("cancel_reason")),
        verified="platform",
        **_of(_customer(order, number)),
        **fields,
    )


def _refunded(refund: Mapping[str, Any], fields: dict[str, Any], now: int, triggered_at: str) -> OrderChanged:
    own, number = _id(refund, "id"), _id(refund, "order_id")
    inner = refund.get("order")
    order: dict[str, Any] = inner if isinstance(inner, dict) else {}
    amount, currency = _given_back(refund, _currency(refund))
    return OrderChanged(
        event_id=identity.event_id("shopify-refund", own),
        occurred_at=_when(now, refund.get("created_at"), triggered_at),
        order_number=_order_number({"id": number} | order),
        order_id=number,
        change="refunded",
        amount=_believable(amount),
        currency=currency,
        reason=_short(refund.get("note")),
        verified="platform",
        **_of(_customer({**refund, **order}, number)),
        **fields,
    )


#: Topic → the function that makes its event.
TOPICS: dict[str, Callable[[Mapping[str, Any], dict[str, Any], int, str], Event]] = {
    "orders/create": _placed,
    "orders/cancelled": _cancelled,
    "refunds/create": _refunded,
}


def _object(body: bytes) -> dict[str, Any]:
    """Returns the JSON object, with its fractions as they are written: a float would not be exact."""
    require_few_containers(body)
    try:
        value = json.loads(body, parse_float=str, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Refused("bad_json", str(error)[:300]) from error
    if not isinstance(value, dict):
        raise Refused("bad_json", f"an object is expected, not {type(value).__name__}")
    return value


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")


def _given_back(refund: Mapping[str, Any], currency: str) -> tuple[int, str]:
    """Returns the money that a refund's transactions return, those that failed left out, and its currency."""
    total = 0
    for transaction in _objects(refund.get("transactions")):
        if transaction.get("kind", "refund") != "refund" or transaction.get("status") in ("failure", "error"):
            continue
        own = _currency(transaction) or currency
        if currency and own != currency:
            raise Refused("bad_amount", f"{own} and {currency} in one refund")
        currency = own
        total += minor_units(transaction.get("amount"), currency)
    return total, currency


def _believable(amount: int) -> int:
    if abs(amount) > _MOST:
        raise Refused("bad_amount", f"{amount} is out of range")
    return amount


def _customer(order: Mapping[str, Any], order_id: str) -> Known:
    """Returns the buyer: of the order, else of its customer record, else of the delivery address."""
    person = order.get("customer")
    person = person if isinstance(person, dict) else {}
    places = [
        place
        for place in (order.get("shipping_address"), order.get("billing_address"), person.get("default_address"))
        if isinstance(place, dict)
    ]
    country = next((place["country_code"] for place in places if place.get("country_code")), "")
    emails = [order.get("email"), order.get("contact_email"), person.get("email")]
    phones = [order.get("phone"), person.get("phone"), *(place.get("phone") for place in places)]
    for who in (*(known(email=email) for email in emails), *(known(phone=phone, country=country) for phone in phones)):
        if who.customer_id:
            return who
    own = known(other=("shopify", person.get("id")))
    return own if own.customer_id else known(other=("order", order_id))


def _of(who: Known) -> dict[str, Any]:
    return {"customer_id": who.customer_id, "customer_tag": identity.customer_tag(who.customer_id)}


def _id(record: Mapping[str, Any], name: str) -> str:
    text = _number(record.get(name))
    if not text or len(text) > 100:
        raise Refused("bad_order", f"{name} is needed")
    return text


def _order_number(order: Mapping[str, Any]) -> str:
    """Returns the number that the customer uses: `#1001` is 1001."""
    names = (_number(order.get(name)) for name in ("name", "order_number", "id"))
    return next((text.removeprefix("#") for text in names if text.removeprefix("#")), "")[:100]


def _currency(record: Mapping[str, Any]) -> str:
    value = record.get("currency")
    text = value.strip().upper() if isinstance(value, str) else ""
    return text if len(text) == 3 and text.isascii() and text.isalpha() else ""


def _products(items: object) -> list[str]:
    """Returns the goods, each once: the SKU, else the title."""
    names = (_number(item.get("sku")) or _short(item.get("title")) for item in _objects(items))
    return list(dict.fromkeys(name for name in names if name))[:_MOST_PRODUCTS]


def _objects(value: object) -> Iterable[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _short(value: object) -> str:
    return prose(_text(value), MAX_SHORT)


def _number(value: object) -> str:
    """Returns an id or number that the shop gave."""
    return identifier(_text(value))


def _text(value: object) -> str:
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _when(now: int, *candidates: object) -> int:
    """Returns the first that is a time, and not later than now."""
    times = (_time(text, now) for text in candidates)
    return next((at for at in times if at is not None), now)


def _time(text: object, now: int) -> int | None:
    """Returns the time, not later than now; None when it is none."""
    try:
        return min(moment(text, now=now), now)
    except ValueError:
        return None

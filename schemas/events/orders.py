"""Orders of the shop, and what becomes of them."""

from __future__ import annotations

from schemas.events.base import Event


class OrderPlaced(Event, frozen=True, kw_only=True):
    """The denominator of the contact rate. `amount` in the currency's minor unit.

    order_number  what the customer calls it; `order_id` is the shop's own id, which it uses in what happens later
    """

    customer_id: str
    order_number: str
    amount: int = 0
    currency: str = ""
    products: list[str] = []
    order_id: str = ""
    verified: str = "none"
    brand: str = ""


class OrderChanged(Event, frozen=True, kw_only=True):
    """An order was `cancelled` or `refunded`. `amount` is what is given back, in the currency's minor unit."""

    customer_id: str
    order_number: str
    change: str
    amount: int = 0
    currency: str = ""
    reason: str = ""
    order_id: str = ""
    verified: str = "none"
    brand: str = ""

"""Customers who turn out to be one person, or two, or want to be forgotten."""

from __future__ import annotations

from schemas.events.base import Event


class CustomersMerged(Event, frozen=True, kw_only=True):
    """Two customers are one person: what `from_customer_id` has and will do belongs to `into_customer_id` from here on.

    Sources write it to the log of the former; the worker writes it on to the latter, with
    stamp   a Lamport time: of two decisions that contradict each other the later one counts
    known   what was known of the former, as an encoded state

    from_tag  the log of the former where its tag was made with an earlier secret: the customer moves to their tag of today
    """

    from_customer_id: str
    into_customer_id: str
    agent_id: str = ""
    reason: str = ""
    stamp: int = 0
    known: bytes = b""
    from_tag: str = ""


class CustomersSplit(Event, frozen=True, kw_only=True):
    """These tickets of `customer_id` belong to `to_customer_id`, who is a customer of their own from here on.

    Sources write it to the log of the former; the worker writes it on to the latter, with `stamp` as above.
    """

    customer_id: str
    to_customer_id: str
    ticket_ids: list[str] = []
    agent_id: str = ""
    reason: str = ""
    stamp: int = 0


class TicketAdopted(Event, frozen=True, kw_only=True):
    """A ticket goes to another customer, whose log this is; written by the worker only.

    ticket   its encoded state
    moves    how often it has changed hands, this time included
    version  at least that of every fact written about it so far
    """

    ticket_id: str
    from_customer_id: str
    into_customer_id: str
    ticket: bytes
    moves: int
    version: int
    agent_id: str = ""


class ErasureRequested(Event, frozen=True, kw_only=True):
    """The customer asked to be forgotten.

    request_id  the `event_id` of the request, in what the worker writes on because of it; '' in the request itself
    below       written by the worker only, after what ends the tickets: those with a lower number are dropped, 0 drops none
    """

    requested_by: str = ""
    request_id: str = ""
    below: int = 0

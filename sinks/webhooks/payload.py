"""Encodes a fact as JSON: `{"id", "type", "occurred_at", "version", "data"}`; for chat services as `{"text"}` alone.

id           the fact's own id: the same fact, known better, has the same id and a higher `version`
type         `ticket_fact contact_fact acknowledgement_fact tag_fact clock_fact survey_fact assignment_fact pane_fact
             outbound delivery_fact`
occurred_at  ISO 8601, UTC, as are all times in `data`
version      offset of the event that caused it: of two facts of one customer, the later one has the higher version
data         every field of the fact (schemas/facts/) but `bcc`, `message_key` and `address_keys`, which are for delivery
             only; null is undefined and never 0
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from schemas.clock import from_micros
from schemas.codec import MARKER, RECORDS, fingerprint, snake, versions
from schemas.facts import FACTS, Fact, MailReport, Outbound, SuppressionFact, WebhookDelivered
from sinks.clickhouse.table import tables, time_fields

__all__ = ["KINDS", "body", "fact_id", "kinds_by_header", "name_of"]

#: Each webhook would cause the next; a report is for the delivery sink; suppressions have no customer's order.
_NOT_FOR_OTHERS = (WebhookDelivered, MailReport, SuppressionFact)
#: The facts that can be subscribed to, by name.
KINDS: dict[str, type[Fact]] = {snake(kind.__name__): kind for kind in FACTS if kind not in _NOT_FOR_OTHERS}

#: What is for the mail server and the delivery sink: who gets a blind copy is told nobody, nor by a digest of the address.
_WITHHELD = frozenset(("bcc", "message_key", "address_keys"))


def name_of(kind: type) -> str:
    """Returns the name of a kind of fact: `ticket_fact` for `TicketFact`."""
    return snake(kind.__name__)


@cache
def kinds_by_header() -> dict[bytes, type]:
    """Maps the ten-byte header of every published version of every record to its kind."""
    return {MARKER + fingerprint(schema): kind for kind in RECORDS for schema in versions(kind).values()}


def fact_id(fact: Fact) -> str:
    """Returns the values of the fact's id, joined by `/`."""
    return "/".join(str(getattr(fact, name)) for name in _key(type(fact)))


def body(fact: Fact, *, text_only: bool = False) -> bytes:
    """Returns the JSON of a fact, the same bytes for the same fact; or of what it says to people."""
    if text_only:
        return msgspec.json.encode({"text": getattr(fact, "text", "")})
    times = time_fields(type(fact))
    data = {name: getattr(fact, name) for name in fact.__struct_fields__ if name not in _WITHHELD}
    for name in times:
        data[name] = _time(data[name])
    message = {
        "id": fact_id(fact),
        "type": name_of(type(fact)),
        "occurred_at": data["at"],
        "version": fact.version,
        "data": data,
    }
    return msgspec.json.encode(message)


@cache
def _key(kind: type[Fact]) -> tuple[str, ...]:
    return ("outbound_id",) if kind is Outbound else tables()[kind].key


def _time(micros: int | None) -> Any:
    if micros is None:
        return None
    try:
        return from_micros(micros).isoformat(timespec="microseconds")
    except OverflowError:  # no calendar has it; the number is better than nothing
        return micros

"""Finds the tickets, people and parts of tickets in the records and pages of a Zendesk export. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from producers.imports.formats.fields import entries, inside, text
from producers.imports.formats.parts import Part, Refusal, part_of, unknown

__all__ = ["parts", "recognises"]

#: Keys of a page whose entries we read → what they are; all but people and tickets belong to a ticket.
_PAGES = {
    "tickets": "ticket",
    "users": "person",
    "comments": "comments",
    "audits": "audits",
    "ticket_audits": "audits",
    "ticket_events": "ticket_events",
    "ticket_metric_events": "metric_events",
    "satisfaction_ratings": "ratings",
    "metric_sets": "metric_sets",
    "ticket_metrics": "metric_sets",
}


def recognises(record: Mapping[str, Any]) -> bool:
    """Says if a record of an export looks like Zendesk's."""
    if any(name in record for name in ("ticket_events", "ticket_metric_events", "child_events", "metric_sets")):
        return True
    ticket = next(iter(entries(record, "tickets")), record.get("ticket", record))
    if not isinstance(ticket, Mapping):
        return False
    return isinstance(ticket.get("via"), Mapping) and ("requester_id" in ticket or "requester" in ticket)


def parts(record: Mapping[str, Any]) -> Iterator[Part | Refusal]:
    """Yields everything in a record or page; `unknown_record` and `no_ticket_id` for what cannot be used."""
    pages = [name for name in _PAGES if isinstance(record.get(name), list)]
    if pages and "requester_id" not in record and "requester" not in record:
        for name in pages:
            for entry in entries(record, name):
                yield from _with_people(_PAGES[name], entry)
        return
    for name, kind in (("ticket", "ticket"), ("user", "person"), ("audit", "audits")):
        if isinstance(record.get(name), Mapping):
            yield from _with_people(kind, record[name])
            return
    kind = _kind(record)
    if kind:
        yield from _with_people(kind, record)
    else:
        yield unknown("Zendesk", record)


def _with_people(kind: str, body: Mapping[str, Any]) -> Iterator[Part | Refusal]:
    """Yields the part, and the people that the JSON export writes into each ticket: they wrote in others as well."""
    yield _part(kind, body)
    if kind == "ticket":
        for name in ("requester", "submitter", "assignee"):
            if (person := inside(body, name)) and text(person.get("id")):
                yield part_of("person", person.get("id"), person)


def _kind(record: Mapping[str, Any]) -> str:
    if "requester_id" in record or isinstance(record.get("requester"), Mapping):
        return "ticket"
    if isinstance(record.get("via"), Mapping) and "status" in record:
        return "ticket"
    for names, kind in (
        (("child_events",), "ticket_events"),
        (("events", "ticket_id"), "audits"),
        (("metric", "time"), "metric_events"),
        (("score", "ticket_id"), "ratings"),
        (("ticket_id", "author_id"), "comments"),
        (("role", "name"), "person"),
    ):
        if all(name in record for name in names):
            return kind
    return ""


def _part(kind: str, body: Mapping[str, Any]) -> Part | Refusal:
    return part_of(kind, body.get("id" if kind in ("ticket", "person") else "ticket_id"), body)

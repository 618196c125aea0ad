"""Turns a ticket of a Freshdesk export into events.

Understood are tickets as the API and its incremental pages give them (`include=conversations,requester,stats`), those
of the account export (`helpdesk_ticket` with `notes`), conversations, contacts, agents and satisfaction ratings in
files of their own, and rows of the CSV export of tickets.

- The description opens the ticket, as the requester's. Of the conversations an incoming one is the customer's, a
  private one a note, and any other an answer.
- Freshdesk keeps no trail of states: they come from `stats` (or the CSV's times) and the state at the end. States of a
  company's own (8 and above) count as open.
- A row of CSV has no words: its subject is the message, and its first response an answer without text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from producers.imports.formats.fields import attachments, entries, inside, plain, text, when
from producers.imports.formats.imported_ticket import ImportedTicket
from producers.imports.formats.origin import Origin
from producers.imports.formats.parts import Part, People, Person, Reading, Refusal, part_of, unknown
from schemas.errors import Refused

__all__ = ["CHANNEL", "parts", "read", "recognises"]

CHANNEL = "freshdesk"

_PAGES = {
    "tickets": "ticket",
    "contacts": "person",
    "users": "person",
    "agents": "person",
    "conversations": "conversations",
    "satisfaction_ratings": "ratings",
}
#: What an object of the account export is wrapped in.
_WRAPPERS = {"helpdesk_ticket": "ticket", "ticket": "ticket", "user": "person", "contact": "person", "agent": "person"}
_STATUSES = {2: "open", 3: "pending", 4: "solved", 5: "closed", 6: "pending", 7: "hold"}
_STATUS_NAMES = {
    "open": 2,
    "pending": 3,
    "resolved": 4,
    "closed": 5,
    "waiting on customer": 6,
    "waiting on third party": 7,
    "on hold": 7,
}
_FIRST_OWN_STATUS = 8
_PRIORITIES = {1: "low", 2: "normal", 3: "high", 4: "urgent"}
_PRIORITY_NAMES = {"low": 1, "medium": 2, "high": 3, "urgent": 4}
#: The ticket's source, as number and as the CSV names it.
_SOURCES = {
    1: "email",
    2: "form",
    3: "phone",
    5: "social",
    6: "social",
    7: "chat",
    9: "form",
    10: "email",
    11: "form",
    12: "bot",
    13: "sms",
}
_SOURCE_NAMES = {
    "email": 1,
    "portal": 2,
    "phone": 3,
    "twitter": 5,
    "facebook": 6,
    "chat": 7,
    "feedback widget": 9,
    "outbound email": 10,
    "ecommerce": 11,
    "bot": 12,
    "whatsapp": 13,
}
#: Faces of the survey → CSAT. Seven of them; the accounts of old had 1, 2, 3 for happy, neutral and unhappy.
_RATINGS = {103: 5, 102: 5, 101: 4, 100: 3, -101: 2, -102: 1, -103: 1, 1: 5, 2: 3, 3: 1}
_RATING_NAMES = {
    "extremely happy": 5,
    "very happy": 5,
    "happy": 4,
    "neutral": 3,
    "unhappy": 2,
    "very unhappy": 1,
    "extremely unhappy": 1,
}
#: Conversations of this source are what the customer wrote into the survey.
_SURVEY_FEEDBACK = 6


def recognises(record: Mapping[str, Any]) -> bool:
    """Says if a record of an export looks like Freshdesk's."""
    if "helpdesk_ticket" in record or ("Ticket ID" in record and "Status" in record):
        return True
    ticket = next(iter(entries(record, "tickets")), record.get("ticket", record))
    if not isinstance(ticket, Mapping):
        return False
    return "responder_id" in ticket or ("spam" in ticket and isinstance(ticket.get("status"), int))


def parts(record: Mapping[str, Any]) -> Iterator[Part | Refusal]:
    """Yields everything in a record or page; `unknown_record` and `no_ticket_id` for what cannot be used."""
    for wrapper, kind in _WRAPPERS.items():
        if isinstance(record.get(wrapper), Mapping) and "id" not in record:
            yield _part(kind, record[wrapper])
            return
    pages = [name for name in _PAGES if isinstance(record.get(name), list)]
    if pages and "id" not in record:
        for name in pages:
            for entry in entries(record, name):
                yield _part(_PAGES[name], entry)
        return
    kind = _kind(record)
    if kind:
        yield _part(kind, _row(record) if "Ticket ID" in record else record)
    else:
        yield unknown("Freshdesk", record)


def _kind(record: Mapping[str, Any]) -> str:
    if "Ticket ID" in record:
        return "ticket"
    for names, kind in (
        (("ratings", "ticket_id"), "ratings"),
        (("incoming", "ticket_id"), "conversations"),
        (("requester_id", "status"), "ticket"),
        (("requester", "status"), "ticket"),
        (("email", "name"), "person"),
        (("contact", "id"), "person"),
    ):
        if all(name in record for name in names):
            return kind
    return ""


def _part(kind: str, body: Mapping[str, Any]) -> Part | Refusal:
    if kind == "person" and (inner := inside(body, "contact")):  # an agent's address and name stand in its contact
        body = {**inner, **body}
    own = body.get("ticket_id") if kind not in ("ticket", "person") else body.get("display_id", body.get("id"))
    return part_of(kind, own, body)


def read(ticket: Mapping[str, Any], people: People, origin: Origin) -> Reading:
    """Returns the events of a ticket together with its parts: lists under the names that `parts` gives them."""
    number = text(ticket.get("display_id", ticket.get("id")))
    for flag in ("deleted", "spam"):
        if ticket.get(flag) is True:
            reading = Reading()
            reading.left_out[f"{flag} ticket"] += 1
            return reading
    try:
        return _Ticket(ticket, people, origin, number).read()
    except Refused as error:
        return Reading(refused=[Refusal(error.reason, error.detail, number, ticket)])


class _Ticket:
    """One ticket while it is read."""

    def __init__(self, ticket: Mapping[str, Any], people: People, origin: Origin, number: str) -> None:
        self.ticket, self.origin, self.number, self._people = ticket, origin, number, people
        requester = inside(ticket, "requester")
        self.requester_id = text(ticket.get("requester_id")) or text(requester.get("id"))
        if not self.requester_id and not requester:
            raise Refused("no_requester", f"ticket {number} does not say who asked")
        body = {**(people(self.requester_id) or {}), **requester} or {"name": ticket.get("requester_name")}
        own = self.requester_id or f"requester-of-{number}"
        source = _number(ticket.get("source", ticket.get("source_name")), _SOURCE_NAMES)
        channel = _SOURCES.get(source, "email")
        self.imported = ImportedTicket(origin, number, Person.of(origin, own, body), channel)

    def read(self) -> Reading:
        ticket, imported = self.ticket, self.imported
        created = when(ticket.get("created_at"), self.origin)
        words = text(ticket.get("description_text")) or plain(ticket.get("description"))
        subject = text(ticket.get("subject"))
        priority = _PRIORITIES.get(_number(ticket.get("priority", ticket.get("priority_name")), _PRIORITY_NAMES), "")
        imported.opened(
            created, f"ticket-{self.number}", words or subject, subject=subject, priority=priority,
            fields=self._fields(), attachments=_files(ticket),
        )  # fmt: skip
        for note in [*entries(ticket, "conversations"), *entries(ticket, "notes"), *entries(ticket, "helpdesk_notes")]:
            inner = inside(note, "note") or note
            self._tell(lambda note=inner: self._conversation(note), inner)
        if first := ticket.get("first_response"):
            self._tell(
                lambda: imported.replied(when(first, self.origin), "first", "", self._agent(None)), {"at": first}
            )
        self._states()
        self._ratings()
        if tags := _tags(ticket):
            imported.tagged(created, f"{self.number}-tags", "freshdesk", tags, [])
        return imported.reading()

    def _tell(self, tell: Any, body: Mapping[str, Any]) -> None:
        """Takes one part; a refused one does not stop the others."""
        try:
            tell()
        except Refused as error:
            self.imported.refuse(error, {"ticket_id": self.number, **body}, body.get("id") or self.number)

    def _agent(self, own_id: object) -> str:
        own = text(own_id) or text(self.ticket.get("responder_id"))
        known = text((self._people(own) or {}).get("email")).lower() if own else ""
        named = text(self.ticket.get("responder_name"))
        return known or (f"freshdesk:{own}" if own else named)

    def _conversation(self, note: Mapping[str, Any]) -> None:
        if note.get("deleted") is True:
            self.imported.left_out["deleted conversation"] += 1
            return
        at, own = when(note.get("created_at"), self.origin), note.get("id")
        words = text(note.get("body_text")) or plain(note.get("body_html") or note.get("body"))
        author = text(note.get("user_id"))
        if note.get("source") == _SURVEY_FEEDBACK:
            self.imported.left_out["survey feedback as a conversation"] += 1
        elif note.get("incoming") is True:
            copied = author not in ("", self.requester_id)
            person = Person.of(self.origin, author, self._people(author) or {}) if copied else None
            self.imported.said(at, own, words, person, attachments=_files(note))
        elif note.get("private") is True:
            self.imported.noted(at, own, words, self._agent(author))
        else:
            self.imported.replied(at, own, words, self._agent(author))

    def _states(self) -> None:
        stats = {**inside(self.ticket, "ticket_states"), **inside(self.ticket, "stats")}
        agent = self._agent(None)
        final = self._final_status()
        for name, status in (("pending_since", "pending"), ("reopened_at", "open"), ("resolved_at", "solved")):
            # Stats hold the last time of each; one that is still pending says so by its final state as well.
            if stats.get(name):
                told = {"id": f"{self.number}-{name}", "time": stats[name]}
                self._tell(lambda n=name, s=status: self._became(stats[n], s, agent if s == "solved" else "", n), told)
        if final == "closed" and stats.get("closed_at"):
            self._tell(lambda: self._became(stats["closed_at"], "closed", agent, "closed_at"), {"status": final})
        elif final == "open" or (final in ("pending", "hold") and not stats.get("pending_since")):
            changed = stats.get("status_updated_at") or self.ticket.get("updated_at")
            self._tell(lambda: self._became(changed, final, "", "status"), {"status": final})
        elif final in ("solved", "closed") and not stats.get("resolved_at"):
            changed = stats.get("status_updated_at") or self.ticket.get("updated_at")
            self._tell(lambda: self._became(changed, final, agent, "status"), {"status": final})

    def _became(self, at: Any, status: str, agent: str, own: str) -> None:
        self.imported.became(when(at, self.origin), status, agent, own)

    def _final_status(self) -> str:
        status = _number(self.ticket.get("status", self.ticket.get("status_name")), _STATUS_NAMES)
        if status in _STATUSES:
            return _STATUSES[status]
        if status < _FIRST_OWN_STATUS and self.ticket.get("status") is not None:
            self._tell(lambda: _refuse_status(self.ticket.get("status")), {"status": self.ticket.get("status")})
        return "open"

    def _ratings(self) -> None:
        for rating in entries(self.ticket, "ratings"):
            self._tell(lambda rating=rating: self._rating(rating), rating)

    def _rating(self, rating: Mapping[str, Any]) -> None:
        given = inside(rating, "ratings").get("default_question", rating.get("rating"))
        csat = _RATINGS.get(_number(given, {})) or _RATING_NAMES.get(text(given).strip().lower())
        if csat is None:
            raise Refused("unknown_score", f"{text(given)[:40]!r} is no rating of Freshdesk")
        at = when(rating.get("created_at"), self.origin)
        self.imported.rated(at, rating.get("id") or self.number, csat, plain(rating.get("feedback")))

    def _fields(self) -> dict[str, str]:
        ticket = self.ticket
        found = {"freshdesk_ticket": self.number, "tags": " ".join(_tags(ticket)), "type": text(ticket.get("type"))}
        found |= {name: text(ticket.get(name)) for name in ("group_id", "product_id", "company_id", "group_name")}
        own = inside(ticket, "custom_fields") or inside(ticket, "custom_field")
        found |= {name: str(value).lower() if value is True else text(value) for name, value in own.items()}
        return {name: value for name, value in found.items() if value}


# -- CSV ----------------------------------------------------------------------------------------------------------


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a row of the CSV export in the shape of a ticket of the API."""

    def of(*names: str) -> str:
        return next((found for found in (text(row.get(name)).strip() for name in names) if found), "")

    resolved, closed, updated = of("Resolved time"), of("Closed time"), of("Last update time", "Last updated time")
    rating = of("Survey results", "Survey result")
    ticket: dict[str, Any] = {
        "id": of("Ticket ID"),
        "subject": of("Subject"),
        "description_text": of("Description"),
        "status": of("Status"),
        "priority": of("Priority"),
        "source": of("Source"),
        "type": of("Type"),
        "group_name": of("Group"),
        "responder_name": of("Agent"),
        "created_at": of("Created time"),
        "updated_at": updated,
        "first_response": of("Initial response time"),
        "tags": [tag.strip() for tag in of("Tags").split(",") if tag.strip()],
        "stats": {name: at for name, at in (("resolved_at", resolved), ("closed_at", closed)) if at},
        "requester_id": of("Contact ID"),
        "requester": {
            "name": of("Full name", "Requester Name", "Contact name"),
            "email": of("Email", "Requester Email"),
            "phone": of("Work phone"),
            "mobile": of("Mobile phone"),
            "language": of("Language"),
            "time_zone": of("Time zone"),
        },
    }
    if rating and rating.lower() not in ("no response", "-"):
        ticket["ratings"] = [{"rating": rating, "created_at": closed or resolved or updated}]
    return ticket


# -- reading loose values -----------------------------------------------------------------------------------------


def _number(value: object, names: Mapping[str, int]) -> int:
    """Returns a choice as Freshdesk's number, whether it is given as number, as text or by its name; 0 for none of them."""
    found = text(value).strip().lower()
    try:
        return int(found)
    except ValueError:
        return names.get(found, 0)


def _refuse_status(status: object) -> None:
    raise Refused("unknown_status", f"{text(status)[:40]!r} is no status of Freshdesk; it counts as open")


def _tags(ticket: Mapping[str, Any]) -> list[str]:
    found = ticket.get("tags")
    if not isinstance(found, list):
        return []
    return [name for each in found if (name := text(each.get("name") if isinstance(each, Mapping) else each))]


def _files(body: Mapping[str, Any]) -> list[Any]:
    return attachments(body.get("attachments"), "name", "content_type", "size", "attachment_url")

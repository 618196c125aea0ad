"""Turns a ticket of a Zendesk export into events.

Understood are the JSON export (one ticket a line, people and comments inside) and pages or lines of the incremental
exports: `tickets`, `users`, `ticket_events`, `ticket_metric_events`, audits, `satisfaction_ratings`, `metric_sets`.

- The first comment opens the ticket, as the requester's, whoever typed it: Zendesk makes its tickets so.
- A public comment of an agent is an answer; a private one, and one of a rule or a bot, is a note.
- States and tags come from audits or ticket events; without them from the metric events, else from the ticket as it
  was when it was exported (`solved_at`, `updated_at`).
- A rating `good` is CSAT 5, `bad` is 1; a rating that was only offered is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from producers.imports.formats.fields import attachments, entries, inside, plain, text, when
from producers.imports.formats.imported_ticket import ImportedTicket
from producers.imports.formats.origin import Origin
from producers.imports.formats.parts import People, Person, Reading, Refusal
from producers.imports.formats.zendesk_records import parts, recognises
from schemas.errors import Refused

__all__ = ["CHANNEL", "parts", "read", "recognises"]

CHANNEL = "zendesk"

_CHANNELS = {
    "chat": "chat",
    "native_messaging": "chat",
    "messaging": "chat",
    "web": "form",
    "web_widget": "form",
    "web_service": "form",
    "api": "form",
    "mobile": "form",
    "mobile_sdk": "form",
    "help_center": "form",
    "voice": "phone",
    "sms": "sms",
    "whatsapp": "sms",
    "line": "sms",
    "twitter": "social",
    "twitter_dm": "social",
    "facebook": "social",
    "instagram_dm": "social",
    "any_channel": "social",
}
_PUBLIC = {"mention", "post", "tweet"}
#: Who writes on `via` these is nobody.
_MACHINES = {"rule", "system", "automation", "trigger", "bot", "answer_bot", "answer_bot_for_web_widget"}
_STATUSES = {"new": "new", "open": "open", "pending": "pending", "hold": "hold", "solved": "solved", "closed": "closed"}
_SCORES = {"good": 5, "bad": 1}
#: What the metric events of the requester's waiting time say about the status.
_WAITING = {"activate": "open", "pause": "pending", "fulfill": "solved"}


def read(ticket: Mapping[str, Any], people: People, origin: Origin) -> Reading:
    """Returns the events of a ticket together with its parts: lists under the names that `parts` gives them."""
    number = text(ticket.get("id"))
    if ticket.get("status") == "deleted":
        reading = Reading()
        reading.left_out["deleted ticket"] += 1
        return reading
    try:
        return _Ticket(ticket, people, origin, number).read()
    except Refused as error:
        return Reading(refused=[Refusal(error.reason, error.detail, number, ticket)])


class _Ticket:
    """One ticket while it is read."""

    def __init__(self, ticket: Mapping[str, Any], people: People, origin: Origin, number: str) -> None:
        self.ticket, self.origin, self.number = ticket, origin, number
        embedded = [ticket.get(name) for name in ("requester", "submitter", "assignee")]
        self._inside = {text(each.get("id")): each for each in embedded if isinstance(each, Mapping)}
        self._people = people
        requester = ticket.get("requester")
        self.requester_id = text(ticket.get("requester_id")) or text(
            requester.get("id") if isinstance(requester, Mapping) else requester
        )
        if not self.requester_id:
            raise Refused("no_requester", f"ticket {number} does not say who asked")
        via = inside(ticket, "via")
        channel, public = _channel(via)
        customer = Person.of(origin, self.requester_id, self._person(self.requester_id))
        self.imported = ImportedTicket(origin, number, customer, channel, public=public)

    def read(self) -> Reading:
        imported, created = self.imported, when(self.ticket.get("created_at"), self.origin)
        first, *others = self._comments(created) or [{"id": f"{self.number}-description", "plain_body": None}]
        words = _words(first) or text(self.ticket.get("description")) or text(self.ticket.get("subject"))
        subject = text(self.ticket.get("raw_subject")) or text(self.ticket.get("subject"))
        imported.opened(
            created, first.get("id"), words, subject=subject, priority=text(self.ticket.get("priority")),
            fields=self._fields(), attachments=_files(first),
        )  # fmt: skip
        for comment in others:
            self._tell(lambda comment=comment: self._comment(comment), comment)
        self._states(created)
        self._ratings()
        return imported.reading()

    def _tell(self, tell: Any, body: Mapping[str, Any]) -> None:
        """Takes one part; a refused one does not stop the others."""
        try:
            tell()
        except Refused as error:
            self.imported.refuse(error, {"ticket_id": self.number, **body}, body.get("id") or self.number)

    # -- people -------------------------------------------------------------------------------------------------

    def _person(self, own_id: object) -> Mapping[str, Any]:
        return self._people(own_id) or self._inside.get(text(own_id)) or {}

    def _agent(self, own_id: object) -> str:
        """Returns the id of an agent here: the address, else `zendesk:<id>`; '' for nobody."""
        own = text(own_id)
        if not own or own == "-1" or own == self.requester_id:
            return ""
        return text(self._person(own).get("email")).lower() or f"zendesk:{own}"

    def _is_customer(self, author: str) -> bool:
        """Decides by role; without a record of the person, whoever is neither requester nor copied in is an agent."""
        if author == self.requester_id:
            return True
        if role := text(self._person(author).get("role")):
            return role == "end-user"
        copied = [*_ids(self.ticket, "collaborator_ids"), *_ids(self.ticket, "email_cc_ids")]
        return author in copied and author != text(self.ticket.get("assignee_id"))

    # -- comments -----------------------------------------------------------------------------------------------

    def _comments(self, created: int) -> list[dict[str, Any]]:
        """Returns all comments in order, each once: from the ticket, its audits and its events."""
        found: dict[str, dict[str, Any]] = {}
        for comment in self._all_comments():
            found.setdefault(text(comment.get("id")) or f"{self.number}-{len(found)}", {}).update(
                {name: value for name, value in comment.items() if value not in (None, "")}
            )
        dated: list[tuple[int, dict[str, Any]]] = []
        for comment in found.values():
            self._tell(lambda comment=comment: dated.append((self._said_at(comment, created), comment)), comment)
        return [comment for _, comment in sorted(dated, key=lambda each: each[0])]

    def _said_at(self, comment: Mapping[str, Any], created: int) -> int:
        return max(when(comment.get("created_at"), self.origin), created)

    def _all_comments(self) -> Iterator[dict[str, Any]]:
        for comment in entries(self.ticket, "comments"):
            yield dict(comment)
        for audit, event in self._audited():
            if event.get("type", event.get("event_type")) in ("Comment", "VoiceComment"):
                author = event.get("author_id", audit.get("author_id", audit.get("updater_id")))
                via = event.get("via", audit.get("via"))
                yield {**event, "author_id": author, "created_at": _time(audit, event), "via": via}

    def _comment(self, comment: Mapping[str, Any]) -> None:
        at, own, words = when(comment.get("created_at"), self.origin), comment.get("id"), _words(comment)
        author = text(comment.get("author_id"))
        via = comment.get("via")
        channel = text(via.get("channel") if isinstance(via, Mapping) else via).lower()
        if channel in _MACHINES or author in ("", "-1"):
            self.imported.noted(at, own, words, channel or "system")
        elif self._is_customer(author):
            person = None if author == self.requester_id else Person.of(self.origin, author, self._person(author))
            self.imported.said(at, own, words, person, attachments=_files(comment))
        elif comment.get("public", True) is False:
            self.imported.noted(at, own, words, self._agent(author))
        else:
            self.imported.replied(at, own, words, self._agent(author))

    # -- states and tags ----------------------------------------------------------------------------------------

    def _audited(self) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """Yields every change with the audit or ticket event that it belongs to, each audit once."""
        seen: set[str] = set()
        for name, inner in (("audits", "events"), ("ticket_events", "child_events")):
            for audit in entries(self.ticket, name):
                if (own := text(audit.get("id"))) not in seen or not own:
                    seen.add(own)
                    yield from ((audit, event) for event in entries(audit, inner))

    def _states(self, created: int) -> None:
        tagged = stated = False
        for audit, event in self._audited():
            changed = set(_changed(event))
            tagged |= "tags" in changed
            stated |= "status" in changed
            for name in sorted(changed):
                self._tell(lambda a=audit, e=event, n=name: self._change(a, e, n), event)
        self.imported.statuses_known = stated
        if not tagged and (tags := _texts(self.ticket.get("tags"))):
            self.imported.tagged(created, f"{self.number}-tags", "zendesk", tags, [])
        if not stated:
            self._without_audits()

    def _change(self, audit: Mapping[str, Any], event: Mapping[str, Any], name: str) -> None:
        at = when(_time(audit, event), self.origin)
        agent = self._agent(event.get("author_id", audit.get("author_id", audit.get("updater_id"))))
        own = text(event.get("id")) or f"{text(audit.get('id'))}-{name}"
        value = event.get("value", event.get(name))
        if name == "status":
            self.imported.became(at, self._known_status(value), agent, own)
        else:
            before = _texts(event.get("previous_value"))
            now = _texts(value)
            added = _texts(event.get("added_tags")) or [tag for tag in now if tag not in before]
            removed = _texts(event.get("removed_tags")) or [tag for tag in before if tag not in now]
            self.imported.tagged(at, own, agent or "zendesk", added, removed)

    def _known_status(self, value: object) -> str:
        status = _STATUSES.get(text(value))
        if status is None:
            raise Refused("unknown_status", f"{text(value)[:40]!r} is no status of Zendesk")
        return status

    def _without_audits(self) -> None:
        """Takes the statuses from the metric events, else from the ticket as it was exported."""
        measured = False
        for event in entries(self.ticket, "metric_events"):
            status = _WAITING.get(text(event.get("type")))
            if status and event.get("metric") == "requester_wait_time":
                measured = True
                self._tell(lambda e=event, s=status: self._measured(e, s), event)
        status = text(self.ticket.get("status"))
        if not measured and status not in ("", "new"):
            self._tell(lambda: self._as_exported(status), {"id": self.number, "status": status})
        elif measured and status == "closed":
            self._tell(lambda: self._as_exported("closed"), {"id": self.number, "status": status})

    def _measured(self, event: Mapping[str, Any], status: str) -> None:
        self.imported.became(when(event.get("time"), self.origin), status, own=text(event.get("id")))

    def _as_exported(self, status: str) -> None:
        known, agent = self._known_status(status), self._agent(self.ticket.get("assignee_id"))
        measured = inside(self.ticket, "metric_set") or next(iter(entries(self.ticket, "metric_sets")), {})
        solved = measured.get("solved_at") if known in ("solved", "closed") else None
        if solved:
            self.imported.became(when(solved, self.origin), "solved", agent)
        if known != "solved" or not solved:
            changed = measured.get("status_updated_at") or self.ticket.get("updated_at")
            self.imported.became(when(changed, self.origin), known, agent)

    # -- the rest -----------------------------------------------------------------------------------------------

    def _ratings(self) -> None:
        ratings = entries(self.ticket, "ratings")
        own = inside(self.ticket, "satisfaction_rating")
        if not ratings:
            ratings = list(self._audited_ratings()) or ([own] if own else [])
        for rating in ratings:
            self._tell(lambda rating=rating: self._rating(rating), rating)

    def _audited_ratings(self) -> Iterator[Mapping[str, Any]]:
        for audit, event in self._audited():
            if event.get("type") == "SatisfactionRating":
                yield {"created_at": _time(audit, event), **event, "comment": event.get("comment", event.get("body"))}

    def _rating(self, rating: Mapping[str, Any]) -> None:
        score = text(rating.get("score"))
        csat = _SCORES.get(score.removesuffix("_with_comment"))
        if csat is None:
            if score not in ("offered", "unoffered", ""):
                raise Refused("unknown_score", f"{score[:40]!r} is no score of Zendesk")
            return
        measured = inside(self.ticket, "metric_set")
        said = rating.get("updated_at") or rating.get("created_at") or measured.get("solved_at")
        at = when(said or self.ticket.get("updated_at"), self.origin)
        self.imported.rated(at, rating.get("id") or self.number, csat, text(rating.get("comment")))

    def _fields(self) -> dict[str, str]:
        ticket = self.ticket
        found = {"zendesk_ticket": self.number, "tags": " ".join(_texts(ticket.get("tags")))}
        for name in ("external_id", "type", "group_id", "brand_id", "ticket_form_id", "organization_id"):
            found[name] = text(ticket.get(name))
        for each in entries(ticket, "custom_fields") or entries(ticket, "fields"):
            value = each.get("value")
            found[f"custom_field_{text(each.get('id'))}"] = (
                " ".join(_texts(value))
                if isinstance(value, list)
                else str(value).lower()
                if value is True
                else text(value)
            )
        return {name: value for name, value in found.items() if value}


# -- reading loose JSON -------------------------------------------------------------------------------------------


def _channel(via: Mapping[str, Any]) -> tuple[str, bool]:
    channel = text(via.get("channel")).lower()
    relation = text(inside(via, "source").get("rel")).lower()
    if channel == "voice" and relation == "voicemail":
        return "voicemail", False
    ours = _CHANNELS.get(channel, "email")
    return ours, ours == "social" and relation in _PUBLIC


def _words(comment: Mapping[str, Any]) -> str:
    words = text(comment.get("plain_body")) or text(comment.get("body"))
    return words or plain(comment.get("html_body"))


def _files(comment: Mapping[str, Any]) -> list[Any]:
    return attachments(comment.get("attachments"), "file_name", "content_type", "size", "content_url")


def _changed(event: Mapping[str, Any]) -> Iterator[str]:
    """Says if a change is one of the status or the tags: audits name the field, ticket events have it as a key."""
    if event.get("type", event.get("event_type")) not in ("Create", "Change"):
        return
    field = event.get("field_name")
    for name in ("status", "tags"):
        if field == name or (field is None and name in event):
            yield name


def _time(audit: Mapping[str, Any], event: Mapping[str, Any]) -> Any:
    return event.get("created_at") or audit.get("created_at") or audit.get("timestamp")


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return value.split()
    return [text(each) for each in value if text(each)] if isinstance(value, list) else []


def _ids(body: Mapping[str, Any], name: str) -> list[str]:
    return _texts(body.get(name)) if isinstance(body.get(name), list) else []

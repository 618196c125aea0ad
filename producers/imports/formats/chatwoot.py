"""Turns a conversation of a Chatwoot export into events.

Understood are conversations with their `messages`, pages of conversations (`data.payload`) and of messages (`payload`
with `conversation_id`), contacts, agents and survey responses in files of their own.

- The first message that is no activity opens the conversation, as the contact's: a campaign's first words as well.
- An outgoing message of a person is an answer, a private one a note, one of a bot a note of that bot. Templates and
  activities are left out, but an activity that tells of a state (in English) gives its time.
- `resolved` is solved, `pending` waits for a bot and counts as open, `snoozed` is on hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from producers.imports.formats.fields import attachments, entries, inside, plain, text, when
from producers.imports.formats.imported_ticket import ImportedTicket
from producers.imports.formats.origin import Origin
from producers.imports.formats.parts import Part, People, Person, Reading, Refusal, part_of, unknown
from schemas.errors import Refused

__all__ = ["CHANNEL", "parts", "read", "recognises"]

CHANNEL = "chatwoot"

_CHANNELS = {
    "webwidget": "chat",
    "email": "email",
    "sms": "sms",
    "twiliosms": "sms",
    "whatsapp": "sms",
    "telegram": "sms",
    "line": "sms",
    "facebookpage": "social",
    "instagram": "social",
    "twitterprofile": "social",
    "tiktok": "social",
    "voice": "phone",
    "api": "form",
}
_TYPES = {0: "incoming", 1: "outgoing", 2: "activity", 3: "template"}
_STATUSES = {"open": "open", "pending": "open", "snoozed": "hold", "resolved": "solved"}
_PRIORITIES = {"low": "low", "medium": "normal", "high": "high", "urgent": "urgent"}
#: Activities that tell of a state. The product writes them in the account's language; we read the English ones.
_ACTIVITIES = (
    (re.compile(r"\b(?:marked (?:as )?resolved|was resolved|auto-?resolved)\b", re.IGNORECASE), "solved"),
    (re.compile(r"\b(?:reopened|marked (?:as )?open)\b", re.IGNORECASE), "open"),
    (re.compile(r"\bsnoozed\b", re.IGNORECASE), "hold"),
    (re.compile(r"\bmarked (?:as )?pending\b", re.IGNORECASE), "open"),
)


def recognises(record: Mapping[str, Any]) -> bool:
    """Says if a record of an export looks like Chatwoot's."""
    found = next(iter(_page(record)), record)
    return "inbox_id" in found or ("conversation_id" in found and "message_type" in found)


def parts(record: Mapping[str, Any]) -> Iterator[Part | Refusal]:
    """Yields everything in a record or page; `unknown_record` and `no_ticket_id` for what cannot be used."""
    if page := _page(record):
        for entry in page:
            yield _part(entry)
    else:
        yield _part(record)


def _page(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    for name in ("payload", "conversations", "messages"):
        if "id" not in record and (found := entries(record, name)):
            return found
    return entries(inside(record, "data"), "payload")


def _part(body: Mapping[str, Any]) -> Part | Refusal:
    if "message_type" in body:
        return part_of("messages", body.get("conversation_id"), body)
    if "rating" in body:
        return part_of("ratings", body.get("conversation_id", inside(body, "conversation").get("id")), body)
    if "inbox_id" in body or "messages" in body:
        return part_of("ticket", body.get("id", body.get("display_id")), body)
    return part_of("person", body.get("id"), body) if "name" in body else unknown("Chatwoot", body)


def read(ticket: Mapping[str, Any], people: People, origin: Origin) -> Reading:
    """Returns the events of a conversation together with its parts: lists under the names that `parts` gives them."""
    number = text(ticket.get("id", ticket.get("display_id")))
    try:
        return _Conversation(ticket, people, origin, number).read()
    except Refused as error:
        return Reading(refused=[Refusal(error.reason, error.detail, number, ticket)])


class _Conversation:
    """One conversation while it is read."""

    def __init__(self, ticket: Mapping[str, Any], people: People, origin: Origin, number: str) -> None:
        self.ticket, self.origin, self.number, self._people = ticket, origin, number, people
        self.messages, self.told_status = self._messages(), False
        contact = self._contact()
        kind = text(inside(ticket, "meta").get("channel")) or text(ticket.get("channel"))
        channel = _CHANNELS.get(kind.rpartition("::")[2].lower(), "chat")
        # A contact's number in one account is another person's in the next: `account_id` tells them apart.
        self.contact_id = text(contact.get("id"))
        self.imported = ImportedTicket(origin, number, Person.of(origin, self.contact_id, contact), channel)

    def _contact(self) -> Mapping[str, Any]:
        found = inside(inside(self.ticket, "meta"), "sender") or inside(self.ticket, "contact")
        if not found:
            incoming = (inside(each, "sender") for each in self.messages if _type(each) == "incoming")
            found = next((each for each in incoming if each), {})
        own = text(found.get("id")) or text(self.ticket.get("contact_id"))
        if not own:
            raise Refused("no_requester", f"conversation {self.number} does not say who asked")
        return {**(self._people(own) or {}), **found, "id": own}

    def read(self) -> Reading:
        imported = self.imported
        spoken = [each for each in self.messages if _type(each) in ("incoming", "outgoing")]
        if not spoken:
            imported.left_out["conversation without a message"] += 1
            return imported.reading()
        first = next((each for each in spoken if each.get("private") is not True), spoken[0])
        opened = min(when(first.get("created_at"), self.origin), self._created(first))
        imported.opened(opened, first.get("id"), _words(first), **self._about(first))
        for message in self.messages:
            if message is not first:
                self._tell(lambda message=message: self._message(message), message)
        self._final_state()
        self._ratings()
        if labels := _labels(self.ticket):
            imported.tagged(opened, f"{self.number}-labels", "chatwoot", labels, [])
        return imported.reading()

    def _messages(self) -> list[Mapping[str, Any]]:
        """Returns every message once, in the order of their ids, which is that of their writing."""
        by_id = {
            text(each.get("id")) or f"{self.number}-{at}": each
            for at, each in enumerate(entries(self.ticket, "messages"))
        }
        return sorted(by_id.values(), key=lambda each: each["id"] if isinstance(each.get("id"), int) else 0)

    def _created(self, first: Mapping[str, Any]) -> int:
        try:
            return when(self.ticket.get("created_at"), self.origin)
        except Refused:
            return when(first.get("created_at"), self.origin)

    def _tell(self, tell: Any, body: Mapping[str, Any]) -> None:
        """Takes one part; a refused one does not stop the others."""
        try:
            tell()
        except Refused as error:
            self.imported.refuse(error, {"conversation_id": self.number, **body}, body.get("id") or self.number)

    def _message(self, message: Mapping[str, Any]) -> None:
        kind, own = _type(message), message.get("id")
        if kind == "template":
            self._template(message)
        elif kind == "activity":
            self._activity(message)
        else:
            at, words = when(message.get("created_at"), self.origin), _words(message)
            sender = inside(message, "sender")
            if kind == "incoming":
                self.imported.said(at, own, words, self._other(sender), attachments=_files(message))
            elif message.get("private") is True:
                self.imported.noted(at, own, words, self._agent(message))
            elif _is_bot(message):
                self.imported.noted(at, own, words, text(sender.get("name")) or "bot")
            else:
                self.imported.replied(at, own, words, self._agent(message))

    def _other(self, sender: Mapping[str, Any]) -> Person | None:
        own = text(sender.get("id"))
        return None if own in ("", self.contact_id) else Person.of(self.origin, own, sender)

    def _agent(self, message: Mapping[str, Any]) -> str:
        sender = inside(message, "sender") or inside(inside(self.ticket, "meta"), "assignee")
        own = text(sender.get("id")) or text(message.get("sender_id"))
        return text(sender.get("email")).lower() or (f"chatwoot:{own}" if own else "chatwoot")

    def _template(self, message: Mapping[str, Any]) -> None:
        answered = inside(inside(message, "content_attributes"), "submitted_values")
        response = inside(answered, "csat_survey_response")
        if response:
            at = message.get("updated_at") or message.get("created_at")
            self._rating({"created_at": at, **response})
        else:
            self.imported.left_out["template"] += 1

    def _activity(self, message: Mapping[str, Any]) -> None:
        words = text(message.get("content"))
        for pattern, status in _ACTIVITIES:
            if pattern.search(words):
                agent = "" if "system" in words.lower() else self._agent(message)
                at = when(message.get("created_at"), self.origin)
                self.imported.became(at, status, agent if status == "solved" else "", text(message.get("id")))
                self.told_status = True
                return
        self.imported.left_out["activity"] += 1

    def _final_state(self) -> None:
        """Adds the status at the end, where no activity names it."""
        status = text(self.ticket.get("status"))
        if self.told_status or not status:
            return
        known = _STATUSES.get(status)
        if known is None:
            self._tell(lambda: _refuse_status(status), {"status": status})
        elif known != "open":
            changed = self.ticket.get("updated_at") or self.ticket.get("last_activity_at")
            last = self.messages[-1].get("created_at")
            agent = self._agent({}) if known == "solved" else ""
            at = {"status": status, "time": changed or last}
            self._tell(lambda: self.imported.became(when(changed or last, self.origin), known, agent, "status"), at)

    def _ratings(self) -> None:
        for rating in entries(self.ticket, "ratings"):
            self._tell(lambda rating=rating: self._rating(rating), rating)

    def _rating(self, rating: Mapping[str, Any]) -> None:
        score = rating.get("rating")
        if not isinstance(score, int) or not 1 <= score <= 5:
            raise Refused("unknown_score", f"{text(score)[:40]!r} is not between 1 and 5")
        at = when(rating.get("created_at"), self.origin)
        # One survey per conversation: the response and the message that it was given in are the same answer.
        self.imported.rated(at, self.number, score, text(rating.get("feedback_message")))

    def _about(self, first: Mapping[str, Any]) -> dict[str, Any]:
        ticket = self.ticket
        extra = inside(ticket, "additional_attributes")
        fields = {"chatwoot_conversation": self.number, "tags": " ".join(_labels(ticket))}
        fields |= {"inbox_id": text(ticket.get("inbox_id")), "referer": text(extra.get("referer"))}
        fields |= {name: text(value) for name, value in inside(ticket, "custom_attributes").items()}
        return {
            "subject": text(extra.get("mail_subject")) or text(inside(extra, "email").get("subject")),
            "priority": _PRIORITIES.get(text(ticket.get("priority")), ""),
            "attachments": _files(first),
            "fields": {name: value for name, value in fields.items() if value},
        }


# -- reading loose JSON -------------------------------------------------------------------------------------------


def _labels(ticket: Mapping[str, Any]) -> list[str]:
    found = ticket.get("labels")
    return [text(label) for label in found if text(label)] if isinstance(found, list) else []


def _type(message: Mapping[str, Any]) -> str:
    found = message.get("message_type")
    return _TYPES.get(found, "activity") if isinstance(found, int) else text(found)


def _is_bot(message: Mapping[str, Any]) -> bool:
    kind = text(message.get("sender_type")) or text(inside(message, "sender").get("type"))
    return "bot" in kind.lower() or "captain" in kind.lower()


def _words(message: Mapping[str, Any]) -> str:
    return plain(message.get("content"))


def _refuse_status(status: str) -> None:
    raise Refused("unknown_status", f"{status[:40]!r} is no status of Chatwoot; it counts as open")


def _files(message: Mapping[str, Any]) -> list[Any]:
    return attachments(message.get("attachments"), "file_name", "content_type", "file_size", "data_url")

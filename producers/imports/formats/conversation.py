"""What the readers of other help desks' exports share: times, people, and a conversation told as our events.

A reader turns one ticket of an export into a `Reading`. Everything in it is imported history with its own time, about
one customer, under one `thread_id` (`zendesk:4711`): the first message opens the ticket here, and what follows names
that conversation (`thread_ref`). Nothing here knows the time, a file or Kafka.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from producers.mail import quotes
from producers.text import markup
from producers.text.fields import MAX_SHORT, MAX_TEXT, address_problem, moment, prose, time_zone_problem
from producers.text.locales import locale_hint
from schemas import identity
from schemas.errors import Refused
from schemas.events import (
    PRIORITIES,
    AgentReplied,
    Attachment,
    Event,
    MessageReceived,
    NoteAdded,
    StatusChanged,
    SurveyAnswered,
    TagCorrected,
)

__all__ = [
    "Conversation",
    "Origin",
    "Part",
    "People",
    "Person",
    "Reading",
    "Refusal",
    "attachments",
    "entries",
    "inside",
    "part_of",
    "plain",
    "text",
    "unknown",
    "when",
]

#: Seconds since 1970 beyond this are milliseconds.
_MILLISECONDS_FROM = 100_000_000_000
_MOST_FIELDS, _MOST_ATTACHMENTS, _MOST_TAGS = 100, 100, 200
_TELEPHONE = re.compile(r"^\+[1-9][0-9]{6,14}$")
_ZONED = re.compile(
    r"^(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?)\s*(?:UTC|([+-]\d\d):?(\d\d)|(Z))?$"
)

#: An export's record of a person by its id; None when the export does not have it.
People = Callable[[Any], Mapping[str, Any] | None]


@dataclass(frozen=True)
class Origin:
    """Where an import comes from.

    product    `zendesk`, `freshdesk`, `chatwoot`; part of every event id and thread id
    account    tells two accounts of the same product apart, '' when there is one
    source     for people: `import:export.json`
    now        the pipeline's time, micros: nothing in a history may be later
    zone       of times that do not say it (CSV), an IANA name, '' when every time must say it
    tags       their tags to our why-tags; what is not in it keeps its name
    """

    product: str
    source: str
    now: int
    account: str = ""
    zone: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    def event_id(self, kind: str, *own: object) -> str:
        return identity.event_id(f"import-{self.product}", self.account, kind, *(str(part) for part in own))

    def thread_id(self, number: object) -> str:
        return ":".join(filter(None, (self.product, self.account, str(number))))


@dataclass(frozen=True)
class Refusal:
    """A part of an export that cannot become an event. `body` is that part, for the dead letter."""

    reason: str
    detail: str
    id: str = ""
    body: Any = None


#: A part of an export: what it is, the id of its person or ticket, itself.
Part = tuple[str, str, Mapping[str, Any]]


def part_of(kind: str, owner: object, body: Mapping[str, Any]) -> Part | Refusal:
    """The part, if it says whose it is."""
    if own := text(owner):
        return kind, own, body
    return Refusal("no_ticket_id", f"one of the {kind} does not say which ticket it belongs to", body=body)


def unknown(product: str, body: Mapping[str, Any]) -> Refusal:
    """Something that this product's exports do not hold."""
    keys = ", ".join(str(name)[:40] for name in list(body)[:12])
    return Refusal("unknown_record", f"no record of {product} has the keys {keys}", body=body)


@dataclass
class Reading:
    """What one ticket came to: events in the order of their times, parts that are refused, and what was left out
    on purpose, by kind (`template`, `activity`, ...)."""

    events: list[Event] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Person:
    """Somebody in an export. `customer_id` is canonical: e-mail address, else number, else the product's own id."""

    customer_id: str
    address: str = ""
    name: str = ""
    language: str = ""
    time_zone: str = ""

    @classmethod
    def of(cls, origin: Origin, own_id: object, body: Mapping[str, Any]) -> Person:
        """From a record with the usual names: `email`, `phone`/`mobile`/`phone_number`, `name`, `locale`/`language`."""
        address = text(body.get("email")).strip()
        if not address or address_problem(address):
            numbers = (text(body.get(name)) for name in ("phone", "mobile", "phone_number"))
            number = next((found for found in (_telephone(number) for number in numbers) if found), "")
            address, kind = number, "tel"
        else:
            kind = "email"
        own = f"{origin.account}/{own_id}" if origin.account else str(own_id)
        zone = text(body.get("iana_time_zone")) or text(body.get("time_zone"))
        return cls(
            customer_id=identity.canonical_customer_id(kind, address) if address else f"{origin.product}:{own}",
            address=address,
            name=prose(text(body.get("name")), 200),
            language=locale_hint(text(body.get("locale")) or text(body.get("language"))),
            time_zone="" if time_zone_problem(zone) else zone,
        )


def text(value: object) -> str:
    """A text or number of an export as text; '' for anything else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def plain(markup_or_text: object) -> str:
    """HTML as text."""
    found = text(markup_or_text)
    return markup.to_text(found) if "<" in found else found


def when(value: object, origin: Origin) -> int:
    """Micros of a time as exports write it: ISO 8601, `2024-03-02 10:00:00 UTC`, or seconds since 1970.

    Raises:
        Refused: `bad_time`: none, without offset while `origin.zone` is '', before 2000, or in the future.
    """
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = value / 1000 if value > _MILLISECONDS_FROM else value
            value = datetime.fromtimestamp(seconds, ZoneInfo("UTC")).isoformat()
        elif isinstance(value, str) and value.strip().isdigit():
            return when(int(value.strip()), origin)
        elif isinstance(value, str) and (parts := _ZONED.match(value.strip())):
            value = _with_offset(parts, value, origin.zone)
        return moment(value, now=origin.now)
    except (ValueError, OverflowError, OSError) as error:
        raise Refused("bad_time", "there is no time" if value in (None, "") else str(error)[:200]) from None


def _with_offset(parts: re.Match[str], value: str, zone: str) -> str:
    plain_time = f"{parts[1]}-{parts[2]}-{parts[3]}T{parts[4]}"
    if parts[5]:
        return f"{plain_time}{parts[5]}:{parts[6]}"
    if parts[7] or value.rstrip().endswith("UTC"):
        return f"{plain_time}+00:00"
    if not zone:
        raise ValueError(f"{value[:40]!r} has no offset from UTC: say with --time-zone where its clock stood")
    return datetime.fromisoformat(plain_time).replace(tzinfo=ZoneInfo(zone)).isoformat()


def attachments(found: object, name: str, media_type: str, size: str, url: str) -> list[Attachment]:
    """Attachments of an export, whose fields have these names."""
    if not isinstance(found, list):
        return []
    return [
        Attachment(
            name=prose(text(each.get(name)), MAX_SHORT),
            media_type=text(each.get(media_type))[:200] or "application/octet-stream",
            size_bytes=_size(each.get(size)),
            reference=text(each.get(url))[:MAX_SHORT],
        )
        for each in found[:_MOST_ATTACHMENTS]
        if isinstance(each, dict)
    ]


def _size(value: object) -> int:
    return max(0, min(value, 2**53)) if isinstance(value, int) else 0


def entries(body: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The objects in a list of an export; none when there is no list."""
    found = body.get(name)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def inside(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object inside another, empty when there is none."""
    found = body.get(name)
    return found if isinstance(found, Mapping) else {}


def _telephone(number: str) -> str:
    bare = re.sub(r"[\s().\-/]", "", number)
    return bare if _TELEPHONE.match(bare) else ""


#: What happens to a ticket that is not closed.
_GOING_ON = ("said", "replied", "noted", "status")


@dataclass
class _Item:
    at: int
    kind: str
    event: Event | None
    status: str = ""
    agent: str = ""
    own: str = ""


class Conversation:
    """One ticket of another help desk, told in any order; `reading()` puts it in the order of its times.

    `statuses_known` says that every change of status is told (an audit trail), so that after an answer the ticket
    stays as the source has it; otherwise our own rules decide, with the states that are told.
    """

    def __init__(self, origin: Origin, number: object, customer: Person, channel: str, *, public: bool = False) -> None:
        self.origin, self.number, self.customer, self.channel = origin, str(number), customer, channel
        self.public, self.statuses_known = public, False
        self.thread_id = origin.thread_id(number)
        self.tag = identity.customer_tag(customer.customer_id)
        self.refused: list[Refusal] = []
        self.left_out: Counter[str] = Counter()
        self._items: list[_Item] = []

    # -- telling ------------------------------------------------------------------------------------------------

    def opened(self, at: int, own: object, words: str, **more: Any) -> None:
        """The message that opens the ticket; what is told with an earlier time is moved to this one."""
        self._items.insert(0, self._message(at, own, words, self.customer, "opened", more))

    def said(self, at: int, own: object, words: str, author: Person | None = None, **more: Any) -> None:
        """The customer, or somebody else on their side, wrote."""
        self._items.append(self._message(at, own, words, author or self.customer, "said", more))

    def replied(self, at: int, own: object, words: str, agent: str) -> None:
        event = AgentReplied(**self._base(at, "reply", own), **self._about(agent), text=prose(words, MAX_TEXT))
        self._items.append(_Item(at, "replied", event, agent=agent, own=str(own)))

    def noted(self, at: int, own: object, words: str, agent: str) -> None:
        event = NoteAdded(**self._base(at, "note", own), **self._about(agent), text=prose(words, MAX_TEXT))
        self._items.append(_Item(at, "noted", event))

    def became(self, at: int, status: str, agent: str = "", own: object = "") -> None:
        """The ticket's status, one of ours."""
        self._items.append(_Item(at, "status", None, status=status, agent=agent, own=str(own)))

    def tagged(self, at: int, own: object, agent: str, add: list[str], remove: list[str]) -> None:
        ours = [[self.origin.tags.get(tag, tag)[:MAX_SHORT] for tag in tags[:_MOST_TAGS]] for tags in (add, remove)]
        if any(ours):
            event = TagCorrected(**self._base(at, "tags", own), **self._about(agent), add=ours[0], remove=ours[1])
            self._items.append(_Item(at, "tagged", event))

    def rated(self, at: int, own: object, csat: int, comment: str) -> None:
        survey = f"{self.thread_id}:{own}"
        event = SurveyAnswered(
            **self._base(at, "survey", own, csat), ticket_id="", thread_ref=self.thread_id, survey_id=survey,
            csat=csat, comment=prose(comment, MAX_TEXT),
        )  # fmt: skip
        self._items.append(_Item(at, "rated", event))

    def refuse(self, error: Refused, body: Any, own: object = "") -> None:
        self.refused.append(Refusal(error.reason, error.detail or str(error), str(own), body))

    # -- what came of it ----------------------------------------------------------------------------------------

    def reading(self) -> Reading:
        """The events in the order of their times. Without an opening message there are none."""
        if not self._items or self._items[0].kind != "opened":
            return Reading([], self.refused, self.left_out)
        opening, *others = self._items
        for item in others:
            if item.at < opening.at:
                item.at = opening.at
        ordered = [opening, *sorted(others, key=lambda item: item.at)]
        return Reading([_dated(event) for event in self._with_statuses(ordered)], self.refused, self.left_out)

    def _with_statuses(self, items: list[_Item]) -> list[tuple[int, Event]]:
        told: list[tuple[int, Event]] = []
        status = "new"
        for place, item in enumerate(items):
            if item.event is not None:
                told.append((item.at, item.event))
                if item.kind == "replied" and self._stays_open(status, items, place):
                    told.append((item.at, self._status(item, "open", "after-reply")))
                continue
            for wanted in self._wanted(
                item.status, status, last=not any(each.kind in _GOING_ON for each in items[place + 1 :])
            ):
                told.append((item.at, self._status(item, wanted, wanted)))
            status = "solved" if item.status == "closed" else item.status
        return told

    def _stays_open(self, status: str, items: list[_Item], place: int) -> bool:
        """Whether the source, unlike our own rules, leaves the ticket with us after this answer."""
        following = items[place + 1] if place + 1 < len(items) else None
        changes_now = following is not None and following.event is None and following.at == items[place].at
        return self.statuses_known and status in ("new", "open") and not changes_now

    @staticmethod
    def _wanted(status: str, before: str, *, last: bool) -> list[str]:
        """Nothing is closed here without having been solved, nor before the end: closed is for good."""
        if status == "new" or (status == before and status != "closed"):
            return []
        if status == "closed":
            return [*(["solved"] if before != "solved" else []), *(["closed"] if last else [])]
        return [status]

    def _status(self, item: _Item, status: str, why: str) -> Event:
        base = self._base(item.at, "status", self.number, item.at, item.own, why)
        return StatusChanged(**base, ticket_id="", thread_ref=self.thread_id, status=status, agent_id=item.agent)

    def _message(self, at: int, own: object, words: str, author: Person, kind: str, more: dict[str, Any]) -> _Item:
        full = prose(words, MAX_TEXT)
        fields = {str(name)[:100]: prose(text(value), MAX_SHORT) for name, value in more.pop("fields", {}).items()}
        priority = more.pop("priority", "")
        event = MessageReceived(
            **self._base(at, "message", own),
            channel=self.channel,
            customer_id=author.customer_id,
            address=author.address,
            customer_name=author.name,
            text=quotes.newest_part(full) if self.channel == "email" else full,
            full_text=full,
            public=self.public,
            thread_id=self.thread_id,
            language=author.language,
            time_zone=author.time_zone,
            sent_at=at,
            subject=prose(more.pop("subject", ""), MAX_SHORT),
            priority=priority if priority in PRIORITIES else "",
            fields=dict(list(fields.items())[:_MOST_FIELDS]),
            **more,
        )
        return _Item(at, kind, event)

    def _base(self, at: int, kind: str, *own: object) -> dict[str, Any]:
        return {
            "event_id": self.origin.event_id(kind, *own),
            "occurred_at": at,
            "received_at": self.origin.now,
            "customer_tag": self.tag,
            "source": self.origin.source,
            "imported": True,
        }

    def _about(self, agent: str) -> dict[str, Any]:
        return {"ticket_id": "", "thread_ref": self.thread_id, "agent_id": agent[:MAX_SHORT]}


def _dated(told: tuple[int, Event]) -> Event:
    """The event at the time it was moved to."""
    at, event = told
    return event if event.occurred_at == at else msgspec.structs.replace(event, occurred_at=at)

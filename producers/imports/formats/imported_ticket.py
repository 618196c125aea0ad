"""Collects the events of one ticket of another help desk's export, and sorts them by time.

A reader turns one ticket of an export into a `Reading`. Everything in it is imported history with its own time, about
one customer, under one `thread_id` (`zendesk:4711`): the first message opens the ticket here, and what follows names
that conversation (`thread_ref`). Nothing here knows the time, a file or Kafka.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import msgspec

from producers.imports.formats.fields import text
from producers.imports.formats.origin import Origin
from producers.imports.formats.parts import Person, Reading, Refusal
from producers.mail import quotes
from producers.text.fields import MAX_SHORT, MAX_TEXT, prose
from schemas import identity
from schemas.errors import Refused
from schemas.events import (
    PRIORITIES,
    AgentReplied,
    Event,
    MessageReceived,
    NoteAdded,
    StatusChanged,
    SurveyAnswered,
    TagCorrected,
)

__all__ = ["ImportedTicket"]

_MOST_FIELDS, _MOST_TAGS = 100, 200


#: Kinds of items that show that a ticket is not closed yet.
_GOING_ON = ("said", "replied", "noted", "status")


@dataclass
class _Item:
    at: int
    kind: str
    event: Event | None
    status: str = ""
    agent: str = ""
    own: str = ""


class ImportedTicket:
    """One ticket of another help desk, filled in any order; `reading()` sorts it by time.

    With `statuses_known` the source has every change of status (an audit trail), so after an answer the ticket stays as
    the source has it; otherwise our own rules decide, with the statuses that are known.
    """

    def __init__(self, origin: Origin, number: object, customer: Person, channel: str, *, public: bool = False) -> None:
        self.origin, self.number, self.customer, self.channel = origin, str(number), customer, channel
        self.public, self.statuses_known = public, False
        self.thread_id = origin.thread_id(number)
        self.tag = identity.customer_tag(customer.customer_id)
        self.refused: list[Refusal] = []
        self.left_out: Counter[str] = Counter()
        self._items: list[_Item] = []

    # -- adding ------------------------------------------------------------------------------------------------

    def opened(self, at: int, own: object, words: str, **more: Any) -> None:
        """Adds the message that opens the ticket; what has an earlier time is moved to this one."""
        self._items.insert(0, self._message(at, own, words, self.customer, "opened", more))

    def said(self, at: int, own: object, words: str, author: Person | None = None, **more: Any) -> None:
        """Adds a message of the customer, or of somebody else on their side."""
        self._items.append(self._message(at, own, words, author or self.customer, "said", more))

    def replied(self, at: int, own: object, words: str, agent: str) -> None:
        """Adds a public answer of an agent."""
        event = AgentReplied(**self._base(at, "reply", own), **self._about(agent), text=prose(words, MAX_TEXT))
        self._items.append(_Item(at, "replied", event, agent=agent, own=str(own)))

    def noted(self, at: int, own: object, words: str, agent: str) -> None:
        """Adds an internal note."""
        event = NoteAdded(**self._base(at, "note", own), **self._about(agent), text=prose(words, MAX_TEXT))
        self._items.append(_Item(at, "noted", event))

    def became(self, at: int, status: str, agent: str = "", own: object = "") -> None:
        """Adds a change to one of our statuses."""
        self._items.append(_Item(at, "status", None, status=status, agent=agent, own=str(own)))

    def tagged(self, at: int, own: object, agent: str, add: list[str], remove: list[str]) -> None:
        """Adds a correction of tags, in our own names of tags."""
        ours = [[self.origin.tags.get(tag, tag)[:MAX_SHORT] for tag in tags[:_MOST_TAGS]] for tags in (add, remove)]
        if any(ours):
            event = TagCorrected(**self._base(at, "tags", own), **self._about(agent), add=ours[0], remove=ours[1])
            self._items.append(_Item(at, "tagged", event))

    def rated(self, at: int, own: object, csat: int, comment: str) -> None:
        """Adds a survey answer."""
        survey = f"{self.thread_id}:{own}"
        event = SurveyAnswered(
            **self._base(at, "survey", own, csat), ticket_id="", thread_ref=self.thread_id, survey_id=survey,
            csat=csat, comment=prose(comment, MAX_TEXT),
        )  # fmt: skip
        self._items.append(_Item(at, "rated", event))

    def refuse(self, error: Refused, body: Any, own: object = "") -> None:
        """Notes a part that cannot become an event."""
        self.refused.append(Refusal(error.reason, error.detail or str(error), str(own), body))

    # -- the result ----------------------------------------------------------------------------------------------

    def reading(self) -> Reading:
        """Returns the events in the order of their times. Without an opening message there are none."""
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
        """Says if the source, unlike our own rules, leaves the ticket with us after this answer."""
        following = items[place + 1] if place + 1 < len(items) else None
        changes_now = following is not None and following.event is None and following.at == items[place].at
        return self.statuses_known and status in ("new", "open") and not changes_now

    @staticmethod
    def _wanted(status: str, before: str, *, last: bool) -> list[str]:
        """Returns the statuses to record: a ticket is solved before it is closed, and closed only at the end, for good."""
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
    """Returns the event at the time it was moved to."""
    at, event = told
    return event if event.occurred_at == at else msgspec.structs.replace(event, occurred_at=at)

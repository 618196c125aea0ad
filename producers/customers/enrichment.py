"""Completes what a contact says of its customer by what the directory knows of them; for every channel alike.

    publisher = Publisher(settings, enrich=Enricher(identities, directory))

Identity first (`email: Ann@Example.ORG` is `email:ann@example.org`), then the directory: it may say that an address
belongs to a customer with an id of its own, and fills in name, language, time zone and tier where the contact itself
says nothing. A directory that does not answer in time leaves the contact as it is: its customer is the address.

An event that only names a conversation (`thread_ref`) goes where this process has seen its customer's messages go.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, Protocol

import msgspec
import structlog

from producers.customers.identities import Identities
from producers.customers.profiles import Profile
from schemas.errors import Refused
from schemas.events import EVENTS, Event, MessageReceived
from schemas.identity import customer_tag

__all__ = ["Directory", "Enricher", "enrich"]

log = structlog.get_logger("producers.directory")
#: Addresses of known customers that are remembered for the events of their conversations.
REMEMBERED = 50_000
_IDS = ("customer_id", "from_customer_id", "into_customer_id", "to_customer_id")


class Directory(Protocol):
    """Knows customers by canonical id. Never raises."""

    timeout: float

    def ask(self, customer_id: str) -> Future[Profile]:
        """Returns the profile, now or later; after `timeout` seconds the caller calls `give_up` instead."""

    def give_up(self, customer_id: str) -> Profile:
        """Returns the profile to use when the answer did not come in time."""

    def close(self) -> None:
        """Sends no further requests."""


def enrich(event: Event, profile: Profile) -> Event:
    """Returns the event as the customer's that the profile names, with what the event does not say filled in.

    A message names these fields (`directory`): an acknowledgement tells nobody what they did not say themselves.
    """
    changes: dict[str, Any] = {}
    filled: list[str] = []
    own = getattr(event, "customer_id", "")
    if profile.customer_id and profile.customer_id != own:
        changes["customer_id"] = profile.customer_id
        if event.customer_tag == customer_tag(own):  # and not that of a ticket which the contact is about
            changes["customer_tag"] = customer_tag(profile.customer_id)
    for name, known in (
        ("customer_name", profile.name),
        ("language", profile.language),
        ("time_zone", profile.time_zone),
        ("tier", profile.tier),
    ):
        if known and getattr(event, name, None) == "":
            changes[name] = known
            filled.append(name)
    if filled and type(event) is MessageReceived:
        changes["directory"] = filled
    return msgspec.structs.replace(event, **changes) if changes else event


class Enricher:
    """Gives events canonical ids, and what the directory knows where there is a directory: the `Enrich` of a publisher."""

    def __init__(self, identities: Identities, directory: Directory | None = None) -> None:
        self.identities, self.directory = identities, directory
        self._moved: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> Event:
        """Returns the completed event; blocks for the directory's timeout at most."""
        event = self._named(event)
        asked = self._asked(event)
        if asked is None or self.directory is None:
            return event
        try:
            profile = asked.result(self.directory.timeout)
        except (FutureTimeout, CancelledError):
            profile = self.directory.give_up(event.customer_id)  # type: ignore[attr-defined]
        return self._completed(event, profile)

    async def later(self, event: Event) -> Event:
        """Returns the completed event, without blocking the event loop."""
        event = self._named(event)
        asked = self._asked(event)
        if asked is None or self.directory is None:
            return event
        if not asked.done():
            await asyncio.wait([asyncio.wrap_future(asked)], timeout=self.directory.timeout)
        given_up = not asked.done() or asked.cancelled()
        profile = self.directory.give_up(event.customer_id) if given_up else asked.result()  # type: ignore[attr-defined]
        return self._completed(event, profile)

    def close(self) -> None:
        """Closes the directory."""
        if self.directory is not None:
            self.directory.close()

    def _named(self, event: Event) -> Event:
        """Returns the event with canonical ids. An id that has no canonical form stays, so that no event is lost."""
        changes: dict[str, str] = {}
        for field in _IDS_OF.get(type(event), ()):
            own = getattr(event, field)
            try:
                canonical = self.identities.customer_id(own)
            except Refused:
                continue
            if canonical != own:
                changes[field] = canonical
                if event.customer_tag == customer_tag(own):
                    self._remember(event.customer_tag, canonical)
                    changes["customer_tag"] = customer_tag(canonical)
        if changes:
            return msgspec.structs.replace(event, **changes)
        in_conversation = bool(self._moved) and getattr(event, "thread_ref", "") != ""
        return self._in_conversation(event) if in_conversation else event

    def _in_conversation(self, event: Event) -> Event:
        if getattr(event, "ticket_id", ""):
            return event
        tag = event.customer_tag
        with self._lock:
            for _ in range(2):  # to the canonical address, and from there to the directory's customer
                tag = self._moved.get(tag, tag)
        return msgspec.structs.replace(event, customer_tag=tag) if tag != event.customer_tag else event

    def _asked(self, event: Event) -> Future[Profile] | None:
        if self.directory is None or type(event) not in _LOOKED_UP:
            return None
        try:
            return self.directory.ask(event.customer_id)  # type: ignore[attr-defined]
        except Exception:  # a defect of ours must not keep the contact
            log.exception("directory_failed")
            return None

    def _completed(self, event: Event, profile: Profile) -> Event:
        if profile.customer_id:
            self._remember(customer_tag(event.customer_id), profile.customer_id)  # type: ignore[attr-defined]
        return enrich(event, profile)

    def _remember(self, tag: str, customer_id: str) -> None:
        """Remembers that events of this customer's conversations belong to `customer_id`."""
        moved = customer_tag(customer_id)
        if tag == moved:
            return
        with self._lock:
            self._moved[tag] = moved
            while len(self._moved) > REMEMBERED:
                self._moved.popitem(last=False)


_IDS_OF: dict[type[Event], tuple[str, ...]] = {
    kind: tuple(name for name in _IDS if name in kind.__struct_fields__) for kind in EVENTS
}
#: A decision about customers says itself who they are.
_LOOKED_UP = frozenset(kind for kind, fields in _IDS_OF.items() if fields == ("customer_id",))

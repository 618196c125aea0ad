"""What the fold of tickets tells the one that watches tags."""

from __future__ import annotations

from schemas.events.base import Event


class TagsCounted(Event, frozen=True, kw_only=True):
    """A contact got tags; written to `tag-counts`, where all records have one key.

    brand     the slug of the brand of the ticket
    partition, version   where in `contact-events` the contact stands; version -1 when unknown
    """

    ticket_id: str
    tags: list[str] = []
    brand: str = ""
    taxonomy_version: str = ""
    partition: int = 0
    version: int = -1

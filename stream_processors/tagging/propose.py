"""Decides which contacts the suggester reads, and what it appends for them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from schemas.events import TagSuggested
from schemas.facts import ContactFact
from stream_processors.rules.taxonomy import Taxonomy
from stream_processors.tagging.suggester import Suggester

__all__ = ["is_read", "proposals"]

_KINDS = frozenset(("message_received", "call_ended"))


def is_read(fact: object) -> bool:
    """Returns true for what a customer said on a ticket. Imported history would keep the suggester busy for days."""
    return (
        isinstance(fact, ContactFact)
        and fact.kind in _KINDS
        and fact.direction == "in"
        and bool(fact.ticket_id and fact.text.strip())
        and not (fact.imported or fact.third_party)
    )


def proposals(
    contacts: Sequence[ContactFact], taxonomy: Taxonomy, suggester: Suggester, now: int
) -> list[TagSuggested]:
    """Returns the events to append: for contacts for which the suggester names a tag that the rules did not find.

    The id is that of the contact with the model's version, so that a contact that is read again gives the same event.
    """
    said = [f"{each.subject}\n{each.text}" if each.subject else each.text for each in contacts]
    suggestions = suggester.suggest(list(zip(said, (each.language for each in contacts), strict=True)))
    version, events = suggester.model.version, []
    for contact, suggestion in zip(contacts, suggestions, strict=True):
        if suggestion is None or suggestion.tag not in taxonomy.tags:
            continue
        found = [match.slug for match in taxonomy.tag(contact.text, contact.subject)]
        if suggestion.tag in found or (found and not suggestion.certain):
            continue
        events.append(
            TagSuggested(
                event_id=blake2b(f"suggested\0{contact.event_id}\0{version}".encode(), digest_size=16).hexdigest(),
                occurred_at=max(now, contact.at),
                received_at=now,
                customer_tag=contact.customer_tag,
                channel=contact.channel,
                source="suggester",
                ticket_id=contact.ticket_id,
                contact_id=contact.event_id,
                tag=suggestion.tag,
                confidence=suggestion.confidence,
                certain=suggestion.certain,
                model=version,
                language=contact.language,
                contact_at=contact.at,
            )
        )
    return events

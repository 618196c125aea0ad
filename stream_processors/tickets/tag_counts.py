"""Says which tags a contact got, for whoever watches tags over all customers.

What agents put right later says when they found the time, not when customers wrote, so it is no part of the rhythm. What the
suggester finds counts when the customer wrote: after hours of standing still it finds hundreds in a minute.
"""

from __future__ import annotations

from schemas.events import TagCorrected, TagsCounted, TagSuggested
from schemas.identity import event_id
from stream_processors.runtime.processor import Output
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.observations import TagApplied

__all__ = ["KEY", "step"]

#: All records have one key: the counts of all partitions come together in one.
KEY = "tags"


def step(context: FoldContext) -> FoldContext:
    """Writes the tags that this event put on the ticket, if a customer said something."""
    tags = [each.tag for each in context.observed if type(each) is TagApplied]
    event, ticket = context.event, context.ticket
    if not tags or ticket is None or type(event) is TagCorrected:
        return context
    position = context.position
    counted = TagsCounted(
        event_id=event_id("tags", event.event_id),
        occurred_at=_written_at(context),
        received_at=event.received_at,
        customer_tag=event.customer_tag,
        channel=ticket.channel,
        source="tickets",
        imported=event.imported,
        causation_depth=event.causation_depth,
        ticket_id=context.ticket_id,
        tags=tags,
        brand=ticket.brand,
        taxonomy_version=context.rules.taxonomy.version,
        partition=position.partition,
        version=position.offset,
    )
    return context.send(Output(counted, KEY))


def _written_at(context: FoldContext) -> int:
    event = context.event
    return event.contact_at or context.now if type(event) is TagSuggested else context.now

"""Finds why the customer contacts us, in which language, how they feel, and which order it is about.

- Tags are the union over the messages of a ticket. What a person took away is not found again.
- Dissatisfied is who says so, who comes back about the same bad news within the days that the taxonomy gives, and
  who scored us low not long ago. It stays with the ticket.
- The priority only ever rises: by what a tag says, by dissatisfaction (in public more), urgency and the tier. One that
  a person set stays.
- Imported history is tagged as well: reasons are worth counting whenever they were written.
"""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.errors import Refused
from schemas.events import PRIORITIES, CallEnded, MessageReceived, TagCorrected, TagSuggested
from schemas.facts import SuggestionFact, TagFact
from stream_processors.rules.automations import SOURCE
from stream_processors.rules.taxonomy import Match, Reading, Taxonomy
from stream_processors.text.language import detect
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.observations import TagApplied, TagSuggestionSeen
from stream_processors.tickets.state import Customer, Ticket

__all__ = ["step"]

#: Reasons remembered per customer.
KEPT_REASONS = 20
_RANK = {priority: rank for rank, priority in enumerate(PRIORITIES)}


def step(context: FoldContext) -> FoldContext:
    """Tag what a customer said; take over what a person corrected.

    Raises:
        Refused: `unknown_tag` for a correction to a tag that the taxonomy does not have, `contradictory_tags`.
    """
    event = context.event
    if context.ticket is None or context.third_party:
        return context
    if isinstance(event, MessageReceived):
        return _read(context, context.ticket, event, event.text, event.subject)
    if isinstance(event, CallEnded):
        return _read(context, context.ticket, event, event.transcript, "")
    if isinstance(event, TagCorrected):
        return _corrected(context, context.ticket, event)
    if isinstance(event, TagSuggested):
        return _suggested(context, context.ticket, event)
    return context


def _read(
    context: FoldContext, ticket: Ticket, event: MessageReceived | CallEnded, text: str, subject: str
) -> FoldContext:
    customer, taxonomy = context.customer, context.rules.taxonomy
    hint = event.language or ticket.language or customer.language
    language = detect(f"{text} {subject}" if subject else text, hint)
    reading = taxonomy.read(text, subject)
    new = [
        match
        for match in reading.matches
        if match.slug not in ticket.tags and match.slug not in ticket.request.tags_removed
    ]
    tags = (*ticket.tags, *(match.slug for match in new)) if new else ticket.tags
    again = context.opened or context.reopened
    dissatisfied = (
        ticket.request.dissatisfied
        or bool(reading.dissatisfied)
        or (again and (_repeats(context, reading) or _scored_low(customer, context.now, taxonomy)))
    )
    context = context.replace(
        ticket=msgspec.structs.replace(
            ticket,
            language=language,
            tags=tags,
            priority=_priority(context, ticket, tags, dissatisfied, bool(reading.urgent)),
            request=msgspec.structs.replace(
                ticket.request,
                tagged_with=taxonomy.version,
                dissatisfied=dissatisfied,
                order_number=ticket.request.order_number or reading.order_number,
            ),
        ),
        customer=_remember(context, language, bool(text), again, reading.matches, new),
        reading=reading,
    )
    return _apply(context, [_fact(context, match.slug, evidence=match.evidence) for match in new])


def _repeats(context: FoldContext, reading: Reading) -> bool:
    """Returns true when the customer contacted us about one of these reasons lately; good news may repeat."""
    taxonomy, since = context.rules.taxonomy, context.now - context.rules.taxonomy.repeat_micros
    found = {match.slug for match in reading.matches if taxonomy.tags[match.slug].valence != "good"}
    return any(tag in found and at > since for tag, at in context.customer.reasons)


def _scored_low(customer: Customer, now: int, taxonomy: Taxonomy) -> bool:
    at = customer.last_low_csat_at
    return at is not None and at > now - taxonomy.low_csat_micros


def _priority(context: FoldContext, ticket: Ticket, tags: tuple[str, ...], dissatisfied: bool, urgent: bool) -> str:
    if ticket.routing.priority_set:
        return ticket.priority
    taxonomy = context.rules.taxonomy
    raised = taxonomy.raised_priorities
    effects = [ticket.priority, taxonomy.priority(tags), taxonomy.tier_priorities.get(context.customer.tier, "")]
    if dissatisfied:
        effects.append(raised.get("dissatisfied", ""))
        if ticket.request.public:
            effects.append(raised.get("public_complaint", ""))
    if urgent:
        effects.append(raised.get("urgent", ""))
    return max(effects, key=lambda priority: _RANK.get(priority, -1))


def _remember(
    context: FoldContext, language: str, spoke: bool, again: bool, matches: tuple[Match, ...], new: list[Match]
) -> Customer:
    """Returns the customer with the language they wrote and the reasons of this contact. Others' messages tell nothing."""
    customer = context.customer
    changes: dict[str, Any] = {}
    if not customer.goes_by(context.event.customer_id):  # type: ignore[attr-defined]
        return customer
    if spoke and language != customer.language:
        changes["language"] = language
    if reasons := [match.slug for match in (matches if again else new)]:
        changes["reasons"] = _reasons_with(context, reasons)
    return msgspec.structs.replace(customer, **changes) if changes else customer


def _reasons_with(context: FoldContext, reasons: list[str]) -> tuple[tuple[str, int], ...]:
    """Returns the reasons of the customer's last days with these, the newest last."""
    since = context.now - context.rules.taxonomy.repeat_micros
    kept = [(tag, at) for tag, at in context.customer.reasons if tag not in reasons and at > since]
    return (*kept, *((tag, context.now) for tag in reasons))[-KEPT_REASONS:]


def _corrected(context: FoldContext, ticket: Ticket, event: TagCorrected) -> FoldContext:
    taxonomy = context.rules.taxonomy
    if event.imported:
        event = _ours_of(event, taxonomy, ticket)
    for tag in event.add:
        if tag not in taxonomy.tags:
            raise Refused("unknown_tag", f"{tag!r} is not in the taxonomy {taxonomy.version}")
    for tag in event.remove:
        if tag not in taxonomy.tags and tag not in ticket.tags:
            raise Refused("unknown_tag", f"{tag!r} is neither in the taxonomy {taxonomy.version} nor on the ticket")
    if both := set(event.add) & set(event.remove):
        raise Refused("contradictory_tags", f"{min(both)!r} is to be added and removed")
    added = [tag for tag in dict.fromkeys(event.add) if tag not in ticket.tags]
    removed = [tag for tag in dict.fromkeys(event.remove) if tag in ticket.tags]
    tags = (*(tag for tag in ticket.tags if tag not in removed), *added)
    taken_away = (tag for tag in ticket.request.tags_removed if tag not in event.add)
    context = context.on_ticket(
        tags=tags,
        request=msgspec.structs.replace(
            ticket.request, tags_removed=tuple(dict.fromkeys((*taken_away, *event.remove)))
        ),
        priority=_priority(context, ticket, tuple(added), False, False),
        updated_at=context.now,
    )
    if event.source == SOURCE:
        return _apply(context, [_fact(context, tag, origin=SOURCE, evidence=event.agent_id) for tag in added])
    context = _apply(context, [_fact(context, tag, agent=event.agent_id) for tag in added])
    return context.write(*(_fact(context, tag, agent=event.agent_id, active=False) for tag in removed))


def _ours_of(event: TagCorrected, taxonomy: Taxonomy, ticket: Ticket) -> TagCorrected:
    """Another help desk has tags of its own: the contact fact records them all, the ticket takes those that are ours."""
    return msgspec.structs.replace(
        event,
        add=[tag for tag in event.add if tag in taxonomy.tags],
        remove=[tag for tag in event.remove if tag in ticket.tags],
    )


def _apply(context: FoldContext, facts: list[TagFact]) -> FoldContext:
    if not facts:
        return context
    observed = [TagApplied(context.now, context.ticket, fact.tag, fact.quadrant, fact.owner_team) for fact in facts]
    return context.write(*facts).replace(observed=(*context.observed, *observed))


def _suggested(context: FoldContext, ticket: Ticket, event: TagSuggested) -> FoldContext:
    """Records a suggestion. A certain one tags the ticket, as its first reason, and raises no priority."""
    slug = event.tag
    if slug not in context.rules.taxonomy.tags:
        outcome = "unknown"
    elif slug in ticket.request.tags_removed:
        outcome = "removed"
    elif slug in ticket.tags:
        outcome = "known"
    else:
        outcome = "tagged" if event.certain else "shown"
    fact = SuggestionFact(
        **context.base,
        contact_id=event.contact_id,
        ticket_id=context.ticket_id,
        tag=slug,
        confidence=event.confidence,
        outcome=outcome,
        model=event.model,
        language=event.language,
        channel=ticket.channel,
    )
    context = context.write(fact).observe(TagSuggestionSeen, outcome, event.language)
    if outcome != "tagged":
        return context
    context = context.on_ticket(tags=(slug, *ticket.tags), updated_at=context.now)
    context = context.replace(
        customer=msgspec.structs.replace(context.customer, reasons=_reasons_with(context, [slug]))
    )
    return _apply(context, [_fact(context, slug, evidence=f"{event.confidence:.2f} {event.model}", origin="suggester")])


def _fact(
    context: FoldContext,
    slug: str,
    *,
    evidence: str = "",
    agent: str | None = None,
    active: bool = True,
    origin: str = "taxonomy",
) -> TagFact:
    ticket, taxonomy = context.ticket, context.rules.taxonomy
    tag = taxonomy.tags.get(slug)
    return TagFact(
        **context.base,
        ticket_id=context.ticket_id,
        tag=slug,
        active=active,
        origin=origin if agent is None else "agent",
        agent_id=agent or "",
        taxonomy_version=taxonomy.version,
        evidence=evidence,
        quadrant=tag.quadrant if tag else "",
        valence=tag.valence if tag else "",
        owner_team=tag.owner if tag else "",
        channel=ticket.channel if ticket else "",
    )

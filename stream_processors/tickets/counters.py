"""Counters: what a turn adds to the counters that Prometheus reads, and no more than facts say.

Clocks are counted by their ledger: an instance is met once, by the first row that fulfils it in time; a breach counts
when its row is written, and is taken back by a `correct` from before its deadline, under the labels that it had.
What belongs to imported history counts nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from schemas.facts import AcknowledgementFact, ClockFact, TagFact
from schemas.service_metrics import ServiceMetric
from stream_processors.runtime.processor import Count
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.gauges import bounded_channel
from stream_processors.tickets.state import Ticket

__all__ = ["counts"]


class _Instance:
    """One instance of a clock while the rows of one turn are read."""

    __slots__ = ("charged", "live", "met")

    def __init__(self, charged: tuple[str, ...] | None = None, *, met: bool = False, live: bool = True) -> None:
        self.charged, self.met, self.live = charged, met, live


def counts(context: FoldContext) -> list[Count]:
    """The counts of one turn, in no particular order."""
    found: list[Count] = []
    ticket, rows = context.ticket, list[ClockFact]()
    live = not (context.event.imported if ticket is None else ticket.imported)
    for record in (output.record for output in context.outputs):
        if isinstance(record, ClockFact):
            rows.append(record)
        elif not live:
            continue
        elif isinstance(record, TagFact):
            if record.active:
                found.append(Count(ServiceMetric.TAGS_APPLIED, (record.tag, record.quadrant, record.owner_team)))
        elif isinstance(record, AcknowledgementFact):
            channel = bounded_channel(record.channel)
            found.append(Count(ServiceMetric.ACKNOWLEDGEMENTS, (channel, record.outcome, record.reason)))
    if rows:
        found.extend(_clocks(context, rows))
    if live and context.observed:
        found.extend(_observed(context))
    return found


def _observed(context: FoldContext) -> Iterator[Count]:
    for observation in context.observed:
        if observation.name in ("first_response", "csat"):
            then = observation.ticket
            where = (
                bounded_channel(context.event.channel if then is None else then.channel),
                then.team if then else "",
            )
            if observation.name == "csat":
                yield Count(ServiceMetric.CSAT_ANSWERS, (*where, str(int(observation.detail))))
            else:
                yield Count(ServiceMetric.FIRST_RESPONSE_SECONDS, where, observation.detail)


def _clocks(context: FoldContext, rows: list[ClockFact]) -> Iterator[Count]:
    instances: dict[tuple[str, int, str, int], _Instance] = {}
    for row in rows:
        if row.transition not in ("breach", "correct", "fulfil"):
            continue
        key = row.ticket_id, row.episode, row.clock, row.instance
        instance = instances.get(key)
        if instance is None:
            instance = instances[key] = _before(context, row)
        if not instance.live:
            continue
        labels = row.clock, row.policy, bounded_channel(row.channel), row.team, row.priority
        if row.transition == "breach":
            instance.charged = labels
            yield Count(ServiceMetric.SLA_BREACHED, labels)
        elif row.transition == "correct":
            if instance.charged is not None and row.due_at is not None and row.at < row.due_at:
                yield Count(ServiceMetric.SLA_CORRECTED, instance.charged)
                instance.charged = None
        elif instance.charged is None and not instance.met:
            instance.met = True
            yield Count(ServiceMetric.SLA_MET, labels)


def _before(context: FoldContext, row: ClockFact) -> _Instance:
    """The instance as this event found it: what came of a clock of history until a live event took its ticket up is history."""
    was = _ticket(context.before.tickets, context, row)
    for clock in () if was is None else was.clocks:
        if (clock.episode, clock.name, clock.instance) == (row.episode, row.clock, row.instance):
            where = clock.name, clock.policy, bounded_channel(row.channel), clock.team, clock.priority
            met = clock.stopped_at is not None and not clock.cancelled and not clock.breached
            return _Instance(where if clock.breached else None, met=met, live=was is not None and not was.imported)
    now = context.ticket if context.ticket_id == row.ticket_id else None
    return _Instance(
        live=not (now or was or _ticket(context.customer.tickets, context, row) or Ticket(0, "", 0)).imported
    )


def _ticket(tickets: tuple[Ticket, ...], context: FoldContext, row: ClockFact) -> Ticket | None:
    tag = context.event.customer_tag
    return next((ticket for ticket in tickets if ticket.id_at(tag) == row.ticket_id), None)

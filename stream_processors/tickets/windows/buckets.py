"""Counts what was observed in panes of five minutes of event time.

A pane is one combination of channel, team, priority, policy and brand in one partition; windows of 1 h, 24 h and 7 d are
sums of panes (ADR 0003). Every record that changes a pane writes its metrics out in full, and those buckets of its
durations that it changed (ADR 0017), so facts do not depend on how the log was cut into batches. A pane is forgotten an
hour after its last event, one with CSAT scores not before they are a week old: the gauges of a week are rebuilt from
them. Later data opens a new part of it.
"""

from __future__ import annotations

from math import ceil, sqrt
from typing import Any

import msgspec

from schemas.clock import MICROS
from schemas.facts import PaneBucketFact, PaneFact
from stream_processors.runtime.processor import MOST_BATCH_RECORDS, Output, Position
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.state import Pane
from stream_processors.tickets.windows.measures import MEASURES, Dimensions, count, counted
from stream_processors.tickets.windows.quantile_sketch import bucket_of

__all__ = ["PANE_MICROS", "WEEK_MICROS", "forget", "forget_at", "pane_key", "step"]

PANE_MICROS = 300 * MICROS
KEPT_MICROS = 3600 * MICROS
WEEK_MICROS = 7 * 86_400 * MICROS


def pane_key(start: int, channel: str, team: str, priority: str, policy: str, brand: str = "") -> bytes:
    """Returns the key under which a pane is stored: without a brand the one that it had before there were brands."""
    place = (channel, team, priority, policy, brand) if brand else (channel, team, priority, policy)
    return b"p" + start.to_bytes(8, "big") + "\0".join(place).encode()


def forget_at(pane: Pane) -> int:
    """Returns when (pipeline micros) the pane's state may go: after 1 hour; if it is put off, after (`postponed` + 1)² hours."""
    return _not_needed_from(pane) + KEPT_MICROS * (pane.postponed + 1) ** 2


def forget(pane: Pane, now: int, position: Position) -> tuple[bool, Pane | None]:
    """Returns true when a tick at `now` changes the pane, and to what: None forgets it.

    A pane with a recent record is put off: a refold of that record's batch must still find that it is counted. One
    for which the tick is too early (it was touched since) is written again, so that its own time comes.
    """
    passed = position.offset - pane.offset
    if passed <= 0:
        return False, pane
    if forget_at(pane) > now:
        return True, pane
    if passed >= MOST_BATCH_RECORDS:
        return True, None
    return True, msgspec.structs.replace(pane, postponed=max(pane.postponed + 1, _steps_until_far(pane, now, passed)))


def _not_needed_from(pane: Pane) -> int:
    return max(pane.touched_at, pane.start + WEEK_MICROS) if "csat_sum" in pane.metrics else pane.touched_at


def _steps_until_far(pane: Pane, now: int, passed: int) -> int:
    """Returns how often to put a pane off at once, so that its next tick comes when the log will be far enough.

    So far the log has grown by `passed` records since the pane was touched, and it is taken to go on like that. Most of
    a quiet shop's log would be ticks that come too early otherwise.
    """
    far_at = pane.touched_at + max(0, now - pane.touched_at) * MOST_BATCH_RECORDS // passed
    hours = min(far_at - _not_needed_from(pane), WEEK_MICROS) / KEPT_MICROS
    return ceil(sqrt(max(0.0, hours))) - 1


def step(context: FoldContext) -> FoldContext:
    """Counts what was observed: the panes that this changes, and facts of what it changed in them.

    A pane that is ahead of the record already counted it before a crash: neither it nor its facts are written again.
    """
    if not context.observed and context.before.tickets is context.customer.tickets:
        return context
    offset, touched = context.position.offset, context.event.received_at
    panes: dict[bytes, Pane] = {}
    found: dict[tuple[int, Dimensions], tuple[bytes, Pane | None]] = {}
    measured: dict[tuple[bytes, str, int], None] = {}
    for observation, dimensions in counted(context):
        start = observation.at - observation.at % PANE_MICROS
        place = start, dimensions
        if place not in found:
            key = pane_key(start, *dimensions)
            stored: Pane | None = context.read.get(key)
            is_ahead = stored is not None and stored.offset >= offset
            found[place] = key, None if is_ahead else _touched(stored, offset, start, dimensions, touched)
        key, pane = found[place]
        if pane is None:
            continue
        panes[key] = pane
        then = observation.ticket
        count(pane.metrics, observation, context.event.imported if then is None else then.imported)
        if (measure := MEASURES.get(type(observation))) is not None:
            name, once = measure
            bucket = bucket_of(observation.seconds)  # type: ignore[attr-defined]
            counts = pane.buckets[name] = dict(pane.buckets.get(name, ()))
            counts[bucket] = counts.get(bucket, 0) + once
            measured[key, name, bucket] = None
    header = _header(context)
    facts = [Output(PaneFact(**header, **_place(pane), **pane.metrics)) for pane in panes.values()]  # type: ignore[arg-type]
    facts += [Output(_bucket_fact(header, panes[key], measure, bucket)) for key, measure, bucket in measured]
    return context.replace(panes=panes, outputs=(*context.outputs, *facts))


def _touched(stored: Pane | None, offset: int, start: int, dimensions: Dimensions, touched: int) -> Pane:
    if stored is not None:
        return msgspec.structs.replace(
            stored,
            offset=offset,
            metrics=dict(stored.metrics),
            buckets=dict(stored.buckets),
            touched_at=max(stored.touched_at, touched),
            postponed=0,
        )
    channel, team, priority, policy, brand = dimensions
    return Pane(
        offset=offset,
        part=offset,
        start=start,
        channel=channel,
        team=team,
        priority=priority,
        policy=policy,
        brand=brand,
        touched_at=touched,
    )


def _header(context: FoldContext) -> dict[str, Any]:
    """Returns the header of facts of panes, each of which has a brand of its own."""
    return {
        "customer_tag": context.event.customer_tag,
        "version": context.position.offset,
        "partition": context.position.partition,
        "at": context.now,
    }


def _place(pane: Pane) -> dict[str, Any]:
    """Returns what the facts about a pane know it by."""
    return {
        "part": pane.part,
        "start": pane.start,
        "channel": pane.channel,
        "team": pane.team,
        "priority": pane.priority,
        "policy": pane.policy,
        "brand": pane.brand,
    }


def _bucket_fact(header: dict[str, Any], pane: Pane, measure: str, bucket: int) -> PaneBucketFact:
    return PaneBucketFact(**header, **_place(pane), measure=measure, bucket=bucket, count=pane.buckets[measure][bucket])

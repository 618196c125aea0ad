"""roll_windows: what happened, counted in panes of five minutes of event time.

A pane is one combination of channel, team, priority and policy in one partition; windows of 1 h, 24 h and 7 d are
sums of panes (ADR 0003). Every record that changes a pane writes it out in full, so facts do not depend on how the
log was cut into batches. A pane is forgotten an hour after its last event; later data opens a new part of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from schemas.clock import MICROS
from schemas.facts import PaneFact
from stream_processors.processor import MOST_BATCH_RECORDS, Output, Position, Reader
from stream_processors.tickets.score_csat import LOW_CSAT
from stream_processors.tickets.state import Pane
from stream_processors.tickets.turn import Happening, Turn

__all__ = ["PANE_MICROS", "forget", "forget_at", "pane_key", "roll"]

PANE_MICROS = 300 * MICROS
KEPT_MICROS = 3600 * MICROS

_Figures = dict[str, int | float]
#: Happening → the figure that counts it.
_COUNTS = {
    "contact": "contacts_received",
    "opened": "tickets_created",
    "reopened": "tickets_reopened",
    "acknowledged": "acknowledged",
    "suppressed": "suppressed",
    "replied": "messages_out",
    "first_response": "first_responses",
    "solved": "tickets_solved",
    "met": "clocks_met",
    "breached": "clocks_breached",
    "csat": "csat_answers",
    "ces": "ces_answers",
    "order": "orders_placed",
    "article": "articles_viewed",
}
#: What changes no figure touches no pane.
_COUNTED = frozenset((*_COUNTS, "corrected"))


def pane_key(start: int, channel: str, team: str, priority: str, policy: str) -> bytes:
    return b"p" + start.to_bytes(8, "big") + "\0".join((channel, team, priority, policy)).encode()


def forget_at(pane: Pane) -> int:
    """When (pipeline micros) the pane's state may go: after 1 hour, and if it is put off after 4, 9, 16, ..."""
    return pane.touched_at + KEPT_MICROS * (pane.postponed + 1) ** 2


def forget(pane: Pane, now: int, position: Position) -> tuple[bool, Pane | None]:
    """Whether a tick at `now` changes the pane, and to what: None forgets it.

    A pane with a recent record is put off: a refold of that record's batch must still find that it is counted.
    """
    if forget_at(pane) > now or position.offset <= pane.offset:
        return False, pane
    if position.offset - pane.offset >= MOST_BATCH_RECORDS:
        return True, None
    return True, msgspec.structs.replace(pane, postponed=pane.postponed + 1)


def roll(turn: Turn, read: Reader) -> tuple[Mapping[bytes, Pane], list[Output]]:
    """The panes that this turn changes, and a fact for each.

    A pane that is ahead of the record already counted it before a crash: neither it nor its fact is written again.
    """
    if not turn.happened:
        return {}, []
    offset, touched = turn.position.offset, turn.event.received_at
    panes: dict[bytes, Pane] = {}
    for happening in turn.happened:
        if happening.name not in _COUNTED:
            continue
        start = happening.at - happening.at % PANE_MICROS
        dimensions = _dimensions(turn, happening)
        key = pane_key(start, *dimensions)
        pane = panes.get(key)
        if pane is None:
            stored: Pane | None = read.get(key)
            if stored is not None and stored.offset >= offset:
                continue
            pane = panes[key] = _touched(stored, offset, start, dimensions, touched)
        _count(pane.figures, happening)
    return panes, [Output(_fact(turn, pane)) for pane in panes.values()]


def _dimensions(turn: Turn, happening: Happening) -> tuple[str, str, str, str]:
    """As the ticket was then; what it did not have yet counts under what it has at the end of the turn."""
    then = happening.ticket
    if then is None:
        return turn.event.channel, "", "", ""
    now = turn.ticket
    if (not then.team or not then.policy) and now is not None and now.number == then.number:
        then = now
    return then.channel, then.team, then.priority, then.policy


def _touched(stored: Pane | None, offset: int, start: int, dimensions: tuple[str, str, str, str], touched: int) -> Pane:
    if stored is not None:
        return msgspec.structs.replace(
            stored,
            offset=offset,
            figures=dict(stored.figures),
            touched_at=max(stored.touched_at, touched),
            postponed=0,
        )
    channel, team, priority, policy = dimensions
    return Pane(
        offset=offset,
        part=offset,
        start=start,
        channel=channel,
        team=team,
        priority=priority,
        policy=policy,
        figures={},
        touched_at=touched,
    )


def _count(figures: _Figures, happening: Happening) -> None:
    name, detail = happening.name, happening.detail
    figure = _COUNTS.get(name)
    if figure is not None:
        _add(figures, figure, 1)
    if name == "first_response":
        _add(figures, "first_response_seconds_sum", detail)
        figures["first_response_seconds_max"] = max(figures.get("first_response_seconds_max", 0.0), detail)
        if happening.within:
            _add(figures, "first_responses_within_target", 1)
    elif name == "solved":
        _add(figures, "resolutions", 1)
        _add(figures, "resolution_seconds_sum", detail)
    elif name == "csat":
        _add(figures, "csat_sum", int(detail))
        if detail <= LOW_CSAT:
            _add(figures, "csat_low", 1)
    elif name == "ces":
        _add(figures, "ces_sum", int(detail))
    elif name == "corrected":
        _add(figures, "clocks_breached", -1)


def _add(figures: _Figures, figure: str, amount: int | float) -> None:
    figures[figure] = figures.get(figure, 0) + amount


def _fact(turn: Turn, pane: Pane) -> PaneFact:
    figures: dict[str, object] = dict(pane.figures)
    return PaneFact(
        customer_tag=turn.event.customer_tag,
        version=turn.position.offset,
        partition=turn.position.partition,
        at=turn.now,
        part=pane.part,
        start=pane.start,
        channel=pane.channel,
        team=pane.team,
        priority=pane.priority,
        policy=pane.policy,
        **figures,  # type: ignore[arg-type]
    )

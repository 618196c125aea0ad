"""Says in an acknowledgement what may be expected of us besides the promise: our hours while nobody works, else how soon most are answered.

Both are said where there is room for them: in mails and in chats.
"""

from __future__ import annotations

from typing import NamedTuple

from schemas.clock import MICROS
from schemas.opening_hours import said_week
from schemas.reply_time import in_words, rounded_up
from stream_processors.rules.policies import Policy, due_at
from stream_processors.text.promised_time import promised_time
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.sla.queue import usual_seconds

__all__ = ["Expectations", "expectations"]

_ROOM = frozenset(("email", "chat"))


class Expectations(NamedTuple):
    """Holds it in words: our hours, when somebody works again, and within which time most are answered at present."""

    hours: str = ""
    opens: str = ""
    reply_time: str = ""


_NOTHING = Expectations()


def expectations(
    context: FoldContext,
    policy: Policy,
    kind: str,
    locale: str,
    time_zone: str,
    promise: tuple[int, int | None, str],
) -> Expectations:
    """Returns what is said in a kind of template. `promise`: since when we promise, by when, and why nobody works now."""
    seen_at, promised_at, closed = promise
    if kind not in _ROOM:
        return _NOTHING
    if closed:
        assert policy.calendar is not None
        opens = promised_time(policy.calendar.opens_at(seen_at), time_zone, context.rules.policies.time_zone, locale)
        return Expectations(said_week(policy.calendar, seen_at, locale), opens.full)
    measured = usual_seconds(context, context.channel_of_event, context.team, policy.calendar)
    usual = rounded_up(measured) if measured else None
    if not usual or promised_at is None:
        return _NOTHING
    # Said only where it holds on the customer's clock, too: we are there for so long, and it is no longer than the promise.
    at = due_at(seen_at, usual, policy.calendar)
    return (
        Expectations(reply_time=in_words(usual, locale)) if at == seen_at + usual * MICROS <= promised_at else _NOTHING
    )

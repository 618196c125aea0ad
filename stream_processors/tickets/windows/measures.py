"""Adds each kind of observation to the metrics of a pane, under its dimensions.

All of them can be added up over panes, partitions and parts, but for those that end in `_max`, whose maximum counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from schemas.clock import MICROS
from stream_processors.tickets import observations as seen
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.lookup import finished_at
from stream_processors.tickets.observations import Duration, FirstResponse, Observation
from stream_processors.tickets.state import Customer, Ticket
from stream_processors.tickets.surveys.score import LOW_CSAT

__all__ = ["MEASURES", "Dimensions", "Metrics", "count", "counted"]

Metrics = dict[str, int | float]
#: Channel, team, priority, policy, brand.
Dimensions = tuple[str, str, str, str, str]

#: Kind of observation → the metric that counts it, and the step.
_COUNTS: dict[type[Observation], tuple[str, int]] = {
    seen.Contact: ("contacts_received", 1),
    seen.MessageIn: ("messages_in", 1),
    seen.TicketOpened: ("tickets_created", 1),
    seen.TicketReopened: ("tickets_reopened", 1),
    seen.Acknowledged: ("acknowledged", 1),
    seen.Suppressed: ("suppressed", 1),
    seen.Replied: ("messages_out", 1),
    seen.FirstResponse: ("first_responses", 1),
    seen.FirstResponseRestated: ("first_responses", 1),
    seen.FirstResponseWithdrawn: ("first_responses", -1),
    seen.NextResponse: ("next_responses", 1),
    seen.NextResponseRestated: ("next_responses", 1),
    seen.NextResponseWithdrawn: ("next_responses", -1),
    seen.Solved: ("tickets_solved", 1),
    seen.RequesterWaited: ("requester_waits", 1),
    seen.ClockMet: ("clocks_met", 1),
    seen.ClockBreached: ("clocks_breached", 1),
    seen.BreachWithdrawn: ("clocks_breached", -1),
    seen.CsatGiven: ("csat_answers", 1),
    seen.CsatWithdrawn: ("csat_answers", -1),
    seen.CesGiven: ("ces_answers", 1),
    seen.CesWithdrawn: ("ces_answers", -1),
    seen.Ordered: ("orders_placed", 1),
    seen.ArticleRead: ("articles_viewed", 1),
    seen.ConversationAnswered: ("answers", 1),
    seen.ConversationAbandoned: ("abandoned", 1),
    seen.ConversationHandled: ("handled", 1),
    seen.TicketTransferred: ("transferred", 1),
    seen.Deflected: ("deflected", 1),
    seen.FcrKept: ("fcr_kept", 1),
    seen.FcrCorrected: ("fcr_kept", -1),
    seen.FcrLost: ("fcr_lost", 1),
    seen.RepeatContact: ("repeat_contacts", 1),
    seen.SurveyInvited: ("surveys_sent", 1),
    seen.FirstSurveyAnswer: ("surveys_answered", 1),
    seen.InvitationAnswered: ("surveys_answered_invited", 1),
    seen.FollowUpOpened: ("follow_ups", 1),
    seen.FollowUpDone: ("followed_up", 1),
}
#: Kind of observation → its measure and the step: a sum, a maximum, and quantiles (`quantile_sketch`). What is withdrawn is
#: taken from the sum and the quantiles; a maximum cannot forget.
MEASURES: dict[type[Observation], tuple[str, int]] = {
    seen.FirstResponse: ("first_response", 1),
    seen.FirstResponseWithdrawn: ("first_response", -1),
    seen.FirstResponseRestated: ("first_response", 1),
    seen.NextResponse: ("next_response", 1),
    seen.NextResponseWithdrawn: ("next_response", -1),
    seen.NextResponseRestated: ("next_response", 1),
    seen.Solved: ("resolution", 1),
    seen.ConversationAnswered: ("answer", 1),
    seen.RequesterWaited: ("requester_wait", 1),
    seen.ConversationHandled: ("handled", 1),
}


def counted(context: FoldContext) -> Iterator[tuple[Observation, Dimensions]]:
    """Yields all that is to be counted of a fold, and under which dimensions.

    An observation counts as its ticket was then; what it did not have yet, under what it has at the end of the fold.
    """
    now = context.ticket
    for observation in context.observed:
        if type(observation) in _COUNTS:
            then = observation.ticket
            if then is None:
                yield observation, (context.event.channel, "", "", "", context.brand_of_event)
                continue
            if (not then.team or not then.sla.policy) and now is not None and now.number == then.number:
                then = now
            yield observation, _dimensions(then)
    before, after = context.before, context.customer
    if before.tickets is not after.tickets:
        yield from _backlog(context, before, after)


def count(metrics: Metrics, observation: Observation, imported: bool) -> None:
    """Adds one observation to the metrics of its pane. `imported`: of these some are shown apart."""
    kind = type(observation)
    if (counts := _COUNTS.get(kind)) is not None:
        _add(metrics, *counts)
    if (measure := MEASURES.get(kind)) is not None:
        assert isinstance(observation, Duration)
        _measure(metrics, *measure, observation)
    elif (detail := _DETAILS.get(kind)) is not None:
        detail(metrics, observation, imported)


def _measure(metrics: Metrics, name: str, step: int, observation: Duration) -> None:
    _add(metrics, f"{name}_seconds_sum", step * observation.seconds)
    largest = f"{name}_seconds_max"
    metrics[largest] = max(metrics.get(largest, 0.0), 0.0 if step < 0 else observation.seconds)
    if type(observation) is seen.Solved:
        _add(metrics, "resolutions", 1)
    elif isinstance(observation, FirstResponse) and observation.within_target:
        _add(metrics, "first_responses_within_target", step)


def _abandoned(metrics: Metrics, observation: seen.ConversationAbandoned, imported: bool) -> None:
    _add(metrics, "abandoned_seconds_sum", observation.seconds)


def _entered(metrics: Metrics, observation: Observation, imported: bool) -> None:
    _backlog_change(metrics, observation, 1)


def _left(metrics: Metrics, observation: Observation, imported: bool) -> None:
    _backlog_change(metrics, observation, -1)


def _backlog_change(metrics: Metrics, observation: Observation, step: int) -> None:
    assert observation.ticket is not None
    _add(metrics, "backlog_change", step)
    _add(metrics, "backlog_created_change", step * (observation.ticket.created_at // MICROS))


def _csat(metrics: Metrics, observation: seen.CsatGiven | seen.CsatWithdrawn, imported: bool) -> None:
    score, step = observation.score, _COUNTS[type(observation)][1]
    _add(metrics, "csat_sum", step * score)
    _add(metrics, f"csat_{score}", step)
    if score <= LOW_CSAT:
        _add(metrics, "csat_low", step)
    if imported:
        _add(metrics, "csat_answers_imported", step)
        _add(metrics, "csat_sum_imported", step * score)


def _ces(metrics: Metrics, observation: seen.CesGiven | seen.CesWithdrawn, imported: bool) -> None:
    score, step = observation.score, _COUNTS[type(observation)][1]
    _add(metrics, "ces_sum", step * score)
    _add(metrics, f"ces_{score}", step)


def _add(metrics: Metrics, name: str, amount: int | float) -> None:
    metrics[name] = metrics.get(name, 0) + amount


#: Kind of observation → what else it adds.
_DETAILS: dict[type[Observation], Callable[[Metrics, Any, bool], None]] = {
    seen.ConversationAbandoned: _abandoned,
    seen.CsatGiven: _csat,
    seen.CsatWithdrawn: _csat,
    seen.CesGiven: _ces,
    seen.CesWithdrawn: _ces,
    seen.BacklogEntered: _entered,
    seen.BacklogLeft: _left,
}


# -- between two states -----------------------------------------------------------------------------------------------


def _dimensions(ticket: Ticket) -> Dimensions:
    return ticket.channel, ticket.team, ticket.priority, ticket.sla.policy, ticket.brand


def _backlog(context: FoldContext, before: Customer, after: Customer) -> Iterator[tuple[Observation, Dimensions]]:
    """Yields the tickets that came into the backlog, left it, or changed their place in it."""
    now, known = context.now, {ticket.number: ticket for ticket in before.tickets}
    for ticket in after.tickets:
        was = known.pop(ticket.number, None)
        if was is ticket:
            continue
        was_open, is_open = was is not None and finished_at(was) is None, finished_at(ticket) is None
        if was_open and is_open and was is not None and _dimensions(was) == _dimensions(ticket):
            continue
        if was_open and was is not None:
            yield seen.BacklogLeft(now, was), _dimensions(was)
        if is_open:
            yield seen.BacklogEntered(now, ticket), _dimensions(ticket)
    for ticket in known.values():  # handed over to another customer, or forgotten
        if finished_at(ticket) is None:
            yield seen.BacklogLeft(now, ticket), _dimensions(ticket)

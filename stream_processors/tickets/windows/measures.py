"""figures: what each happening adds to the figures of a pane, and what happens between two states of a ticket.

All figures can be added up over panes, partitions and parts, but for those that end in `_max`, whose maximum counts.
"""

from __future__ import annotations

from collections.abc import Iterator

from schemas.clock import MICROS
from schemas.events import MessageReceived
from schemas.facts import TicketClocks
from stream_processors.tickets.context import FoldContext, Observation
from stream_processors.tickets.sla.ticket_metrics import waited_since
from stream_processors.tickets.state import Customer, Ticket
from stream_processors.tickets.surveys.score import LOW_CSAT
from stream_processors.tickets.thread import finished_at

__all__ = ["COUNTED", "MEASURES", "Dimensions", "Figures", "count", "observations"]

Figures = dict[str, int | float]
#: Channel, team, priority, policy.
Dimensions = tuple[str, str, str, str]

#: Happening → the figure that counts it.
_COUNTS = {
    "contact": "contacts_received",
    "message": "messages_in",
    "opened": "tickets_created",
    "reopened": "tickets_reopened",
    "acknowledged": "acknowledged",
    "suppressed": "suppressed",
    "replied": "messages_out",
    "first_response": "first_responses",
    "first_response_restated": "first_responses",
    "next_response": "next_responses",
    "next_response_restated": "next_responses",
    "solved": "tickets_solved",
    "met": "clocks_met",
    "breached": "clocks_breached",
    "csat": "csat_answers",
    "ces": "ces_answers",
    "order": "orders_placed",
    "article": "articles_viewed",
    "call_answered": "answers",
    "requester_waited": "requester_waits",
    "abandoned": "abandoned",
    "handled": "handled",
    "transferred": "transferred",
    "deflected": "deflected",
    "fcr_kept": "fcr_kept",
    "fcr_lost": "fcr_lost",
    "repeat_contact": "repeat_contacts",
    "invited": "surveys_sent",
    "survey_answered": "surveys_answered",
    "invitation_answered": "surveys_answered_invited",
    "follow_up": "follow_ups",
    "followed_up": "followed_up",
}
#: Happening → the figure that it takes one from.
_TAKEN = {
    "corrected": "clocks_breached",
    "fcr_corrected": "fcr_kept",
    "first_response_withdrawn": "first_responses",
    "next_response_withdrawn": "next_responses",
}
#: Happening whose detail is a duration → its measure: a sum, a maximum, and quantiles (`sketch`). One that is withdrawn is
#: taken from the sum and the quantiles; a maximum cannot forget.
MEASURES = {
    "first_response": "first_response",
    "first_response_withdrawn": "first_response",
    "first_response_restated": "first_response",
    "next_response": "next_response",
    "next_response_withdrawn": "next_response",
    "next_response_restated": "next_response",
    "solved": "resolution",
    "call_answered": "answer",
    "requester_waited": "requester_wait",
    "handled": "handled",
}
_SUMS = {"abandoned": "abandoned_seconds_sum"}
_SCORES = {"csat": 1, "csat_withdrawn": -1}
_EFFORTS = {"ces": 1, "ces_withdrawn": -1}
#: A ticket begins and ceases to be open under these dimensions.
_BACKLOG = {"came": 1, "went": -1}
WITHDRAWN = frozenset(("first_response_withdrawn", "next_response_withdrawn"))
COUNTED = frozenset((*_COUNTS, *_TAKEN, *_SCORES, *_EFFORTS, *_BACKLOG))


def observations(context: FoldContext) -> Iterator[tuple[Observation, Dimensions]]:
    """All that is to be counted of a turn, and under which dimensions.

    A happening counts as its ticket was then; what it did not have yet, under what it has at the end of the fold.
    """
    now = context.ticket
    for observation in context.observed:
        if observation.name in COUNTED:
            then = observation.ticket
            if then is None:
                dimensions = context.event.channel, "", "", ""
            else:
                if (not then.team or not then.policy) and now is not None and now.number == then.number:
                    then = now
                dimensions = then.channel, then.team, then.priority, then.policy
            yield observation, dimensions
            if observation.name == "contact" and type(context.event) is MessageReceived:
                yield Observation("message", observation.at, then), dimensions
            elif observation.name == "solved" and (waited := _requester_wait(context)) is not None:
                yield Observation("requester_waited", observation.at, then, waited), dimensions
    if context.replied_at is not None and now is not None and (since := waited_since(context, now)) is not None:
        yield Observation("next_response", context.replied_at, now, (context.replied_at - since) / MICROS), _where(now)
    if context.replied_at is not None and now is not None:
        yield from _restated(context, now)
    before, after = context.before, context.customer
    if before.tickets is not after.tickets:
        yield from _backlog(context, before, after)


def count(figures: Figures, observation: Observation, imported: bool) -> None:
    """Add one happening to the figures of its pane. `imported`: of these some are shown apart."""
    name, detail = observation.name, observation.detail
    if (figure := _COUNTS.get(name)) is not None:
        _add(figures, figure, 1)
    if (figure := _TAKEN.get(name)) is not None:
        _add(figures, figure, -1)
    if (measure := MEASURES.get(name)) is not None:
        once = -1 if name in WITHDRAWN else 1
        _add(figures, f"{measure}_seconds_sum", once * detail)
        largest = f"{measure}_seconds_max"
        figures[largest] = max(figures.get(largest, 0.0), 0.0 if once < 0 else detail)
        if name == "solved":
            _add(figures, "resolutions", 1)
        elif observation.within:
            _add(figures, "first_responses_within_target", once)
    elif (step := _BACKLOG.get(name)) is not None:
        _add(figures, "backlog_change", step)
        _add(figures, "backlog_created_change", step * int(detail))
    elif (step := _SCORES.get(name)) is not None:
        _score(figures, int(detail), step, imported)
    elif (step := _EFFORTS.get(name)) is not None:
        _add(figures, "ces_sum", step * int(detail))
        _add(figures, f"ces_{int(detail)}", step)
        if step < 0:
            _add(figures, "ces_answers", step)
    elif (figure := _SUMS.get(name)) is not None:
        _add(figures, figure, detail)


def _score(figures: Figures, score: int, step: int, imported: bool) -> None:
    if step < 0:
        _add(figures, "csat_answers", step)
    _add(figures, "csat_sum", step * score)
    _add(figures, f"csat_{score}", step)
    if score <= LOW_CSAT:
        _add(figures, "csat_low", step)
    if imported:
        _add(figures, "csat_answers_imported", step)
        _add(figures, "csat_sum_imported", step * score)


def _add(figures: Figures, figure: str, amount: int | float) -> None:
    figures[figure] = figures.get(figure, 0) + amount


# -- between two states -----------------------------------------------------------------------------------------------


def _where(ticket: Ticket) -> Dimensions:
    return ticket.channel, ticket.team, ticket.priority, ticket.policy


def _where_at(ticket: Ticket, at: int) -> Dimensions:
    """As `_where`, with the team that had the ticket at that moment."""
    team = next((each.team for each in reversed(ticket.status_history) if each.at <= at), ticket.team)
    return ticket.channel, team, ticket.priority, ticket.policy


def _restated(context: FoldContext, ticket: Ticket) -> Iterator[tuple[Observation, Dimensions]]:
    """An answer from before the one that was counted: it takes its place, in the pane of its own time."""
    was = next((each for each in context.before.tickets if each.number == ticket.number), None)
    if was is None:
        return
    old, new = was.first_response_at, ticket.first_response_at
    if old is not None and new is not None and new < old:
        due = next((clock.due_at for clock in ticket.clocks if clock.name == "first_response"), None)
        for name, at in (("first_response_withdrawn", old), ("first_response_restated", new)):
            within, seconds = due is None or at < due, max(0, at - ticket.created_at) / MICROS
            yield Observation(name, at, ticket, seconds, within), _where_at(ticket, at)
    before, after = was.next_responses, ticket.next_responses
    if before is not None and after is not None and before.count == after.count:
        moments = before.answered_at, after.answered_at
        if moments[1] < moments[0]:
            for name, at in zip(("next_response_withdrawn", "next_response_restated"), moments, strict=True):
                yield Observation(name, at, ticket, (at - after.started_at) / MICROS), _where_at(ticket, at)


def _requester_wait(context: FoldContext) -> float | None:
    """How long the customer has waited for us in all, up to this solve, as the fact with all clocks says it."""
    return next(
        (each.record.requester_wait_seconds for each in context.outputs if isinstance(each.record, TicketClocks)), None
    )


def _backlog(context: FoldContext, before: Customer, after: Customer) -> Iterator[tuple[Observation, Dimensions]]:
    """Tickets that came into the backlog, left it, or changed their place in it."""
    known = {ticket.number: ticket for ticket in before.tickets}
    for ticket in after.tickets:
        was = known.pop(ticket.number, None)
        if was is ticket:
            continue
        was_open, is_open = was is not None and finished_at(was) is None, finished_at(ticket) is None
        if was_open and is_open and was is not None and _where(was) == _where(ticket):
            continue
        if was_open and was is not None:
            yield _moved("went", context, was)
        if is_open:
            yield _moved("came", context, ticket)
    for ticket in known.values():  # handed over to another customer, or forgotten
        if finished_at(ticket) is None:
            yield _moved("went", context, ticket)


def _moved(name: str, context: FoldContext, ticket: Ticket) -> tuple[Observation, Dimensions]:
    return Observation(name, context.now, ticket, ticket.created_at // MICROS), _where(ticket)

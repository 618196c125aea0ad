"""Records every answer to a survey as a fact; a person's last one is the score, the first stays beside it.

- An answer belongs to the episode that its link names, and counts for who solved that, in the figures of that team, even
  weeks later when the ticket is gone. Without an episode it belongs to the one that was solved last.
- A machine's vote (`scanner`) is recorded and changes nothing else.
- A score that is changed withdraws the one before; what only adds words to the same score counts nothing.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from schemas.errors import Refused
from schemas.events import SurveyAnswered
from schemas.facts import SurveyFact
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.observations import (
    CesGiven,
    CesWithdrawn,
    CsatGiven,
    CsatWithdrawn,
    FirstSurveyAnswer,
    InvitationAnswered,
)
from stream_processors.tickets.resolution import episodes
from stream_processors.tickets.state import Episode, Survey, TicketSurvey
from stream_processors.tickets.surveys import follow_up, thank

__all__ = ["LOW_CSAT", "step"]

HIGHEST_CSAT, HIGHEST_CES = 5, 7
#: A CSAT at or below this is a low score.
LOW_CSAT = 2


def step(context: FoldContext) -> FoldContext:
    """Record the scores of a `SurveyAnswered`.

    Raises:
        Refused: `bad_score` outside 1-5 (CSAT) or 1-7 (CES), or without any score.
    """
    event = context.event
    if not isinstance(event, SurveyAnswered):
        return context
    _check("CSAT", event.csat, HIGHEST_CSAT)
    _check("CES", event.ces, HIGHEST_CES)
    if event.csat is None and event.ces is None:
        raise Refused("bad_score", f"survey {event.survey_id!r} has neither CSAT nor CES")
    episode = _episode(context, event)
    known = episode.survey or Survey(answers=_answers_before(context, episode))
    survey = replace(known, answers=known.answers + 1)
    thanked, low = "scanner", False
    if not event.scanner:
        survey = _scored(survey, event, context.now)
        context = _counted(context, event, episode, known)
        context, thanked = thank.step(
            context, event, episode, known, low=event.csat is not None and event.csat <= LOW_CSAT
        )
        survey = replace(survey, thanked=known.thanked or thanked == "sent")
        low = event.csat is not None and event.csat <= LOW_CSAT and episode.follow_up is None and not event.imported
    episode = replace(episode, survey=survey)
    context = episodes.put(context, episode)
    if low:
        context = follow_up.begin(context, event, episode)
    elif not event.scanner and episode.follow_up is not None:
        context = follow_up.heard(context, event, episode)
    return context.write(_fact(context, event, episode, survey, thanked, low))


def _episode(context: FoldContext, event: SurveyAnswered) -> Episode:
    """Returns the episode that the answer is about; a new one where none is remembered."""
    if event.episode:
        known = episodes.find(context.customer, event.ticket_id, event.episode)
    else:
        of_ticket = episodes.of_ticket(context.customer, event.ticket_id)
        solved = [each for each in of_ticket if each.solved_at is not None]
        known = next(reversed(solved or of_ticket), None)
    if known is not None:
        return known
    if context.ticket is not None and event.episode in (0, context.ticket.episode):
        return replace(episodes.remember(context), agent=event.agent_id or context.ticket.assignee)
    ticket = context.ticket
    channel = event.channel if ticket is None else ticket.channel
    team = "" if ticket is None else ticket.team
    brand = context.brand_of_event if ticket is None else ticket.brand
    return Episode(event.ticket_id, event.episode, channel, team, event.agent_id, touched_at=context.now, brand=brand)


def _answers_before(context: FoldContext, episode: Episode) -> int:
    """Answers from before episodes were remembered."""
    if context.ticket is None or episodes.of_ticket(context.customer, episode.ticket_id):
        return 0
    return context.ticket.survey.answers


def _scored(survey: Survey, event: SurveyAnswered, now: int) -> Survey:
    changes: dict[str, Any] = {"answered": True}
    if event.csat is not None:
        changes["first_csat"] = event.csat if survey.first_csat is None else survey.first_csat
        if event.csat != survey.csat:
            changes |= {"csat": event.csat, "csat_at": now}
    if event.ces is not None:
        changes["first_ces"] = event.ces if survey.first_ces is None else survey.first_ces
        if event.ces != survey.ces:
            changes |= {"ces": event.ces, "ces_at": now}
    return replace(survey, **changes)


def _counted(context: FoldContext, event: SurveyAnswered, episode: Episode, known: Survey) -> FoldContext:
    """Counts an answer: on the ticket whose score it is now, for the customer who scored low, and for the windows."""
    ticket = context.ticket
    if ticket is not None:
        context = context.on_ticket(
            survey=TicketSurvey(
                csat=ticket.survey.csat if event.csat is None else event.csat,
                ces=ticket.survey.ces if event.ces is None else event.ces,
                answers=ticket.survey.answers + 1,
            ),
            updated_at=context.now,
        )
    if not known.answered:
        context = episodes.observe(context, episode, FirstSurveyAnswer)
        if episode.invitation.invited:
            context = episodes.observe(context, episode, InvitationAnswered)
    if event.csat is not None and event.csat != known.csat:
        if known.csat is not None:
            context = episodes.observe(context, episode, CsatWithdrawn, known.csat, at=known.csat_at)
        context = episodes.observe(context, episode, CsatGiven, event.csat)
        context = _low(context, event.csat, known)
    if event.ces is not None and event.ces != known.ces:
        if known.ces is not None:
            context = episodes.observe(context, episode, CesWithdrawn, known.ces, at=known.ces_at)
        context = episodes.observe(context, episode, CesGiven, event.ces)
    return context


def _low(context: FoldContext, csat: int, known: Survey) -> FoldContext:
    """Remember a low score with the customer; one that is taken back is forgotten."""
    at = context.customer.last_low_csat_at
    if csat <= LOW_CSAT:
        at = context.now
    elif known.csat is not None and known.csat <= LOW_CSAT and at == known.csat_at:
        at = None
    return context.replace(customer=replace(context.customer, last_low_csat_at=at))


def _fact(
    context: FoldContext, event: SurveyAnswered, episode: Episode, survey: Survey, thanked: str, follow_up: bool
) -> SurveyFact:
    ticket = context.ticket
    return SurveyFact(
        **context.fact_header(episode),
        ticket_id=event.ticket_id,
        survey_id=event.survey_id,
        answer=survey.answers,
        csat=event.csat,
        ces=event.ces,
        comment=event.comment,
        channel=episode.channel,
        team=episode.team,
        agent_id=event.agent_id or episode.agent or ("" if ticket is None else ticket.assignee),
        went_wrong=event.went_wrong,
        episode=episode.number,
        scanner=event.scanner,
        first_csat=survey.first_csat,
        first_ces=survey.first_ces,
        thanked=thanked,
        follow_up=follow_up,
        imported=event.imported,
    )


def _check(name: str, score: int | None, highest: int) -> None:
    if score is not None and not 1 <= score <= highest:
        raise Refused("bad_score", f"{name} {score} is not between 1 and {highest}")

"""score_csat: an answered survey. The last answer is the ticket's score; every answer is a fact."""

from __future__ import annotations

import msgspec

from schemas.errors import Refused
from schemas.events import SurveyAnswered
from schemas.facts import SurveyFact
from stream_processors.tickets.turn import Turn

__all__ = ["LOW_CSAT", "step"]

HIGHEST_CSAT, HIGHEST_CES = 5, 7
#: A CSAT at or below this is a low score.
LOW_CSAT = 2


def step(turn: Turn) -> Turn:
    """Record the scores of a `SurveyAnswered`.

    The ticket may be gone from the state (surveys are answered weeks later): then its dimensions stay empty and the
    answer counts as the first.

    Raises:
        Refused: `bad_score` outside 1-5 (CSAT) or 1-7 (CES), or without any score.
    """
    event = turn.event
    if not isinstance(event, SurveyAnswered):
        return turn
    _check("CSAT", event.csat, HIGHEST_CSAT)
    _check("CES", event.ces, HIGHEST_CES)
    if event.csat is None and event.ces is None:
        raise Refused("bad_score", f"survey {event.survey_id!r} has neither CSAT nor CES")
    ticket = turn.ticket
    answer = 1 if ticket is None else ticket.survey_answers + 1
    if ticket is not None:
        turn = turn.on_ticket(
            csat=ticket.csat if event.csat is None else event.csat,
            ces=ticket.ces if event.ces is None else event.ces,
            survey_answers=answer,
            updated_at=turn.now,
        )
    if event.csat is not None:
        turn = turn.note("csat", detail=event.csat)
        if event.csat <= LOW_CSAT:
            turn = turn.but(customer=msgspec.structs.replace(turn.customer, last_low_csat_at=turn.now))
    if event.ces is not None:
        turn = turn.note("ces", detail=event.ces)
    return turn.write(
        SurveyFact(
            **turn.base,
            ticket_id=event.ticket_id,
            survey_id=event.survey_id,
            answer=answer,
            csat=event.csat,
            ces=event.ces,
            comment=event.comment,
            channel=event.channel if ticket is None else ticket.channel,
            team="" if ticket is None else ticket.team,
            agent_id="" if ticket is None else ticket.assignee,
        )
    )


def _check(name: str, score: int | None, highest: int) -> None:
    if score is not None and not 1 <= score <= highest:
        raise Refused("bad_score", f"{name} {score} is not between 1 and {highest}")

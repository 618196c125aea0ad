"""Turns a survey page's form into a `SurveyAnswered`. Pages and votes need a signed link.

The page carries a token of its own, which says when it was made. It numbers the vote: the same page sent twice (a
double click, a reload) is one event, and another page is another vote, even with the same content. A vote without that
token, or faster than a person reads, counts but is marked as `scanner`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from producers.text.fields import FieldProblems, prose
from schemas import identity, signed_token, survey_link
from schemas.errors import Refused
from schemas.events import SurveyAnswered
from schemas.survey_link import SurveyLink

__all__ = [
    "CHANNEL",
    "HIGHEST_CES",
    "HIGHEST_CSAT",
    "HUMAN_SECONDS",
    "LONGEST_COMMENT",
    "LOW_CSAT",
    "page_token",
    "vote",
    "vote_token",
    "went_wrong",
]

#: The metric label of refusals.
CHANNEL = "survey"
HIGHEST_CSAT, HIGHEST_CES = 5, 7
#: At or below it the thank-you page asks what went wrong.
LOW_CSAT = 2
#: A vote that comes faster is a scanner's.
HUMAN_SECONDS = 2.0
#: Characters.
LONGEST_COMMENT = 5_000
_PAGE, _VOTE = b"deskstream-survey-page\n", b"deskstream-survey-vote\n"


def page_token(link: SurveyLink, secrets: Sequence[str], *, wall: float) -> str:
    """Returns the token of a page that is made `wall` seconds after 1970."""
    return signed_token.sign(_PAGE, msgspec.json.encode([survey_link.survey_id(link), int(wall * 1000)]), secrets)


def vote(
    link: SurveyLink, values: Mapping[str, str], secrets: Sequence[str], *, now: int, wall: float, source: str = ""
) -> SurveyAnswered:
    """Returns the vote of a submitted page: `csat`, `ces`, `comment` and the page's token as `page`.

    `now` is pipeline microseconds, `wall` seconds since 1970.

    Raises:
        FieldProblems: `bad_fields`; each problem is one of the words `needed`, `out_of_range`, `too_long`.
    """
    problems: dict[str, str] = {}
    csat = _score(values, "csat", HIGHEST_CSAT, problems)
    ces = _score(values, "ces", HIGHEST_CES, problems)
    comment = _text(values, "comment", problems)
    if csat is None and ces is None and not problems:
        problems["csat"] = "needed"
    if problems:
        raise FieldProblems(problems)
    made_ms = _made(link, values.get("page", ""), secrets)
    survey = survey_link.survey_id(link)
    return _answered(
        link,
        identity.event_id("survey-vote", survey, str(made_ms), str(csat), str(ces), comment),
        csat=csat,
        ces=ces,
        comment=comment,
        scanner=_in_no_time(made_ms, wall),
        now=now,
        source=source,
    )


def vote_token(link: SurveyLink, voted: SurveyAnswered, secrets: Sequence[str], *, wall: float) -> str:
    """Returns the token of a thank-you page: the vote, and the time when the page was made."""
    fields = [survey_link.survey_id(link), int(wall * 1000), voted.csat, voted.scanner]
    return signed_token.sign(_VOTE, msgspec.json.encode(fields), secrets)


def went_wrong(
    link: SurveyLink, values: Mapping[str, str], secrets: Sequence[str], *, now: int, wall: float, source: str = ""
) -> SurveyAnswered:
    """Returns the reason of a low score: `went_wrong`, with the thank-you page's token as `vote`.

    It repeats the score that it explains, so that the last answer of a survey is still what was voted.

    Raises:
        FieldProblems: `needed` or `too_long`.
        Refused: `bad_vote`, the token is not ours or belongs to another survey.
    """
    survey, made_ms, csat, scanner = _voted(link, values.get("vote", ""), secrets)
    problems: dict[str, str] = {}
    text = _text(values, "went_wrong", problems)
    if not text and not problems:
        problems["went_wrong"] = "needed"
    if problems:
        raise FieldProblems(problems)
    return _answered(
        link,
        identity.event_id("survey-went-wrong", survey, str(made_ms), str(csat), text),
        csat=csat,
        went_wrong=text,
        scanner=scanner or _in_no_time(made_ms, wall),
        now=now,
        source=source,
    )


def _answered(
    link: SurveyLink,
    event_id: str,
    *,
    csat: int | None,
    ces: int | None = None,
    comment: str = "",
    went_wrong: str = "",
    scanner: bool,
    now: int,
    source: str,
) -> SurveyAnswered:
    owner = identity.split_ticket_id(link.ticket_id)
    assert owner is not None  # `survey_link.read` has checked it
    return SurveyAnswered(
        event_id=event_id,
        occurred_at=now,
        received_at=now,
        customer_tag=owner[0],
        source=source,
        ticket_id=link.ticket_id,
        survey_id=survey_link.survey_id(link),
        csat=csat,
        ces=ces,
        comment=comment,
        went_wrong=went_wrong,
        language=link.locale,
        scanner=scanner,
        episode=link.episode,
        agent_id=link.agent_id,
        brand=link.brand,
        verified="signed_link",
    )


def _score(values: Mapping[str, str], name: str, highest: int, problems: dict[str, str]) -> int | None:
    text = values.get(name, "")
    if not text:
        return None
    if len(text) == 1 and text in "123456789"[:highest]:
        return int(text)
    problems[name] = "out_of_range"
    return None


def _text(values: Mapping[str, str], name: str, problems: dict[str, str]) -> str:
    text = values.get(name, "").replace("\r\n", "\n").strip()
    if len(text) > LONGEST_COMMENT:
        problems[name] = "too_long"
        return ""
    return prose(text, LONGEST_COMMENT).strip()


def _made(link: SurveyLink, token: str, secrets: Sequence[str]) -> int | None:
    """Returns the time when the page was made, wall milliseconds; None when its token is missing or not ours."""
    try:
        payload = signed_token.verify(_PAGE, token, secrets)
        if payload is None:
            return None
        survey, made_ms = msgspec.json.decode(payload, type=tuple[str, int])
    except (ValueError, msgspec.DecodeError):
        return None
    return made_ms if survey == survey_link.survey_id(link) else None


def _voted(link: SurveyLink, token: str, secrets: Sequence[str]) -> tuple[str, int, int | None, bool]:
    try:
        payload = signed_token.verify(_VOTE, token, secrets)
        voted = None if payload is None else msgspec.json.decode(payload, type=tuple[str, int, int | None, bool])
    except (ValueError, msgspec.DecodeError):
        voted = None
    if voted is None or voted[0] != survey_link.survey_id(link):
        raise Refused("bad_vote", "the page was not made for this survey")
    return voted


def _in_no_time(made_ms: int | None, wall: float) -> bool:
    return made_ms is None or wall - made_ms / 1000 < HUMAN_SECONDS

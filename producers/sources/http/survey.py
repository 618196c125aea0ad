"""Serves the survey pages: GET shows, only POST votes.

| happens                                  | the customer sees                      | counted as            |
|------------------------------------------|----------------------------------------|-----------------------|
| GET, HEAD (a mail scanner, a preview)    | 200, the questions                     | nothing               |
| POST of the page                         | 200, thanks; asked what went wrong     | published             |
| the same page sent twice                 | the same                               | duplicate             |
| nothing chosen, text too long            | 422, the page with what was typed      | refused               |
| link cut, forged, expired                | 404, 403, 410                          | refused               |
| Kafka does not answer                    | 503, the page with what was typed      | nothing               |

Settings: `survey_secrets` (the first signs), `survey_url`. Times of links are pipeline time, those of pages wall time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

from producers.channels import survey
from producers.endpoint import Delivery
from producers.publisher import Publisher
from producers.security.ratelimit import RateLimit
from producers.sources.http import pages
from producers.sources.http.pages import Page
from producers.sources.http.requests import TooMany, count_refusal, hang_up, read_body, require_share
from producers.sources.http.webhooks import secrets_of
from producers.text.fields import FieldProblems
from producers.text.locales import negotiated
from schemas import identity, survey_link
from schemas.brands import Brand
from schemas.clock import MICROS
from schemas.errors import ConfigurationError, Refused, Unavailable
from schemas.events import LOCALES, SurveyAnswered
from schemas.settings import ProducerSettings
from schemas.survey_link import SurveyLink

__all__ = ["add_surveys", "link_to"]

_BYTES = 200_000
_DAY = 86_400 * MICROS
_STATUS = {
    "garbled_link": 404,
    "forged_link": 403,
    "expired_link": 410,
    "no_secret_configured": 403,
    "bad_vote": 403,
    "bad_encoding": 400,
    "client_gone": 400,
    "too_large": 413,
    "too_slow": 408,
    "too_many_bytes": 429,
    "too_many_bytes_in_all": 503,
    "bad_media_type": 415,
}
#: Where the thank-you page posts to, beside the page itself.
_MORE = "more"
_FORM = "application/x-www-form-urlencoded"

log = structlog.get_logger("producers.surveys")


def add_surveys(app: FastAPI, settings: ProducerSettings, publisher: Publisher, *, source: str) -> None:
    """Adds the routes of the survey pages."""
    survey_pages = _Survey(settings, publisher, source)
    if not survey_pages.secrets:
        log.warning("surveys_closed", fix="set DESKSTREAM_SURVEY_SECRETS to open the survey pages")
    app.add_api_route(
        "/s/{token}",
        survey_pages.get,
        methods=["GET"],
        summary="Show a survey; changes nothing",
        operation_id="show_survey",
        tags=["customers"],
        response_class=HTMLResponse,
        responses=_told(403, 404, 410, 429),
        openapi_extra=_PARAMETERS,
    )
    app.add_api_route("/s/{token}", survey_pages.get, methods=["HEAD"], include_in_schema=False)
    app.add_api_route(
        "/s/{token}",
        survey_pages.vote,
        methods=["POST"],
        summary="Vote: CSAT 1-5, CES 1-7, or both, and a comment",
        operation_id="answer_survey",
        tags=["customers"],
        response_class=HTMLResponse,
        responses=_told(400, 403, 404, 408, 410, 413, 415, 422, 429, 503),
        openapi_extra=_body({"csat": "1 to 5", "ces": "1 to 7", "comment": "in your words", "page": "as on the page"}),
    )
    app.add_api_route(
        f"/s/{{token}}/{_MORE}",
        survey_pages.went_wrong,
        methods=["POST"],
        summary="Say what went wrong, after a low score",
        operation_id="explain_survey",
        tags=["customers"],
        response_class=HTMLResponse,
        responses=_told(400, 403, 404, 408, 410, 413, 415, 422, 429, 503),
        openapi_extra=_body({"went_wrong": "in your words", "vote": "as on the page"}),
    )


def link_to(
    settings: ProducerSettings,
    ticket: str,
    *,
    episode: int = 1,
    agent: str = "",
    locale: str = "en",
    days: float = 30.0,
) -> str:
    """Returns the link to the survey of a ticket, valid for so many days of the pipeline's clock.

    Raises:
        ConfigurationError: no secret is set, or an argument is wrong.
    """
    secrets = secrets_of(settings, "survey_secrets")
    if not secrets:
        raise ConfigurationError("it is empty", where="DESKSTREAM_SURVEY_SECRETS", fix="set a long random text")
    if identity.split_ticket_id(ticket.upper()) is None:
        raise ConfigurationError(f"{ticket!r} is not a ticket id such as ABCDEFGHIJKL-1", where="--link")
    if locale not in LOCALES:
        raise ConfigurationError(f"{locale!r} is none of {', '.join(LOCALES)}", where="--locale")
    expires = settings.pipeline_clock.now() + int(days * _DAY)
    return survey_link.url(settings.survey_url, SurveyLink(ticket.upper(), episode, agent, expires, locale), secrets)


class _Survey:
    def __init__(self, settings: ProducerSettings, publisher: Publisher, source: str) -> None:
        self.publisher, self.source, self.clock = publisher, source, settings.pipeline_clock
        self.secrets = secrets_of(settings, "survey_secrets")
        self.limit = RateLimit(settings.endpoint_requests_per_second, settings.endpoint_burst_requests)
        self.most_bytes = min(_BYTES, settings.max_body_bytes)

    async def get(self, request: Request) -> HTMLResponse:
        locale = negotiated(request.headers.get("accept-language", ""))
        try:
            link = self._link(request)
        except (TooMany, Refused) as error:
            return _sorry(locale, error)
        return self._questions(link, {"csat": request.query_params.get("csat", "")})

    async def vote(self, request: Request) -> HTMLResponse:
        locale = negotiated(request.headers.get("accept-language", ""))
        values: dict[str, str] = {}
        try:
            link = self._link(request)
            locale = link.locale
            values = await self._values(request)
            voted = await self._publish(survey.vote, link, values)
        except FieldProblems as refused:
            count_refusal(survey.CHANNEL, refused)
            return self._questions(link, values, refused.fields, status=422)
        except (TooMany, Refused) as error:
            return _sorry(locale, error)
        except Unavailable as error:
            return self._questions(link, values, status=503, headers=_later(error), unavailable=True)
        return self._thanks(link, voted, request.path_params["token"])

    async def went_wrong(self, request: Request) -> HTMLResponse:
        locale, brand = negotiated(request.headers.get("accept-language", "")), None
        values: dict[str, str] = {}
        try:
            link = self._link(request)
            locale, brand = link.locale, self._brand(link)
            values = await self._values(request)
            await self._publish(survey.went_wrong, link, values)
        except FieldProblems as refused:
            count_refusal(survey.CHANNEL, refused)
            return _html(
                pages.vote_thanks_page(locale, values.get("vote", ""), values, refused.fields, brand=brand), 422
            )
        except (TooMany, Refused) as error:
            return _sorry(locale, error)
        except Unavailable as error:
            page = pages.vote_thanks_page(locale, values.get("vote", ""), values, unavailable=True, brand=brand)
            return _html(page, 503, _later(error))
        return _html(pages.explained_page(locale, brand))

    def _link(self, request: Request) -> SurveyLink:
        require_share(self.limit, request)
        if not self.secrets:
            raise Refused("no_secret_configured", "set DESKSTREAM_SURVEY_SECRETS")
        return survey_link.read(request.path_params["token"], self.secrets, now=self.clock.now())

    def _brand(self, link: SurveyLink) -> Brand:
        return self.publisher.brands.brands.get(link.brand)

    async def _values(self, request: Request) -> dict[str, str]:
        body = await read_body(request, self.most_bytes)
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != _FORM:
            raise Refused("bad_media_type", f"send {_FORM}")
        return Delivery("POST", "", body=body).form()

    async def _publish(self, make: Callable[..., SurveyAnswered], link: SurveyLink, values: Any) -> SurveyAnswered:
        event = make(link, values, self.secrets, now=self.clock.now(), wall=time.time(), source=self.source)
        await self.publisher.publish_async(event, producer=survey.CHANNEL, origin=self.source)
        return event

    def _questions(
        self,
        link: SurveyLink,
        values: Mapping[str, str],
        problems: Mapping[str, str] | None = None,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        unavailable: bool = False,
    ) -> HTMLResponse:
        # What was sent and not taken keeps its page's token: sending it again is the same vote.
        token = values.get("page") or survey.page_token(link, self.secrets, wall=time.time())
        page = pages.question_page(
            link.locale, link.ticket_id, token, values, problems, unavailable=unavailable, brand=self._brand(link)
        )
        return _html(page, status, headers)

    def _thanks(self, link: SurveyLink, voted: SurveyAnswered, here: str) -> HTMLResponse:
        low = voted.csat is not None and voted.csat <= survey.LOW_CSAT
        token = survey.vote_token(link, voted, self.secrets, wall=time.time()) if low else ""
        action = f"{here}/{_MORE}"
        page = pages.vote_thanks_page(link.locale, token, action=action, again=here, brand=self._brand(link))
        return _html(page)


def _html(page: str, status: int = 200, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    return Page(page, status, headers)


def _later(error: Unavailable) -> dict[str, str]:
    log.debug("unavailable", problem=str(error))  # once per answer is too much; `waiting_for_kafka` says it once
    count_refusal(survey.CHANNEL, Refused("unavailable"))
    return {"Retry-After": str(max(1, round(error.retry_after)))}


def _sorry(locale: str, error: Refused | TooMany) -> HTMLResponse:
    if isinstance(error, TooMany):
        count_refusal(survey.CHANNEL, Refused("rate_limited", ""))
        retry = {"Retry-After": str(max(1, round(error.args[0])))}
        return _html(pages.refused_page(locale, "rate_limited"), 429, retry)
    count_refusal(survey.CHANNEL, error)
    return _html(pages.refused_page(locale, error.reason), _STATUS.get(error.reason, 422), hang_up(error))


_WHY = {
    400: "not readable",
    403: "the link is not ours, or surveys are switched off",
    404: "the link is cut or no link at all",
    410: "the link has expired",
    408: "too slow",
    413: "too large",
    415: "wrong type",
    422: "nothing was chosen, or a text is too long; the page says so",
    429: "too many; come back after Retry-After seconds",
    503: "not stored; the page says to press the button again",
}


def _told(*codes: int) -> dict[int | str, dict[str, Any]]:
    return {
        code: {"description": _WHY[code], "content": {"text/html": {"schema": {"type": "string"}}}} for code in codes
    }


_PARAMETERS: dict[str, Any] = {
    "parameters": [
        {
            "name": "token",
            "in": "path",
            "required": True,
            "schema": {"type": "string"},
            "description": "of the link: the ticket, the episode, who solved it and until when, signed",
        }
    ]
}


def _body(fields: Mapping[str, str]) -> dict[str, Any]:
    properties = {name: {"type": "string", "description": about} for name, about in fields.items()}
    content = {_FORM: {"schema": {"type": "object", "properties": properties}}}
    return {**_PARAMETERS, "requestBody": {"required": True, "content": content}}

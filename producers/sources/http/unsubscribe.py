"""Serves the links of `List-Unsubscribe`: GET shows a button, only POST unsubscribes (RFC 8058), by mail program or by button.

| happens                               | the recipient sees            |
|---------------------------------------|-------------------------------|
| GET, HEAD (a mail scanner, a preview) | 200, the button               |
| POST, whatever its body               | 200, done                     |
| link cut, forged                      | 404, 403                      |
| Kafka does not answer                 | 503, the button               |

Settings: `survey_secrets`. The delivery sink sends no more surveys to that address (`sinks/delivery/suppression.py`).
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

from producers.mail.unsubscribe import unsubscribed
from producers.publisher import Publisher
from producers.security.ratelimit import RateLimit
from producers.sources.http import pages
from producers.sources.http.pages import Page
from producers.sources.http.requests import TooMany, count_refusal, hang_up, read_body, require_share
from producers.sources.http.webhooks import secrets_of
from producers.text.locales import negotiated
from schemas import unsubscribe_link
from schemas.errors import Refused, Unavailable
from schemas.settings import ProducerSettings
from schemas.unsubscribe_link import PATH, UnsubscribeLink

__all__ = ["add_unsubscribe"]

_CHANNEL = "survey"
#: Mail programs send 26 bytes, or a form of some lines.
_MOST_BYTES = 20_000
_STATUS = {"garbled_link": 404, "forged_link": 403, "no_secret_configured": 403, "too_large": 413, "too_slow": 408}
_TOLD: dict[int | str, dict[str, Any]] = {
    code: {"description": why, "content": {"text/html": {"schema": {"type": "string"}}}}
    for code, why in {
        400: "not readable",
        403: "the link is not ours, or surveys are switched off",
        404: "the link is cut or no link at all",
        408: "too slow",
        413: "too large",
        429: "too many; come back after Retry-After seconds",
        503: "not stored; send it again",
    }.items()
}
_TOKEN: dict[str, Any] = {
    "parameters": [
        {
            "name": "token",
            "in": "path",
            "required": True,
            "schema": {"type": "string"},
            "description": "of the link: the mail and its recipient, encrypted",
        }
    ]
}


def add_unsubscribe(app: FastAPI, settings: ProducerSettings, publisher: Publisher, *, source: str) -> None:
    """Adds the routes."""
    endpoint = _Unsubscribe(settings, publisher, source)
    described: dict[str, Any] = {"tags": ["customers"], "response_class": HTMLResponse, "openapi_extra": _TOKEN}
    app.add_api_route(
        PATH + "{token}",
        endpoint.show,
        methods=["GET"],
        summary="Show the button that unsubscribes from surveys; changes nothing",
        operation_id="show_unsubscribe",
        responses={code: _TOLD[code] for code in (403, 404, 429)},
        **described,
    )
    app.add_api_route(PATH + "{token}", endpoint.show, methods=["HEAD"], include_in_schema=False)
    app.add_api_route(
        PATH + "{token}",
        endpoint.take,
        methods=["POST"],
        summary="Unsubscribe from surveys, as mail programs do with one click (RFC 8058)",
        operation_id="unsubscribe",
        responses=_TOLD,
        **described,
    )


class _Unsubscribe:
    def __init__(self, settings: ProducerSettings, publisher: Publisher, source: str) -> None:
        self._publisher, self._source, self._clock = publisher, source, settings.pipeline_clock
        self._secrets = secrets_of(settings, "survey_secrets")
        self._limit = RateLimit(settings.endpoint_requests_per_second, settings.endpoint_burst_requests)
        self._most_bytes = min(_MOST_BYTES, settings.max_body_bytes)

    async def show(self, request: Request) -> HTMLResponse:
        locale = negotiated(request.headers.get("accept-language", ""))
        try:
            self._link(request)
        except (TooMany, Refused) as error:
            return _sorry(locale, error)
        return Page(pages.unsubscribe_page(locale))

    async def take(self, request: Request) -> HTMLResponse:
        locale = negotiated(request.headers.get("accept-language", ""))
        try:
            link = self._link(request)
            await read_body(request, self._most_bytes)
            event = unsubscribed(
                link.ticket_id, link.message_id, link.address, now=self._clock.now(), source=self._source
            )
            if event is not None:
                await self._publisher.publish_async(event, producer=_CHANNEL, origin=self._source)
        except (TooMany, Refused) as error:
            return _sorry(locale, error)
        except Unavailable as error:
            count_refusal(_CHANNEL, Refused("unavailable"))
            retry = {"Retry-After": str(max(1, round(error.retry_after)))}
            return Page(pages.unsubscribe_page(locale), 503, retry)
        return Page(pages.unsubscribed_page(locale))

    def _link(self, request: Request) -> UnsubscribeLink:
        require_share(self._limit, request)
        if not self._secrets:
            raise Refused("no_secret_configured", "set DESKSTREAM_SURVEY_SECRETS")
        return unsubscribe_link.read(request.path_params["token"], self._secrets)


def _sorry(locale: str, error: Refused | TooMany) -> HTMLResponse:
    if isinstance(error, TooMany):
        count_refusal(_CHANNEL, Refused("rate_limited", ""))
        retry = {"Retry-After": str(max(1, round(error.args[0])))}
        return Page(pages.refused_page(locale, "rate_limited"), 429, retry)
    count_refusal(_CHANNEL, error)
    return Page(pages.refused_page(locale, error.reason), _STATUS.get(error.reason, 400), hang_up(error))

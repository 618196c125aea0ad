"""Serves the contact form, the signed generic endpoint, and the webhook endpoints.

202 is answered only when Kafka has the event. While Kafka does not answer it is 503 with Retry-After, and what was
sent is counted nowhere: its sender still has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
import traceback
from collections.abc import AsyncIterator, Sequence
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from producers.channels import form, generic
from producers.endpoint import endpoints
from producers.endpoints.helpcentre import PROCESS as HELP_CENTRE
from producers.intake import Take, defect
from producers.publisher import Outcome, Publisher, Receipt
from producers.security.grants import EVENT_SCOPES, Grant, granted
from producers.security.proxies import Proxies, share_of
from producers.security.ratelimit import RateLimit
from producers.sources.connections import Connections
from producers.sources.http import form as http_form
from producers.sources.http import openapi, pages
from producers.sources.http.admission import Admission
from producers.sources.http.connections import bounded_protocol
from producers.sources.http.docs import add_docs
from producers.sources.http.help_centre import HelpPages, add_help_centre
from producers.sources.http.hours import add_hours
from producers.sources.http.limits import ClientLimits
from producers.sources.http.reply_files import ReplyFiles, add_uploads
from producers.sources.http.reply_help import add_reply_help
from producers.sources.http.reply_times import add_reply_times
from producers.sources.http.requests import (
    Json,
    TooMany,
    count_refusal,
    read_body,
    refusal,
    require_share,
    too_many,
    unavailable,
)
from producers.sources.http.survey import add_surveys
from producers.sources.http.unsubscribe import add_unsubscribe
from producers.sources.http.webhooks import add_endpoints, secrets_of
from producers.sources.reconnect import keep_connected
from producers.sources.service_times import ServiceTime, ServiceTimes
from producers.text.locales import negotiated
from schemas import signature
from schemas.brands import Brand
from schemas.dead_letter import headers as dead_letter_headers
from schemas.dead_letter.headers import InputContext
from schemas.errors import ConfigurationError, Refused, Unavailable
from schemas.events import LOCALES, Event
from schemas.process import Health
from schemas.replies.followed import RepliesDirectory
from schemas.settings import ProducerSettings

__all__ = ["create_app", "serve"]

_FORM_BYTES, _EVENT_BYTES = 200_000, 4_000_000
_HTTP_REASONS = {404: "not_found", 405: "method_not_allowed"}

log = structlog.get_logger("producers.http")


def create_app(
    settings: ProducerSettings, publisher: Publisher, health: Health | None = None, *, process: str = ""
) -> FastAPI:
    """Returns the application with the endpoints of one process; '' for all, the form and the signed endpoint.

    Its lifespan keeps the publisher connected and `health` told.
    """
    source = f"http:{socket.gethostname()}"

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(keep_connected(publisher, health or Health()))]
        tasks += [asyncio.create_task(each.run()) for each in (help_pages, reply_times, hours) if each is not None]
        yield
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    app = FastAPI(
        title="Deskstream: contacts in",
        description="Every contact that is answered with 202 is durable and will be acknowledged to the customer.",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )

    app.add_middleware(ClientLimits, settings=settings)
    admission = Admission(settings)
    _add_error_answers(app)
    add_docs(app)
    files = ReplyFiles(settings)
    add_endpoints(app, endpoints(process), settings, publisher, admission, files, source=source)
    if process in ("", "agents"):
        add_uploads(app, settings, files, admission)
        add_reply_help(app, settings, publisher, RepliesDirectory(settings.replies_dir), admission)
    help_pages = reply_times = hours = service = None
    if process in ("", HELP_CENTRE):
        reply_times = add_reply_times(app, settings, publisher.brands)
        hours = add_hours(app, settings, publisher.brands)
        service = app.state.service_times = ServiceTimes(hours, reply_times)
        help_pages = add_help_centre(app, settings, publisher, service, source=source)
    if process in ("", "surveys"):
        add_surveys(app, settings, publisher, source=source)
        add_unsubscribe(app, settings, publisher, source=source)
    if process:
        return app

    intake = _Intake(publisher, settings, files, source)
    limit = RateLimit(settings.endpoint_requests_per_second, settings.endpoint_burst_requests)
    forms = http_form.Limited(settings.form_submissions_per_minute, secrets_of(settings, "user_secrets"))
    _add_form(app, intake, limit, min(_FORM_BYTES, settings.max_body_bytes), forms, help_pages, service)
    systems = _Systems(admission, secrets_of(settings, "webhook_secrets"), min(_EVENT_BYTES, settings.max_body_bytes))
    _add_events(app, intake, limit, systems)
    return app


def _add_form(
    app: FastAPI,
    intake: _Intake,
    limit: RateLimit,
    most_bytes: int,
    forms: http_form.Limited,
    help_pages: HelpPages | None,
    service: ServiceTimes | None,
) -> None:
    """Adds the contact form: its page, and where it is sent to."""

    @app.get("/form.js", include_in_schema=False)
    async def form_script() -> Response:
        headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
        return Response(pages.FORM_SCRIPT, media_type="text/javascript", headers=headers)

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def contact_page(request: Request) -> HTMLResponse:
        locale, brand = _locale(request), intake.brand_of(request)
        values, read = help_pages.carried(request, locale, brand) if help_pages else ({}, "")
        said = service.said(form.CHANNEL, brand.slug, locale) if service else ServiceTime()
        has_help = help_pages is not None
        return pages.Page(
            pages.form_page(values, locale=locale, brand=brand, read=read, has_help=has_help, service=said)
        )

    @app.post(
        "/v1/form", status_code=202, openapi_extra=openapi.FORM, responses=openapi.FORM_RESPONSES, tags=["customers"]
    )
    async def submit_form(request: Request) -> Response:
        """Submit the contact form, form-encoded or as JSON."""
        body = b""
        as_page = "text/html" in request.headers.get("accept", "")
        locale, brand = _locale(request), intake.brand_of(request)
        try:
            require_share(limit, request)
            forms.require(share_of(request.client.host) if request.client else "")
            body = await read_body(request, most_bytes)
            event, receipt = await intake.take(request, body, forms.take, form.CHANNEL)
        except TooMany as error:
            return too_many(form.CHANNEL, error)
        except Refused as refused:
            if refused.reason == "honeypot":  # a program is told nothing that it could learn from
                count_refusal(form.CHANNEL, refused)
                return _thanks("", locale, brand) if as_page else Json(_accepted_body("", "", "", duplicate=False), 202)
            return refusal(
                form.CHANNEL, refused, _typed(request, body) if as_page else None, locale=locale, brand=brand
            )
        except Unavailable as error:
            return unavailable(
                form.CHANNEL, error, _typed(request, body) if as_page else None, locale=locale, brand=brand
            )
        if help_pages and event:
            help_pages.contacted(request, locale, event)
        return _accepted(event, receipt, page_locale=locale if as_page else "", brand=brand)


def _add_events(app: FastAPI, intake: _Intake, limit: RateLimit, systems: _Systems) -> None:
    """Adds the signed endpoint for events of any channel."""

    @app.post(
        "/v1/events", status_code=202, openapi_extra=openapi.EVENTS, responses=openapi.EVENT_RESPONSES, tags=["systems"]
    )
    async def send_event(request: Request) -> Response:
        """Send one event of any channel, signed: customer messages, and what agents do."""
        try:
            require_share(limit, request)
            body, grant = await systems.signed_body(request)
            event, receipt = await intake.take(request, body, granted(generic.take), generic.CHANNEL, grant)
        except TooMany as error:
            return too_many(generic.CHANNEL, error)
        except Refused as refused:
            return refusal(generic.CHANNEL, refused)
        except Unavailable as error:
            return unavailable(generic.CHANNEL, error)
        return _accepted(event, receipt)


class _Systems:
    """Reads what other systems sign: with a key of the file, or for one more release with a secret (`old_secrets`)."""

    def __init__(self, admission: Admission, old_secrets: Sequence[str], most_bytes: int) -> None:
        self._admission, self._old_secrets, self._most_bytes = admission, old_secrets, most_bytes

    async def signed_body(self, request: Request) -> tuple[bytes, Grant | None]:
        """Returns the body and what its sender may do; None: there is no key to say it.

        Raises:
            Refused: nobody of ours signed it, or the key may send no event at all.
        """
        if not self._old_secrets and not self._admission.has_file:
            fix = "set DESKSTREAM_KEYS_FILE or DESKSTREAM_WEBHOOK_SECRETS"
            raise Refused("no_secret_configured", f"this endpoint is switched off: {fix}")
        admitted = self._admission.admit(request, EVENT_SCOPES)
        body = await read_body(request, self._most_bytes)
        if admitted is not None:
            admitted.verify_body(body)
            return body, admitted.grant
        signature.verify(request.headers.get(signature.HEADER), body, self._old_secrets, wall=time.time())
        self._admission.admit_old(request, body, self._old_secrets, "webhook_secrets")
        return body, None


class _Intake:
    """Takes the body of a request into Kafka: as an event, or, after a mistake of ours, as a dead letter."""

    def __init__(self, publisher: Publisher, settings: ProducerSettings, files: ReplyFiles, source: str) -> None:
        self._publisher, self._clock, self._source = publisher, settings.pipeline_clock, source
        self._files = files

    def brand_of(self, request: Request) -> Brand:
        """Returns the brand whose page this is: the one that its address names, or that its host belongs to."""
        return self._publisher.brands.of_site(request.headers.get("host", ""), request.query_params.get("brand", ""))

    async def take(
        self, request: Request, body: bytes, take: Take, channel: str, grant: Grant | None = None
    ) -> tuple[Event | None, Receipt]:
        """Returns the event (None after a mistake of ours) and the outcome of the request.

        Raises:
            Refused: its sender can mend it, and still has it.
            Unavailable: Kafka does not answer.
        """
        headers = dead_letter_headers.chosen(request.headers, ("content-type",))
        given = InputContext(received_at=self._clock.now(), source=self._source, headers=headers)
        given = given if grant is None else grant.beside(given)
        about: dict[str, Any] = {"given": given, "producer": channel, "origin": self._source}
        try:
            [event] = take(body, given)
            await self._files.require((event,))
        except (Refused, Unavailable):
            raise
        except Exception as error:
            log.exception("normaliser_failed", producer=channel)
            trace = traceback.format_exc()
            return None, await self._publisher.dead_letter_async(
                body, defect(error), channel=channel, traceback=trace, **about
            )
        return event, await self._publisher.publish_async(event, raw=body, **about)


def _add_error_answers(app: FastAPI) -> None:
    @app.exception_handler(HTTPException)
    @app.exception_handler(404)
    @app.exception_handler(405)
    async def no_such_route(request: Request, error: Exception) -> Response:
        status = getattr(error, "status_code", 500)
        headers = {"Allow": ", ".join(_allowed(request))} if status == 405 else None
        detail = "GET /docs says what there is"
        return Json({"reason": _HTTP_REASONS.get(status, "bad_request"), "detail": detail}, status, headers)

    @app.exception_handler(Exception)
    async def defect(_: Request, error: Exception) -> Response:
        log.error("defect", exc_info=error)
        return Json({"reason": "defect", "detail": "this is our mistake; it is logged"}, 500)


def _allowed(request: Request) -> list[str]:
    """Returns the methods of every route that is at the request's path; the framework knows those of the first one only."""
    routes = (route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE)
    return sorted({method for route in routes for method in getattr(route, "methods", None) or ()})


def serve(
    settings: ProducerSettings, publisher: Publisher, health: Health, stop: threading.Event, *, process: str = ""
) -> None:
    """Serves until SIGTERM or SIGINT, then answers what is under way; the caller's own handlers are called at the end.

    Raises:
        ConfigurationError: the port is taken, or a proxy's address is none.
    """
    proxies = Proxies.parse(settings.trusted_proxies, "DESKSTREAM_TRUSTED_PROXIES")
    try:
        family = socket.AF_INET6 if ":" in settings.http_host else socket.AF_INET
        listener = socket.create_server((settings.http_host, settings.http_port), family=family, backlog=1024)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {settings.http_host}:{settings.http_port}: {error.strerror or error}",
            where="DESKSTREAM_HTTP_PORT",
            fix="choose another port, or 0 for a free one",
        ) from error
    host, port = listener.getsockname()[:2]
    most, of_address = settings.http_connections, settings.http_connections_per_address
    connections = Connections("http", "none", most, of_address, proxies=proxies)
    config = uvicorn.Config(
        create_app(settings, publisher, health, process=process),
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        forwarded_allow_ips=settings.trusted_proxies,
        http=bounded_protocol(connections),
        ws="none",
        timeout_keep_alive=settings.http_keep_alive_seconds,
        timeout_graceful_shutdown=int(settings.publish_timeout_seconds) + 2,
    )
    log.info("listening", url=f"http://{f'[{host}]' if ':' in host else host}:{port}", port=port)
    server = uvicorn.Server(config)
    with listener:
        if not stop.is_set():
            server.run(sockets=[listener])


def _typed(request: Request, body: bytes) -> dict[str, Any]:
    """Returns what was typed, to show it again on the page, as far as it can be read."""
    with contextlib.suppress(Exception):
        return http_form.values(body, request.headers.get("content-type", ""))
    return {}


def _accepted(event: Event | None, receipt: Receipt, *, page_locale: str = "", brand: Brand | None = None) -> Response:
    if event is None:  # we have it, and only we can mend what is wrong: sending it again would change nothing
        return (
            _thanks("", page_locale, brand) if page_locale else Json(_accepted_body("", "", "", duplicate=False), 202)
        )
    if receipt.outcome is Outcome.DEAD_LETTERED:
        detail = "it cannot be stored as it is; it is kept for a person to look at"
        return Json({"reason": receipt.reason, "detail": detail}, 422)
    known = getattr(event, "ticket_id", "") or getattr(event, "ticket_ref", "")
    hint = known or (f"{event.customer_tag}-*" if event.customer_tag else "")
    if page_locale:
        return _thanks(hint, page_locale, brand)
    duplicate = receipt.outcome is Outcome.DUPLICATE
    return Json(_accepted_body(event.event_id, event.customer_tag, hint, duplicate=duplicate), 202)


def _accepted_body(event_id: str, customer_tag: str, hint: str, *, duplicate: bool) -> dict[str, Any]:
    return {"event_id": event_id, "duplicate": duplicate, "customer_tag": customer_tag, "ticket_hint": hint}


def _thanks(hint: str, locale: str, brand: Brand | None) -> Response:
    return pages.Page(pages.form_thanks_page(hint, locale=locale, brand=brand), 202)


def _locale(request: Request) -> str:
    """Returns the locale that the person chose on the page, or else the one that their browser likes best."""
    chosen = request.query_params.get("lang", "")
    return chosen if chosen in LOCALES else negotiated(request.headers.get("accept-language", ""))

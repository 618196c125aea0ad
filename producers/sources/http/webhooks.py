"""Serves the endpoints (`producers/endpoint.py`) on a FastAPI application: guards, then Kafka, then the answer.

| happens                                   | the sender is told                              | counted as                |
|-------------------------------------------|-------------------------------------------------|---------------------------|
| more requests than its share              | 429, Retry-After                                | refused `rate_limited`    |
| body too large, too slow, of another type | 413, 408, 415                                   | refused                   |
| no secret configured                      | 403                                             | refused                   |
| signature missing, wrong, stale           | 401                                             | refused                   |
| genuine, and its key may not do that      | 403, with the scope or the agent                | refused                   |
| genuine, but no event can be made of it   | as received (`keep`), otherwise 422             | dead-lettered, or refused |
| genuine, and from more than a week ago    | the same                                        | the same                  |
| Kafka does not answer                     | 503, Retry-After                                | nothing                   |
| the same delivery again                   | as received                                     | duplicate                 |
| durable in Kafka                          | the endpoint's answer                           | published                 |
"""

from __future__ import annotations

import asyncio
import json
import time
import traceback
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

import structlog
from fastapi import FastAPI, Request, Response

from producers.endpoint import Answer, Delivery, PartialBatch, WebhookEndpoint
from producers.intake import defect
from producers.publisher import Publisher
from producers.security.grants import Grant
from producers.security.ratelimit import RateLimit
from producers.sources.http import openapi
from producers.sources.http.admission import Admission, Admitted
from producers.sources.http.reply_files import ReplyFiles
from producers.sources.http.requests import (
    JSON_PROBLEM,
    TooMany,
    read_body,
    refusal,
    require_share,
    too_many,
    unavailable,
)
from producers.text import privacy
from schemas.clock import MICROS
from schemas.dead_letter.headers import InputContext
from schemas.errors import Refused, Unavailable
from schemas.events import Event
from schemas.settings import ProducerSettings

__all__ = ["add_endpoints", "secrets_of"]

#: Senders try again for up to two days.
REPLAY_SECONDS = 7 * 86_400

log = structlog.get_logger("producers.webhooks")


def add_endpoints(
    app: FastAPI,
    endpoints: Sequence[WebhookEndpoint],
    settings: ProducerSettings,
    publisher: Publisher,
    admission: Admission,
    files: ReplyFiles,
    *,
    source: str,
) -> None:
    """Adds a route for every endpoint, and one for its challenge."""
    limit = RateLimit(settings.endpoint_requests_per_second, settings.endpoint_burst_requests)
    for endpoint in endpoints:
        secrets = secrets_of(settings, endpoint.secrets)
        if not secrets and not (endpoint.scope and admission.has_file):
            log.warning("endpoint_closed", endpoint=endpoint.name, fix=f"{_opening(endpoint)} to open {endpoint.path}")
        handler = _Handler(endpoint, secrets, settings, publisher, admission, files, limit, source)
        app.add_api_route(
            endpoint.path,
            handler.post,
            methods=["POST"],
            summary=endpoint.summary,
            tags=[endpoint.process],
            openapi_extra=_openapi(endpoint),
            operation_id=endpoint.name.replace("-", "_"),
            response_class=Response,
        )
        if endpoint.challenge is not None:
            app.add_api_route(endpoint.path, handler.get, methods=["GET"], include_in_schema=False)


def secrets_of(settings: ProducerSettings, name: str) -> list[str]:
    """Returns the secrets of a setting, which is a comma-separated list."""
    return [secret.strip() for secret in getattr(settings, name).get_secret_value().split(",") if secret.strip()]


class _Handler:
    """Answers the requests of one endpoint."""

    def __init__(
        self,
        endpoint: WebhookEndpoint,
        secrets: Sequence[str],
        settings: ProducerSettings,
        publisher: Publisher,
        admission: Admission,
        files: ReplyFiles,
        limit: RateLimit,
        source: str,
    ) -> None:
        self.admission, self.files = admission, files
        self.endpoint, self.secrets, self.settings, self.publisher = endpoint, secrets, settings, publisher
        self.limit, self.source, self.clock = limit, source, settings.pipeline_clock

    async def post(self, request: Request) -> Response:
        endpoint = self.endpoint
        try:
            require_share(self.limit, request)
            admitted = self._admitted(request)
            delivery = await self._delivery(request)
            grant = self._verified(request, delivery, admitted)
            return _response(await self._take(delivery, grant))
        except TooMany as error:
            return too_many(endpoint.channel, error)
        except Refused as refused:
            return refusal(endpoint.channel, refused)
        except Unavailable as error:
            return unavailable(endpoint.channel, error)

    async def get(self, request: Request) -> Response:
        assert self.endpoint.challenge is not None
        try:
            require_share(self.limit, request)
            self._require_secrets()
            tokens = secrets_of(self.settings, self.endpoint.tokens) if self.endpoint.tokens else self.secrets
            return _response(self.endpoint.challenge(await self._delivery(request), tokens))
        except TooMany as error:
            return too_many(self.endpoint.channel, error)
        except Refused as refused:
            return refusal(self.endpoint.channel, refused)

    def _require_secrets(self) -> None:
        if not self.secrets and not (self.endpoint.scope and self.admission.has_file):
            raise Refused("no_secret_configured", f"this endpoint is switched off: {_opening(self.endpoint)}")

    def _admitted(self, request: Request) -> Admitted | None:
        """Returns the sender that the headers prove; None: the proof needs the body."""
        endpoint = self.endpoint
        self._require_secrets()
        if endpoint.proof and not request.headers.get(endpoint.proof):
            endpoint.verify(self._seen(request, b""), self.secrets, time.time())  # says what is missing
        if not endpoint.scope:
            return None
        if endpoint.device is not None and (authorization := request.headers.get("authorization", "")):
            token = endpoint.device(authorization, self.secrets, time.time())
            return self.admission.admit_token(token, endpoint.scope)
        return self.admission.admit(request, (endpoint.scope,))

    def _verified(self, request: Request, delivery: Delivery, admitted: Admitted | None) -> Grant | None:
        """Returns what the sender of a whole delivery may do; None: there is no key to say it."""
        if admitted is not None:
            admitted.verify_body(delivery.body)
            return admitted.grant
        self.endpoint.verify(delivery, self.secrets, time.time())
        if self.endpoint.scope:
            self.admission.admit_old(request, delivery.body, self.secrets, self.endpoint.secrets)
        elif self.endpoint.is_old_proof is not None and self.endpoint.is_old_proof(delivery):
            self.admission.note_unbound(self.endpoint.name)
        return None

    async def _delivery(self, request: Request) -> Delivery:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.method == "POST" and media_type not in self.endpoint.media_types:
            raise Refused("bad_media_type", f"send {' or '.join(self.endpoint.media_types)}")
        return self._seen(request, await read_body(request, min(self.endpoint.max_bytes, self.settings.max_body_bytes)))

    def _seen(self, request: Request, body: bytes) -> Delivery:
        query = f"?{request.url.query}" if request.url.query else ""
        base = self.settings.public_url.rstrip("/")
        url = f"{base}{request.url.path}{query}" if base else str(request.url)
        return Delivery(request.method, url, dict(request.headers), dict(request.query_params), body)

    async def _take(self, delivery: Delivery, grant: Grant | None) -> Answer:
        """Makes everything of a genuine delivery durable. Returns what its sender is told."""
        endpoint = self.endpoint
        given = endpoint.input_context(delivery, self.clock.now(), self.source, grant)
        try:
            self._require_recent(delivery)
            events = endpoint.take(delivery.body, given)
            await self.files.require(events)
        except Unavailable:
            raise
        except Refused as refused:
            if not endpoint.keep:
                raise
            if isinstance(refused, PartialBatch):
                await self._publish(delivery, given, refused.events)
            return await self._keep(delivery, given, refused, "")
        except Exception as error:  # a defect of ours must not lose the delivery
            log.exception("normaliser_failed", endpoint=endpoint.name)
            return await self._keep(delivery, given, defect(error), traceback.format_exc())
        await self._publish(delivery, given, events)
        return endpoint.answer(delivery, events)

    def _require_recent(self, delivery: Delivery) -> None:
        """Refuses a delivery of a week ago, by the times in its body, where the signature holds no time.

        No sender tries for a week, but somebody who recorded a delivery may.

        Raises:
            Refused: `stale_delivery`.
        """
        signed_at = self.endpoint.signed_at(delivery) if self.endpoint.signed_at is not None else 0
        if signed_at and time.time() - signed_at / MICROS > REPLAY_SECONDS:
            raise Refused("stale_delivery", f"nothing in it is younger than {REPLAY_SECONDS // 86_400} days")

    async def _publish(self, delivery: Delivery, given: InputContext, events: Sequence[Event]) -> None:
        about = {"raw": delivery.body, "given": given, "producer": self.endpoint.name, "origin": self.source}
        await asyncio.gather(*(self.publisher.publish_async(event, **about) for event in events))

    async def _keep(self, delivery: Delivery, given: InputContext, refused: Refused, trace: str) -> Answer:
        log.warning(
            "dead_letter", endpoint=self.endpoint.name, reason=refused.reason, detail=privacy.mask(refused.detail)
        )
        await self.publisher.dead_letter_async(
            delivery.body,
            refused,
            given=given,
            channel=self.endpoint.channel,
            producer=self.endpoint.name,
            origin=self.source,
            traceback=trace,
        )
        none: Sequence[Event] = ()
        return self.endpoint.answer(delivery, none)


def _opening(endpoint: WebhookEndpoint) -> str:
    return f"{'set DESKSTREAM_KEYS_FILE or' if endpoint.scope else 'set'} DESKSTREAM_{endpoint.secrets.upper()}"


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, media_type=answer.media_type)


_WHY = {
    "400": "not readable",
    "401": "not genuine",
    "403": "switched off, or the key lacks a scope or may not speak for that agent",
    "408": "too slow",
    "413": "too large",
    "415": "wrong type",
    "422": "genuine, and no event can be made of it",
    "429": "too many; send the same again after Retry-After seconds",
    "503": "not stored; send the same again after Retry-After seconds",
}


_ANY_FORM = {"type": "object", "additionalProperties": {"type": "string"}}


def _openapi(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """Returns what /docs says of an endpoint, without what FastAPI would guess."""
    body = endpoint.example.body.decode("utf-8", "replace")
    content: dict[str, Any] = {}
    for kind in endpoint.media_types:
        is_json = kind == "application/json"
        schema = endpoint.schema or ({"type": "object"} if is_json else _ANY_FORM)
        of_this_kind = endpoint.example.headers.get("content-type", endpoint.media_types[0]).startswith(kind)
        example = json.loads(body) if is_json and of_this_kind else dict(parse_qsl(body, keep_blank_values=True))
        content[kind] = {"schema": schema, **({"example": example} if of_this_kind else {})}
    told = endpoint.answer(endpoint.example, ())
    headers = openapi.SIGNED_HEADERS
    if endpoint.device is not None:  # a token in `Authorization` takes the signature's place
        headers = [{**header, "required": False} for header in headers]
    signed = {"parameters": headers} if endpoint.scope else {}
    return {
        **signed,
        "requestBody": {"required": True, "content": content},
        "responses": {str(told.status): {"description": "durable", "content": {told.media_type: {}}}}
        | {code: {"description": why, "content": JSON_PROBLEM} for code, why in _WHY.items()},
    }

"""Limits senders, reads bodies within their limits, and answers refusals: for every HTTP endpoint of the producers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from producers.channels.form import FormProblems
from producers.security.proxies import share_of
from producers.security.ratelimit import RateLimit
from producers.sources.http import pages
from producers.text.fields import FieldProblems
from schemas import metrics
from schemas.brands import Brand
from schemas.errors import Refused, Unavailable

__all__ = [
    "HELD",
    "JSON_PROBLEM",
    "Json",
    "TooMany",
    "count_refusal",
    "hang_up",
    "read_body",
    "refusal",
    "require_share",
    "too_many",
    "unavailable",
]

_STATUS = {
    "bad_json": 400,
    "bad_encoding": 400,
    "bad_media_type": 415,
    "client_gone": 400,
    "too_large": 413,
    "too_slow": 408,
    "form_limited": 429,
    "too_many_bytes": 429,
    "too_many_bytes_in_all": 503,
    "too_many_requests": 429,
    "missing_signature": 401,
    "malformed_signature": 401,
    "bad_signature": 401,
    "stale_signature": 401,
    "expired_key": 401,
    "expired_token": 401,
    "revoked_token": 401,
    "missing_scope": 403,
    "wrong_agent": 403,
    "no_secret_configured": 403,
}

#: What the body of a refusal is, for the OpenAPI document.
JSON_PROBLEM: dict[str, Any] = {
    "application/json": {
        "schema": {
            "type": "object",
            "properties": {
                "reason": {"type": "string"},
                "detail": {"type": "string"},
                "problems": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"field": {"type": "string"}, "problem": {"type": "string"}},
                        "required": ["field", "problem"],
                    },
                },
            },
            "required": ["reason", "detail"],
        }
    }
}

#: A body takes no longer, or a few hundred that trickle would use up all connections ...
BODY_SECONDS = 60.0
#: ... and one that hardly comes ends sooner: so many seconds, and one more for each so many bytes.
BODY_BEGINS_SECONDS, BODY_BYTES_PER_SECOND = 10.0, 1_000
#: What follows an answer that came before the end of its request; whatever of it still comes is not listened to.
_HANG_UP = {"Connection": "close"}
_UNREAD = frozenset(("too_large", "too_slow", "too_many_bytes", "too_many_bytes_in_all"))
#: Refusals of what may be sent again after this many seconds.
_LATER_SECONDS = {"too_many_bytes": 5, "too_many_bytes_in_all": 5, "too_many_requests": 1, "form_limited": 60}
#: Where the scope of a request has its `limits.HeldBody`, which counts the bytes of its client.
HELD = "deskstream.held_body"

log = structlog.get_logger("producers.http")


class Json(JSONResponse):
    """Answers JSON that ends with a line break, so that curl leaves the prompt on a line of its own."""

    def render(self, content: Any) -> bytes:
        """Returns the body."""
        return super().render(content) + b"\n"


class TooMany(Exception):
    """A sender is above its share; `args[0]` is the seconds to wait."""


def require_share(limit: RateLimit, request: Request) -> None:
    """Takes one request of this sender's share.

    Raises:
        TooMany: it sends too many.
    """
    wait = limit.wait_seconds(share_of(request.client.host) if request.client else "", time.monotonic())
    if wait:
        raise TooMany(wait)


def too_many(channel: str, error: TooMany) -> Response:
    """Answers 429: the sender is above its share."""
    count_refusal(channel, Refused("rate_limited", ""))
    retry = {"Retry-After": str(max(1, round(error.args[0])))}
    detail = "you send more than your share; send the same again later"
    return Json({"reason": "rate_limited", "detail": detail}, 429, headers=retry)


async def read_body(request: Request, limit: int) -> bytes:
    """Returns the request's body.

    Raises:
        Refused: `too_large`, before more than `limit` bytes are kept; `too_slow`; `client_gone`; `too_many_bytes`,
            `too_many_bytes_in_all`.
    """
    too_large = Refused("too_large", f"the body has more than {limit} bytes")
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise too_large
    held = request.scope.get(HELD)
    body = bytearray()
    began = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(min(BODY_BEGINS_SECONDS, BODY_SECONDS)) as timeout:
            if held is not None:
                held.reads(timeout)
            async for chunk in request.stream():
                if len(body) + len(chunk) > limit:
                    raise too_large
                if held is not None:
                    held.add(len(chunk))
                body += chunk
                if timeout.when() != 0.0:  # another request needs the room of this one
                    allowed_seconds = BODY_BEGINS_SECONDS + len(body) / BODY_BYTES_PER_SECOND
                    timeout.reschedule(began + min(allowed_seconds, BODY_SECONDS))
    except TimeoutError as error:
        raise Refused("too_slow", "the body did not come in time") from error
    except ClientDisconnect as error:
        raise Refused("client_gone", "the connection ended before the body did") from error
    finally:
        if held is not None:
            held.reads(None)
    return bytes(body)


def refusal(
    channel: str,
    refused: Refused,
    typed: Mapping[str, Any] | None = None,
    *,
    locale: str = "en",
    brand: Brand | None = None,
) -> Response:
    """Answers and counts a refusal; with what was `typed`, as the form's page in that language."""
    count_refusal(channel, refused)
    problems = refused.fields if isinstance(refused, FieldProblems) else {}
    status = _STATUS.get(refused.reason, 422)
    if typed is not None:
        values = {name: str(value) for name, value in typed.items()}
        shown = problems or {"form": refused.detail or refused.reason}
        words = refused.words if isinstance(refused, FormProblems) else {}
        return pages.Page(pages.form_page(values, shown, words, locale=locale, brand=brand), status, hang_up(refused))
    answer: dict[str, Any] = {"reason": refused.reason, "detail": refused.detail}
    if problems:
        answer["problems"] = [{"field": name, "problem": problem} for name, problem in problems.items()]
    return Json(answer, status, headers=hang_up(refused))


def hang_up(refused: Refused) -> dict[str, str]:
    """Returns the headers of a refusal that say what comes next.

    The connection of a request that was not read to its end is closed; what may be sent again says when.
    """
    headers = dict(_HANG_UP) if refused.reason in _UNREAD else {}
    if refused.reason in _LATER_SECONDS:
        headers["Retry-After"] = str(_LATER_SECONDS[refused.reason])
    return headers


def count_refusal(channel: str, refused: Refused) -> None:
    """Counts a refusal by channel and reason."""
    metrics.CONTACTS_REFUSED.labels(channel, refused.reason).inc()


def unavailable(
    channel: str,
    error: Unavailable,
    typed: Mapping[str, Any] | None = None,
    *,
    locale: str = "en",
    brand: Brand | None = None,
) -> Response:
    """Answers 503: the sender keeps the contact; with what was `typed`, as the form's page, to send it again."""
    count_refusal(channel, Refused("unavailable"))
    log.debug("unavailable", problem=str(error))  # once per request is too much; `waiting_for_kafka` says it once
    retry = {"Retry-After": str(max(1, round(error.retry_after)))}
    if typed is not None:
        values = {name: str(value) for name, value in typed.items()}
        return pages.Page(pages.form_page(values, locale=locale, unavailable=True, brand=brand), 503, retry)
    answer = {"reason": "unavailable", "detail": "we cannot store this right now; please send the same again"}
    return Json(answer, 503, headers=retry)

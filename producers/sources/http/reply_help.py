"""Serves what helps agents to answer: advice on the wording of a reply, and prewritten answers for a ticket.

    POST /v1/agents/language-check   {"text": "...", "language": "ja"}      advice: where, why, what to say instead
    GET  /v1/agents/answers?ticket_id=ABCDEFGHIJKL-1                        the best answers, filled with what may be told
    GET  /v1/agents/answers?language=ja&tags=delivery.lost_parcel&text=...  the same without looking a ticket up

Both are signed with a key that has the scope `agents:reply`, change nothing, and publish nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response

from producers.channels import agents
from producers.publisher import Publisher
from producers.security.ratelimit import RateLimit
from producers.sources.http import openapi
from producers.sources.http.admission import Admission
from producers.sources.http.requests import (
    JSON_PROBLEM,
    Json,
    TooMany,
    read_body,
    refusal,
    require_share,
    too_many,
    unavailable,
)
from producers.text.fields import FieldProblems, json_value
from producers.text.locales import locale_hint
from schemas import identity
from schemas.errors import ConfigurationError, Refused, Unavailable
from schemas.events import LOCALES, VERIFICATIONS
from schemas.replies import ticket_lookup
from schemas.replies.answers import MOST_OFFERED, Query
from schemas.replies.followed import RepliesDirectory
from schemas.replies.own_words import MOST_CHARACTERS, language_of
from schemas.replies.ticket_lookup import FoundTicket, told
from schemas.settings import ProducerSettings

__all__ = ["ANSWERS", "LANGUAGE_CHECK", "add_reply_help"]

LANGUAGE_CHECK, ANSWERS = "/v1/agents/language-check", "/v1/agents/answers"
_SCOPE = "agents:reply"
_MOST_BYTES = 400_000
_SHORT, _TEXT, _MOST_TAGS = 200, 4_000, 20
#: Tickets that are looked up at once.
_AT_ONCE = 4
#: Fields of the address, and what they are.
_FIELDS: Mapping[str, str] = {
    "ticket_id": "looked up: its language, tags, brand and what is known of its customer; what the address says comes before",
    "language": f"one of {', '.join(LOCALES)}; needed without a ticket",
    "tags": "why the customer wrote, separated by commas, the reason first",
    "text": "what the customer wrote, or words to look for",
    "brand": "slug of the brand that answers",
    "name": "the customer's name; filled in only beside `verified`",
    "order_number": "as `name`",
    "verified": f"how the customer was verified, one of {', '.join(VERIFICATIONS)}; `none` when left out",
    "agent_name": "the name of the agent",
    "most": f"so many answers at most, 1 to {MOST_OFFERED}; 3 when left out",
}


def add_reply_help(
    app: FastAPI, settings: ProducerSettings, publisher: Publisher, replies: RepliesDirectory, admission: Admission
) -> None:
    """Adds both endpoints."""
    limit = RateLimit(settings.endpoint_requests_per_second, settings.endpoint_burst_requests)
    finder = _Finder(settings, publisher, replies)

    async def signed(request: Request) -> bytes:
        require_share(limit, request)
        admitted = admission.admit_key(request, (_SCOPE,))
        body = await read_body(request, min(_MOST_BYTES, settings.max_body_bytes))
        admitted.verify_body(body)
        return body

    @app.post(
        LANGUAGE_CHECK,
        operation_id="agents_language_check",
        tags=["agents"],
        openapi_extra=_CHECK_OPENAPI,
        response_class=Response,
    )
    async def language_check(request: Request) -> Response:
        """Say what to say instead in a reply. It is advice; nothing is stored."""
        try:
            text, language = _checked(await signed(request))
            advice = replies.replies.wording.check(text, language)
            return Json({"language": language, "advice": msgspec.to_builtins(advice)})
        except TooMany as error:
            return too_many(agents.CHANNEL, error)
        except Refused as refused:
            return refusal(agents.CHANNEL, refused)

    @app.get(
        ANSWERS, operation_id="agents_answers", tags=["agents"], openapi_extra=_ANSWERS_OPENAPI, response_class=Response
    )
    async def answers(request: Request) -> Response:
        """Offer prewritten answers for a ticket or a text, the best first."""
        try:
            await signed(request)
            return Json(msgspec.to_builtins(await finder.offer(dict(request.query_params))))
        except TooMany as error:
            return too_many(agents.CHANNEL, error)
        except Refused as refused:
            return refusal(agents.CHANNEL, refused)
        except Unavailable as error:
            return unavailable(agents.CHANNEL, error)


class _Finder:
    """Finds the answers that an address asks for."""

    def __init__(self, settings: ProducerSettings, publisher: Publisher, replies: RepliesDirectory) -> None:
        self._url, self._database = settings.clickhouse_url, settings.clickhouse_database
        self._publisher, self._replies = publisher, replies
        self._at_once = asyncio.Semaphore(_AT_ONCE)

    async def offer(self, given: dict[str, str]) -> Any:
        """Returns the offer.

        Raises:
            FieldProblems: `bad_fields`, with what is wrong.
            Unavailable: the ticket cannot be looked up.
        """
        _require_fields(given)
        found = await self._found(given["ticket_id"].strip().upper()) if given.get("ticket_id") else None
        tags = tuple(tag.strip() for tag in given.get("tags", "").split(",") if tag.strip()) or tuple(
            found.tags if found else ()
        )
        text = given.get("text", "") or (found.subject if found else "")
        language = locale_hint(given.get("language", "")) or (found.language if found else "")
        if not tags and not text:
            raise FieldProblems({"tags": "are needed, or a text, or the ticket_id"})
        if not language:
            raise FieldProblems({"language": f"is needed, one of {', '.join(LOCALES)}"})
        slug = given.get("brand") or (found.brand if found else "")
        known = {*self._publisher.brands.brands.brands, *(bank.brand for bank in self._replies.replies.answers.banks)}
        if given.get("brand", "") not in {"", *known}:
            raise FieldProblems({"brand": f"is not a brand; known are {', '.join(sorted(known - {''})) or 'none'}"})
        query = Query(language, tags, text, slug, self._known(given, found, slug))
        return self._replies.replies.answers.offer(query, int(given.get("most") or 3))

    def _known(self, given: Mapping[str, str], found: FoundTicket | None, slug: str) -> dict[str, str]:
        personal = {name: given.get(name, "") for name in ("name", "order_number")}
        brands = self._publisher.brands.brands
        brand = brands.get(slug).name if not slug or slug in brands else ""  # never the name of another brand
        return {
            **({"brand": brand} if brand else {}),
            **({"agent": given["agent_name"]} if given.get("agent_name") else {}),
            **(found.known if found else {}),
            **told(personal, given.get("verified", "") or (found.verified if found else "")),
        }

    async def _found(self, ticket_id: str) -> FoundTicket:
        if identity.split_ticket_id(ticket_id) is None:
            raise FieldProblems({"ticket_id": "is not the id of a ticket, such as ABCDEFGHIJKL-1"})
        if not self._url:
            fix = "no tickets are looked up here: set DESKSTREAM_CLICKHOUSE_URL, or name language and tags"
            raise FieldProblems({"ticket_id": fix})
        try:
            async with self._at_once:
                found = await asyncio.to_thread(ticket_lookup.find, self._url, self._database, ticket_id)
        except ConfigurationError as error:
            raise Unavailable(str(error)) from error
        if found is None:
            raise FieldProblems({"ticket_id": "is not known; a new ticket is there after some seconds"})
        return found


def _checked(body: bytes) -> tuple[str, str]:
    """Returns the text of a request and its language."""
    value = json_value(body)
    if not isinstance(value, dict):
        raise Refused("bad_json", f"an object is expected, not {type(value).__name__}")
    problems = {
        str(name)[:60]: "is not a field; known are text, language" for name in value if name not in ("text", "language")
    }
    text, said = value.get("text"), value.get("language", "")
    if not isinstance(text, str):
        problems["text"] = "is needed, a string"
    elif len(text) > 5 * MOST_CHARACTERS:
        problems["text"] = (
            f"has {len(text)} characters, at most {5 * MOST_CHARACTERS}; the first {MOST_CHARACTERS} are read"
        )
    if not isinstance(said, str) or len(said) > _SHORT:
        problems["language"] = f"must be one of {', '.join(LOCALES)}, or be left out"
    if problems:
        raise FieldProblems(problems)
    assert isinstance(text, str)
    return text, locale_hint(said) or said or language_of(text)


def _require_fields(given: Mapping[str, str]) -> None:
    problems = {name[:60]: f"is not a field; known are {', '.join(_FIELDS)}" for name in given if name not in _FIELDS}
    for name, value in given.items():
        if len(value) > (_TEXT if name in ("text", "tags") else _SHORT):
            problems[name[:60]] = "is too long"
        elif name != "text" and not value.isprintable():
            problems[name[:60]] = "holds control characters"
    if (said := given.get("language", "")) and not locale_hint(said):
        problems["language"] = f"must be one of {', '.join(LOCALES)}"
    if given.get("verified", "") not in ("", *VERIFICATIONS):
        problems["verified"] = f"must be one of {', '.join(VERIFICATIONS)}"
    most = given.get("most", "") or "3"
    if not (most.isascii() and most.isdigit() and len(most) < 4 and 1 <= int(most) <= MOST_OFFERED):
        problems["most"] = f"must be a number from 1 to {MOST_OFFERED}"
    if given.get("tags", "").count(",") >= _MOST_TAGS:
        problems["tags"] = f"are more than {_MOST_TAGS}"
    if problems:
        raise FieldProblems(problems)


_WHY = {
    "400": "not readable",
    "401": "not genuine",
    "403": "switched off, or the key lacks the scope agents:reply",
    "408": "too slow",
    "413": "too large",
    "422": "a field is wrong, or there is no such ticket",
    "429": "too many; send the same again after Retry-After seconds",
    "503": "the ticket cannot be looked up now",
}


def _responses(told: str, *codes: str) -> dict[str, Any]:
    return {
        "200": {"description": told, "content": {"application/json": {"schema": {"type": "object"}}}},
        **{code: {"description": _WHY[code], "content": JSON_PROBLEM} for code in codes},
    }


def _asked(name: str, about: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "description": about}


_CHECK_OPENAPI: dict[str, Any] = {
    "parameters": openapi.SIGNED_HEADERS,
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"text": {"type": "string"}, "language": {"type": "string"}},
                    "required": ["text"],
                    "additionalProperties": False,
                },
                "example": {"text": "Unfortunately we cannot help you.", "language": "en"},
            }
        },
    },
    "responses": _responses(
        "advice: kind, start, end, words, why, say", "400", "401", "403", "408", "413", "422", "429"
    ),
}
_ANSWERS_OPENAPI: dict[str, Any] = {
    "parameters": [*openapi.SIGNED_HEADERS, *(_asked(name, about) for name, about in _FIELDS.items())],
    "responses": _responses(
        "answers, greeting, holding and closing line, next issues", "401", "403", "408", "413", "422", "429", "503"
    ),
}

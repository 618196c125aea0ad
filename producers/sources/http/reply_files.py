"""Takes files that agents send with their answers, and checks that an answer refers to files that are there.

    POST /v1/agents/attachments?ticket_id=ABCDEFGHIJKL-1&name=label.pdf    the bytes, with their Content-Type

answers with the `reference` (and name, type and size) that an answer names in `attachments`. The file is stored below the
customer of the ticket, as those that the customer sends: scanned, with the type of its content, and erased with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, Response

from producers.channels import agents
from producers.channels.replies import MOST_FILES
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
from producers.storage.attachments import AttachmentStore
from producers.storage.content_type import media_type_of
from producers.text.fields import FieldProblems, prose
from schemas import identity
from schemas.errors import Refused, Unavailable
from schemas.events import AgentReplied, Event
from schemas.settings import ProducerSettings
from schemas.text import printable_line

__all__ = ["PATH", "ReplyFiles", "add_uploads"]

PATH = "/v1/agents/attachments"
_SCOPE = "agents:reply"
_NAME_CHARACTERS = 255
#: Uploads that are in memory at once.
_AT_ONCE = 4
_NO_STORE = "no store is set: DESKSTREAM_ATTACHMENTS_URL"


class ReplyFiles:
    """Holds the store of attachments for answers; without one no answer has any.

    Raises:
        ConfigurationError: the store's URL or the scanner's address is wrong.
    """

    def __init__(self, settings: ProducerSettings) -> None:
        self._store = AttachmentStore.of(settings)
        self._max_bytes = settings.mail_attachments_max_bytes

    async def require(self, made: Sequence[Event]) -> None:
        """Accepts events whose answers refer to files that are there, and not too large together.

        Raises:
            FieldProblems: `bad_fields`, with what is wrong.
            Unavailable: the store does not answer.
        """
        for event in made:
            if isinstance(event, AgentReplied) and event.attachments:
                await asyncio.to_thread(self._require, event)

    def put(self, tag: str, data: bytes, name: str, declared: str) -> dict[str, Any]:
        """Stores a file; returns the attachment that an answer may have. Blocks.

        Raises:
            Refused, Unavailable: as `AttachmentStore.put`.
        """
        if self._store is None:
            raise Refused("no_attachment_store", _NO_STORE)
        reference = self._store.put(tag, data, name=name, media_type=declared)
        kind = media_type_of(data, declared)
        return {"reference": reference, "name": name, "media_type": kind, "size_bytes": len(data)}

    def _require(self, event: AgentReplied) -> None:
        if self._store is None:
            raise FieldProblems({"attachments": _NO_STORE})
        size = 0
        for number, attachment in enumerate(event.attachments):
            try:
                size += self._store.require(attachment)
            except Refused as refused:
                raise FieldProblems({"attachments": f"[{number}] {refused.detail}"}) from refused
        if size > self._max_bytes:
            raise FieldProblems({"attachments": f"have {size} bytes together, at most {self._max_bytes}"})


def add_uploads(app: FastAPI, settings: ProducerSettings, files: ReplyFiles, admission: Admission) -> None:
    """Adds the endpoint that takes files."""
    limit = RateLimit(settings.endpoint_requests_per_second, settings.endpoint_burst_requests)
    most = min(settings.attachments_max_bytes, settings.max_body_bytes)
    at_once = asyncio.Semaphore(_AT_ONCE)

    @app.post(PATH, operation_id="agents_attachments", tags=["agents"], openapi_extra=_OPENAPI, response_class=Response)
    async def upload(request: Request) -> Response:
        """Store a file that an answer will refer to: its bytes as the body, with their Content-Type."""
        try:
            require_share(limit, request)
            admitted = admission.admit_key(request, (_SCOPE,))
            tag, name = _tag(request), _name(request)
            async with at_once:
                body = await read_body(request, most)
                admitted.verify_body(body)
                if not body:
                    raise FieldProblems({"body": "has no bytes"})
                declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()[:100]
                return Json(await asyncio.to_thread(files.put, tag, body, name, declared))
        except TooMany as error:
            return too_many(agents.CHANNEL, error)
        except Refused as refused:
            return refusal(agents.CHANNEL, refused)
        except Unavailable as error:
            return unavailable(agents.CHANNEL, error)


def _tag(request: Request) -> str:
    """Returns the tag of the customer below whom the file is stored."""
    ticket, customer = request.query_params.get("ticket_id", ""), request.query_params.get("customer_id", "")
    if parts := identity.split_ticket_id(ticket.upper()):
        return parts[0]
    kind, _, value = customer.partition(":")
    if ticket or not kind or not value or len(customer) > 254 or not customer.isprintable():
        raise FieldProblems({"ticket_id": "is needed, such as ABCDEFGHIJKL-1, or the customer_id beside a thread_ref"})
    return identity.customer_tag(identity.canonical_customer_id(kind, value))


def _name(request: Request) -> str:
    name = printable_line(prose(request.query_params.get("name", ""), _NAME_CHARACTERS))
    if not name:
        raise FieldProblems({"name": "is needed: what the customer sees of the file"})
    return name


_STORED = {
    "type": "object",
    "properties": {
        "reference": {"type": "string"},
        "name": {"type": "string"},
        "media_type": {"type": "string"},
        "size_bytes": {"type": "integer"},
    },
    "required": ["reference", "name", "media_type", "size_bytes"],
}
_REFUSALS = {
    "400": "not readable",
    "401": "not genuine",
    "403": "switched off, or the key lacks the scope agents:reply",
    "408": "too slow",
    "413": "too large",
    "422": "a field of the address is wrong, or such files are refused",
    "429": "too many; send the same again after Retry-After seconds",
    "503": "not stored; send the same again after Retry-After seconds",
}
_OPENAPI: dict[str, Any] = {
    "parameters": [
        *openapi.SIGNED_HEADERS,
        {"name": "ticket_id", "in": "query", "required": False, "schema": {"type": "string"}},
        {"name": "customer_id", "in": "query", "required": False, "schema": {"type": "string"}},
        {
            "name": "name",
            "in": "query",
            "required": True,
            "schema": {"type": "string", "minLength": 1, "maxLength": _NAME_CHARACTERS},
            "description": f"what the customer sees of the file; an answer has at most {MOST_FILES}",
        },
    ],
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
    "responses": {
        "200": {"description": "stored", "content": {"application/json": {"schema": _STORED}}},
        **{code: {"description": why, "content": JSON_PROBLEM} for code, why in _REFUSALS.items()},
    },
}

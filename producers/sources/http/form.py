"""Turns the body of a submitted contact form, in whatever way it was sent, into its event."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser

from producers.channels import form, generic
from producers.mail import charsets
from schemas.dead_letter.headers import InputContext
from schemas.errors import Refused
from schemas.events import Event

__all__ = ["take", "values"]

T = TypeVar("T")
_MOST_FIELDS = 50
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)


def take(raw: bytes, given: InputContext, *, user_secrets: Sequence[str] = ()) -> Sequence[Event]:
    """Returns the event of a form, now or when its dead letter is replayed.

    `user_secrets` are those that the shop signs its users with.

    Raises:
        Refused: as `values` and `form.normalise`.
    """
    typed = values(raw, given.headers.get("content-type", ""))
    return [form.normalise(typed, now=given.received_at, source=given.source, user_secrets=user_secrets)]


def values(raw: bytes, content_type: str) -> dict[str, Any]:
    """Returns what was typed, by field.

    Raises:
        Refused: `bad_media_type`, `bad_json`, `bad_encoding`.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "application/json":
        return generic.parse(raw)
    if media_type == "multipart/form-data":
        return _at_once(_parts(raw, content_type))
    if media_type == "application/x-www-form-urlencoded":
        return _decoded(raw, content_type)
    raise Refused("bad_media_type", "send application/x-www-form-urlencoded, multipart/form-data or application/json")


async def _parts(raw: bytes, content_type: str) -> dict[str, Any]:
    async def body() -> AsyncIterator[bytes]:
        yield raw

    headers = Headers({"content-type": content_type})
    parser = MultiPartParser(headers, body(), max_files=0, max_fields=_MOST_FIELDS)  # type: ignore[arg-type]
    try:
        fields = await parser.parse()
    except (MultiPartException, ValueError, KeyError) as error:
        raise Refused("bad_encoding", str(getattr(error, "message", error))[:200]) from error
    return {name: value for name, value in fields.items() if value != ""}


def _at_once(work: Coroutine[Any, Any, T]) -> T:
    """Returns the result of a coroutine that waits for nothing: the whole body is here, and has no files."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    work.close()
    raise RuntimeError("the form's parser waits for something")


def _decoded(body: bytes, content_type: str) -> dict[str, Any]:
    """Returns the fields of a form-encoded body; also of one whose sender escaped nothing, or in the charset of its page."""
    charset = _CHARSET.search(content_type)
    declared = charset[1] if charset else "utf-8"
    try:
        pairs = parse_qsl(body.decode("latin-1"), encoding="latin-1", max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise Refused("bad_encoding", str(error)[:200]) from error
    texts = [[charsets.decode(text.encode("latin-1"), declared) for text in pair] for pair in pairs]
    return {name: value for name, value in texts if value != ""}

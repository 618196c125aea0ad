"""Turns the body of a submitted contact form, in whatever way it was sent, into its event."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.formparsers import MultiPartException, MultiPartParser

from producers.channels import form, generic
from producers.mail import charsets
from producers.security.ratelimit import RateLimit
from schemas.dead_letter.headers import InputContext
from schemas.errors import Refused
from schemas.events import Event

__all__ = ["Limited", "take", "values"]

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


class Limited:
    """Limits how often the form is sent from one network address, and with one e-mail address in it.

    The latter is answered by us, and may be a stranger's. A replay of dead letters is not limited.
    """

    def __init__(self, per_minute: float, user_secrets: Sequence[str]) -> None:
        self._user_secrets = user_secrets
        self._senders, self._named = (RateLimit(per_minute / 60, per_minute) for _ in range(2))

    def require(self, client: str) -> None:
        """Takes one submission of a client's share.

        Raises:
            Refused: `form_limited`.
        """
        _require(self._senders, client)

    def take(self, raw: bytes, given: InputContext) -> Sequence[Event]:
        """Returns the event of a form.

        Raises:
            Refused: as `take`, and `form_limited`.
        """
        events = take(raw, given, user_secrets=self._user_secrets)
        for event in events:
            _require(self._named, str(getattr(event, "address", "")).lower())
        return events


def _require(limit: RateLimit, who: str) -> None:
    if wait := limit.wait_seconds(who, time.monotonic()):
        raise Refused("form_limited", f"too many messages in a short time; send this one again in {wait:.0f} s")


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

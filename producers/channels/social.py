"""Reads what social networks have in common: JSON bodies, HMAC-SHA256 signatures, public posts, private messages."""

from __future__ import annotations

import hashlib
import hmac
import mimetypes
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from producers.text.fields import MAX_SHORT, json_value, prose
from schemas.clock import MICROS
from schemas.errors import Refused
from schemas.events import Attachment, MessageReceived
from schemas.identity import canonical_customer_id, customer_tag

__all__ = [
    "CHANNEL",
    "attachment",
    "digest",
    "every",
    "file_of",
    "identifier",
    "message",
    "millis",
    "newest",
    "objects",
    "parse",
    "part",
    "require_match",
    "text",
]

CHANNEL = "social"
MOST_ATTACHMENTS = 20
_MILLIS_FROM = 100_000_000_000
_EARLIEST = 946_684_800 * MICROS  # 2000-01-01
_KINDS = {"image": "image/*", "photo": "image/*", "video": "video/*", "animated_gif": "video/*", "audio": "audio/*"}


def digest(secret: str, raw: bytes) -> bytes:
    """Returns the HMAC-SHA256."""
    return hmac.new(secret.encode(), raw, hashlib.sha256).digest()


def require_match(signature: str, ours: Iterable[str], header: str) -> None:
    """Compares a header's value with the signatures that our secrets make.

    Raises:
        Refused: `missing_signature`, `malformed_signature`, `bad_signature`.
    """
    if not signature:
        raise Refused("missing_signature", f"{header} is missing")
    if not signature.startswith("sha256="):
        raise Refused("malformed_signature", f"{header} is not sha256=...")
    matches = [hmac.compare_digest(each.encode(), signature.encode("utf-8", "replace")) for each in ours]
    if not any(matches):  # all were compared, so that the time taken says nothing
        raise Refused("bad_signature", "it matches none of our secrets")


def parse(raw: bytes) -> dict[str, Any]:
    """Returns the JSON object in `raw`.

    Raises:
        Refused: `bad_json`.
    """
    value = json_value(raw)
    if not isinstance(value, dict):
        raise Refused("bad_json", f"an object is expected, not {type(value).__name__}")
    return value


def objects(value: Any) -> list[dict[str, Any]]:
    """Returns the objects of a list; nothing where there is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def every(value: Any, problems: list[str]) -> list[dict[str, Any]]:
    """Returns the objects of a list; anything else in it is a problem."""
    found = objects(value)
    if not isinstance(value, list) or len(found) < len(value):
        problems.append("something stands where an object is expected")
    return found


def part(value: Any, *names: str) -> dict[str, Any]:
    """Returns the object at a path of names, or an empty one."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str:
    """Returns a text or a number as text; '' for everything else."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value)


def short(value: Any, limit: int = MAX_SHORT) -> str:
    """Returns the text for Kafka: bounded, cleaned, card numbers masked."""
    return prose(text(value).strip(), limit)


def identifier(value: Any) -> str:
    """Returns an id as it is: it is no text, and numbers in it are no cards."""
    return text(value).strip()[:MAX_SHORT]


def millis(value: Any, now: int, *, unit: int = 1_000) -> int:
    """Returns micros of a time in milliseconds (`unit` micros each), not after `now`; `now` when it is none."""
    digits = text(value)
    if not digits.isascii() or not digits.isdigit() or len(digits) > 16:
        return now
    at = int(digits) * unit
    return min(at, now) if at >= _EARLIEST else now


def newest(*values: Any) -> int:
    """Returns micros of the latest of some times in seconds or milliseconds; 0 where none is one."""
    found = [0]
    for value in values:
        digits = text(value)
        if digits.isascii() and digits.isdigit() and len(digits) <= 16:
            number = int(digits)
            found.append(number * (1_000 if number > _MILLIS_FROM else MICROS))
    return max(found)


def file_of(url: str) -> str:
    """Returns the name of the file at an address, '' for an address that is none: people share what they like."""
    try:
        return urlsplit(url).path.rpartition("/")[2]
    except ValueError:
        return ""


def attachment(kind: str, url: str, media_type: str = "", name: str = "") -> Attachment:
    """Returns a part that is not text, with the address of its bytes. Its media type comes from the part, its address or its kind."""
    file = name or file_of(url)
    guessed = media_type or mimetypes.guess_type(file)[0] or _KINDS.get(kind, "application/octet-stream")
    return Attachment(name=short(file or kind, 200), media_type=short(guessed, 100), reference=url[:MAX_SHORT])


def message(
    customer_id: str,
    *,
    event_id: str,
    said_at: int,
    now: int,
    source: str,
    thread: str,
    public: bool,
    words: str,
    whole: str = "",
    name: str = "",
    language: str = "",
    attachments: Sequence[Attachment] = (),
    recipient: str = "",
    answer_to: str = "",
    **details: str,
) -> MessageReceived:
    """Returns the event of a post or a message. `details` become its `fields`, for answers and for people.

    answer_to  the network's id of what an answer is to stand below; '' in private
    """
    kind, _, value = customer_id.partition(":")
    customer_id = canonical_customer_id(kind, value)
    return MessageReceived(
        event_id=event_id,
        occurred_at=said_at,
        received_at=now,
        sent_at=said_at,
        customer_tag=customer_tag(customer_id),
        channel=CHANNEL,
        source=source,
        customer_id=customer_id,
        address=customer_id,
        customer_name=short(name, 200),
        text=prose(words.strip()),
        full_text=prose((whole or words).strip()),
        public=public,
        thread_id=thread,
        message_id=answer_to,
        recipients=[recipient] if recipient else [],
        attachments=list(attachments[:MOST_ATTACHMENTS]),
        language=language,
        fields={key: value for key, value in details.items() if value},
        verified="platform",
    )

"""The bytes of the attachments that `producers.channels.email` lists for a mail. Pure: bytes in, bytes out."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator, Sequence
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message

from schemas.events import Attachment

__all__ = ["attachment_contents"]

_MAX_PARTS, _MAX_DEPTH = 500, 30


def attachment_contents(raw: bytes, attachments: Sequence[Attachment]) -> Iterator[bytes | None]:
    """The decoded bytes of each listed attachment, in the list's order; None for one that is not in the mail.

    The list is in the order of the parts. An attachment is the next part of its media type that has its name or its
    size, else the next of its media type.
    """
    if not attachments:
        return
    leaves = list(_leaves(email.message_from_bytes(raw, policy=email.policy.compat32), 0))[:_MAX_PARTS]
    for attachment in attachments:
        same_type = [leaf for leaf in leaves if leaf.get_content_type()[:100] == attachment.media_type]
        fitting = [leaf for leaf in same_type if _fits(leaf, attachment)]
        found = next(iter(fitting or same_type), None)
        if found is None:
            yield None
        else:
            leaves.remove(found)
            yield _bytes(found)


def _leaves(part: Message, depth: int) -> Iterator[Message]:
    payload = part.get_payload()
    if not isinstance(payload, list) or part.get_content_maintype() == "message":
        yield part
    elif depth <= _MAX_DEPTH:
        for child in payload:
            if isinstance(child, Message):
                yield from _leaves(child, depth + 1)


def _fits(leaf: Message, attachment: Attachment) -> bool:
    if attachment.name:
        return _name(leaf) == attachment.name
    return _name(leaf) == "" and attachment.size_bytes in _sizes(leaf)


def _sizes(leaf: Message) -> tuple[int, int]:
    """As it is written in the mail, and decoded."""
    payload = leaf.get_payload()
    return (len(payload) if isinstance(payload, str) else 0), len(_bytes(leaf) or b"")


def _name(leaf: Message) -> str:
    try:
        name = leaf.get_filename() or ""
        return str(make_header(decode_header(name))).replace("/", "_").replace("\\", "_").strip()[:200]
    except (ValueError, LookupError, TypeError, AttributeError, HeaderParseError):
        return ""


def _bytes(leaf: Message) -> bytes | None:
    payload = leaf.get_payload()
    try:
        if isinstance(payload, list):  # a message in the message, or the blocks of a delivery report
            return b"\n".join(inner.as_bytes() for inner in payload if isinstance(inner, Message))
        decoded = leaf.get_payload(decode=True)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return decoded if isinstance(decoded, bytes) else None

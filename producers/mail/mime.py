"""Parses the bytes of a mail into the standard library's tree of parts, once per mail.

`producers.mail.parser` accepts any bytes and parses no header that is not asked for. What would mislead it (a byte-order
mark, an mbox line, a blank before a colon) is mended first.
"""

from __future__ import annotations

import re

from producers.mail.mended import is_doubtful, read_mended
from producers.mail.parser import Entity, headers_in, read_entity
from schemas.errors import Refused

__all__ = ["parse_mail", "parse_part"]

_HEADERS = re.compile(r"(?:[!-9;-~]++:[^\n]*+\n(?:[ \t][^\n]*+\n)*+)++")
_HEADERS_LOOKED_AT = 20_000
#: The first line of a mail in an mbox; a From header may have a blank before its colon.
_ENVELOPE = re.compile(rb"From (?![ \t]{0,200}:)")


def parse_mail(raw: bytes) -> Entity:
    """Returns the tree of a whole mail.

    Raises:
        Refused: `empty`, `too_costly`, or `undecodable_mime` when its parts are nested without end.
    """
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):  # saved by an editor as UTF-16
        raw = raw.decode("utf-16", "replace").encode()
    raw = raw.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n \t\x00")
    if not raw:
        raise Refused("empty", "there is nothing in it")
    if _ENVELOPE.match(raw):
        raw = raw.partition(b"\n")[2]
    if b"\r\r\n" in raw[:_HEADERS_LOOKED_AT]:
        raw = raw.replace(b"\r\r\n", b"\r\n")
    mail = _without_parts(raw)
    if mail is None or "from" not in mail.fields or is_doubtful(raw, 0, mail.body_start):
        return read_mended(raw)
    return mail


def parse_part(raw: bytes) -> Entity:
    """Returns the tree of a mail or of a part that was found inside of another one.

    Raises:
        Refused: `too_costly`, or `undecodable_mime` when its parts are nested without end.
    """
    mail = _without_parts(raw)
    return read_entity(raw) if mail is None else mail


def _without_parts(raw: bytes) -> Entity | None:
    """Parses a mail of well-formed headers and one body as the library does, in a third of the time.

    Returns None for any other mail. Most mails with words only are of this kind, and their headers are most of the work.
    """
    end = _end_of_head(raw)
    if end < 0:
        return None
    if b"multipart/" in raw[:end] or b"multipart/" in (lower := raw[:end].lower()) or b"message/" in lower:
        return None
    head = raw[: end + 1].decode("ascii", "surrogateescape").replace("\r\n", "\n")
    if "\r" in head or not _HEADERS.fullmatch(head):
        return None
    mail = Entity(raw)
    mail.set_all_raw(headers_in(head))
    mail.body_start, mail.body_end = end + (3 if raw[end + 1 : end + 2] == b"\r" else 2), len(raw)
    return mail


def _end_of_head(raw: bytes) -> int:
    """Returns the offset of the line end above the first blank line, -1 when there is none nearby."""
    marks = (b"\n\r\n", b"\n\n") if raw[: raw.find(b"\n") + 1].endswith(b"\r\n") else (b"\n\n", b"\n\r\n")
    end = raw.find(marks[0], 0, _HEADERS_LOOKED_AT)
    before = raw.find(marks[1], 0, end if end >= 0 else _HEADERS_LOOKED_AT)
    return before if before >= 0 else end

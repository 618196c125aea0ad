"""Parses the bytes of a mail into the standard library's tree of parts, once per mail.

`producers.mail.parser` accepts any bytes and parses no header that is not asked for. What would mislead it (a byte-order
mark, an mbox line, a blank before a colon) is mended first.
"""

from __future__ import annotations

import re

from producers.mail.mended import read_mended
from producers.mail.parser import Entity, read_entity
from schemas.errors import Refused

__all__ = ["parse_mail", "parse_part"]

_EMPTY_LINE = re.compile(rb"\r?\n\r?\n")
_HAS_PARTS = re.compile(r"multipart/|message/", re.IGNORECASE)
_HEADER = re.compile(r"([!-9;-~]+):[ \t]*([^\n]*(?:\n[ \t][^\n]*)*)\n")
_HEADERS = re.compile(r"(?:[!-9;-~]+:[^\n]*\n(?:[ \t][^\n]*\n)*)+")
_HEADERS_LOOKED_AT = 20_000
#: Below the blank line: headers, perhaps, or parts that nobody announced.
_GOES_ON = re.compile(rb"(?:[ \t]*\r?\n)*+(?:Content-[A-Za-z-]+|From)[ \t]*:", re.IGNORECASE)


def parse_mail(raw: bytes) -> Entity:
    """Returns the tree of a whole mail.

    Raises:
        Refused: `empty`, `too_costly`, or `undecodable_mime` when its parts are nested without end.
    """
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):  # saved by an editor as UTF-16
        raw = raw.decode("utf-16", "replace").encode()
    raw = raw.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n\x00")
    is_indented = raw[:1] in (b" ", b"\t")
    raw = raw.lstrip(b"\r\n \t\x00")
    if not raw:
        raise Refused("empty", "there is nothing in it")
    if raw.startswith(b"From "):
        raw = raw.partition(b"\n")[2]
    if b"\r\r\n" in raw[:_HEADERS_LOOKED_AT]:
        raw = raw.replace(b"\r\r\n", b"\r\n")
    mail = None if is_indented else _without_parts(raw)
    if mail is None or _GOES_ON.match(raw, mail.body_start):
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
    end = _EMPTY_LINE.search(raw, 0, _HEADERS_LOOKED_AT)
    if end is None:
        return None
    head = raw[: end.start()].decode("ascii", "surrogateescape").replace("\r\n", "\n") + "\n"
    if "\r" in head or _HAS_PARTS.search(head) or not _HEADERS.fullmatch(head):
        return None
    mail = Entity(raw)
    for name, value in _HEADER.findall(head):
        mail.set_raw(name, value)
    mail.body_start, mail.body_end = end.end(), len(raw)
    return mail

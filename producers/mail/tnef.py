"""Reads TNEF (`winmail.dat`), the private format of Outlook and Exchange: its text and its files.

Own code, because a count inside of the file can keep the known decoder busy for hours (ADR 27). Here every count is
bounded and every step is linear. Layout: [MS-OXTNEF]; property tags: [MS-OXPROPS].
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import compressed_rtf

from producers.mail import charsets, rtf

__all__ = ["Tnef", "read"]

_SIGNATURE = 0x223E9F78
_BODY, _ATTACH_DATA, _ATTACH_TITLE, _ATTACH_BEGINS = 0x800C, 0x800F, 0x8010, 0x9002
_PROPS, _ATTACH_PROPS, _CODE_PAGE = 0x9003, 0x9005, 0x9007
_P_BODY, _P_RTF, _P_HTML, _P_INTERNET_CODE_PAGE = 0x1000, 0x1009, 0x1013, 0x3FDE
_P_DATA, _P_SHORT_NAME, _P_LONG_NAME = 0x3701, 0x3704, 0x3707
_FIXED = {0x0001: 0, 0x0002: 4, 0x0003: 4, 0x0004: 4, 0x0005: 8, 0x0006: 8, 0x0007: 8, 0x000A: 4, 0x000B: 4}
_FIXED |= {0x0014: 8, 0x0040: 8, 0x0048: 16}
_VARIABLE = frozenset((0x0000, 0x000D, 0x001E, 0x001F, 0x0102))
_UNICODE, _STRING, _MANY, _NAMED = 0x001F, 0x001E, 0x1000, 0x8000
_MOST_ATTRIBUTES, _MOST_PROPS, _MOST_VALUES = 5000, 2000, 100
#: Values of all properties of one container.
_MOST_VALUES_IN_ALL = 50_000
_MAX_RTF = 200_000


@dataclass
class Tnef:
    """The content of a container. `whole` is False when the file ends too early or is no TNEF at all."""

    text: str = ""
    html: str = ""
    rtf: bytes = b""
    files: list[tuple[str, bytes]] = field(default_factory=list)
    whole: bool = False
    values_left: int = _MOST_VALUES_IN_ALL

    def words(self) -> str:
        """Returns the text that came as RTF only."""
        try:
            raw = compressed_rtf.decompress(self.rtf[:_MAX_RTF])
        except Exception:  # broken input makes the library raise anything; the files are still there
            return ""
        return rtf.words(raw[: rtf.MAX_RTF_CHARS].decode("latin-1"))


def read(data: bytes) -> Tnef:
    """Returns what is in a container. Never raises."""
    found = Tnef()
    if len(data) < 6 or struct.unpack_from("<I", data)[0] != _SIGNATURE:
        return found
    charset, body, html = "", b"", b""
    for number, value in _attributes(data, found):
        if number == _CODE_PAGE and len(value) >= 4:
            charset = _charset(struct.unpack_from("<I", value)[0])
        elif number == _BODY:
            body = value
        elif number == _PROPS:
            charset, html = _message(value, found, charset, html)
        elif number == _ATTACH_BEGINS:
            found.files.append(("", b""))
        elif found.files:
            found.files[-1] = _file(found, number, value, charset)
    found.text = found.text or charsets.decode(body.rstrip(b"\x00"), charset)
    found.html = charsets.decode(html, charset)
    return found


def _message(value: bytes, found: Tnef, charset: str, html: bytes) -> tuple[str, bytes]:
    """Takes the properties of the message; returns the charset of what follows, and the bytes of its HTML."""
    for tag, kind, content in _props(value, found):
        if tag == _P_BODY:
            found.text = _string(kind, content, charset)
        elif tag == _P_HTML:
            html = content
        elif tag == _P_RTF:
            found.rtf = content
        elif tag == _P_INTERNET_CODE_PAGE and len(content) >= 4:
            charset = _charset(struct.unpack_from("<I", content)[0])
    return charset, html


def _attributes(data: bytes, found: Tnef) -> Iterator[tuple[int, bytes]]:
    position = 6
    for _ in range(_MOST_ATTRIBUTES):
        if position >= len(data):
            found.whole = True
            return
        if position + 9 > len(data):
            return
        _, tag, length = struct.unpack_from("<BII", data, position)
        end = position + 9 + length
        if end + 2 > len(data):
            return
        yield tag & 0xFFFF, data[position + 9 : end]
        position = end + 2


def _file(found: Tnef, number: int, value: bytes, charset: str) -> tuple[str, bytes]:
    name, content = found.files[-1]
    if number == _ATTACH_TITLE:
        return name or charsets.decode(value.rstrip(b"\x00"), charset), content
    if number == _ATTACH_DATA:
        return name, value
    if number == _ATTACH_PROPS:
        short = long = ""
        for tag, kind, prop in _props(value, found):
            if tag == _P_LONG_NAME:
                long = _string(kind, prop, charset)
            elif tag == _P_SHORT_NAME:
                short = _string(kind, prop, charset)
            elif tag == _P_DATA and not content:
                content = prop[16:]  # behind the id of its interface
        name = long or name or short
    return name, content


def _props(data: bytes, found: Tnef) -> Iterator[tuple[int, int, bytes]]:
    """Yields `(property, type, bytes)` of each property; the first value of several. Ends at the first that is broken."""
    try:
        (count,) = struct.unpack_from("<I", data)
        position = 4
        for _ in range(min(count, _MOST_PROPS)):
            kind, tag = struct.unpack_from("<HH", data, position)
            position += 4
            if tag >= _NAMED:
                position = _after_name(data, position)
            values, position = _values(data, position, kind)
            found.values_left -= 1 + len(values)
            if found.values_left < 0:
                return
            if values:
                yield tag, kind & ~_MANY, values[0]
    except struct.error:
        return


def _after_name(data: bytes, position: int) -> int:
    position += 16
    is_text, value = struct.unpack_from("<II", data, position)
    return position + 8 + (_padded(value) if is_text else 0)


def _values(data: bytes, position: int, kind: int) -> tuple[list[bytes], int]:
    many, kind = bool(kind & _MANY), kind & ~_MANY
    count = 1
    if many or kind in _VARIABLE:
        (count,) = struct.unpack_from("<I", data, position)
        position += 4
    if count > _MOST_VALUES or (kind not in _VARIABLE and kind not in _FIXED):
        raise struct.error("not to be believed")
    values = []
    for _ in range(count):
        length = _FIXED.get(kind, 0)
        if kind in _VARIABLE:
            (length,) = struct.unpack_from("<I", data, position)
            position += 4
        if position + length > len(data):
            raise struct.error("cut short")
        values.append(data[position : position + length])
        position += _padded(length)
    return values, position


def _padded(length: int) -> int:
    return length + -length % 4


def _string(kind: int, value: bytes, charset: str) -> str:
    if kind == _UNICODE:
        return value.decode("utf-16-le", "replace").rstrip("\x00")
    return charsets.decode(value.rstrip(b"\x00"), charset)


def _charset(code_page: int) -> str:
    return {65001: "utf-8", 20127: "ascii", 54936: "gb18030", 50220: "iso-2022-jp", 51932: "euc-jp"}.get(
        code_page, "iso-8859-1" if code_page == 28591 else f"cp{code_page}"
    )

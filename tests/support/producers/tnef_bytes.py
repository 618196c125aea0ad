"""Writes TNEF (`winmail.dat`), as Outlook and Exchange send it: for the examples and the tests of the reader."""

from __future__ import annotations

import struct

__all__ = ["attachment", "attribute", "message_props", "old_body", "tnef"]

_UNICODE, _STRING, _BINARY, _LONG = 0x1F, 0x1E, 0x102, 0x03
BODY, HTML, RTF, LONG_NAME, CODEPAGE = 0x1000, 0x1013, 0x1009, 0x3707, 0x3FDE


def attribute(level: int, tag: int, data: bytes) -> bytes:
    """One attribute of the message (level 1) or of a file (2), with its checksum."""
    return struct.pack("<BII", level, tag, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)


def _props(values: list[tuple[int, int, bytes | int]]) -> bytes:
    done = struct.pack("<I", len(values))
    for kind, number, value in values:
        done += struct.pack("<HH", kind, number)
        if isinstance(value, int):
            done += struct.pack("<i", value)
        else:
            done += struct.pack("<II", 1, len(value)) + value + b"\x00" * (-len(value) % 4)
    return done


def message_props(*, body: str = "", html: bytes = b"", rtf: bytes = b"", codepage: int = 0) -> bytes:
    """The MAPI properties of the message: its text in one or more forms; `rtf` is already compressed."""
    values: list[tuple[int, int, bytes | int]] = [(_LONG, 0x0017, 1)]
    if codepage:
        values.append((_LONG, CODEPAGE, codepage))
    if body:
        values.append((_UNICODE, BODY, (body + "\x00").encode("utf-16-le")))
    if html:
        values.append((_BINARY, HTML, html))
    if rtf:
        values.append((_BINARY, RTF, rtf))
    return attribute(1, 0x00069003, _props(values))


def old_body(text: bytes) -> bytes:
    """The text as older clients wrote it, in the code page of the message."""
    return attribute(1, 0x0002800C, text + b"\x00")


def attachment(title: bytes, data: bytes, *, long_name: str = "") -> bytes:
    """A file: its short name in the code page of the message, and its long one."""
    done = attribute(2, 0x00069002, bytes(14))
    done += attribute(2, 0x00018010, title + b"\x00")
    done += attribute(2, 0x0006800F, data)
    if long_name:
        done += attribute(2, 0x00069005, _props([(_UNICODE, LONG_NAME, (long_name + "\x00").encode("utf-16-le"))]))
    return done


def tnef(*attributes: bytes, codepage: int = 1252) -> bytes:
    """The whole file."""
    head = struct.pack("<IH", 0x223E9F78, 1)
    head += attribute(1, 0x00089006, struct.pack("<I", 0x00010000))
    head += attribute(1, 0x00069007, struct.pack("<II", codepage, 0))
    return head + b"".join(attributes)

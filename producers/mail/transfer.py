"""Decodes transfer encodings, also wrong ones: base64 that is none, soft breaks with blanks, uuencoded files."""

from __future__ import annotations

import binascii
import re

__all__ = ["decode", "uuencoded"]

_WHITE = b" \t\r\n\v\f"
_BASE64_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=" + _WHITE
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/=\s]")
_BLANK_INSIDE = re.compile(rb"(?<=\S)[\t\v\f]*+ [ \t\v\f]*+(?=\S)")
_BLANKS_AFTER_SOFT_BREAK = re.compile(rb"=[ \t]++(?=\r?\n)")
#: One wrong character in so many is an accident; more of them mean that it is no base64.
_ACCIDENTS = 60
_UUENCODED = re.compile(r"^begin [0-7]{3,4} ([^\n]{1,200})\n((?:[ -`]{1,62}\n)++)(?:`\n|\n)?end[ \t]*$", re.MULTILINE)
_MOST_UUENCODED = 20


def decode(data: bytes, encoding: str) -> bytes:
    """Returns the bytes without their transfer encoding, named as in the header; an unknown name means none."""
    encoding = encoding.strip().lower()
    if encoding.startswith("base64"):
        return _base64(data)
    if encoding.startswith("quoted-printable"):
        return binascii.a2b_qp(_BLANKS_AFTER_SOFT_BREAK.sub(b"=", data))
    return data


def _base64(data: bytes) -> bytes:
    wrong = data.translate(None, _BASE64_ALPHABET)
    if len(wrong) * _ACCIDENTS > len(data):  # text: all of it, or a footer below
        encoded = _lines_before_words(data, wrong)
        return _lenient(encoded) if encoded.strip() else data
    return _lenient(data)


def _lines_before_words(data: bytes, wrong: bytes) -> bytes:
    """Returns the lines above the first that has a blank inside, or one of the `wrong` characters, given in their order."""
    until = _line_start(data, data.find(wrong[:1])) if wrong else len(data)
    blank = _BLANK_INSIDE.search(data, 0, until) if data.find(b" ", 0, until) >= 0 else None
    return data[: _line_start(data, blank.start()) if blank else until]


def _line_start(data: bytes, at: int) -> int:
    return max(data.rfind(b"\n", 0, at), data.rfind(b"\r", 0, at)) + 1


def _lenient(data: bytes) -> bytes:
    """Decodes as much as there is: without the padding, or without the last, incomplete group."""
    digits = data.translate(None, _WHITE)
    missing = -len(digits.rstrip(b"=")) % 4
    try:
        return binascii.a2b_base64(digits + b"=" * missing)
    except binascii.Error:
        digits = _NO_BASE64.sub(b"", digits).partition(b"=")[0]
        if len(digits) % 4 == 1:
            digits = digits[:-1]
        return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))


def uuencoded(text: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Returns the text without the files that were uuencoded into it, and these files: `(name, bytes)`."""
    files: list[tuple[str, bytes]] = []
    if "begin " not in text:
        return text, files

    def take(match: re.Match[str]) -> str:
        if len(files) >= _MOST_UUENCODED:
            return match[0]
        try:
            files.append((match[1].strip(), b"".join(_uuencoded_line(line) for line in match[2].splitlines())))
        except (binascii.Error, ValueError):
            return match[0]
        return ""

    return _UUENCODED.sub(take, text), files


def _uuencoded_line(line: str) -> bytes:
    return b"" if line.strip() in ("`", "") else binascii.a2b_uu(line.encode("ascii"))

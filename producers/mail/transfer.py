"""Decodes transfer encodings, also wrong ones: base64 that is none, soft breaks with blanks, uuencoded files."""

from __future__ import annotations

import binascii
import re

__all__ = ["decode", "uuencoded"]

_WHITE = b" \t\r\n\v\f"
_BASE64_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=" + _WHITE
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/=\s]")
_BLANKS_AFTER_SOFT_BREAK = re.compile(rb"=[ \t]+(?=\r?\n)")
#: One wrong character in so many is an accident; more of them mean that it is no base64.
_ACCIDENTS = 60
_UUENCODED = re.compile(r"^begin [0-7]{3,4} ([^\n]{1,200})\n((?:[ -`]{1,62}\n){1,})(?:`\n|\n)?end[ \t]*$", re.MULTILINE)
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
    wrong = len(data.translate(None, _BASE64_ALPHABET))
    if wrong * _ACCIDENTS > len(data):  # text: all of it, or a footer below
        encoded = b"".join(_lines_before_words(data))
        return _lenient(encoded) if encoded.strip() else data
    return _lenient(data)


def _lines_before_words(data: bytes) -> list[bytes]:
    found = []
    for line in data.splitlines(keepends=True):
        if _NO_BASE64.search(line) or b" " in line.strip():
            break
        found.append(line)
    return found


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

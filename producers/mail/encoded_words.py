"""Decodes the text of a header: raw bytes and encoded words (RFC 2047), also those that mailers cut or leave open.

Not by the standard library's modern policy, because that one refuses what real mailers send: encoded words cut inside a
character, raw bytes, a whole address inside an encoded word.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re

from producers.mail import charsets

__all__ = ["ENCODED_WORD", "decode", "raw_text"]

ENCODED_WORD = r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*+)\?="
_ENCODED_WORD = re.compile(ENCODED_WORD)
_FOLD = re.compile(r"[\r\n]+[ \t]*|[\t\u3000]")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]")


def decode(value: str) -> str:
    """Returns one line of text: unfolded, raw bytes and encoded words decoded, adjacent words joined before they are."""
    value = raw_text(value)
    if "=?" not in value:
        return charsets.clean(value).strip()
    words = _Words()
    last = 0
    for word in _ENCODED_WORD.finditer(value):
        words.plain(value[last : word.start()])
        words.encoded(word[1].split("*")[0].lower(), word[2] in "bB", word[3])
        last = word.end()
    words.plain(value[last:], at_end=True)
    return charsets.clean("".join(words.parts)).replace("\n", " ").strip()


class _Words:
    """Joins adjacent encoded words: many mailers cut them inside a character, or inside its base64."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._bytes, self._base64, self._charset = b"", "", ""

    def plain(self, words: str, *, at_end: bool = False) -> None:
        if at_end or words.strip():
            self._end()
            self.parts.append(words)

    def encoded(self, charset: str, is_base64: bool, payload: str) -> None:
        if charset != self._charset:
            self._end()
            self._charset = charset
        if not is_base64:
            self._end_base64()
            self._bytes += quopri.decodestring(payload.replace("_", "=20").encode("utf-8", "surrogateescape"))
            return
        self._base64 += _NOT_BASE64.sub("", payload)
        if len(self._base64) % 4 == 0 or payload.endswith("="):
            self._end_base64()

    def _end_base64(self) -> None:
        data, self._base64 = self._base64, ""
        if data:
            whole = data + "=" * (-len(data) % 4)
            try:
                self._bytes += base64.b64decode(whole)
            except binascii.Error:  # one character too many
                self._bytes += base64.b64decode(data[: len(data) // 4 * 4])

    def _end(self) -> None:
        self._end_base64()
        if self._bytes:
            self.parts.append(charsets.decode(self._bytes, self._charset))
        self._bytes, self._charset = b"", ""


def raw_text(value: str) -> str:
    """Returns the header on one line, its raw bytes decoded, its encoded words as they stand."""
    if "\n" in value or "\t" in value or "\r" in value or "\u3000" in value:
        value = _FOLD.sub(" ", value)
    if value.isascii():
        return charsets.decode(value.encode()) if "\x1b" in value else value
    try:
        return charsets.decode(value.encode("ascii", "surrogateescape")).replace("\n", " ")
    except UnicodeEncodeError:
        return charsets.clean(value)

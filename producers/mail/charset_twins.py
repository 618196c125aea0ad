"""Tells two charsets of one script apart, either of which takes all bytes of the other: senders declare one and mean the other.

Text in the wrong one shows by its letters: KOI8-R in Windows-1251 has words like `оРИВЕТ`, ISO-8859-2 in Windows-1250 has
signs like `±` inside words, and Windows-1250 in ISO-8859-2 has control characters.
"""

from __future__ import annotations

import re

__all__ = ["TWINS", "twin"]

#: Declared → what it may be in truth.
TWINS = {"cp1251": "koi8-u", "koi8-r": "cp1251", "koi8-u": "cp1251", "cp1250": "iso8859-2", "iso8859-2": "cp1250"}
_SAMPLE = 4000
#: A small letter before capitals; three small letters in a row, which only rightly read text has.
_INVERTED, _SMALL = re.compile(r"\b[а-яё][А-ЯЁ]{2}"), re.compile(r"[а-яё]{3}")
_SIGNS = re.compile(r"[^\W\d_][±¶]|[^\W\d_][©»«®][^\W\d_]")
_CONTROL = re.compile("[\x80-\x9f]")


def twin(data: bytes, text: str, codec: str) -> str:
    """Returns `text`, which is `data` in the declared `codec`, or what the twin of that makes of it, where that alone is text."""
    other = TWINS.get(codec)
    if other is None or text.isascii() or not _is_wrong(text[:_SAMPLE], codec):
        return text
    read = data.decode(other, "replace")
    return text if _is_wrong(read[:_SAMPLE], other) else read


def _is_wrong(sample: str, codec: str) -> bool:
    if codec == "iso8859-2":
        return _CONTROL.search(sample) is not None
    if codec == "cp1250":
        return _SIGNS.search(sample) is not None
    inverted = len(_INVERTED.findall(sample))
    return inverted > len(_SMALL.findall(sample))

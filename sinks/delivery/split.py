"""Splits a text for a channel with a length limit, at the ends of paragraphs, lines, sentences or words. Pure.

A part ends after a paragraph; where none ends in its second half, after a line, then a sentence, a word, and only then
anywhere. Several parts are numbered, `(1/3) ...`. A text that does not fit into all parts ends in an ellipsis.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

__all__ = ["split"]

_ENDS = (
    re.compile(r"\n\s*\n"),
    re.compile(r"\n"),
    re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])"),
    re.compile(r"\s+|(?<=[、，；])"),
)
_ELLIPSIS = "…"


def split(text: str, most: int, parts: int, measure: Callable[[str], int] = len) -> list[str]:
    """Returns the text in at most `parts` parts of at most `most` each, as `measure` counts; [''] for an empty text.

    While the parts suffice, only white space between them is lost.
    """
    text = text.strip()
    if measure(text) <= most:
        return [text]
    for count in range(2, parts + 1):
        room = most - measure(f"({count}/{count}) ")
        found = _cut(text, room, count, measure)
        if found is not None:
            return [f"({number}/{count}) {each}" for number, each in enumerate(found, start=1)]
    mark = f"({parts}/{parts}) " if parts > 1 else ""
    room = most - measure(mark)
    found, rest = [], text
    for number in range(1, parts + 1):
        last = number == parts
        head, rest = _head(rest, room - measure(_ELLIPSIS) if last else room, measure)
        found.append(head + _ELLIPSIS if last else head)
    return [f"({number}/{parts}) {each}" if mark else each for number, each in enumerate(found, start=1)]


def _cut(text: str, room: int, count: int, measure: Callable[[str], int]) -> list[str] | None:
    """Returns the text in at most `count` parts; None when they do not suffice."""
    found: list[str] = []
    while text and len(found) < count:
        head, text = _head(text, room, measure)
        found.append(head)
    return None if text else found


def _head(text: str, room: int, measure: Callable[[str], int]) -> tuple[str, str]:
    """Returns the longest beginning that fits and ends well, and the rest, without the white space around the cut."""
    if measure(text) <= room:
        return text, ""
    fits = _fitting(text, room, measure)
    for end in _ENDS:
        places = [found.start() for found in end.finditer(text, 0, fits + 1) if fits // 2 <= found.start() <= fits]
        if places:
            return text[: places[-1]].rstrip(), text[places[-1] :].lstrip()
    return text[:fits].rstrip(), text[fits:].lstrip()


def _fitting(text: str, room: int, measure: Callable[[str], int]) -> int:
    """Returns how many characters fit, at least one, without tearing a character from its combining marks."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if measure(text[:middle]) <= room else (low, middle - 1)
    fits = low
    while fits > 1 and fits < len(text) and (unicodedata.combining(text[fits]) or text[fits] in "\u200d\ufe0f"):
        fits -= 1
    return fits

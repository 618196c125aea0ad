"""Compiles the phrases of the wording lists.

`(a|b)` one of them · `[a|b]` perhaps one of them · `[a|b]*` up to three of them · `…` up to 24 characters (CJK 8) of one
sentence · `#` a number · `*` the rest of a word · `^` and `$` beginning and end of a sentence. A space is any white space.
A phrase is found as whole words where its edge is Latin; in CJK text words have no edges.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Phrase", "compiled"]

_LONGEST = 1_000
_GAP_LATIN, _GAP_CJK = "[^.!?。！？]{0,24}?", "[^.!?。！？]{0,8}?"
#: Sign of a phrase → what it stands for.
_SIGNS = {
    "*": "[a-z']{0,14}", " ": r"\s+", "#": r"[0-9]{1,6}",
    "^": r"(?:\A|(?<=[.!?。！？\n\ufffc]))[\s,，、「」-]{0,20}", "$": r"(?=[\s~～]{0,20}(?:[.!?。！？\n]|\Z))",
}  # fmt: skip
_CLOSING = {"(": ")", "[": "]"}


class Phrase(NamedTuple):
    """A compiled phrase. It can stand only in a text that holds one of the `needles`; in any text where there are none."""

    written: str
    needles: frozenset[str]
    pattern: re.Pattern[str]


class _Part(NamedTuple):
    """A part of a phrase: its expression, and the texts of which one is there where the part is; none: nothing is sure."""

    expression: str
    needles: frozenset[str] = frozenset()


def compiled(written: str, *, latin: bool) -> Phrase:
    """Returns a phrase, of a language in Latin letters or not.

    Raises:
        ValueError: brackets do not match, or a sign stands where it means nothing.
    """
    if not written.strip() or len(written) > _LONGEST:
        raise ValueError(f"a phrase has 1 to {_LONGEST} characters")
    text = written.lower().replace("’", "'")
    part, end = _sequence(text, 0, "", latin=latin)
    if end < len(text):
        raise ValueError(
            f"{text[end]!r} stands outside of brackets" if text[end] == "|" else "its brackets do not match"
        )
    first, last = written.lstrip("^([ ")[:1], written.rstrip("$)] ")[-1:]
    before = "(?<![0-9a-z_'])" if latin or (first.isascii() and first.isalnum()) else ""
    after = "" if last in ("*", "…", "#") else "(?![0-9a-z_])" if latin or (last.isascii() and last.isalnum()) else ""
    expression = f"{'' if written.startswith('^') else before}(?:{part.expression}){after}"
    return Phrase(written, part.needles, re.compile(expression))


def _sequence(text: str, at: int, closing: str, *, latin: bool) -> tuple[_Part, int]:
    """Returns what stands from `at` to the next `|` or closing bracket, and where that is."""
    parts: list[_Part] = []
    literal = ""
    while at < len(text) and text[at] not in ("|", ")", "]"):
        character = text[at]
        if character in _CLOSING:
            part, at = _group(text, at, latin=latin)
        else:
            at += 1
            if character not in _SIGNS and character != "…":
                literal += character
                parts.append(_Part(re.escape(character), frozenset((literal,))))
                continue
            part = _Part((_GAP_LATIN if latin else _GAP_CJK) if character == "…" else _SIGNS[character])
        literal = ""
        parts.append(part)
    if at < len(text) and text[at] != "|" and text[at] != closing:
        raise ValueError("its brackets do not match")
    return _Part("".join(part.expression for part in parts), _best(part.needles for part in parts)), at


def _group(text: str, at: int, *, latin: bool) -> tuple[_Part, int]:
    opening, closing = text[at], _CLOSING[text[at]]
    choices: list[_Part] = []
    while at < len(text) and text[at] != closing:
        part, at = _sequence(text, at + 1, closing, latin=latin)
        choices.append(part)
    if at >= len(text):
        raise ValueError("its brackets do not match")
    expression = f"(?:{'|'.join(choice.expression for choice in choices)})"
    at += 1
    if opening == "[":
        repeated = at < len(text) and text[at] == "*"
        return _Part(expression + ("{0,3}" if repeated else "?")), at + repeated
    sure = all(choice.needles for choice in choices)
    return _Part(expression, frozenset().union(*(choice.needles for choice in choices)) if sure else frozenset()), at


def _best(found: Iterator[frozenset[str]]) -> frozenset[str]:
    """Returns, of sets of which each is sure, the one whose shortest text is longest."""
    return max(found, key=lambda needles: (min(map(len, needles), default=0), -len(needles)), default=frozenset())

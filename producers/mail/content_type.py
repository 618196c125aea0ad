"""Reads a Content-Type as it was meant: with its semicolon lost, its type in quotes, a word for a type."""

from __future__ import annotations

import re

__all__ = ["plain_content_type"]

_WELL_FORMED = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+[ \t]*(?:;(?![;\s]*;)|\Z)", re.IGNORECASE)
_MEANT = re.compile(
    r"[\"'\s]*([a-z0-9!#$&^_.+-]+)[\"']?\s*/\s*([a-z0-9!#$&^_.+-]+)[\"']?[\s;,]*(?:\([^()]*\))?[\s;,]*", re.IGNORECASE
)
_WORD = re.compile(r"[\"'\s]*(text|html|plain|multipart)\b[\"'\s;,]*", re.IGNORECASE)
_TYPES = {"text": "text/plain", "plain": "text/plain", "html": "text/html", "multipart": "multipart/mixed"}


def plain_content_type(value: str) -> str | None:
    """Returns the value with its type and its parameters apart; None for one that is well-formed, or nonsense."""
    if _WELL_FORMED.match(value):
        return None
    if found := _MEANT.match(value):
        kind = f"{found[1]}/{found[2]}"
    elif found := _WORD.match(value):
        kind = _TYPES[found[1].lower()]
    else:
        return None
    rest = value[found.end() :].strip("; \t\r\n")
    return f"{kind}; {rest}" if rest else kind

"""Reads the words of a calendar part: for invitations and cancellations that come without any text."""

from __future__ import annotations

import re

__all__ = ["words"]

_LINE = re.compile(r"^(SUMMARY|DESCRIPTION|LOCATION)(?:;[^:\n]{0,500})?:(.*)$", re.MULTILINE | re.IGNORECASE)
_FOLD = re.compile(r"\r?\n[ \t]")
_ESCAPED = re.compile(r"\\(.)")
_MAX = 100_000


def words(calendar: str) -> str:
    """Returns summary, description and place of the first event, one below the other (RFC 5545)."""
    event = _FOLD.sub("", calendar[:_MAX])
    event = event.partition("BEGIN:VEVENT")[2] or event
    found: dict[str, str] = {}
    for line in _LINE.finditer(event):
        said = _ESCAPED.sub(lambda escaped: "\n" if escaped[1] in "nN" else escaped[1], line[2]).strip()
        if said:
            found.setdefault(line[1].upper(), said)
    return "\n".join(found[name] for name in ("SUMMARY", "DESCRIPTION", "LOCATION") if name in found)

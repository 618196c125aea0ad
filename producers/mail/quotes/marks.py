"""Reads the marks that stand in front of lines of a text that was HTML."""

from __future__ import annotations

import re
from enum import Enum

from producers.text import quote_marks

__all__ = ["Mark", "read_marks"]


class Mark(Enum):
    """What begins at a line of the text, as the mailer's page says."""

    #: An unquoted mail.
    MAIL = quote_marks.MAIL
    QUOTE = quote_marks.QUOTE
    ATTRIBUTION = quote_marks.ATTRIBUTION
    #: Perhaps an unquoted mail: a line is drawn above, as Outlook does it.
    BORDER = quote_marks.BORDER
    SIGNATURE = quote_marks.SIGNATURE


_MARKS = re.compile(f"[{''.join(mark.value for mark in Mark)}]+")


def read_marks(text: str) -> tuple[str, dict[int, Mark]]:
    """Returns a text without its marks, and the mark of each line that has any: of several the first of `Mark`."""
    if text.isascii() or not any(mark.value in text for mark in Mark):
        return text, {}
    lines, marks = text.split("\n"), {}
    for number, line in enumerate(lines):
        if found := _MARKS.match(line):
            marks[number] = next(mark for mark in Mark if mark.value in found[0])
    return _MARKS.sub("", text), marks

"""Decides about lines that begin with `>`: a mailer's quote, or steps and examples that the customer marks like that.

Below an attribution they are a quote. Without one they are one only if they show a mailer's hand: an empty marked line, an
attribution or a header block in it, a greeting; or if they ask something.
"""

from __future__ import annotations

from producers.mail.quotes import attribution, header_block

__all__ = ["MARKS", "dequoted", "is_quoted", "shows_mailer"]

MARKS = (">", "＞", "&gt;", "|>")
_MOST_JUDGED = 40


def is_quoted(line: str) -> bool:
    """Returns true for a line that begins with a mark of quotes."""
    return line.lstrip()[:4].startswith(MARKS)


def dequoted(line: str) -> str:
    """Returns the line without its first mark."""
    line = line.lstrip()
    for mark in MARKS:
        if line.startswith(mark):
            return line[len(mark) :].strip()
    return line


def shows_mailer(block: list[str], *, apart: bool) -> bool:
    """Returns true when a mailer made the block; `apart`: an empty line, or nothing, stands above it."""
    inner = [dequoted(line) for line in block[:_MOST_JUDGED]]
    while inner and not inner[-1]:
        inner.pop()
    if not inner:
        return True
    if "" in inner:
        return True
    if apart and inner[-1][-1] in "?？":
        return True
    if header_block.greets(inner[0]) and inner[0][-1] in ",，:：!！、.。":
        return True
    for index, line in enumerate(inner):
        if attribution.ends_attribution(line) and attribution.ending_at(inner, index):
            return True
    return sum(header_block.is_label(line) for line in inner) >= 3

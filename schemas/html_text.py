"""Writes the plain text of a page from its tags and words: what a reader without HTML sees."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["Writer"]

_PARAGRAPHS = frozenset(("p", "h1", "h2", "h3", "h4", "blockquote", "table", "pre"))
_LINES = frozenset(("div", "li", "tr"))
_SPACES = re.compile(r"[ \t\r\n\f]+")
_SCHEME = re.compile(r"^(?:https?://|mailto:|tel:)", re.IGNORECASE)
_MOST_QUOTED = 8


class Writer:
    """Takes tags and words in their order; `text` is the whole."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._end = 0  # of the last line that is not blank; those after it count for nothing
        self._line: list[str] = []
        self._quoted = self._quoted_last = self._verbatim = 0
        self._lists: list[int] = []  # per list the number of its next item; 0 for one without numbers
        self._marker = ""
        self._apart = False
        self._link: tuple[str, int] | None = None

    def open(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Takes an opening tag; `attributes` are decoded."""
        if tag == "br":
            self._break()
        elif tag == "img":
            self._line.append(f"[{attributes.get('alt') or 'image'}]")
        elif tag == "a":
            self._link = (attributes.get("href", ""), len(self._line))
        elif tag == "hr":
            self._paragraph()
            self._line.append("---")
            self._paragraph()
        elif tag in ("ul", "ol"):
            self._end_line() if self._lists else self._paragraph()
            start = attributes.get("start", "1")
            self._lists.append(0 if tag == "ul" else max(1, int(start)) if start.isdigit() else 1)
        elif tag in ("td", "th"):
            if self._line:
                self._line.append("\v")
        else:
            self._open_block(tag)

    def close(self, tag: str) -> None:
        """Takes a closing tag."""
        if tag == "a":
            self._end_link()
        elif tag in ("ul", "ol"):
            self._end_line()
            if self._lists:
                self._lists.pop()
            if not self._lists:
                self._paragraph()
        elif tag in _PARAGRAPHS:
            self._paragraph()
            self._quoted -= tag == "blockquote"
            self._quoted_last = min(self._quoted_last, self._quoted)
            self._verbatim -= tag == "pre"
        elif tag in _LINES:
            self._end_line()

    def write(self, words: str) -> None:
        """Takes words, decoded."""
        if not self._verbatim:
            self._line.append(_SPACES.sub(" ", words))
            return
        *whole, rest = words.split("\n")
        for line in whole:
            self._line.append(line)
            self._break()
        self._line.append(rest)

    def text(self) -> str:
        """Returns all that was written."""
        self._end_line()
        return "\n".join(self._lines[: self._end])

    def _open_block(self, tag: str) -> None:
        if tag in _PARAGRAPHS:
            self._paragraph()
            self._quoted += tag == "blockquote"
            self._verbatim += tag == "pre"
        elif tag in _LINES:
            self._end_line()
            if tag == "li":
                self._marker = self._next_marker()

    def _next_marker(self) -> str:
        if not self._lists or not self._lists[-1]:
            return "- "
        self._lists[-1] += 1
        return f"{self._lists[-1] - 1}. "

    def _end_link(self) -> None:
        """Writes where a link leads, unless its words say so."""
        href, began = self._link or ("", 0)
        self._link = None
        if not href:
            return
        target = href if href[:4].lower() == "http" else _SCHEME.sub("", href)
        words = "".join(self._line[began:]).strip()
        if not words:
            self._line.append(target)
        elif _bare(words) != _bare(target):
            self._line.append(f" ({target})")

    def _paragraph(self) -> None:
        self._end_line()
        self._apart = bool(self._lines)

    def _end_line(self) -> None:
        if "".join(self._line).replace("\v", " ").strip():
            self._break()
        else:
            self._line.clear()

    def _break(self) -> None:
        line = "".join(self._line)
        self._line.clear()
        if self._verbatim:
            line = line.replace("\u00a0", " ").rstrip()
        else:
            line = _SPACES.sub(" ", line).strip(" ").replace("\u00a0", " ").replace("\v", "\t").rstrip()
        if self._apart and self._end == len(self._lines):
            self._lines.append(_marks(min(self._quoted, self._quoted_last)).rstrip())
        self._apart = False
        if line:
            self._lines.append(f"{_marks(self._quoted)}{self._indent()}{line}")
            self._end = len(self._lines)
        elif self._lines and self._end == len(self._lines):
            self._lines.append(_marks(self._quoted).rstrip())
        self._quoted_last = self._quoted

    def _indent(self) -> str:
        marker, self._marker = self._marker, ""
        if not self._lists:
            return ""
        return "  " * (len(self._lists) - 1) + (marker or "  ")


def _marks(quoted: int) -> str:
    return "> " * min(max(quoted, 0), _MOST_QUOTED)


def _bare(address: str) -> str:
    return _SCHEME.sub("", address.strip()).rstrip("/").lower()

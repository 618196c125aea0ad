"""HTML of any quality to plain text: what a person would have read, quotes as `> `, nothing executable or hidden.

`nh3` (html5ever, the parser of browsers) makes clean, balanced markup of whatever was sent; one pass over that
writes the text. Every step is linear in the length: a mail must not be able to hold up its neighbours.
"""

from __future__ import annotations

import html as entities
import re

import nh3

__all__ = ["to_text"]

#: Longer markup is cut first: its text is cut to less than this anyway.
MAX_HTML_CHARS = 400_000
_PARAGRAPHS = frozenset(["p", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "pre"])
_LINES = frozenset(["div", "li", "tr", "dd", "dt", "center", "hr", "br"])
_TAGS = {*_PARAGRAPHS, *_LINES, "td", "th"}
_DROPPED_WITH_CONTENT = {"script", "style", "title", "head", "noscript", "template", "svg", "math", "object"}
#: Preview text: markup that senders hide from the reader.
_HIDDEN = re.compile(
    r"<(div|span|p)\b[^<>]{0,300}\bdisplay\s?:\s?none[^<>]{0,300}>[^<]{0,2000}</\1\s?>",
    re.IGNORECASE,
)
_OPEN_OR_CLOSE = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,15})")
#: Elements that never nest in themselves: the parser closes them by itself.
_SHALLOW = frozenset(
    [
        "p",
        "li",
        "br",
        "hr",
        "img",
        "input",
        "meta",
        "link",
        "tr",
        "td",
        "th",
        "tbody",
        "thead",
        "tfoot",
        "dd",
        "dt",
        "option",
        "col",
        "area",
        "wbr",
    ]
)
#: The parser needs quadratic time in the depth: 100,000 nested elements would take a minute.
_DEEPEST = 250
#: It takes 10 microseconds for an ampersand.
_MOST_ENTITIES = 20_000
_ANY_TAG = re.compile(r"<[^<>]{0,2000}>")
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/li|/h\d)\b[^<>]{0,200}>", re.IGNORECASE)
_TOKEN = re.compile(r"<(/?)([a-z0-9]+)[^>]*>|([^<]+)")
_SPACES = re.compile(r"[ \t\r\n\f]+")
_MOST_QUOTED = 8


def to_text(markup: str) -> str:
    """Plain text with paragraphs; links become their words, images disappear."""
    markup = markup[:MAX_HTML_CHARS].replace("\u00a0", " ")
    if "display" in markup:
        markup = _HIDDEN.sub(" ", markup)
    if _too_deep(markup) or markup.count("&") > _MOST_ENTITIES:
        return entities.unescape(_ANY_TAG.sub(" ", _BREAK.sub("\n", markup))).strip()
    page = _Page()
    clean = nh3.clean(markup, tags=_TAGS, attributes={}, clean_content_tags=_DROPPED_WITH_CONTENT)
    for closing, tag, words in _TOKEN.findall(clean):
        if words:
            page.write(_plain(words))
        elif closing:
            page.close(tag)
        else:
            page.open(tag)
    return page.text()


def _too_deep(markup: str) -> bool:
    depth = 0
    for closing, tag in _OPEN_OR_CLOSE.findall(markup):
        if tag.lower() not in _SHALLOW:
            depth = max(0, depth - 1) if closing else depth + 1
            if depth > _DEEPEST:
                return True
    return False


def _plain(words: str) -> str:
    """`nh3` writes these four entities and no other; `html.unescape` takes ten times as long."""
    if "&" in words:
        words = words.replace("&nbsp;", " ").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return words


class _Page:
    """Lines written from a stream of clean tags and words."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line: list[str] = []
        self._quoted = self._verbatim = 0

    def open(self, tag: str) -> None:
        if tag in _PARAGRAPHS:
            self._paragraph()
            self._quoted += tag == "blockquote"
            self._verbatim += tag == "pre"
        elif tag == "br":
            self._break()
        elif tag in _LINES:
            self._end_line()
            if tag == "li":
                self._line.append("- ")
        elif self._line:  # a table cell after another
            self._line.append(" ")

    def close(self, tag: str) -> None:
        if tag in _PARAGRAPHS:
            self._paragraph()
            self._quoted -= tag == "blockquote"
            self._verbatim -= tag == "pre"
        elif tag in _LINES:
            self._end_line()

    def write(self, words: str) -> None:
        if self._verbatim:
            *whole, rest = words.split("\n")
            for line in whole:
                self._line.append(line)
                self._break()
            self._line.append(rest)
        else:
            self._line.append(_SPACES.sub(" ", words))

    def text(self) -> str:
        self._end_line()
        return "\n".join(self._lines).strip()

    def _end_line(self) -> None:
        if "".join(self._line).strip():
            self._break()
        else:
            self._line.clear()

    def _break(self) -> None:
        line = "".join(self._line)
        line = line.rstrip() if self._verbatim else _SPACES.sub(" ", line).strip()
        self._line.clear()
        if line or (self._lines and self._lines[-1].strip("> ")):
            self._lines.append(self._marks() + line)

    def _paragraph(self) -> None:
        self._end_line()
        if self._lines and self._lines[-1].strip("> "):
            self._lines.append(self._marks().rstrip())

    def _marks(self) -> str:
        return "> " * min(self._quoted, _MOST_QUOTED)

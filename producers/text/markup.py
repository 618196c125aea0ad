"""Turns HTML of any quality into the plain text that a person reads: quotes as `> `, nothing executable or hidden.

`nh3` (html5ever, the parser of browsers) makes clean, balanced markup of whatever was sent; one pass over that
writes the text. Every step is linear in the length: a mail must not be able to hold up its neighbours.
"""

from __future__ import annotations

import html as entities
import re
from functools import lru_cache

import nh3

from producers.text import quote_marks

__all__ = ["to_text"]

#: Longer markup is cut first: its text is cut to less than this anyway.
MAX_HTML_CHARS = 400_000
_PARAGRAPHS = frozenset(["p", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "pre"])
_LINES = frozenset(["div", "li", "tr", "dd", "dt", "center", "hr", "br"])
_CELLS = frozenset(["td", "th"])
_TAGS = {*_PARAGRAPHS, *_LINES, *_CELLS}
_DROPPED_WITH_CONTENT = {"script", "style", "title", "head", "noscript", "template", "svg", "math", "object"}
#: What stands in these is for programs without frames, as mail programs are; the parser takes it for plain text.
_FRAMES = re.compile(r"</?(?:noframes|frameset)\b[^<>]*+>", re.IGNORECASE)
#: Styles of hidden markup: preview text for the list of mails.
_MAY_HIDE = re.compile(r"display|visibility|font-size|max-height|hidden", re.IGNORECASE)
_STYLES = {"display", "visibility", "font-size", "max-height", "overflow", "opacity"}
#: These hide an element with all that is in it.
_INVISIBLE = re.compile(r"display:\s*none|(?<![-\w])hidden=", re.IGNORECASE)
_CLIPPED = re.compile(r"max-height:\s*0(?:px|pt|em|%)?\s*[;\"]")
_TRANSPARENT = re.compile(r"opacity:\s*0(?:%|\.0*)?\s*[;\"]")
#: These hide the words of an element, and of those in it that do not say otherwise.
_NO_SIZE = re.compile(r"font-size:\s*[01](?:px|pt|em|%)?\s*[;\"]", re.IGNORECASE)
_NO_HEIGHT = re.compile(r"(?:max-height|opacity):\s*0(?:px|pt|em|%)?\s*[;\"]", re.IGNORECASE)
_UNSEEN = re.compile(r"visibility:\s*(?:hidden|collapse)", re.IGNORECASE)
_SIZE = re.compile(r"font-size:|(?<![-\w])size=", re.IGNORECASE)
_SEEN = re.compile(r"visibility:\s*visible", re.IGNORECASE)
_WITHOUT_STYLES = nh3.Cleaner(
    tags=_TAGS, attributes={"*": {quote_marks.ATTRIBUTE}}, clean_content_tags=_DROPPED_WITH_CONTENT
)
_WITH_STYLES = nh3.Cleaner(
    tags=_TAGS | {"span", "font"},
    attributes={"*": {"style", "hidden", quote_marks.ATTRIBUTE}, "font": {"size"}},
    clean_content_tags=_DROPPED_WITH_CONTENT,
    filter_style_properties=_STYLES,
)
#: Invisible characters in a row push the text of the mail out of its preview.
_PADDING = re.compile("(?:[\u034f\u00ad\u200b\u200c\u200d\u200e\u2060\u2007\ufeff][ \u00a0]*){3,}")
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
#: A page is no longer than 400,000 characters: with more tags it is hardly one that a person reads.
_MOST_TAGS = 50_000
#: It takes 10 microseconds for an ampersand.
_MOST_ENTITIES = 20_000
#: Each non-breaking space, and what has the same first byte in UTF-8, costs the library the length of its text.
_SIGNS, _MOST_SIGNS = [chr(code) for code in range(0x80, 0xC0)], 40_000
#: It compares each attribute of a tag with all others of that tag.
_MOST_ATTRIBUTES = 10_000
_MANY_ATTRIBUTES = re.compile(rf"<[a-zA-Z](?:[^<>\s]*+\s++){{{_MOST_ATTRIBUTES}}}")
_ANY_TAG = re.compile(r"<[^<>]*+>")
#: Character references that are no character; Python reads no number of more than 4,300 digits.
_LONG_NUMBER = re.compile(r"&#(?:[0-9]{20,}+|[xX][0-9a-fA-F]{20,}+);?")
#: Markup that nobody reads, when it ends; and where it begins, when it does not.
_UNREAD = re.compile(
    r"<!--(?:[^-]++|-(?!->))*+-->|<(script|style|svg|math|template)\b(?:[^<]++|<(?!/\1))*+</\1[^<>]*+>", re.IGNORECASE
)
_OPENED = re.compile(r"<!--|<(?:script|style)\b[^<>]*+>[^<]*+", re.IGNORECASE)
#: A style sheet: nothing in it looks like markup, or like the end of a comment that begins above it.
_STYLES_APART = re.compile(r"<style\b[^<>]*+>\s*+(?:<!--)?(?:[^<>-]++|-(?!->)|>)*+(?:-->)?\s*+</style\s*+>")
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/li|/h\d)\b[^<>]{0,200}>", re.IGNORECASE)
_TOKEN = re.compile(r"<(/?)([a-z0-9]++)((?:[^>\"]++|\"[^\"]*+\")*+)>|([^<]++)")
_EMPTY = frozenset(["br", "hr"])
#: Of an element: its words have no size, they are invisible.
_Faint = tuple[bool, bool]
_VISIBLE: _Faint = (False, False)
_SPACES = re.compile(r"[ \t\r\n\f]+")
_MOST_QUOTED = 8

#: Controls that stand in no page; the cleaning library takes two microseconds for each.
_C1 = re.compile("[\x80-\x9f]+")


def to_text(markup: str, *, with_marks: bool = False) -> str:
    """Returns plain text with paragraphs; links become their words, images disappear.

    What is hidden is left out, unless all of it is: a page with words is never an empty text. `with_marks` puts those of
    `quote_marks` in front of lines.
    """
    markup = markup[:MAX_HTML_CHARS]
    if not markup.isascii() and b"\xc2" in markup.encode("utf-8", "surrogatepass"):  # of Latin-1 beyond ASCII, half
        markup = _C1.sub(" ", markup.replace("\u00a0", " "))
    if "<nof" in markup or "<NOF" in markup:
        markup = _FRAMES.sub(" ", markup)
    if _is_costly(markup):
        return _crude_text(markup)
    hides = _MAY_HIDE.search(markup) is not None
    if with_marks:
        markup = quote_marks.with_marks(markup)
    return _shown(_clean(markup, with_styles=hides)) or (_shown(_clean(markup)) if hides else "") or _salvaged(markup)


def _shown(clean: str) -> str:
    """Returns the text of clean markup without what its styles hide."""
    page = _Page()
    hidden = 0  # depth inside of hidden elements
    faint: list[_Faint] = []  # how words are shown in each element inside of one of no size
    for closing, tag, attributes, words in _TOKEN.findall(clean):
        if hidden:
            hidden += 0 if words or tag in _EMPTY else -1 if closing else 1
        elif words:
            if not faint or faint[-1] == _VISIBLE:
                page.write(words)
        elif closing:
            page.close(tag)
            if faint:
                faint.pop()
        elif attributes and tag not in _EMPTY and _is_hidden(attributes):
            hidden = 1
        else:
            page.open(tag)
            if attributes:
                page.pending_marks += quote_marks.of_attributes(attributes)
            if tag not in _EMPTY and (faint or attributes):
                state = _faintness(tag, attributes, faint[-1] if faint else _VISIBLE)
                if faint or state != _VISIBLE:
                    faint.append(state)
    return page.text()


def _clean(markup: str, *, with_styles: bool = False) -> str:
    if "<style" in markup:  # the parser takes its time for them
        markup = _STYLES_APART.sub("", markup)
    return (_WITH_STYLES if with_styles else _WITHOUT_STYLES).clean(markup)


@lru_cache(maxsize=1024)
def _is_hidden(attributes: str) -> bool:
    if _INVISIBLE.search(attributes) or ("overflow" in attributes and _CLIPPED.search(attributes)):
        return True
    return _TRANSPARENT.search(attributes) is not None and _NO_SIZE.search(attributes) is not None


@lru_cache(maxsize=1024)
def _faintness(tag: str, attributes: str, around: _Faint) -> _Faint:
    """Returns if the words of an element are without size, and if they are made invisible.

    Layouts set a size of 0 around cells that set their own, so a size of 0 counts where words stand: in a span or paragraph.
    """
    without_size, unseen = around
    if attributes:
        if _NO_SIZE.search(attributes):
            without_size = without_size or tag in ("span", "p") or _NO_HEIGHT.search(attributes) is not None
        elif _SIZE.search(attributes):
            without_size = False
        if _UNSEEN.search(attributes):
            unseen = True
        elif _SEEN.search(attributes):
            unseen = False
    return without_size, unseen


def _salvaged(markup: str) -> str:
    """Returns the words of a page that shows none because a comment, a style or a quote never ends; mostly there are none."""
    if not any(map(str.isalnum, _ANY_TAG.sub("", markup))):
        return ""
    return _crude_text(_OPENED.sub(" ", _UNREAD.sub(" ", markup)))


def _crude_text(markup: str) -> str:
    words = _LONG_NUMBER.sub("\ufffd", _ANY_TAG.sub(" ", _BREAK.sub("\n", markup)))
    return entities.unescape(words).strip()


def _is_costly(markup: str) -> bool:
    if markup.count("<") > _MOST_TAGS or markup.count("&") > _MOST_ENTITIES:
        return True
    if markup.count("<") - markup.count("</") > _DEEPEST and _too_deep(markup):
        return True
    if len(markup) > _MOST_SIGNS and not markup.isascii() and sum(map(markup.count, _SIGNS)) > _MOST_SIGNS:
        return True
    return len(markup) > 2 * _MOST_ATTRIBUTES and _MANY_ATTRIBUTES.search(markup) is not None


def _too_deep(markup: str) -> bool:
    depth = 0
    for closing, tag in _OPEN_OR_CLOSE.findall(markup):
        if tag.lower() not in _SHALLOW:
            depth = max(0, depth - 1) if closing else depth + 1
            if depth > _DEEPEST:
                return True
    return False


def _plain(words: str) -> str:
    """Decodes the four entities that `nh3` writes; `html.unescape` takes ten times as long."""
    return words.replace("&nbsp;", " ").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


class _Page:
    """Writes lines from a stream of clean tags and words."""

    __slots__ = ("_line", "_lines", "_quoted", "_verbatim", "pending_marks")

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line: list[str] = []
        self._quoted = self._verbatim = 0
        #: Marks of elements that have begun, for the next line with words.
        self.pending_marks = ""

    def open(self, tag: str) -> None:
        if tag in _LINES:
            if tag == "br":
                self._break()
                return
            if self._line:
                self._end_line()
            if tag == "li":
                self._line.append("- ")
        elif tag in _PARAGRAPHS:
            self._paragraph()
            self._quoted += tag == "blockquote"
            self._verbatim += tag == "pre"
        elif self._line and tag in _CELLS:  # behind another
            self._line.append(" ")

    def close(self, tag: str) -> None:
        if tag in _LINES:
            if self._line:
                self._end_line()
        elif tag in _PARAGRAPHS:
            self._paragraph()
            self._quoted -= tag == "blockquote"
            self._verbatim -= tag == "pre"

    def write(self, words: str) -> None:
        if "&" in words:
            words = _plain(words)
        if self._verbatim and "\n" in words:
            *whole, rest = words.split("\n")
            for line in whole:
                self._line.append(line)
                self._break()
            words = rest
        self._line.append(words)

    def text(self) -> str:
        self._end_line()
        while self._lines and not self._lines[-1].strip("> "):
            self._lines.pop()
        return "\n".join(self._lines).strip()

    def _end_line(self) -> None:
        """Ends the line, if there are words in it."""
        line = "".join(self._line)
        if line and not line.isspace():
            self._break()
        else:
            self._line.clear()

    def _break(self) -> None:
        line = "".join(self._line)
        self._line.clear()
        line = (
            line.rstrip()
            if self._verbatim
            else _SPACES.sub(" ", line if line.isascii() else _PADDING.sub("", line)).strip()
        )
        if line or (self._lines and self._lines[-1].strip("> ")):
            marks = "> " * min(self._quoted, _MOST_QUOTED)
            self._lines.append(marks + line if line else marks.rstrip())
            if line and self.pending_marks:
                self._lines[-1] = self.pending_marks + self._lines[-1]
                self.pending_marks = ""

    def _paragraph(self) -> None:
        if self._line:
            self._end_line()
        if self._lines and self._lines[-1].strip("> "):
            self._lines.append(("> " * min(self._quoted, _MOST_QUOTED)).rstrip())

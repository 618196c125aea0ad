"""Makes HTML safe that an agent wrote, and says in plain text what it says. Pure.

The subset is markup that changes nothing but how words are set: no style, no script, nothing that is fetched from elsewhere,
nothing hidden. An image is `cid:N`, the Nth attachment of the same answer; of any other image its `alt` stays. A link leads
to `http`, `https`, `mailto` or `tel`. `nh3` (html5ever, the parser of browsers) reads the markup; what comes out is written
anew, and read again until it no longer changes: markup that means one thing here and another in a mail program does not get
through.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import nh3

from schemas.html_text import Writer
from schemas.text import encodable, printable_line

__all__ = ["TAGS", "clean", "from_text", "images", "to_text"]

#: Elements that stay; of all others the words stay.
TAGS = frozenset(
    (
        "a", "b", "blockquote", "br", "code", "div", "em", "h1", "h2", "h3", "h4", "hr", "i", "img", "li", "ol", "p", "pre", "s",
        "strong", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul",
    )
)  # fmt: skip
_VOID = frozenset(("br", "hr", "img"))
#: Elements of which no word stays.
_DROPPED = {
    "script", "style", "title", "noscript", "template", "svg", "math", "object", "iframe", "applet", "textarea", "select", "xmp",
    "noembed", "noframes", "video", "audio", "canvas",
}  # fmt: skip
_NUMBER, _SPAN, _ALT = re.compile(r"[0-9]{1,4}"), re.compile(r"[1-9][0-9]?"), 200
_WEB = re.compile(r"https?://[^\s/?#@\\\"'<>`]+(?:[/?#][^\s\\\"<>`]*)?", re.IGNORECASE)
_MAILBOX = re.compile(r"mailto:[^\s?&@\"'<>`]+@[^\s?&@\"'<>`]+", re.IGNORECASE)
_TELEPHONE = re.compile(r"tel:\+?[0-9().-]{3,30}", re.IGNORECASE)
_LONGEST_LINK = 2_000
_IMAGE = re.compile(r"cid:([1-9][0-9]{0,2})")
_ATTRIBUTES = {
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "ol": {"start"},
    "td": {"colspan", "rowspan", "dir"},
    "th": {"colspan", "rowspan", "dir"},
    **{tag: {"dir"} for tag in ("p", "div", "blockquote", "ul", "li", "table", "h1", "h2", "h3", "h4")},
}
_IN_ORDER = ("src", "alt", "width", "height", "start", "colspan", "rowspan", "dir")
#: Characters that set nothing: controls, and those that turn the order of letters around.
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ufffe\uffff]")
_TOKEN = re.compile(r"<(/?)([a-z0-9]++)((?:[^>\"]++|\"[^\"]*+\")*+)>|([^<]++)")
_ATTRIBUTE = re.compile(r"([a-z]+)=\"([^\"]*)\"")
_SHOWN_IMAGE = re.compile(r'<img src="cid:([1-9][0-9]{0,2})"')
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,15})")
_ANY_TAG = re.compile(r"<[^<>]*+>")
#: The parser needs quadratic time in the depth; pages that people write are a tenth as deep.
_DEEPEST, _MOST_TAGS, _MOST_ENTITIES, _MOST_READINGS = 100, 20_000, 20_000, 6
_MANY_ATTRIBUTES = re.compile(r"<[a-zA-Z](?:[^<>\s]*+\s++){1000}")
#: The parser opens each of these anew in each block until it is closed, of those with the same attributes three at most.
_FORMATTING = r"<(b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)(?=[\s/])"
_FORMATTING_ATTRIBUTES = re.compile(_FORMATTING + r"""(?:[^<>"']++|"[^"<]*+"|'[^'<]*+')*+>""", re.ASCII | re.IGNORECASE)
_HAS_FORMATTING_ATTRIBUTES = re.compile(_FORMATTING, re.ASCII | re.IGNORECASE)
_ADDRESS_IN_TEXT = re.compile(r"https?://[^\s<>\"'\\`]*[^\s<>\"'\\`.,;:!?)\]。、，）」]")
_SEPARATORS = re.compile(r"[<>&\s]+")
_SPACES = re.compile(r"(?<=[ \n]) |^ ", re.MULTILINE)


def clean(markup: str) -> str:
    """Returns markup of the subset with the same words. What is clean already comes back as it is."""
    markup = _FORMATTING_ATTRIBUTES.sub(r"<\1>", _without_unseen(encodable(markup)))
    if not _is_costly(markup):
        for _ in range(_MOST_READINGS):
            read, markup = markup, _written(markup)
            if read == markup:
                if _is_costly(markup):  # escaped, it is longer: whoever cleans it again must not find another page
                    break
                return markup
    words = html.unescape(_ANY_TAG.sub(" ", markup))
    plain = from_text(words)
    return f"<p>{' '.join(_SEPARATORS.sub(' ', words).split())}</p>" if _is_costly(plain) else plain


def to_text(cleaned: str) -> str:
    """Returns what clean markup says: paragraphs, lists, quotes as `> `, links with their addresses, images as `[alt]`."""
    page = Writer()
    for closing, tag, attributes, words in _tokens(cleaned):
        if words:
            page.write(_decoded(words))
        elif closing:
            page.close(tag)
        else:
            page.open(tag, {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(attributes)})
    return page.text()


def from_text(text: str, *, links: bool = True) -> str:
    """Returns a plain text as markup of the subset: paragraphs and lines as they are, web addresses as `links`."""
    text = _without_unseen(encodable(text)).strip("\n")
    paragraphs = (_lines(paragraph, links) for paragraph in re.split(r"\n[ \t]*\n[\n \t]*", text) if paragraph.strip())
    return "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)


def images(cleaned: str) -> list[int]:
    """Returns the numbers of the attachments that clean markup shows, in its order."""
    return [int(number) for number in _SHOWN_IMAGE.findall(cleaned)]


def _without_unseen(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if text.isprintable() else _UNSEEN.sub(" ", text)


def _lines(paragraph: str, links: bool) -> str:
    pieces, at = [], 0
    spaced = _SPACES.sub("\u00a0", paragraph.replace("\t", "    ").rstrip())
    for found in _ADDRESS_IN_TEXT.finditer(spaced) if links else ():
        address = html.escape(found[0], quote=False)
        if href := _link(found[0]):
            pieces.append(html.escape(spaced[at : found.start()], quote=False))
            pieces.append(f'<a href="{html.escape(href)}">{address}</a>')
            at = found.end()
    pieces.append(html.escape(spaced[at:], quote=False))
    return "".join(pieces).replace("\u00a0", "&nbsp;").replace("\n", "<br>")


def _is_costly(markup: str) -> bool:
    if markup.count("<") > _MOST_TAGS or markup.count("&") > _MOST_ENTITIES or _MANY_ATTRIBUTES.search(markup):
        return True
    if _HAS_FORMATTING_ATTRIBUTES.search(markup):
        return True
    depth = 0
    for closing, tag in _TAG.findall(markup):
        if tag.lower() not in _VOID:
            depth = max(0, depth - 1) if closing else depth + 1
            if depth > _DEEPEST and not closing:
                return True
    return False


def _written(markup: str) -> str:
    """Reads markup and writes what of it belongs to the subset."""
    read = nh3.clean(
        markup, tags=set(TAGS), attributes=_ATTRIBUTES, clean_content_tags=_DROPPED, link_rel=None,
        url_schemes={"http", "https", "mailto", "tel", "cid"},
    )  # fmt: skip
    pieces: list[str] = []
    links: list[bool] = []
    for closing, tag, attributes, words in _tokens(read):
        if words:
            text = _encoded(_without_unseen(_decoded(words)))
            pieces.append(f"\n{text}" if pieces and pieces[-1] == "<pre>" and text.startswith("\n") else text)
        elif tag == "a":
            links.append(False) if not closing else None
            pieces.append(_anchor(closing, attributes, links))
        elif closing:
            pieces.append(f"</{tag}>")
        else:
            pieces.append(_opened(tag, attributes))
    return "".join(pieces)


def _anchor(closing: str, attributes: str, links: list[bool]) -> str:
    """Returns the tag of a link; nothing for one that leads nowhere, so that its words stay."""
    if closing:
        return "</a>" if links and links.pop() else ""
    href = _link(dict(_unescaped(attributes)).get("href", ""))
    links[-1] = bool(href)
    return f'<a href="{html.escape(href)}">' if href else ""


def _link(href: str) -> str:
    """Returns where a link leads; '' for what no link of a mail is."""
    href = href.strip()
    if len(href) > _LONGEST_LINK or not href.isprintable():
        return ""
    if href[:7].lower() == "mailto:":
        href = href.partition("?")[0]
    return href if any(each.fullmatch(href) for each in (_WEB, _MAILBOX, _TELEPHONE)) else ""


def _opened(tag: str, attributes: str) -> str:
    given = dict(_unescaped(attributes))
    if tag == "img" and not _IMAGE.fullmatch(given.get("src", "")):
        return _encoded(printable_line(given.get("alt", ""))[:_ALT])
    kept = ""
    for name in _IN_ORDER:
        if name in given and (value := _attribute(name, given[name])):
            kept += f' {name}="{html.escape(value)}"'
    return f"<{tag}{kept}>"


def _attribute(name: str, value: str) -> str:
    """Returns the value of an attribute; '' for one that is left out."""
    if name in ("src", "alt"):
        return printable_line(value)[:_ALT].strip()
    if name == "dir":
        return value.lower() if value.lower() in ("ltr", "rtl", "auto") else ""
    return value if (_SPAN if name.endswith("span") else _NUMBER).fullmatch(value) else ""


def _unescaped(attributes: str) -> Iterator[tuple[str, str]]:
    return ((name, html.unescape(value)) for name, value in _ATTRIBUTE.findall(attributes))


def _tokens(markup: str) -> list[tuple[str, str, str, str]]:
    return _TOKEN.findall(markup)


def _decoded(words: str) -> str:
    """Decodes the four entities that `nh3` and this module write; nothing else that looks like one is."""
    if "&" not in words:
        return words
    return words.replace("&nbsp;", "\u00a0").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _encoded(words: str) -> str:
    return html.escape(words, quote=False).replace("\u00a0", "&nbsp;")

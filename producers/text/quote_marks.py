"""Finds the elements that mailers mark in HTML as quoted mail, attribution or signature.

A mark is one character, put in front of the first line of text of such an element. The characters are noncharacters of Unicode,
which stand in no text; `producers.mail.quotes` reads them, and nothing that is stored has any.
"""

from __future__ import annotations

import re
from itertools import islice

__all__ = ["ATTRIBUTE", "ATTRIBUTION", "BORDER", "MAIL", "QUOTE", "SIGNATURE", "of_attributes", "with_marks"]

#: A quote; the line above it; an unquoted mail; what may be one; a signature.
QUOTE, ATTRIBUTION, MAIL, BORDER, SIGNATURE = "\ufdd0", "\ufdd1", "\ufdd2", "\ufdd3", "\ufdd4"
#: The attribute that an element gets, with the name of its mark.
ATTRIBUTE = "data-quote"
_NAMES = {"q": QUOTE, "a": ATTRIBUTION, "m": MAIL, "b": BORDER, "s": SIGNATURE}
#: What stands in the tag of an element → its mark. The last one wins.
_SIGNS = {
    "border-top:": "b",
    "moz-signature": "s",
    "gmail_signature": "s",
    "moz-cite-prefix": "a",
    "gmail_attr": "a",
    "zmail_extra": "a",
    "protonmail_quote": "a",
    "yahoo_quoted": "m",
    "OutlookMessageHeader": "m",
    "appendonsend": "m",
    "divRplyFwdMsg": "m",
    "reference-message-container": "m",
    "gmail_quote": "q",
    "tutanota_quote": "q",
    "isReplyContent": "q",
    'type="cite"': "q",
    "type='cite'": "q",
    "type=cite": "q",
}
_TAG = re.compile(r"<(div|blockquote|p|table|pre)\b", re.IGNORECASE)
_MOST_OF_A_SIGN, _LONGEST_TAG = 50, 1000
#: Outlook's line above the mail that it quotes.
_OUTLOOK_BORDER = re.compile(r"padding:\s*3(?:\.0)?pt\s", re.IGNORECASE)
_MARKED = re.compile(rf'{ATTRIBUTE}="([a-z])"')


def with_marks(markup: str) -> str:
    """Returns the markup with the attribute on elements that mailers mark; the same text where there are none."""
    found: dict[int, str] = {}
    for sign, name in _SIGNS.items():
        if sign in markup:
            for match in islice(re.finditer(re.escape(sign), markup), _MOST_OF_A_SIGN):
                tag = _tag_around(markup, match.start())
                if tag is not None and _may_have(markup, tag, name):
                    found[tag.end()] = name
    if not found:
        return markup
    pieces, done = [], 0
    for end in sorted(found):
        pieces += [markup[done:end], f' {ATTRIBUTE}="{found[end]}"']
        done = end
    return "".join([*pieces, markup[done:]])


def of_attributes(attributes: str) -> str:
    """Returns the mark of an element, '' for one without."""
    match = _MARKED.search(attributes)
    return _NAMES.get(match[1], "") if match else ""


def _tag_around(markup: str, at: int) -> re.Match[str] | None:
    """Returns the beginning of the tag in which a place is."""
    start = markup.rfind("<", max(at - _LONGEST_TAG, 0), at)
    return _TAG.match(markup, start) if start >= 0 and markup.find(">", start, at) < 0 else None


def _may_have(markup: str, tag: re.Match[str], name: str) -> bool:
    if name == "q":
        return tag[1].lower() == "blockquote"
    if name == "b":
        return _OUTLOOK_BORDER.search(markup, tag.end(), tag.end() + _LONGEST_TAG) is not None
    return True

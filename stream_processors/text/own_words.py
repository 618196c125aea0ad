"""Repeats customers' own words in a text of ours: on one line, shortened, and not at all where they look like a link.

Mail programs, telephones and people make links of more than addresses with a scheme: of `shop.example`, of other alphabets,
of dots that are no full stops, and of `shop (dot) example`. Whatever may become one is left out as a whole.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["order_number_words", "own_words"]

_ELLIPSIS = "..."
#: Read as a dot between Latin letters, where no language puts one inside of a word.
_DOTS = str.maketrans(dict.fromkeys("。·∙⋅・۔ꓸ܁܂᛫•‧⸳᎐", "."))
_ALPHABETIC = r"[^\W\d_]"
_LINK = re.compile(
    "|".join(
        (
            r"[@<>\\]|://|//",  # addresses, markup, and what a scheme ends in
            r"\]\s*\(",  # a link in Markdown
            r"\b(?:https?|hxxps?|ftps?|mailto|tel|sms|javascript|data|file|magnet|intent|tg|skype|whatsapp)\s*:",
            r"\bwww\b",
            rf"\bxn--|(?<=[^\s.])\.{_ALPHABETIC}[-\w]",  # a dot inside of a word: every top-level domain
            rf"(?<=\w)\s\.{_ALPHABETIC}{{2}}",  # a blank before the dot, none behind it
            r"[\[({]\s*(?:\.|dot|punkt)\s*[\])}]|\sdot\s+[a-z]{2,}\b",
            r"\.\s+(?:com|net|org|info|biz|io|me|cc|tv|ru|cn|tk|xyz|top|shop|site|online|club|app|dev|link)\b",
            r"\b\d{1,3}(?:\.\d{1,3}){3}\b|\[[0-9a-f]*:[0-9a-f:]*:",  # IPv4, IPv6
        )
    ),
    re.IGNORECASE,
)
#: Runs of Latin letters and digits around a dot-like character: `shop。example`, but not the full stop of a Chinese sentence.
_LATIN_DOT = re.compile(r"(?<=[-0-9A-Za-z])[^\w\s](?=[A-Za-z]{2})")
#: An order number has a digit, and at most this many characters; words beside it are no part of it.
_ORDER_NUMBER = re.compile(r"(?=.*\d)[#\w][\w#/-]{0,31}")


def own_words(text: str, limit: int) -> str:
    """Returns the customer's words on one line; '' where they hold a link or an address, which we do not spread."""
    if not text:
        return ""
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    text = " ".join(text.split())
    if _holds_link(text):
        return ""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + _ELLIPSIS


def order_number_words(text: str, limit: int) -> str:
    """Returns an order number; '' for anything else that somebody typed there."""
    plain = own_words(text, limit)
    return plain if _ORDER_NUMBER.fullmatch(plain) else ""


def _holds_link(text: str) -> bool:
    """Returns true when some program or person may read a link or an address in the text."""
    if text.isascii():
        return _LINK.search(text) is not None
    plain = unicodedata.normalize("NFKC", text)
    plain = "".join(character for character in plain if unicodedata.category(character) not in ("Cf", "Mn", "Me"))
    return _LINK.search(plain) is not None or _LINK.search(_latin_dots(plain)) is not None


def _latin_dots(text: str) -> str:
    return _LATIN_DOT.sub(lambda found: found[0].translate(_DOTS), text)

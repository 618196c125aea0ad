"""Finds in a reply the words that are the agent's own, and folds them so that phrases can be looked for.

Not the agent's own are: lines behind `>`, what stands below "On ... wrote:" or an "Original Message" line, words in quotation
marks, code, addresses, and names that the lists give. They become `MASK`, so that every place stays where it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["MASK", "OwnWords", "language_of", "own_words"]

#: Stands for a character that is not the agent's: part of no phrase, and no end of a sentence.
MASK = "\ufffc"
#: More of a reply is not read: nobody writes so much, and what reads it is somewhere on the way of a contact.
MOST_CHARACTERS = 20_000

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]{1,300}`", re.DOTALL)
_QUOTED_LINE = re.compile(r"^[ \t\u3000]*[>＞].*$", re.MULTILINE)
_ATTRIBUTION = re.compile(
    r"^[ \t]*(?:"
    r"On\b[^\n]{4,200}(?:\n[^\n]{1,100})?\bwrote:"
    r"|[^\n]{0,200}(?:写道|寫道|のメール|さんは書きました|が書きました|wrote)[ \t]*[:：]"
    r"|\d{4}年\d{1,2}月\d{1,2}日[^\n]{0,120}<[^\n<>]{3,100}>[ \t]*[:：]"
    r"|-{2,}[ \t]*(?:Original Message|Forwarded message|原始邮件|原始郵件|邮件原件|元のメッセージ|転送メッセージ)[ \t]*-{2,}"
    r"|(?:From|发件人|寄件者|差出人)[ \t]*[:：][^\n]+\n(?:Sent|Date|To|发送时间|日期|寄件日期|送信日時|日時)[ \t]*[:：][^\n]+"
    r")[ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)
#: Quotation marks, opening to closing; those that are alike on both sides close on the same paragraph.
_QUOTATIONS = re.compile(
    r"“[^“”]{1,600}”|„[^„“”]{1,600}[“”]|«[^«»]{1,600}»|「[^「」]{1,600}」|『[^『』]{1,600}』|《[^《》]{1,200}》"
    r'|(?<![0-9"])"(?=\S)(?:[^"\n]|\n(?!\n)){1,600}?"|＂[^＂\n]{1,600}＂|(?<![0-9A-Za-z])‘[^‘’\n]{1,300}’(?![0-9A-Za-z])'
)
_ADDRESSES = re.compile(r"https?://\S{1,2000}|\bwww\.\S{1,500}|[^\s<>@]{1,64}@[^\s<>@]{1,255}", re.ASCII)
#: What a name in code is made of: one with `_` is no word.
_TOKEN = re.compile(r"(?<![{A-Za-z0-9_.-])[A-Za-z0-9_.-]+")
_STRAIGHT = str.maketrans({"’": "'", "‘": "'", "＇": "'", "\u00a0": " ", "\u3000": " "})
#: Punctuation that stays as it is: the phrases have it so, and a text in CJK then often has nothing to fold.
_KEPT = "，。！？：；（）～…％＋－／＜＞［］"
_WITHOUT_KEPT = str.maketrans(dict.fromkeys(_KEPT + MASK, " "))
#: What composes with the character before it.
_COMPOSING = frozenset("\u3099\u309aﾞﾟ") | frozenset(map(chr, range(0x300, 0x370)))

_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa\uff66-\uff9d]")
_HAN = re.compile("[\u3400-\u9fff]")


class OwnWords(NamedTuple):
    """Holds a reply as phrases are looked for in it.

    text    lower case, half width, what is not the agent's masked
    places  of each character of `text`, where it stands in the reply; None: at the same place
    given   the reply, cut to `MOST_CHARACTERS`
    masked  the same with what is not the agent's masked
    """

    text: str
    places: Sequence[int] | None
    given: str
    masked: str

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Returns where a part of `text` stands in the reply."""
        if self.places is None:
            return start, end
        return self.places[start], self.places[end] if end < len(self.places) else len(self.given)


def own_words(reply: str, names: re.Pattern[str] | None = None) -> OwnWords:
    """Returns the agent's own words of a reply; `names` are masked as well."""
    given = reply[:MOST_CHARACTERS].replace("\r\n", " \n").replace("\r", "\n")
    masked = given
    if "`" in masked:
        masked = _CODE.sub(_mask, masked)
    masked = _without_quoted_mail(masked)
    masked = _QUOTATIONS.sub(_mask, masked)
    if "@" in masked or "www." in masked or "://" in masked:
        masked = _ADDRESSES.sub(_mask, masked)
    if "_" in masked:
        masked = _TOKEN.sub(lambda found: _mask(found) if "_" in found[0] else found[0], masked)
    if names is not None:
        masked = names.sub(_mask, masked)
    return _folded(masked, given)


def language_of(text: str) -> str:
    """Returns the language of a reply by its script: `ja`, `zh-Hans`, `zh-Hant` or `en`."""
    text = text[:2_000]
    if text.isascii():
        return "en"
    han = len(_HAN.findall(text))
    if _KANA.search(text) and len(_KANA.findall(text)) * 8 >= han:
        return "ja"
    if not han:
        return "en"
    # Each of the two old encodings has the characters of one way to write Chinese only, and those of both.
    return "zh-Hant" if len(text.encode("big5", "ignore")) > len(text.encode("gb2312", "ignore")) else "zh-Hans"


def _without_quoted_mail(text: str) -> str:
    """Masks quoted lines, and what stands below the line that says whose mail follows where no line is marked as quoted."""
    if ">" in text or "＞" in text:
        text = _QUOTED_LINE.sub(_mask, text)
    found = _ATTRIBUTION.search(text)
    if found is None:
        return text
    below = text[found.end() :]
    if below.lstrip(" \t\r\n").startswith(
        MASK
    ):  # its lines are marked, so what is not marked is an answer between them
        return _masked(text, found.start(), found.end())
    return _masked(text, found.start(), len(text))


def _mask(found: re.Match[str]) -> str:
    return "".join(character if character == "\n" else MASK for character in found[0])


def _masked(text: str, start: int, end: int) -> str:
    return text[:start] + "".join(each if each == "\n" else MASK for each in text[start:end]) + text[end:]


def _folded(masked: str, given: str) -> OwnWords:
    text = masked.translate(_STRAIGHT).lower()
    if len(text) == len(masked) and (
        text.isascii() or unicodedata.is_normalized("NFKC", text.translate(_WITHOUT_KEPT))
    ):
        return OwnWords(text, None, given, masked)
    parts: list[str] = []
    places: list[int] = []
    at = 0
    while at < len(masked):
        end = at + 1
        while end < len(masked) and masked[end] in _COMPOSING and end - at < 4:
            end += 1
        cluster = masked[at:end]
        folded = cluster if cluster in _KEPT else unicodedata.normalize("NFKC", cluster)
        folded = folded.translate(_STRAIGHT).lower()
        parts.append(folded)
        places.extend([at] * len(folded))
        at = end
    return OwnWords("".join(parts), places, given, masked)

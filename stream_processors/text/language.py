"""Detects the language that a customer writes, and normalises texts and phrases for comparison.

`detect` goes by script: kana make it Japanese; Han characters without kana are simplified or traditional Chinese by
the characters that exist in only one of the two; anything else is what the source hinted, or English.
`normalise` makes full-width and half-width forms, upper and lower case, simplified and traditional characters equal.
The character tables are built once, at import, from OpenCC's dictionaries.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib.resources import files

__all__ = ["detect", "normalise"]

#: A message is judged by its beginning: what follows is rarely in another language.
_JUDGED_CHARACTERS = 200
#: A text in Latin characters that holds a few Han characters (a name, a product) stays a Latin text below this share.
_LATIN_LETTERS_PER_CJK = 6
#: A hint of Japanese is believed for a text without kana up to this length: longer Japanese always has some.
_SHORT = 20

#: Words that Chinese has and Japanese does not: a short text with one of them is no Japanese without kana.
_CHINESE = re.compile("[嗎吗麼么這这您們们喔欸你妳]")
_ENGLISH = re.compile(
    r"\b(?:the|my|is|i|it|was|you|not|have|and|please|this|for|what|where|when|how|can|do|to|a)\b", re.IGNORECASE
)
#: Characters that only compose with their neighbour: half-width kana with a voicing mark, combining accents.
_COMPOSED = re.compile("[\u0300-\u036f\u3099\u309a\uff61-\uff9f]")
#: A mail client broke the line inside a sentence that has no spaces.
_BROKEN_LINE = re.compile(r" (?<=[\u3041-\u30ff\u3400-\u9fff] )(?=[\u3041-\u30ff\u3400-\u9fff])")
_BMP = 0x10000


def _variants(name: str) -> dict[str, list[str]]:
    """Yields one of OpenCC's dictionaries: a character, and the characters it may become."""
    lines = (files("opencc") / "dictionary" / f"{name}.txt").read_text("utf-8").splitlines()
    return {source: targets.split() for source, targets in (line.split("\t") for line in lines if "\t" in line)}


@cache
def _simplified() -> dict[str, str]:
    """Returns traditional character → its simplified form, where the two differ and are in the basic plane."""
    return {
        source: targets[0]
        for source, targets in _variants("TSCharacters").items()
        if targets[0] != source and ord(source) < _BMP and ord(targets[0]) < _BMP
    }


def _scripts() -> list[str]:
    """Returns code point → `L`atin, `K`ana, `S`implified only, `T`raditional only, `J`apanese only, other `H`an, or a space."""
    to_traditional = _variants("STCharacters")
    simplified = {source for source, targets in to_traditional.items() if source not in targets}
    traditional = {source for source in _simplified() if source not in to_traditional}
    shinjitai = {target for targets in _variants("JPVariants").values() for target in targets}
    chinese = simplified | traditional | set(to_traditional) | {t for ts in to_traditional.values() for t in ts}
    scripts = [" "] * _BMP
    for first, last, script in (
        ("A", "Z", "L"), ("a", "z", "L"), ("\uff21", "\uff3a", "L"), ("\uff41", "\uff5a", "L"),
        ("\u3041", "\u3096", "K"), ("\u30a1", "\u30fa", "K"), ("\uff66", "\uff9d", "K"), ("\u3400", "\u9fff", "H"),
    ):  # fmt: skip
        for code in range(ord(first), ord(last) + 1):
            scripts[code] = script
    japanese = (shinjitai - chinese) | set("込払働枠畑峠辻匂")
    for characters, script in ((simplified - shinjitai, "S"), (traditional, "T"), (japanese, "J")):
        for character in characters:
            if ord(character) < _BMP:
                scripts[ord(character)] = script
    return scripts


_SCRIPTS = _scripts()


def detect(text: str, hint: str = "") -> str:
    """Returns the language of a text: `en zh-Hans zh-Hant ja`, or the hint as it is when the script does not tell.

    A hint of another language than English is overruled by a text of plain English sentences.
    """
    if text.isascii():
        return _latin(text, hint)
    count = text[:_JUDGED_CHARACTERS].translate(_SCRIPTS).count
    kana, simplified, traditional, japanese = count("K"), count("S"), count("T"), count("J")
    han = simplified + traditional + japanese + count("H")
    if not kana + han or count("L") > _LATIN_LETTERS_PER_CJK * (kana + han):
        return _latin(text, hint)
    if kana * 8 >= kana + han or (not kana and japanese > simplified):
        return "ja"
    if hint == "ja" and not simplified and han < _SHORT and not _CHINESE.search(text):
        return "ja"
    if simplified == traditional:
        return hint if hint in ("zh-Hans", "zh-Hant", "ja") else "zh-Hans"
    return "zh-Hans" if simplified > traditional else "zh-Hant"


def _latin(text: str, hint: str) -> str:
    if hint in ("", "en"):
        return "en"
    english = _ENGLISH.finditer(text[:_JUDGED_CHARACTERS])
    return "en" if next(english, None) and next(english, None) and next(english, None) else hint


def _folded(character: str) -> str | int | None:
    if character in "'\u2018\u2019\u02bc\uff07\u200b\u200c\u200d\u2060\ufeff":
        return None  # "didn't", "didn’t" and "didnt" are one word
    if 0xD800 <= ord(character) < 0xE000 or character in _KEPT:
        return ord(character)
    simplified = _simplified()
    folded = unicodedata.normalize("NFKC", character).casefold()
    folded = unicodedata.normalize("NFKC", folded).casefold()
    folded = "".join(simplified.get(each, each) for each in folded)
    return ord(folded) if len(folded) == 1 else folded


#: White space of ASCII becomes a space, an apostrophe nothing.
_ASCII = str.maketrans(dict.fromkeys("\t\n\r\v\f\x1c\x1d\x1e\x1f", " ")) | {ord("'"): None}
#: Full-width punctuation stays: no phrase holds any, and a Chinese text then often has nothing to fold at all.
_KEPT = "，。、！？：；（）「」『』【】～\u3000"
#: `str.translate` is fastest with a list; what stands beyond it (emoji, rare characters) stays as it is.
_FOLDED: list[str | int | None] = [_folded(chr(code)) for code in range(_BMP)]
_FOLDABLE = re.compile(
    "[" + "".join(re.escape(chr(code)) for code, folded in enumerate(_FOLDED) if folded != code) + "]"
)


def normalise(text: str) -> str:
    """Returns the form in which phrases are looked for: case, width and Chinese variants folded, white space single.

    Apostrophes are dropped, and so is white space between two CJK characters (a wrapped line).
    """
    if text.isascii():
        text = text.lower().translate(_ASCII)
        while "  " in text:
            text = text.replace("  ", " ")
        return text.strip(" ")
    if _COMPOSED.search(text):
        text = unicodedata.normalize("NFKC", text)
    if _FOLDABLE.search(text):
        text = text.translate(_FOLDED)
    text = " ".join(text.split())
    return _BROKEN_LINE.sub("", text) if " " in text else text

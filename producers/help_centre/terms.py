"""Cuts texts into terms to search by: words of Latin script by their stem, other scripts into pairs of characters.

Chinese and Japanese have no blanks between words, so every two neighbours are a term: 退货步骤 is 退货, 货步, 步骤. Upper and
lower case, full and half width, simplified and traditional Chinese are the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.resources import files

__all__ = ["deletions", "is_word", "spellings", "terms"]

#: What is said in every question, so that it tells nothing of what the question is about.
_SAID_ALWAYS = (
    "a about after all am an and any are as at be been but by can cannot could did do does doing don for from get got had"
    " has have he hello her hi his how i if in into is it its just me my need no not of off on one only or our out please"
    " she should so some than thank thanks that the their them then there they this to too up us very want was we were"
    " what when where which while who why will with would you your yours"
)
_STOP_WORDS = frozenset(_SAID_ALWAYS.split())
#: Likewise, taken out before pairs are made.
_CHINESE_FILLERS = re.compile(
    "请问|怎么样|怎么|如何|怎样|为什么|什么|可以|能不能|可不可以|是否|想要|我想|我的|你们|您好|你好|吗|呢|吧|啊|的|了"
)
_JAPANESE_FILLERS = re.compile(
    "について|してください|ください|でしょうか|ですか|ますか|ません|できますか|したい|ましたが|ました|ます|です|から|まで|とは|どう|どこ|いつ|私の|教えて"
)
_HIRAGANA = re.compile("[\u3041-\u309f]+")
#: Words of scripts that have blanks, and runs of characters of those that have none.
_RUNS = re.compile(r"[0-9a-z\u00df-\u024f\u0370-\u052f]+|[\u3005\u3041-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_ENDINGS = re.compile(r"(?:ies|ied)$")
_BMP = 0x10000


def terms(text: str, locale: str) -> list[str]:
    """Returns the terms of a text, in its order; none for what says nothing by itself ("how do I")."""
    return list(_terms(text, locale))


def is_word(term: str) -> bool:
    """Returns true for a word of a script with blanks, which may be misspelt."""
    return term[0] < "\u3000"


def deletions(word: str) -> set[str]:
    """Returns the word and all that is left of it without one letter.

    Two words that share one of these differ by one letter too many, missing, wrong, or swapped with its neighbour.
    """
    return {word, *(word[:at] + word[at + 1 :] for at in range(len(word)))}


def spellings(text: str, locale: str) -> dict[str, str]:
    """Returns the words of scripts with blanks as they are written → their terms: endings are misspelt as well."""
    return {run: _stem(run) for run in _runs(text, locale) if run[0] < "\u3000" and run not in _STOP_WORDS}


def _runs(text: str, locale: str) -> list[str]:
    text = unicodedata.normalize("NFKC", text).lower().replace("\u2019", "'")
    if locale.startswith("zh"):
        text = _CHINESE_FILLERS.sub(" ", text.translate(_simplified()))
    elif locale == "ja":
        text = _JAPANESE_FILLERS.sub(" ", text)
    return _RUNS.findall(text.replace("'s ", " ").replace("n't", " not"))


def _terms(text: str, locale: str) -> Iterator[str]:
    for run in _runs(text, locale):
        if run[0] < "\u3000":
            if run not in _STOP_WORDS:
                yield _stem(run)
        elif len(run) == 1:
            if not _HIRAGANA.fullmatch(run):
                yield run
        else:
            yield from (run[at : at + 2] for at in range(len(run) - 1) if not _HIRAGANA.fullmatch(run, at, at + 2))
            yield from (character for character in run if character > "\u30ff")


@lru_cache(maxsize=20_000)  # bounded: visitors type whatever they like
def _stem(word: str) -> str:
    """Returns what is left of an English word without the ending of its plural or of its form in the sentence."""
    if len(word) < 5 or word.isdigit():
        return word[:-1] if len(word) == 4 and word.endswith("s") and not word.endswith("ss") else word
    word = _ENDINGS.sub("y", word)
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and not word.endswith(("ss", "us", "is")) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "lsz":
        word = word[:-1]
    return word.removesuffix("e")


@cache
def _simplified() -> dict[int, str]:
    """Returns traditional character → its simplified form, for `str.translate`."""
    lines = (files("opencc") / "dictionary" / "TSCharacters.txt").read_text("utf-8").splitlines()
    pairs = (line.split("\t") for line in lines if "\t" in line)
    return {ord(source): targets.split()[0] for source, targets in pairs if len(source) == 1 and ord(source) < _BMP}

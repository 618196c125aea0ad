"""Ranks short texts by the words that they share with a query: BM25 over words, and over pairs of characters in CJK."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

__all__ = ["WordIndex", "words_of"]

#: More of a query is not read.
_MOST_CHARACTERS = 4_000
_K, _B = 1.2, 0.5
#: How often a word of a keyword and of a title counts, of the text once; and what a whole keyword adds.
_KEYWORD, _TITLE, _PHRASE = 4, 2, 1.5
_RUN = re.compile(r"[a-z0-9']+|[\u3041-\u3096\u30a1-\u30fa\u30fc\u3400-\u9fff々]+")
#: Words that say nothing of the reason, in English; in CJK the rarity of a pair of characters has to do.
_STOP = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be been but by can could did do does for from get got had has have he her his how i if in is it its just "
        "me my no not of on or our please she so some still that the their them there they this to up us was we were what when "
        "where which who will with would you your",
    )
)
_ENDINGS = ("ing", "ed", "es", "s", "e")


def words_of(text: str) -> list[str]:
    """Returns the words of a text: of Latin ones the stem, of CJK runs each pair of neighbours."""
    words: list[str] = []
    for run in _RUN.findall(unicodedata.normalize("NFKC", text[:_MOST_CHARACTERS]).lower().replace("’", "'")):
        if run[0] < "\u3000":
            word = run.replace("'", "")
            if word and word not in _STOP:
                words.append(_stem(word))
        elif len(run) == 1:
            words.append(run)
        else:
            words.extend(run[at : at + 2] for at in range(len(run) - 1))
    return words


class WordIndex:
    """Holds texts by id, each of keywords, title and text."""

    def __init__(self, documents: Mapping[str, tuple[Sequence[str], str, str]]) -> None:
        self._counts: dict[str, Counter[str]] = {}
        self._phrases: list[tuple[str, str, float]] = []
        for name, (keywords, title, text) in documents.items():
            counts = Counter(words_of(text))
            for word in words_of(title):
                counts[word] += _TITLE
            for keyword in keywords:
                for word in words_of(keyword):
                    counts[word] += _KEYWORD
            self._counts[name] = counts
        self._lengths = {name: sum(counts.values()) for name, counts in self._counts.items()}
        self._average = sum(self._lengths.values()) / max(1, len(self._lengths))
        held = Counter(word for counts in self._counts.values() for word in counts)
        self._rarity = {word: math.log(1 + (len(self._counts) - n + 0.5) / (n + 0.5)) for word, n in held.items()}
        for name, (keywords, _, _) in documents.items():
            for keyword in keywords:
                words = words_of(keyword)
                if words:
                    self._phrases.append(
                        (name, " ".join(words), _PHRASE * sum(self._rarity[word] for word in set(words)))
                    )

    def scores(self, query: str) -> dict[str, float]:
        """Returns the scores of the texts that share a word with the query."""
        words = words_of(query)
        scores: dict[str, float] = {}
        for word in set(words):
            rarity = self._rarity.get(word)
            if rarity is None:
                continue
            for name, counts in self._counts.items():
                if count := counts.get(word, 0):
                    full = count + _K * (1 - _B + _B * self._lengths[name] / self._average)
                    scores[name] = scores.get(name, 0.0) + rarity * count * (_K + 1) / full
        joined = f" {' '.join(words)} "
        for name, phrase, worth in self._phrases:
            if f" {phrase} " in joined:
                scores[name] = scores.get(name, 0.0) + worth
        return scores


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word

"""Finds the phrases of the taxonomy in a text, in one pass of one Aho-Corasick automaton.

Reading a text costs the same with forty phrases or four thousand. A phrase is found

- as a whole word where its edge is a Latin character or digit ("card" is not in "discard"); CJK text has no such edges;
- with a gap where it is written `order … never came`: both parts in this order, close together, in one sentence;
- unless a longer phrase covers it, for those that can be covered.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ahocorasick_rs import AhoCorasick, Implementation

from stream_processors.text.language import normalise

__all__ = ["GAP_CJK", "GAP_LATIN", "Hit", "Phrase", "PhraseIndex"]

#: How far apart, in characters, the two parts of a phrase with a gap may stand.
GAP_LATIN, GAP_CJK = 32, 12
#: A CJK character says about as much as so many Latin characters.
CJK_WEIGHT = 3
_GAP = "…"
_WORD = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_SENTENCE_END = re.compile("[。！？!?]|[.] ")

#: A phrase in a text: start, end, number of the phrase.
Hit = tuple[int, int, int]


class Phrase(NamedTuple):
    """A phrase as it is looked for.

    role       what it is evidence of: a tag's slug, or a mood
    written    as it stands in the taxonomy
    parts      its text, normalised; two parts for a phrase with a gap
    weight     its length in Latin characters
    gap        how far apart its parts may stand, 0 for a phrase of one part
    excludes   its occurrence excludes the role
    coverable  a longer phrase that covers it hides it, as it hides others
    """

    role: str
    written: str
    parts: tuple[str, ...]
    weight: int
    gap: int
    excludes: bool
    coverable: bool

    @classmethod
    def parse(cls, role: str, written: str, *, excludes: bool, coverable: bool) -> Phrase:
        """Returns the phrase that is `written` so. Checks nothing: see `is_long_enough` and the number of `parts`."""
        parts = tuple(normalise(part) for part in written.split(_GAP))
        weight = sum(1 if character.isascii() else CJK_WEIGHT for part in parts for character in part)
        gap = 0 if len(parts) == 1 else GAP_LATIN if _is_latin(parts) else GAP_CJK
        return cls(role, written, parts, weight, gap, excludes, coverable)

    @property
    def is_long_enough(self) -> bool:
        """True for a phrase that means something: three Latin characters, or two CJK characters."""
        return self.weight >= (3 if _is_latin(self.parts) else CJK_WEIGHT + 1)

    @property
    def text(self) -> str:
        """The normalised text: two phrases of one text are the same phrase."""
        return _GAP.join(self.parts)


class _Word(NamedTuple):
    """A phrase, or one part of one with a gap, as the automaton knows it.

    left_edge, right_edge  whether it must not touch a Latin character or digit there
    phrases                numbers of the phrases that it is
    opens                  whether it is the first part of a phrase
    closes                 (number, index of the first part, gap) of the phrases whose second part it is
    """

    left_edge: bool
    right_edge: bool
    phrases: tuple[int, ...]
    opens: bool
    closes: tuple[tuple[int, int, int], ...]


class PhraseIndex:
    """Holds phrases, numbered in their order, and the automaton that finds them."""

    __slots__ = ("_automaton", "_words", "phrases")

    def __init__(self, phrases: Sequence[Phrase]) -> None:
        self.phrases = tuple(phrases)
        numbers: dict[str, int] = {}
        parts = [tuple(numbers.setdefault(part, len(numbers)) for part in phrase.parts) for phrase in self.phrases]
        self._words = _words(list(numbers), parts, self.phrases)
        self._automaton = AhoCorasick(list(numbers), implementation=Implementation.ContiguousNFA)

    def find(self, text: str) -> list[Hit]:
        """Returns where phrases occur in a normalised text, whole words only, without those that a longer one covers."""
        hits: list[Hit] = []
        opened: dict[int, tuple[int, int]] = {}
        words = self._words
        try:
            found = self._automaton.find_matches_as_indexes(text, overlapping=True)
        except UnicodeEncodeError:  # half a surrogate pair, from a source that cut a text at the wrong place
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            found = self._automaton.find_matches_as_indexes(text, overlapping=True)
        for index, start, end in found:
            left, right, phrases, opens, closes = words[index]
            if (left and start and text[start - 1] in _WORD) or (right and text[end : end + 1] in _WORD):
                continue
            for number in phrases:
                hits.append((start, end, number))
            for number, first, gap in closes:
                if first in opened and _joins(text, opened[first][1], start, gap):
                    hits.append((opened[first][0], end, number))
            if opens:
                opened[index] = (start, end)
        return hits if len(hits) < 2 else self._uncovered(hits)

    def _uncovered(self, hits: list[Hit]) -> list[Hit]:
        """Returns the hits without those that a longer one covers. A phrase with a gap covers none."""
        uncovered: list[Hit] = []
        cover_start = cover_end = -1
        for hit in sorted(hits, key=_outermost_first):
            start, end, number = hit
            phrase = self.phrases[number]
            if not phrase.coverable:
                uncovered.append(hit)
                continue
            if end > cover_end or (start == cover_start and end == cover_end):
                uncovered.append(hit)
                if not phrase.gap:
                    cover_start, cover_end = start, end
        return uncovered


def _words(texts: list[str], parts: list[tuple[int, ...]], phrases: Sequence[Phrase]) -> tuple[_Word, ...]:
    """Returns the words of the automaton; `parts` are the indexes in `texts` of each phrase's parts."""
    whole: dict[int, list[int]] = {}
    closes: dict[int, list[tuple[int, int, int]]] = {}
    for number, indexes in enumerate(parts):
        if len(indexes) == 1:
            whole.setdefault(indexes[0], []).append(number)
        else:
            closes.setdefault(indexes[1], []).append((number, indexes[0], phrases[number].gap))
    opening = {indexes[0] for indexes in parts if len(indexes) == 2}
    return tuple(
        _Word(
            text[0] in _WORD,
            text[-1] in _WORD,
            tuple(whole.get(index, ())),
            index in opening,
            tuple(closes.get(index, ())),
        )
        for index, text in enumerate(texts)
    )


def _is_latin(parts: Sequence[str]) -> bool:
    return "".join(parts).isascii()


def _outermost_first(hit: Hit) -> tuple[int, int]:
    return hit[0], -hit[1]


def _joins(text: str, end: int, start: int, gap: int) -> bool:
    if not 0 <= start - end <= gap:
        return False
    return not _SENTENCE_END.search(text, end, start)

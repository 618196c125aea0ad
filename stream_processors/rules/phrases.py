"""Finds the phrases of the taxonomy in a text, in one pass of one Aho-Corasick automaton.

Reading a text costs the same with forty phrases or four thousand. A phrase is found

- as a whole word where its edge is a Latin character or digit ("card" is not in "discard"); CJK text has no such edges;
- with a gap where it is written `order … never came`: both parts in this order, close together, in one sentence;
- unless a longer phrase covers it, for those that can be covered.

A pattern is found where words of all its classes stand close together in one sentence, in any order, and no word of a
class that it bans: `cancel order -fee`. Words are found as phrases are, and `cancel*` is found as the beginning of a word.
A word of a class that covers hides the shorter words in it: "cancellation fee" is no "cancel".
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import NamedTuple

from ahocorasick_rs import AhoCorasick, Implementation

from stream_processors.text.language import normalise

__all__ = ["GAP_CJK", "GAP_LATIN", "QUESTION", "Hit", "Pattern", "Phrase", "PhraseIndex", "WordClass"]

#: How far apart, in characters, the two parts of a phrase with a gap may stand.
GAP_LATIN, GAP_CJK = 32, 12
#: A CJK character says about as much as so many Latin characters.
CJK_WEIGHT = 3
#: What a class of a pattern counts, in Latin characters.
PATTERN_WEIGHT = 8
#: How far apart, in characters, the first and the last word of a pattern may stand.
SPAN_LATIN, SPAN_CJK = 90, 30
#: The class of words that make a question; the question mark is one.
QUESTION = "question"
_GAP = "…"
_ANY_ENDING = "*"
#: What ends a sentence; true for what makes it a question.
_SENTENCE_ENDS = {"。": False, "！": False, "!": False, ". ": False, "；": False, "？": True, "?": True}
_BREAK, _QUESTION = 1, 2
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


class WordClass(NamedTuple):
    """Words that mean the same in a pattern. `cancel*` stands for all words that begin so.

    `covers` is true when they hide the shorter words of other classes that they hold.
    """

    name: str
    words: tuple[str, ...]
    covers: bool = False


class Pattern(NamedTuple):
    """Classes of words that together are evidence of a tag, and classes that must not stand beside them."""

    role: str
    written: str
    needs: tuple[str, ...]
    bans: tuple[str, ...]

    @property
    def phrase(self) -> Phrase:
        """Returns the phrase that the pattern counts as."""
        return Phrase(self.role, self.written, (), PATTERN_WEIGHT * len(self.needs), 0, excludes=False, coverable=False)


class _Word(NamedTuple):
    """A phrase, a part of one with a gap, or a word of a class, as the automaton knows it.

    left_edge, right_edge  whether it must not touch a Latin character or digit there
    phrases                numbers of the phrases that it is
    opens                  whether it is the first part of a phrase
    closes                 (number, index of the first part, gap) of the phrases whose second part it is
    classes                the classes that it is a word of, one bit each; `_BREAK` for the end of a sentence
    covers                 whether it hides the shorter words in it
    patterns               numbers of the patterns that are looked at where it stands
    """

    left_edge: bool
    right_edge: bool
    phrases: tuple[int, ...]
    opens: bool
    closes: tuple[tuple[int, int, int], ...]
    classes: int
    covers: bool
    patterns: tuple[int, ...]


class PhraseIndex:
    """Holds phrases and patterns, numbered in their order, and the automaton that finds them.

    `unless` maps a role to the classes whose words, in the same sentence, hide its phrases.
    """

    __slots__ = ("_automaton", "_masks", "_unless", "_words", "phrases")

    def __init__(
        self,
        phrases: Sequence[Phrase],
        classes: Sequence[WordClass] = (),
        patterns: Sequence[Pattern] = (),
        unless: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.phrases = (*phrases, *(pattern.phrase for pattern in patterns))
        bits = _bits(classes)

        def mask(names: Iterable[str]) -> int:
            return reduce(or_, (bits[name] for name in names), 0)

        hidden = {role: mask(names) for role, names in (unless or {}).items()}
        self._unless = {n: hidden[p.role] for n, p in enumerate(phrases) if p.role in hidden and not p.excludes}
        self._masks = {
            number: (mask(pattern.needs), mask(pattern.bans) | hidden.get(pattern.role, 0))
            for number, pattern in enumerate(patterns, len(phrases))
        }
        texts, self._words = _words(phrases, classes, bits, _keyed(patterns, len(phrases)))
        self._automaton = AhoCorasick(texts, implementation=Implementation.ContiguousNFA)

    def find(self, text: str) -> list[Hit]:
        """Returns where phrases and patterns occur in a normalised text, without what a longer one covers."""
        hits: list[Hit] = []
        heard: list[tuple[int, int, int]] = []
        opened: dict[int, tuple[int, int]] = {}
        words = self._words
        try:
            found = self._automaton.find_matches_as_indexes(text, overlapping=True)
        except UnicodeEncodeError:  # half a surrogate pair, from a source that cut a text at the wrong place
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            found = self._automaton.find_matches_as_indexes(text, overlapping=True)
        for index, start, end in found:
            left, right, phrases, opens, closes, classes, _, _ = words[index]
            if (left and start and text[start - 1] in _WORD) or (right and text[end : end + 1] in _WORD):
                continue
            if classes:
                heard.append((start, -end, index))
            for number in phrases:
                hits.append((start, end, number))
            for number, first, gap in closes:
                if first in opened and _joins(text, opened[first][1], start, gap):
                    hits.append((opened[first][0], end, number))
            if opens:
                opened[index] = (start, end)
        if len(hits) > 1:
            hits = self._uncovered(hits)
        return self._with_patterns(text, hits, heard) if heard else hits

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

    def _with_patterns(self, text: str, hits: list[Hit], heard: list[tuple[int, int, int]]) -> list[Hit]:
        """Returns the hits of phrases that no word of their sentence hides, and those of patterns, in order."""
        heard.sort()
        words = self._words
        patterns: list[Hit] = []
        ends: list[int] = []
        masks: list[int] = []
        sentence: list[tuple[int, int, int]] = []
        mask = cover_start = cover_end = 0
        heard.append((len(text), -len(text), -1))
        for start, negative_end, index in heard:
            end = -negative_end
            classes = words[index].classes if index >= 0 else _BREAK
            if classes & _BREAK:
                mask |= classes
                if sentence:
                    self._find_patterns(text, sentence, mask, patterns)
                    sentence = []
                ends.append(end)
                masks.append(mask)
                mask = 0
            elif end > cover_end or (start == cover_start and end == cover_end):
                if words[index].covers:
                    cover_start, cover_end = start, end
                mask |= classes
                sentence.append((start, end, index))
        if self._unless and hits:
            unless = self._unless
            hits = [
                hit for hit in hits if hit[2] not in unless or not unless[hit[2]] & masks[bisect_left(ends, hit[1])]
            ]
        return sorted((*hits, *patterns), key=_outermost_first) if patterns else hits

    def _find_patterns(self, text: str, sentence: list[tuple[int, int, int]], mask: int, hits: list[Hit]) -> None:
        """Adds the patterns that the words of one sentence make. `mask` holds the classes of all its words."""
        words, masks = self._words, self._masks
        for _, _, index in sentence:
            for number in words[index].patterns:
                needs, bans = masks[number]
                if needs & mask == needs and not bans & mask:
                    place = self._place(text, sentence, needs & ~_QUESTION)
                    if place is not None:
                        hits.append((*place, number))

    def _place(self, text: str, sentence: list[tuple[int, int, int]], needs: int) -> tuple[int, int] | None:
        """Returns the first place where words of all these classes stand close together."""
        words = self._words
        for first, (begin, _, _) in enumerate(sentence):
            most = begin + (SPAN_LATIN if text[begin].isascii() else SPAN_CJK)
            missing = needs
            for start, end, index in sentence[first:]:
                if start > most:
                    break
                missing &= ~words[index].classes
                if not missing:
                    return begin, end
        return None


def _bits(classes: Sequence[WordClass]) -> dict[str, int]:
    """Returns a bit for each class; `question` always has its own."""
    names = dict.fromkeys((QUESTION, *(each.name for each in classes)))
    return {name: _QUESTION << number for number, name in enumerate(names)}


def _keyed(patterns: Sequence[Pattern], first: int) -> dict[str, list[int]]:
    """Returns the numbers of the patterns by the one of their classes that the fewest patterns need."""
    needed = Counter(name for pattern in patterns for name in pattern.needs)
    keyed: dict[str, list[int]] = defaultdict(list)
    for number, pattern in enumerate(patterns, first):
        keyed[min((name for name in pattern.needs if name != QUESTION), key=lambda name: (needed[name], name))].append(
            number
        )
    return keyed


def _words(
    phrases: Sequence[Phrase], classes: Sequence[WordClass], bits: Mapping[str, int], keyed: Mapping[str, list[int]]
) -> tuple[list[str], tuple[_Word, ...]]:
    """Returns the texts of the automaton, and what each of them is. Words that differ in their edges are told apart."""
    numbers: dict[tuple[str, bool], int] = {}

    def number_of(text: str, right_edge: bool) -> int:
        return numbers.setdefault((text, right_edge), len(numbers))

    whole: dict[int, list[int]] = defaultdict(list)
    closes: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    opening: set[int] = set()
    masks: dict[int, int] = defaultdict(int)
    covering: set[int] = set()
    patterns: dict[int, set[int]] = defaultdict(set)
    for number, phrase in enumerate(phrases):
        indexes = [number_of(part, part[-1] in _WORD) for part in phrase.parts]
        if len(indexes) == 1:
            whole[indexes[0]].append(number)
        else:
            closes[indexes[1]].append((number, indexes[0], phrase.gap))
            opening.add(indexes[0])
    for each in classes:
        for word in each.words:
            text = word.removesuffix(_ANY_ENDING)
            index = number_of(text, text[-1] in _WORD and text == word)
            masks[index] |= bits[each.name]
            if each.covers:
                covering.add(index)
            patterns[index].update(keyed.get(each.name, ()))
    for text, asks in _SENTENCE_ENDS.items():
        masks[number_of(text, False)] |= _BREAK | (_QUESTION if asks else 0)
    return [text for text, _ in numbers], tuple(
        _Word(
            text[0] in _WORD,
            right_edge,
            tuple(whole.get(index, ())),
            index in opening,
            tuple(closes.get(index, ())),
            masks.get(index, 0),
            index in covering,
            tuple(sorted(patterns.get(index, ()))),
        )
        for (text, right_edge), index in numbers.items()
    )


def _is_latin(parts: Sequence[str]) -> bool:
    return "".join(parts).isascii()


def _outermost_first(hit: Hit) -> tuple[int, int]:
    return hit[0], -hit[1]


def _joins(text: str, end: int, start: int, gap: int) -> bool:
    if not 0 <= start - end <= gap:
        return False
    return not _SENTENCE_END.search(text, end, start)

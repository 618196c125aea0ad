"""Finds the phrases and patterns of the taxonomy in a text, sentence by sentence, with one Aho-Corasick automaton.

Reading a text costs the same with four thousand phrases or forty thousand: the price is that of what is found in it.

- `spaced` puts one space around every Latin word, and words are looked for with their spaces: an automaton that runs in
  compiled code then reports whole words only, and none of "app" in "happy".
- A class of words is a bit, the words of a sentence are a mask, so that a pattern is compared in one step. It is compared
  only where a word of its rarest class stands; how rare a class is shows in the taxonomy's own phrases.
- What a sentence holds is remembered for a while: greetings, footers, labels of forms and what everybody asks come again.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import or_

from ahocorasick_rs import AhoCorasick, Implementation

from stream_processors.rules.phrases import QUESTION, SPAN_CJK, SPAN_LATIN, Hit, Pattern, Phrase, WordClass

__all__ = ["MOST_WORDS", "REMEMBERED", "REMEMBERED_CHARACTERS", "PhraseIndex", "spaced"]

_ANY_ENDING = "*"
#: What makes a sentence a question, as `spaced` writes it.
_QUESTION_MARKS = (" ? ", "？")
_COVERS, _QUESTION = 1, 2
#: Words of a sentence that are looked at together: a text without any full stop is read in parts.
MOST_WORDS = 80
#: So many words that cover may end at or after a word and begin before it.
_NEAR = 4
#: What stands between sentences in a spaced text.
_BETWEEN = "\n"
#: Sentences that are remembered, and as many older ones, and how long one may be.
REMEMBERED, REMEMBERED_CHARACTERS = 8_192, 300
_PUNCTUATION = ',:;-"()/&*#+=<>@[]\\^_`{|}~$%'
_TO_SPACES = str.maketrans(dict.fromkeys(_PUNCTUATION, " "))
_LATIN = re.compile(" ?([a-z0-9](?:[a-z0-9 ]*[a-z0-9])?) ?")
_ALPHANUMERIC = re.compile("[a-z0-9]")
_WORD = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
#: A number that no phrase holds, of an order or a customer, and what stands for it in a remembered sentence.
_LONG_NUMBER = re.compile("[0-9]{4,}")
_DIGITS = frozenset("0123456789")

#: What a word of the automaton is, as bits: a phrase, a word of a class, a part of a phrase with a gap.
_IS_PHRASE, _IS_CLASS, _IS_GAP = 1, 2, 4
#: A word in a sentence: index in the automaton, start, end.
_Heard = tuple[int, int, int]


def spaced(text: str) -> str:
    """Returns a normalised text with spaces around Latin words, no other punctuation, and a line per sentence."""
    if text.isascii():
        text = f" {text.translate(_TO_SPACES)} "
    else:
        for mark in _PUNCTUATION:
            if mark in text:
                text = text.replace(mark, " ")
        text = f" {text} "
        if _ALPHANUMERIC.search(text):
            text = _LATIN.sub(r" \1 ", text)
        for mark in "。！？；":
            if mark in text:
                text = text.replace(mark, mark + _BETWEEN)
    if "." in text:
        text = text.replace(". ", " \r\n ").replace(".", " ").replace("\r", ". ")
    if "?" in text:
        text = text.replace("?", " ? \n ")
    return text.replace("!", " ! \n ") if "!" in text else text


class PhraseIndex:
    """Holds phrases and patterns, numbered in their order, and the automaton that finds them in spaced texts.

    `unless` maps a role to the classes whose words, in the same sentence, hide its phrases.
    """

    __slots__ = (
        "_automaton",
        "_classes",
        "_gaps",
        "_keeps_numbers",
        "_kinds",
        "_numbers",
        "_older",
        "_patterns",
        "_phrases",
        "_remembered",
        "_unless",
        "excluding",
        "phrases",
        "roles",
    )

    def __init__(
        self,
        phrases: Sequence[Phrase],
        classes: Sequence[WordClass] = (),
        patterns: Sequence[Pattern] = (),
        unless: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.phrases = (*phrases, *(pattern.phrase for pattern in patterns))
        #: By number: the role of each phrase, and which of them exclude theirs.
        self.roles = [phrase.role for phrase in self.phrases]
        self.excluding = frozenset(number for number, phrase in enumerate(self.phrases) if phrase.excludes)
        bits = _bits(classes)

        def mask(names: Iterable[str]) -> int:
            return reduce(or_, (bits[name] for name in names), 0)

        hidden = {role: mask(names) for role, names in (unless or {}).items()}
        self._unless = {n: hidden[p.role] for n, p in enumerate(phrases) if p.role in hidden and not p.excludes}
        self._remembered: dict[str, list[Hit]] = {}
        self._older: dict[str, list[Hit]] = {}
        words = _Words(phrases, classes)
        self._numbers = frozenset(number for word in words.texts for number in _LONG_NUMBER.findall(word))
        self._keeps_numbers = any(word[-1] in _DIGITS for word in words.texts) or any(
            not number.strip("0") for number in self._numbers
        )
        self._automaton = AhoCorasick(words.texts, implementation=Implementation.ContiguousNFA)
        self._phrases, self._gaps, self._kinds = words.phrases, words.gaps, words.kinds()
        self._classes = [
            mask(names) | (_COVERS if index in words.covers else 0) for index, names in enumerate(words.classes)
        ]
        common = self._common(phrases, words.classes)
        keyed: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
        for number, pattern in enumerate(patterns, len(phrases)):
            key = min((name for name in pattern.needs if name != QUESTION), key=lambda name: (common[name], name))
            bans = mask(pattern.bans) | hidden.get(pattern.role, 0)
            keyed[key].append((mask(pattern.needs), bans, number))
        #: By word: what is compared where it stands (classes needed, classes banned, number of the pattern).
        self._patterns = [tuple(entry for name in names for entry in keyed.get(name, ())) for names in words.classes]

    def find(self, text: str) -> list[Hit]:
        """Returns where phrases and patterns occur in a spaced text, without what a longer one covers, in order."""
        hits: list[Hit] = []
        remembered = self._remembered
        begin = 0
        if not self._keeps_numbers:
            text = _LONG_NUMBER.sub(self._as_zeros, text)
        for sentence in text.split(_BETWEEN):
            found = remembered.get(sentence)
            if found is None:
                found = self._older.get(sentence)
                if found is None:
                    found = self._read(sentence)
                if len(sentence) <= REMEMBERED_CHARACTERS:
                    if len(remembered) >= REMEMBERED:
                        self._older, remembered = remembered, {}
                        self._remembered = remembered
                    remembered[sentence] = found
            if found:
                hits += [(begin + start, begin + end, number) for start, end, number in found] if begin else found
            begin += len(sentence) + 1
        return hits

    def _as_zeros(self, found: re.Match[str]) -> str:
        """Returns zeros for a number that no phrase holds: sentences that differ only in an order number are one."""
        number = found[0]
        return number if number in self._numbers else "0" * len(number)

    def _read(self, sentence: str) -> list[Hit]:
        """Returns the hits in one sentence."""
        hits: list[Hit] = []
        words: list[_Heard] = []
        opened: dict[int, tuple[int, int]] = {}
        kinds, phrases_of = self._kinds, self._phrases
        for match in self._matches(sentence):
            index = match[0]
            kind = kinds[index]
            if kind & _IS_CLASS:
                words.append(match)
                if kind == _IS_CLASS:
                    continue
            _, start, end = match
            if kind & _IS_PHRASE:
                for number in phrases_of[index]:
                    hits.append((start, end, number))
            if kind & _IS_GAP:
                closes, opens = self._gaps[index]
                for number, first, gap in closes:
                    if first in opened and -1 <= start - opened[first][1] <= gap:  # words share the space between them
                        hits.append((opened[first][0], end, number))
                if opens:
                    opened[index] = (start, end)
        if len(hits) > 1:
            hits = self._uncovered(hits)
        return self._with_patterns(sentence, hits, words) if words else hits

    def _matches(self, text: str) -> list[tuple[int, int, int]]:
        try:
            return self._automaton.find_matches_as_indexes(text, overlapping=True)
        except UnicodeEncodeError:  # half a surrogate pair, from a source that cut a text at the wrong place
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            return self._automaton.find_matches_as_indexes(text, overlapping=True)

    def _common(self, phrases: Sequence[Phrase], classes: Sequence[Sequence[str]]) -> Counter[str]:
        """Returns how often words of each class occur in the phrases."""
        found: Counter[int] = Counter()
        for phrase in phrases:
            found.update(index for index, _, _ in self._matches(spaced(" ".join(phrase.parts)).replace(_BETWEEN, " ")))
        counted: Counter[str] = Counter()
        for index, count in found.items():
            counted.update(dict.fromkeys(classes[index], count))
        return counted

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

    def _with_patterns(self, sentence: str, hits: list[Hit], words: list[_Heard]) -> list[Hit]:
        """Returns the phrases that no word of the sentence hides, and the patterns."""
        classes_of = self._classes
        mask = reduce(or_, [classes_of[word[0]] for word in words])
        if mask & _COVERS and len(words) > 1:
            words = _not_covered(words, [word for word in words if classes_of[word[0]] & _COVERS])
            mask = reduce(or_, [classes_of[word[0]] for word in words])
        if len(words) <= MOST_WORDS:
            found = self._patterns_of(sentence, words, mask)
        else:
            found = []
            for first in range(0, len(words), MOST_WORDS):
                part = words[first : first + MOST_WORDS]
                found += self._patterns_of(sentence, part, reduce(or_, [classes_of[word[0]] for word in part]))
        unless = self._unless
        hits = [hit for hit in hits if hit[2] not in unless or not unless[hit[2]] & mask]
        return sorted((*hits, *found), key=_outermost_first) if found else hits

    def _patterns_of(self, sentence: str, words: list[_Heard], mask: int) -> list[Hit]:
        """Returns the patterns that these words make, each once. `mask` holds the classes of them all."""
        patterns_of = self._patterns
        found: list[Hit] = []
        looked_at: set[int] = set()
        for word in words:
            index = word[0]
            if index in looked_at:
                continue
            looked_at.add(index)
            for needs, bans, number in patterns_of[index]:
                if needs & mask == needs and not bans & mask and ~number not in looked_at:
                    looked_at.add(~number)
                    place = self._place(sentence, words, needs & ~_QUESTION)
                    if place is not None:
                        found.append((*place, number))
        return found

    def _place(self, text: str, sentence: list[_Heard], needs: int) -> tuple[int, int] | None:
        """Returns the first place where words of all these classes stand close together."""
        classes_of = self._classes
        for first, (index, begin, _) in enumerate(sentence):
            if not classes_of[index] & needs:
                continue
            most = begin + (SPAN_LATIN if text[begin].isascii() else SPAN_CJK)
            missing = needs
            for other, start, end in sentence[first:]:
                if start > most:
                    break
                missing &= ~classes_of[other]
                if not missing:
                    return begin, end
        return None


class _Words:
    """Lists the words of the automaton, and what each of them is, by index.

    texts    what is looked for: a Latin edge is a space
    phrases  numbers of the phrases that a word is
    gaps     (number, index of the first part, gap) of the phrases whose second part it is, and whether it is a first part
    classes  names of the classes that it is a word of
    covers   the words that hide shorter ones in them
    """

    def __init__(self, phrases: Sequence[Phrase], classes: Sequence[WordClass]) -> None:
        self._numbers: dict[str, int] = {}
        self.phrases: dict[int, list[int]] = defaultdict(list)
        self.gaps: dict[int, tuple[list[tuple[int, int, int]], bool]] = {}
        self.covers: set[int] = set()
        named: dict[int, dict[str, None]] = defaultdict(dict)
        for number, phrase in enumerate(phrases):
            indexes = [self._index_of(part) for part in phrase.parts]
            if len(indexes) == 1:
                self.phrases[indexes[0]].append(number)
            else:
                closes, opens = self.gaps.get(indexes[1], ([], False))
                self.gaps[indexes[1]] = ([*closes, (number, indexes[0], phrase.gap)], opens)
                self.gaps[indexes[0]] = (self.gaps.get(indexes[0], ([], True))[0], True)
        for each in classes:
            for word in each.words:
                index = self._index_of(word)
                named[index][each.name] = None
                if each.covers:
                    self.covers.add(index)
        for mark in _QUESTION_MARKS:
            named[self._numbers.setdefault(mark, len(self._numbers))][QUESTION] = None
        self.texts = list(self._numbers)
        self.classes = [tuple(named.get(index, ())) for index in range(len(self.texts))]
        self.phrases = dict(self.phrases)

    def kinds(self) -> list[int]:
        """Returns what each word is, as bits."""
        return [
            (_IS_PHRASE if index in self.phrases else 0)
            | (_IS_CLASS if self.classes[index] else 0)
            | (_IS_GAP if index in self.gaps else 0)
            for index in range(len(self.texts))
        ]

    def _index_of(self, written: str) -> int:
        word = written.removesuffix(_ANY_ENDING)
        text = spaced(word).replace(_BETWEEN, "").strip()
        left = " " if text[:1] in _WORD else ""
        right = " " if text[-1:] in _WORD and word == written else ""
        return self._numbers.setdefault(f"{left}{text}{right}", len(self._numbers))


def _bits(classes: Sequence[WordClass]) -> dict[str, int]:
    """Returns a bit for each class; `question` always has its own."""
    names = dict.fromkeys((QUESTION, *(each.name for each in classes)))
    return {name: _QUESTION << number for number, name in enumerate(names)}


def _not_covered(words: list[_Heard], covering: list[_Heard]) -> list[_Heard]:
    """Returns the words of a sentence without those that a covering word holds. Words are in the order of their ends."""
    kept: list[_Heard] = []
    at = 0
    for word in words:
        while at < len(covering) and covering[at][2] < word[2]:
            at += 1
        near = covering[at : at + _NEAR]
        if not any(start <= word[1] and word[2] <= end and (start, end) != word[1:] for _, start, end in near):
            kept.append(word)
    return kept


def _outermost_first(hit: Hit) -> tuple[int, int]:
    return hit[0], -hit[1]

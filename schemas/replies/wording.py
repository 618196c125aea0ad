"""Advises on the wording of a reply: what to say instead, and why. It is advice and never stops a reply.

`Wording.check` looks for the phrases of a language's list in the words that are the agent's own (`own_words`). A phrase is a
small pattern (`phrase`). Advice is left out where a phrase of `unless` stands in the same sentence, and for names: words
written like This in the middle of a sentence.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice

import msgspec
from ahocorasick_rs import AhoCorasick, MatchKind

from schemas.replies.own_words import OwnWords, language_of, own_words
from schemas.replies.phrase import Phrase

__all__ = ["KINDS", "Advice", "Hint", "Rule", "Wording", "WordingLists"]

#: Kind of advice → what it is about. The kinds are the values of `kind` in events, facts and tables.
KINDS: Mapping[str, str] = {
    "negative": "says what does not go instead of what does",
    "dismissive": "ends the conversation: rules, shrugs, no way forward",
    "blame": "says that it is the customer's fault",
    "doubt": "does not believe the customer",
    "vague": "promises something without a time",
    "passing_on": "sends the customer away to somebody else",
    "command": "orders instead of asking",
    "apology": "apologises by formula, for nothing in particular",
    "shouting": "capitals and rows of exclamation marks",
    "placeholder": "a gap of a prewritten answer that nobody filled in",
}
#: More advice on one reply helps nobody.
MOST_ADVICE = 20
_SENTENCE_CHARACTERS = 400
_ENDS = ".!?。！？\n"
_SENTENCE_END = re.compile(r"[.!?。！？](?=\s|\Z|[^\x00-\x7f])|\n[ \t]*\n")
_SHOUTED = re.compile(
    r"(?<![A-Za-z0-9])(?:[A-Z][A-Z']{1,40}+[ ,;:!?.&-]++(?:[IA](?![A-Za-z])[ ,]*+)?){3,}[A-Z][A-Z']+(?![A-Za-z0-9])"
)
_EXCLAIMED = re.compile(r"[!！]{3,}")
_LEAST_SHOUTED = 16
#: Words that a row of abbreviations does not hold: two of them make it a sentence.
_OF_SENTENCES = re.compile(
    r"\b(?:A|AND|ARE|AT|BE|BEFORE|CAN|DO|FIRST|FOR|FROM|HAVE|I|IN|IS|IT|MUST|MY|NEVER|NO|NOT|NOW|OF|ON|OR|OUR|PLEASE|READ|SEND"
    r"|STOP|THAT|THE|THIS|TO|WAIT|WE|WILL|WITH|YOU|YOUR)\b"
)
_PLACEHOLDER = re.compile(r"\[\[[^\[\]\n]{1,60}\]\]|\{\{ ?\w{1,40} ?\}\}|(?<![\w{])\{[a-z_]{2,40}\}(?!\})")
_WORD, _NEXT_WORD = re.compile(r"[A-Za-z]+"), re.compile(r"[ '’-]+([A-Za-z]+)")


class Advice(msgspec.Struct, frozen=True):
    """One piece of advice.

    kind        one of `KINDS`
    start, end  where in the reply, in characters
    words       what stands there
    why         why to say it otherwise, in the language of the reply
    say         what to say instead, in the language of the reply
    """

    kind: str
    start: int
    end: int
    words: str
    why: str
    say: str


@dataclass(frozen=True, slots=True)
class Hint:
    """Holds what is said of a kind that no phrase finds: `shouting` and `placeholder`."""

    why: str
    say: str


@dataclass(frozen=True, slots=True)
class Rule:
    """Holds phrases that call for the same words instead.

    unless    phrases that take the advice back, in the same sentence
    """

    kind: str
    why: str
    say: str
    phrases: tuple[Phrase, ...]
    unless: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class Wording:
    """Holds the list of one language. `version` is that of the file's content."""

    language: str
    rules: tuple[Rule, ...]
    hints: Mapping[str, Hint] = field(default_factory=dict)
    unless: re.Pattern[str] | None = None
    names: re.Pattern[str] | None = None
    version: str = ""
    _phrases: tuple[tuple[Rule, Phrase], ...] = field(init=False)
    _by_needle: tuple[tuple[int, ...], ...] = field(init=False)
    _anywhere: tuple[int, ...] = field(init=False)
    _index: AhoCorasick = field(init=False)

    def __post_init__(self) -> None:
        phrases = tuple((rule, phrase) for rule in self.rules for phrase in rule.phrases)
        numbers: dict[str, list[int]] = {}
        for number, (_, phrase) in enumerate(phrases):
            for needle in phrase.needles:
                numbers.setdefault(needle, []).append(number)
        for name, value in (
            ("_phrases", phrases),
            ("_by_needle", tuple(map(tuple, numbers.values()))),
            ("_anywhere", tuple(number for number, (_, phrase) in enumerate(phrases) if not phrase.needles)),
            ("_index", AhoCorasick(list(numbers), matchkind=MatchKind.Standard)),
        ):
            object.__setattr__(self, name, value)

    def check(self, reply: str) -> list[Advice]:
        """Returns the advice on a reply, in the order of its text. That on single words does not overlap."""
        words = own_words(reply, self.names)
        kept: list[Advice] = []
        for each in sorted(self._by_phrase(words), key=lambda each: (each.start, -each.end)):
            if not kept or each.start >= kept[-1].end:
                kept.append(each)
        return sorted((*kept, *self._by_look(words)), key=lambda each: each.start)[:MOST_ADVICE]

    def _by_phrase(self, words: OwnWords) -> Iterable[Advice]:
        text = words.text
        for number in self._possible(text):
            rule, phrase = self._phrases[number]
            for match in islice(phrase.pattern.finditer(text), MOST_ADVICE):
                if not self._is_excused(rule, text, match):
                    start, end = words.span(*_trimmed(text, match.start(), match.end()))
                    if not _is_name(words.given, start, end):
                        yield Advice(rule.kind, start, end, words.given[start:end], rule.why, rule.say)

    def _possible(self, text: str) -> list[int]:
        """Returns the numbers of the phrases that one of their needles stands in the text for, in order."""
        numbers = set(self._anywhere)
        for needle, _, _ in self._index.find_matches_as_indexes(text, overlapping=True):
            numbers.update(self._by_needle[needle])
        return sorted(numbers)

    def _is_excused(self, rule: Rule, text: str, match: re.Match[str]) -> bool:
        if rule.unless is None and self.unless is None:
            return False
        start, end = _sentence(text, match.start(), match.end())
        sentence = text[start:end]
        return any(each is not None and each.search(sentence) is not None for each in (rule.unless, self.unless))

    def _by_look(self, words: OwnWords) -> Iterable[Advice]:
        given = words.given
        for kind, pattern, counts in _LOOKS:
            if (hint := self.hints.get(kind)) is None:
                continue
            for match in islice(pattern.finditer(words.masked), MOST_ADVICE):
                if counts(match[0]):
                    start, end = match.span()
                    yield Advice(kind, start, end, given[start:end], hint.why, hint.say)


@dataclass(frozen=True, slots=True)
class WordingLists:
    """Holds the lists of all languages."""

    by_language: Mapping[str, Wording]

    def check(self, reply: str, language: str = "") -> list[Advice]:
        """Returns the advice on a reply, by the list of its language; none in a language without a list."""
        wording = self.by_language.get(language or language_of(reply))
        return [] if wording is None else wording.check(reply)

    def kinds(self, reply: str, language: str = "") -> list[str]:
        """Returns the kind of each piece of advice on a reply, sorted."""
        return sorted(each.kind for each in self.check(reply, language))


def _is_sentence(shouted: str) -> bool:
    """Returns true for capitals that are a sentence, not a row of abbreviations or labels."""
    if sum(1 for each in shouted if each.isalpha()) < _LEAST_SHOUTED:
        return False
    return len(_OF_SENTENCES.findall(shouted)) > 1


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start] in " \t\n,，、-":
        start += 1
    return start, end


def _sentence(text: str, start: int, end: int) -> tuple[int, int]:
    """Returns where the sentence begins and ends that holds a part of the text; a long one is cut."""
    first = earliest = max(0, start - _SENTENCE_CHARACTERS)
    for found in _SENTENCE_END.finditer(text, earliest, start):
        first = found.end()
    latest = min(len(text), end + _SENTENCE_CHARACTERS)
    after = _SENTENCE_END.search(text, end, latest)
    return first, after.end() if after else latest


def _is_name(given: str, start: int, end: int) -> bool:
    """Returns true for words written Like This beside another such word, in the middle of a sentence."""
    words = _WORD.findall(unicodedata.normalize("NFKC", given[start:end]))
    if not words or not all(word.istitle() for word in words):
        return False
    before = given[:start].rstrip()
    in_the_middle = bool(before) and before[-1] not in _ENDS + ':;,，：)”"' and "\n" not in given[len(before) : start]
    after = _NEXT_WORD.match(unicodedata.normalize("NFKC", given[end : end + 40]))
    return in_the_middle and (len(words) > 1 or (after is not None and after[1].istitle()))


#: What is found by its look: kind, pattern, and what decides whether it counts.
_LOOKS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("shouting", _SHOUTED, _is_sentence),
    ("shouting", _EXCLAIMED, bool),
    ("placeholder", _PLACEHOLDER, bool),
)

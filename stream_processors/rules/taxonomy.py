"""Why customers contact us: the why-tags, and the one pass over a text that finds them.

The taxonomy is data (`config/taxonomy.yaml`). All its phrases in all languages go into one Aho-Corasick automaton
over normalised text, so that reading a text costs the same with forty tags or four hundred. A phrase is found

- as a whole word where its edge is a Latin letter or digit ("card" is not in "discard"); CJK text has no such edges;
- with a gap where it is written `order … never came`: both parts in this order, close together, in one sentence;
- unless a longer phrase of the taxonomy covers it, or an exclusion of its tag occurs anywhere in the text.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ahocorasick_rs import AhoCorasick, Implementation

from schemas.events import LOCALES, PRIORITIES
from schemas.yamlfile import Document, read
from stream_processors.text.language import normalise

__all__ = ["QUADRANTS", "VALENCES", "Article", "Match", "Reading", "Tag", "Taxonomy"]

QUADRANTS = ("leverage", "simplify", "automate", "eliminate")
VALENCES = ("good", "bad", "neutral")
#: How far apart, in characters, the two parts of a phrase with a gap may stand.
GAP_LATIN, GAP_CJK = 32, 12

#: A CJK character says about as much as so many Latin letters.
_CJK_WEIGHT = 3
_GAP = "…"
#: Nobody explains a reason in more; beyond is pasted material.
_READ_CHARACTERS = 10_000
_SLUG = re.compile(r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")
_WORD = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_SENTENCE_END = re.compile("[。！？!?]|[.] ")
_DIGITS = re.compile("[0-9]{4}")
#: How far before its first four digits an order number may be announced.
_ANNOUNCED = 40


class Teams(Protocol):
    """What the taxonomy must know of the teams."""

    @property
    def names(self) -> Container[str]: ...


class Match(NamedTuple):
    """A tag found in a text, with the phrase of the taxonomy that was found."""

    slug: str
    evidence: str


class Reading(NamedTuple):
    """What one pass over a text found. `dissatisfied` and `urgent` are the evidence, '' for none."""

    matches: tuple[Match, ...]
    dissatisfied: str
    urgent: str
    order_number: str


class Article(NamedTuple):
    """A help article in the customer's language."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Tag:
    """A reason to contact us. `priority` is what it raises a ticket to, '' for nothing."""

    slug: str
    parent: str
    quadrant: str
    valence: str
    owner: str
    priority: str
    articles: tuple[str, ...]


class _Phrase(NamedTuple):
    """`role` is a tag's slug, or one of the roles below; `gap` is 0 for a phrase without one."""

    role: str
    excludes: bool
    written: str
    weight: int
    gap: int


class _Word(NamedTuple):
    """A phrase, or one part of one with a gap, as the automaton knows it.

    left_edge, right_edge  whether it must not touch a Latin letter or digit there
    phrases                numbers of the phrases that it is
    opens                  whether it is the first part of a phrase
    closes                 (number, index of the first part, gap) of the phrases whose second part it is
    """

    left_edge: bool
    right_edge: bool
    phrases: tuple[int, ...]
    opens: bool
    closes: tuple[tuple[int, int, int], ...]


#: Where a phrase stands in a text: start, end, number of the phrase.
_Hit = tuple[int, int, int]


_DISSATISFIED, _URGENT = "dissatisfaction", "urgency"
_MOODS = (_DISSATISFIED, _URGENT)


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """The tags in force, and their automaton. `version` is 12 hex characters of the file's content."""

    version: str
    tags: dict[str, Tag]
    most_tags: int
    repeat_micros: int
    low_csat_micros: int
    raised_priorities: dict[str, str]
    tier_priorities: dict[str, str]
    _help: dict[tuple[str, str], Article]
    _order_number: re.Pattern[str]
    _phrases: tuple[_Phrase, ...]
    _words: tuple[_Word, ...]
    _automaton: AhoCorasick

    @classmethod
    def load(cls, path: Path, teams: Teams) -> Taxonomy:
        """Read and validate a taxonomy.

        Raises:
            ConfigurationError: with file and line of the first mistake.
        """
        return _Loader(read(path), teams).taxonomy()

    def read(self, text: str, subject: str = "") -> Reading:
        """All that the taxonomy finds in a message. What stands in the subject counts double."""
        head = normalise(subject[:_READ_CHARACTERS])
        body = normalise(text[:_READ_CHARACTERS])
        whole = f"{head}。{body}" if head else body
        order = self._find_order_number(whole)
        hits = self._hits(whole)
        if not hits:
            return Reading((), "", "", order)
        said: dict[str, str] = {}
        for _, _, number in hits:
            phrase = self._phrases[number]
            said.setdefault(phrase.role, phrase.written)
        best = self._best(hits, len(head))
        return Reading(best, said.get(_DISSATISFIED, ""), said.get(_URGENT, ""), order)

    def tag(self, text: str, subject: str = "") -> tuple[Match, ...]:
        """The why-tags of a message, best first, at most `most_tags`."""
        return self.read(text, subject).matches

    def owner(self, tags: Iterable[str]) -> str | None:
        """The team of the first known tag, or None."""
        return next((self.tags[tag].owner for tag in tags if tag in self.tags), None)

    def quadrant(self, tag: str) -> str:
        """The tag's place in the value-irritant matrix; '' when this taxonomy does not know it."""
        return self.tags[tag].quadrant if tag in self.tags else ""

    def priority(self, tags: Iterable[str]) -> str:
        """The highest priority that these tags raise a ticket to; '' for none."""
        effects = [self.tags[tag].priority for tag in tags if tag in self.tags]
        return max((effect for effect in effects if effect), key=PRIORITIES.index, default="")

    def articles(self, tags: Iterable[str], locale: str) -> tuple[Article, ...]:
        """The help articles, two at most, for those of the tags that self-service is meant for (quadrant automate)."""
        found: list[Article] = []
        for slug in tags:
            tag = self.tags.get(slug)
            if tag is not None and tag.quadrant == "automate":
                found += [article for name in tag.articles if (article := self._help[name, locale]) not in found]
        return tuple(found[:2])

    def _hits(self, text: str) -> list[_Hit]:
        """Where phrases occur, whole words only, without those that a longer phrase covers."""
        hits: list[_Hit] = []
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

    def _uncovered(self, hits: list[_Hit]) -> list[_Hit]:
        """Without the phrases of tags that a longer one covers. Exclusions and moods are not covered, gaps do not cover."""
        left: list[_Hit] = []
        cover_start = cover_end = -1
        for hit in sorted(hits, key=_outermost_first):
            start, end, number = hit
            phrase = self._phrases[number]
            if phrase.excludes or phrase.role in _MOODS:
                left.append(hit)
                continue
            if end > cover_end or (start == cover_start and end == cover_end):
                left.append(hit)
                if not phrase.gap:
                    cover_start, cover_end = start, end
        return left

    def _best(self, hits: list[_Hit], subject_length: int) -> tuple[Match, ...]:
        """The tags by the weight of their distinct phrases; of equals, the one that is said first."""
        phrases = self._phrases
        excluded = {phrases[number].role for _, _, number in hits if phrases[number].excludes}
        scores: dict[str, int] = {}
        evidence: dict[str, _Phrase] = {}
        counted: set[int] = set()
        for start, _, number in hits:
            phrase = phrases[number]
            slug = phrase.role
            if number in counted or slug in excluded or slug not in self.tags:
                continue
            counted.add(number)
            if slug not in evidence or phrase.weight > evidence[slug].weight:
                evidence[slug] = phrase
            scores[slug] = scores.get(slug, 0) + phrase.weight * (2 if start < subject_length else 1)
        ranked = sorted(scores, key=scores.__getitem__, reverse=True)[: self.most_tags]
        return tuple(Match(slug, evidence[slug].written) for slug in ranked)

    def _find_order_number(self, text: str) -> str:
        digits = _DIGITS.search(text)
        found = self._order_number.search(text, max(0, digits.start() - _ANNOUNCED)) if digits else None
        return found[1].upper() if found else ""


def _outermost_first(hit: _Hit) -> tuple[int, int]:
    return hit[0], -hit[1]


def _joins(text: str, end: int, start: int, gap: int) -> bool:
    if not 0 <= start - end <= gap:
        return False
    return not _SENTENCE_END.search(text, end, start)


class _Loader:
    """Reads one document into a `Taxonomy`, refusing the first mistake with its line."""

    def __init__(self, document: Document, teams: Teams) -> None:
        self._document, self._teams = document, teams
        self._data = self._mapping()
        self._phrases: list[_Phrase] = []
        self._parts: list[tuple[int, ...]] = []
        self._words: dict[str, int] = {}
        self._slug_of: dict[str, str] = {}

    def taxonomy(self) -> Taxonomy:
        unknown = sorted(set(self._data) - _SECTIONS)
        if unknown:
            self._document.refuse(f"unknown section {unknown[0]!r}", unknown[0], fix=f"one of {_list(_SECTIONS)}")
        titles = {name: self._titles_of(name) for name in self._mapping("articles")}
        groups = self._mapping("groups")
        tags = {slug: self._tag(slug, groups, titles) for slug in self._mapping("tags")}
        for role in _MOODS:
            self._add_phrases(role, role)
        help_url = self._string("help_url")
        try:
            help_url.format(locale="en", article="x")
        except (KeyError, IndexError, ValueError) as error:
            self._document.refuse(f"{help_url!r} may hold {{locale}} and {{article}} only ({error})", "help_url")
        return Taxonomy(
            version=self._document.version,
            tags=tags,
            most_tags=self._whole("most_tags"),
            repeat_micros=self._whole("repeat_within_days") * 86_400_000_000,
            low_csat_micros=self._whole("low_csat_within_days") * 86_400_000_000,
            raised_priorities=self._priorities("raised_priorities", ("dissatisfied", "public_complaint", "urgent")),
            tier_priorities=self._priorities("tier_priorities"),
            _help={
                (name, locale): Article(titles[name][locale], help_url.format(locale=locale, article=name))
                for name in titles
                for locale in LOCALES
            },
            _order_number=self._pattern("order_number"),
            _phrases=tuple(self._phrases),
            _words=self._compiled(),
            _automaton=AhoCorasick(list(self._words), implementation=Implementation.ContiguousNFA),
        )

    def _tag(self, slug: str, groups: Container[str], articles: Container[str]) -> Tag:
        at = ("tags", slug)
        fields = self._mapping(*at)
        if not _SLUG.match(slug):
            self._document.refuse(f"{slug!r} is not a why-tag", *at, fix="write it as `payment.card_declined`")
        for field in fields:
            if field not in _TAG_FIELDS:
                self._document.refuse(f"unknown field {field!r}", *at, field, fix=f"one of {_list(_TAG_FIELDS)}")
        parent = self._known(groups, "group", *at, "parent")
        if not slug.startswith(f"{parent}."):
            self._document.refuse(f"{slug!r} does not belong to the parent {parent!r}", *at, "parent")
        names = self._strings(*at, "articles") if "articles" in fields else []
        for number, name in enumerate(names):
            if name not in articles:
                self._document.refuse(f"unknown article {name!r}", *at, "articles", number)
        tag = Tag(
            slug=slug,
            parent=parent,
            quadrant=self._known(QUADRANTS, "quadrant", *at, "quadrant"),
            valence=self._known(VALENCES, "valence", *at, "valence"),
            owner=self._known(self._teams.names, "team", *at, "owner"),
            priority=self._known(PRIORITIES, "priority", *at, "priority") if "priority" in fields else "",
            articles=tuple(names),
        )
        self._add_phrases(slug, *at, "phrases")
        if "exclusions" in fields:
            self._add_phrases(slug, *at, "exclusions", excludes=True)
        return tag

    def _add_phrases(self, role: str, *at: str, excludes: bool = False) -> None:
        for language in self._mapping(*at):
            if language not in LOCALES:
                self._document.refuse(f"unknown language {language!r}", *at, language, fix=f"one of {_list(LOCALES)}")
            for number, written in enumerate(self._strings(*at, language)):
                self._add_phrase(role, written, excludes, *at, language, number)

    def _add_phrase(self, role: str, written: str, excludes: bool, *at: str | int) -> None:
        parts = [normalise(part) for part in written.split(_GAP)]
        weight = sum(1 if character.isascii() else _CJK_WEIGHT for part in parts for character in part)
        if len(parts) > 2 or not all(parts):
            self._document.refuse(f"the phrase {written!r} may have one gap, between two parts", *at)
        key = _GAP.join(parts)
        if weight < (3 if key.replace(_GAP, "").isascii() else _CJK_WEIGHT + 1):
            self._document.refuse(f"the phrase {written!r} is too short to mean anything", *at)
        if not excludes:
            owner = self._slug_of.setdefault(key, role)
            if owner != role and owner not in _MOODS and role not in _MOODS:
                self._document.refuse(f"the phrase {written!r} is in two tags, {owner} and {role}", *at)
        gap = 0 if len(parts) == 1 else GAP_LATIN if key.replace(_GAP, "").isascii() else GAP_CJK
        self._phrases.append(_Phrase(role, excludes, written, weight, gap))
        self._parts.append(tuple(self._words.setdefault(part, len(self._words)) for part in parts))

    def _compiled(self) -> tuple[_Word, ...]:
        phrases: dict[int, list[int]] = {}
        closes: dict[int, list[tuple[int, int, int]]] = {}
        for number, parts in enumerate(self._parts):
            if len(parts) == 1:
                phrases.setdefault(parts[0], []).append(number)
            else:
                closes.setdefault(parts[1], []).append((number, parts[0], self._phrases[number].gap))
        opening = {parts[0] for parts in self._parts if len(parts) == 2}
        return tuple(
            _Word(
                word[0] in _WORD,
                word[-1] in _WORD,
                tuple(phrases.get(index, ())),
                index in opening,
                tuple(closes.get(index, ())),
            )
            for word, index in self._words.items()
        )

    def _titles_of(self, name: str) -> dict[str, str]:
        titles = self._mapping("articles", name)
        for locale in LOCALES:
            if not isinstance(titles.get(locale), str):
                self._document.refuse(f"article {name!r} has no title in {locale}", "articles", name)
        return titles

    def _priorities(self, section: str, allowed: Iterable[str] = ()) -> dict[str, str]:
        names = list(allowed)
        for name in self._mapping(section):
            if names and name not in names:
                self._document.refuse(f"unknown reason {name!r}", section, name, fix=f"one of {_list(names)}")
            self._known(PRIORITIES, "priority", section, name)
        return {name: self._string(section, name) for name in self._mapping(section)}

    def _pattern(self, *at: str) -> re.Pattern[str]:
        written = self._string(*at)
        try:
            pattern = re.compile(written)
        except re.error as error:
            self._document.refuse(f"is not a regular expression: {error}", *at)
        if pattern.groups != 1:
            self._document.refuse("must have exactly one group, which is the order number", *at)
        return pattern

    def _known(self, allowed: Container[str], what: str, *at: str | int) -> str:
        value = self._value(*at)
        if not isinstance(value, str) or value not in allowed:
            fix = f"one of {_list(allowed)}" if isinstance(allowed, Iterable) else ""
            problem = f"no {what} is given" if value is None else f"unknown {what} {value!r}"
            self._document.refuse(problem, *at, fix=fix)
        return value

    def _value(self, *at: str | int) -> Any:
        value: Any = self._document.data
        for key in at:
            value = value.get(key) if isinstance(value, dict) else value[int(key)] if isinstance(value, list) else None
        return value

    def _mapping(self, *at: str) -> dict[str, Any]:
        value = self._value(*at)
        if not isinstance(value, dict) or not value or not all(isinstance(key, str) for key in value):
            self._document.refuse(f"{'.'.join(at) or 'the file'} must be a mapping with at least one entry", *at)
        return value

    def _strings(self, *at: str) -> list[str]:
        value = self._value(*at)
        if not isinstance(value, list) or not value or not all(isinstance(each, str) and each for each in value):
            self._document.refuse(f"{at[-1]} must be a list of at least one text", *at, fix="quote numbers and `no`")
        return value

    def _string(self, *at: str) -> str:
        value = self._value(*at)
        if not isinstance(value, str) or not value:
            self._document.refuse(f"{at[-1]} must be a text", *at)
        return value

    def _whole(self, *at: str) -> int:
        value = self._value(*at)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            self._document.refuse(f"{at[-1]} must be a whole number of 1 or more", *at)
        return value


_TAG_FIELDS = frozenset(("parent", "quadrant", "valence", "owner", "priority", "articles", "phrases", "exclusions"))
_SECTIONS = frozenset(
    (
        "most_tags",
        "repeat_within_days",
        "low_csat_within_days",
        "raised_priorities",
        "tier_priorities",
        "help_url",
        "order_number",
        "groups",
        "articles",
        "tags",
        _DISSATISFIED,
        _URGENT,
    )
)


def _list(names: Iterable[Any]) -> str:
    return ", ".join(sorted(str(name) for name in names))

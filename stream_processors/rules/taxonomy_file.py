"""Reads `config/taxonomy.yaml` into a `Taxonomy`, and refuses its first mistake with the line."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable
from itertools import product
from pathlib import Path
from typing import Any, Protocol

from schemas.events import LOCALES, PRIORITIES
from schemas.text import NOT_A_PATTERN
from schemas.yamlfile import Document, read
from stream_processors.rules.phrase_index import PhraseIndex
from stream_processors.rules.phrases import QUESTION, Pattern, Phrase, WordClass
from stream_processors.rules.spelling import misspelt
from stream_processors.rules.taxonomy import DISSATISFIED, MOODS, QUADRANTS, URGENT, VALENCES, Article, Tag, Taxonomy
from stream_processors.text.language import normalise

__all__ = ["load"]

_SLUG = re.compile(r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")


class Teams(Protocol):
    """The teams that a tag may belong to."""

    @property
    def names(self) -> Container[str]:
        """Their names."""


def load(path: Path, teams: Teams) -> Taxonomy:
    """Reads and validates a taxonomy.

    Raises:
        ConfigurationError: with file and line of the first mistake.
    """
    return _Loader(read(path), teams).taxonomy()


class _Loader:
    """Reads one document into a `Taxonomy`, refusing the first mistake with its line."""

    def __init__(self, document: Document, teams: Teams) -> None:
        self._document, self._teams = document, teams
        self._data = self._mapping()
        self._phrases: list[Phrase] = []
        self._slug_of: dict[str, str] = {}
        self._classes: dict[str, WordClass] = {}
        self._covering: set[str] = set()
        self._patterns: list[Pattern] = []
        self._unless: dict[str, list[str]] = {}

    def taxonomy(self) -> Taxonomy:
        unknown = sorted(set(self._data) - _SECTIONS)
        if unknown:
            self._document.refuse(f"unknown section {unknown[0]!r}", unknown[0], fix=f"one of {_list(_SECTIONS)}")
        titles = {name: self._titles_of(name) for name in self._mapping("articles")}
        groups = self._mapping("groups")
        if "words" in self._data:
            self._classes = self._read_words()
        tags = {slug: self._tag(slug, groups, titles) for slug in self._mapping("tags")}
        for role in MOODS:
            self._add_phrases(role, role)
        for role in self._mapping("moods") if "moods" in self._data else ():
            self._mood(role)
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
            _index=PhraseIndex(self._phrases, tuple(self._classes.values()), self._patterns, self._unless),
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
            formerly=self._former_slugs(slug),
            over=self._over(slug),
            fallback=self._truth(*at, "fallback"),
        )
        self._add_phrases(slug, *at, "phrases")
        if "exclusions" in fields:
            self._add_phrases(slug, *at, "exclusions", excludes=True)
        for number, written in enumerate(self._strings(*at, "patterns") if "patterns" in fields else ()):
            self._add_patterns(slug, written, *at, "patterns", number)
        if "unless" in fields:
            for number, name in enumerate(self._strings(*at, "unless")):
                self._require_class(name, *at, "unless", number)
            self._unless[slug] = fields["unless"]
        return tag

    def _mood(self, role: str) -> None:
        """Reads the patterns of a mood, and the phrases that exclude it."""
        if role not in MOODS:
            self._document.refuse(f"unknown mood {role!r}", "moods", role, fix=f"one of {_list(MOODS)}")
        at = ("moods", role)
        for field in (fields := self._mapping(*at)):
            if field not in ("patterns", "exclusions"):
                self._document.refuse(f"unknown field {field!r}", *at, field, fix="patterns or exclusions")
        if "exclusions" in fields:
            self._add_phrases(role, *at, "exclusions", excludes=True)
        for number, written in enumerate(self._strings(*at, "patterns") if "patterns" in fields else ()):
            self._add_patterns(role, written, *at, "patterns", number)

    def _word_class(self, name: str) -> WordClass:
        """Reads the words of a class, and how long ones are misspelt."""
        words: dict[str, None] = {}
        for language in self._mapping("words", name):
            at = ("words", name, language)
            if language not in LOCALES:
                self._document.refuse(f"unknown language {language!r}", *at, fix=f"one of {_list(LOCALES)}")
            for number, written in enumerate(self._strings(*at)):
                word = normalise(written)
                if not word.removesuffix("*") or (word.isascii() and len(word) < 2):
                    self._document.refuse(f"the word {written!r} is too short to mean anything", *at, number)
                words[word] = None
        covers = name in self._covering
        return WordClass(name, (*words, *(wrong for word in words for wrong in misspelt(word))), covers)

    def _read_words(self) -> dict[str, WordClass]:
        classes = self._mapping("words")
        if "covering" in self._data:
            for number, name in enumerate(self._strings("covering")):
                if name not in classes:
                    self._document.refuse(f"unknown class of words {name!r}", "covering", number)
                self._covering.add(name)
        return {name: self._word_class(name) for name in classes}

    def _add_patterns(self, slug: str, written: str, *at: str | int) -> None:
        """Adds `cancel|stop order -fee` as a pattern for each of its alternatives."""
        terms = written.split()
        bans = [term[1:] for term in terms if term.startswith("-")]
        needs = [term.split("|") for term in terms if not term.startswith("-")]
        for name in (*bans, *(name for names in needs for name in names)):
            self._require_class(name, *at)
        for chosen in product(*needs):
            if not set(chosen) - {QUESTION}:
                self._document.refuse(f"the pattern {written!r} names no class besides questions", *at)
            self._patterns.append(Pattern(slug, written, tuple(chosen), tuple(bans)))

    def _require_class(self, name: str, *at: str | int) -> None:
        if name not in self._classes and name != QUESTION:
            self._document.refuse(f"unknown class of words {name!r}", *at, fix="name one of the section `words`")

    def _former_slugs(self, slug: str) -> tuple[str, ...]:
        at = ("tags", slug)
        if "formerly" not in self._mapping(*at):
            return ()
        for number, former in enumerate(names := self._strings(*at, "formerly")):
            if not _SLUG.match(former) or former == slug:
                self._document.refuse(f"{former!r} is no former slug of {slug!r}", *at, "formerly", number)
        return tuple(names)

    def _over(self, slug: str) -> tuple[str, ...]:
        at = ("tags", slug)
        if "over" not in self._mapping(*at):
            return ()
        for number, less in enumerate(names := self._strings(*at, "over")):
            if less not in self._mapping("tags") or less == slug:
                self._document.refuse(f"unknown tag {less!r}", *at, "over", number)
        return tuple(names)

    def _truth(self, *at: str) -> bool:
        value = self._value(*at)
        if value not in (None, True, False):
            self._document.refuse(f"{at[-1]} must be true or false", *at)
        return bool(value)

    def _add_phrases(self, role: str, *at: str, excludes: bool = False) -> None:
        for language in self._mapping(*at):
            if language not in LOCALES:
                self._document.refuse(f"unknown language {language!r}", *at, language, fix=f"one of {_list(LOCALES)}")
            for number, written in enumerate(self._strings(*at, language)):
                self._add_phrase(role, written, excludes, *at, language, number)

    def _add_phrase(self, role: str, written: str, excludes: bool, *at: str | int) -> None:
        phrase = Phrase.parse(role, written, excludes=excludes, coverable=not excludes and role not in MOODS)
        if len(phrase.parts) > 2 or not all(phrase.parts):
            self._document.refuse(f"the phrase {written!r} may have one gap, between two parts", *at)
        if not phrase.is_long_enough:
            self._document.refuse(f"the phrase {written!r} is too short to mean anything", *at)
        if not excludes:
            owner = self._slug_of.setdefault(phrase.text, role)
            if owner != role and owner not in MOODS and role not in MOODS:
                self._document.refuse(f"the phrase {written!r} is in two tags, {owner} and {role}", *at)
        self._phrases.append(phrase)

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
        except NOT_A_PATTERN as error:
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


_TAG_FIELDS = frozenset(
    (
        *("parent", "quadrant", "valence", "owner", "priority", "articles", "phrases", "exclusions"),
        *("patterns", "unless", "over", "fallback", "formerly"),
    )
)
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
        "words",
        "covering",
        "moods",
        DISSATISFIED,
        URGENT,
    )
)


def _list(names: Iterable[Any]) -> str:
    return ", ".join(sorted(str(name) for name in names))

"""Reads the banks of prewritten answers: `answers.yaml` for all brands, `answers.<brand>.yaml` for one.

    facts: {return_days: 30}                     # what is true of the shop: fills {return_days}
    gaps: {date: {en: day and time, ja: 日時}}    # what the agent fills in: {date} becomes [[day and time]]
    greetings: [{text: {en: "Hello {name},"}, plain: {en: "Hello,"}}]
    holding:   [{for: [delivery], text: {en: ...}}]     # `for`: tags, or groups of them; left out: any reason
    closing:   [{text: {en: ...}}]
    answers:
      return-an-item:
        tags: [returns.how_to_return]
        title: {en: Return an item}
        keywords: {en: [send back]}
        text: {en: ...}
    next_issues:
      - after: [returns.how_to_return]
        question: {en: When do I get my money?}
        paragraph: {en: ...}

A bank of a brand comes before the common one. A placeholder that is no fact, no gap and not in `answers.KNOWN` is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.errors import ConfigurationError
from schemas.events import LOCALES
from schemas.replies.answers import KNOWN, PLACEHOLDER, Answer, AnswerBank, AnswerBanks, Line, NextIssue
from schemas.yamlfile import Document, read

__all__ = ["load", "load_all"]

_FIELDS = ("facts", "gaps", "greetings", "holding", "closing", "answers", "next_issues")
_LINES = ("greetings", "holding", "closing")
_ANSWER = ("tags", "title", "keywords", "text")
_SLUG = re.compile(r"[a-z][a-z0-9-]{0,59}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TAG = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)?")
_BRACE = re.compile(r"[{}]")
_FILE = re.compile(r"answers(?:\.([a-z][a-z0-9_-]{0,39}))?\.yaml")
_TEXT_CHARACTERS, _TITLE_CHARACTERS, _LINE_CHARACTERS = 4_000, 120, 400
_MOST_ANSWERS, _MOST_KEYWORDS = 2_000, 60

At = tuple[str | int, ...]


def load_all(directory: Path) -> AnswerBanks:
    """Returns the banks of a directory.

    Raises:
        ConfigurationError: a file is invalid, or there is none, with file and line.
    """
    files = sorted(directory.glob("answers*.yaml"))
    if not files:
        raise ConfigurationError("holds no answers.yaml", where=str(directory))
    common = load(directory / "answers.yaml") if (directory / "answers.yaml") in files else None
    others = [load(path, common) for path in files if path.name != "answers.yaml"]
    return AnswerBanks([*([common] if common else []), *others])


def load(path: Path, common: AnswerBank | None = None) -> AnswerBank:
    """Returns the bank of one file; `common` is the one whose facts and gaps it may use as well.

    Raises:
        ConfigurationError: with file and line of the first mistake.
    """
    named = _FILE.fullmatch(path.name)
    if named is None:
        raise ConfigurationError("is no bank of a brand", where=str(path), fix="name it answers.<brand>.yaml")
    document = read(path)
    data = document.data
    if not isinstance(data, dict):
        document.refuse("must be a mapping", fix=f"with {', '.join(_FIELDS)}")
    document.known(data, _FIELDS)
    facts, gaps = _facts(document), _gaps(document)
    places = {*KNOWN, *facts, *gaps, *((*common.facts, *common.gaps) if common else ())}
    bank = _Bank(document, frozenset(places))
    entries = data.get("answers") or {}
    if not isinstance(entries, dict):
        document.refuse("must be a mapping of answers", "answers")
    if len(entries) > _MOST_ANSWERS:
        document.refuse(f"{len(entries)} answers, at most {_MOST_ANSWERS} are read", "answers")
    return AnswerBank(
        brand=named[1] or "",
        answers={str(slug): bank.answer(slug, entry) for slug, entry in entries.items()},
        lines={kind: bank.lines(kind) for kind in _LINES},
        next_issues=bank.next_issues(),
        facts=facts,
        gaps=gaps,
        version=document.version,
    )


def _facts(document: Document) -> dict[str, str]:
    facts = _mapping(document, "facts")
    for name, value in facts.items():
        _require_name(document, name, "facts")
        if not isinstance(value, str | int | float) or isinstance(value, bool) or not str(value).strip():
            document.refuse(f"{name} must be a text or a number", "facts", str(name))
    return {str(name): str(value) for name, value in facts.items()}


def _gaps(document: Document) -> dict[str, Mapping[str, str]]:
    gaps = _mapping(document, "gaps")
    for name in gaps:
        _require_name(document, name, "gaps")
    return {str(name): _texts(document, names, ("gaps", str(name)), _TITLE_CHARACTERS) for name, names in gaps.items()}


def _require_name(document: Document, name: Any, at: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        document.refuse(f"{name!r} is not a name", at, str(name), fix="use lower case letters, digits and _")
    if name in KNOWN:
        document.refuse(f"{name!r} is filled with the {KNOWN[name]['en']}", at, name, fix="choose another name")


def _mapping(document: Document, name: str) -> dict[Any, Any]:
    value = document.data.get(name) or {}
    if not isinstance(value, dict):
        document.refuse("must be a mapping", name)
    return value


def _texts(document: Document, value: Any, at: At, most: int) -> dict[str, str]:
    if not isinstance(value, dict) or not value:
        document.refuse(f"must be texts by language, of at most {most} characters", *at, fix=f"by {', '.join(LOCALES)}")
    document.known(value, LOCALES, *at)
    for language, text in value.items():
        if not isinstance(text, str) or not text.strip() or len(text) > most:
            document.refuse(f"must be a text of at most {most} characters", *at, language)
    return {language: text.strip() for language, text in value.items()}


class _Bank:
    """Reads the answers and lines of one file, whose texts may name `places`."""

    def __init__(self, document: Document, places: frozenset[str]) -> None:
        self._document, self._places = document, places

    def answer(self, slug: Any, entry: Any) -> Answer:
        document, at = self._document, ("answers", str(slug))
        if not isinstance(slug, str) or not _SLUG.fullmatch(slug):
            document.refuse(f"{slug!r} is not a slug", *at, fix="use lower case letters, digits and -")
        if not isinstance(entry, dict):
            document.refuse("must be a mapping", *at, fix=f"with {', '.join(_ANSWER)}")
        document.known(entry, _ANSWER, *at)
        title = _texts(document, entry.get("title"), (*at, "title"), _TITLE_CHARACTERS)
        text = self._filled(entry.get("text"), (*at, "text"), _TEXT_CHARACTERS)
        if missing := set(text) - set(title):
            document.refuse(f"has no title in {', '.join(sorted(missing))}", *at, "title")
        tags = self._tags(entry.get("tags"), (*at, "tags"))
        return Answer(
            slug, tags, title, text, self._keywords(entry.get("keywords"), (*at, "keywords")), document.line(*at)
        )

    def lines(self, kind: str) -> tuple[Line, ...]:
        found = []
        for number, entry in self._entries(kind, ("for", "text", "plain")):
            at = (kind, number)
            text = self._filled(entry.get("text"), (*at, "text"), _LINE_CHARACTERS)
            plain = self._filled(entry["plain"], (*at, "plain"), _LINE_CHARACTERS) if "plain" in entry else {}
            found.append(Line(self._tags(entry.get("for"), (*at, "for")), text, plain))
        return tuple(found)

    def next_issues(self) -> tuple[NextIssue, ...]:
        document, found = self._document, []
        for number, entry in self._entries("next_issues", ("after", "question", "paragraph")):
            at = ("next_issues", number)
            tags = self._tags(entry.get("after"), (*at, "after"))
            if not tags:
                document.refuse("must name the tags that it comes after", *at, "after")
            question = _texts(document, entry.get("question"), (*at, "question"), _LINE_CHARACTERS)
            paragraph = self._filled(entry.get("paragraph"), (*at, "paragraph"), _TEXT_CHARACTERS)
            if missing := set(paragraph) - set(question):
                document.refuse(f"has no question in {', '.join(sorted(missing))}", *at, "question")
            found.append(NextIssue(tags, question, paragraph))
        return tuple(found)

    def _entries(self, name: str, fields: tuple[str, ...]) -> list[tuple[int, dict[str, Any]]]:
        entries = self._document.data.get(name) or []
        if not isinstance(entries, list):
            self._document.refuse("must be a list", name)
        for number, entry in enumerate(entries):
            if not isinstance(entry, dict):
                self._document.refuse("must be a mapping", name, number, fix=f"with {', '.join(fields)}")
            self._document.known(entry, fields, name, number)
        return list(enumerate(entries))

    def _filled(self, value: Any, at: At, most: int) -> dict[str, str]:
        texts = _texts(self._document, value, at, most)
        for language, text in texts.items():
            for found in PLACEHOLDER.finditer(text):
                if found[1] not in self._places:
                    fix = f"use {', '.join(sorted(self._places))}, or add it to `facts` or `gaps`"
                    self._refuse_at(f"{found[0]} is not known", text, found.start(), (*at, language), fix)
            rest = PLACEHOLDER.sub(lambda found: "x" * len(found[0]), text)
            if alone := _BRACE.search(rest):
                self._refuse_at("a { or } stands alone", text, alone.start(), (*at, language), "write {placeholder}")
        return texts

    def _refuse_at(self, problem: str, text: str, place: int, at: At, fix: str) -> None:
        """Refuses a place within a text; in one of several lines that begins with `|`, its own line is named."""
        document = self._document
        below = text.count("\n", 0, place) + 1 if "\n" in text else 0
        raise ConfigurationError(problem, where=f"{document.path}:{document.line(*at) + below}", fix=fix)

    def _tags(self, value: Any, at: At) -> tuple[str, ...]:
        if value is None:
            return ()
        if not isinstance(value, list):
            self._document.refuse("must be a list of tags", *at)
        for number, tag in enumerate(value):
            if not isinstance(tag, str) or not _TAG.fullmatch(tag):
                self._document.refuse(f"{tag!r} is not a tag", *at, number, fix="such as delivery.lost_parcel")
        return tuple(value)

    def _keywords(self, value: Any, at: At) -> dict[str, tuple[str, ...]]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            self._document.refuse("must be lists by language", *at)
        self._document.known(value, LOCALES, *at)
        for language, words in value.items():
            good = isinstance(words, list) and all(isinstance(word, str) and word.strip() for word in words)
            if not good or len(words) > _MOST_KEYWORDS:
                self._document.refuse(f"must be a list of at most {_MOST_KEYWORDS} words", *at, language)
        return {language: tuple(words) for language, words in value.items()}

"""Reads the lists of wording, `wording.<language>.yaml`, one file per language.

    language: en
    names: [Sorry Not Sorry]                 # products and the like: never advised on
    unless: ["you (wrote|said)"]             # the sentence tells what the customer said
    shouting: {why: ..., say: ...}           # capitals, !!!
    placeholder: {why: ..., say: ...}        # a gap of a prewritten answer that nobody filled in
    advice:
      - kind: negative                       # one of `schemas.replies.wording.KINDS`
        why: It says what does not go.
        say: Say what you can do, and by when.
        phrases: [unfortunately, "we (can't|cannot)"]
        unless: ["can't wait"]

Phrases are described in `schemas.replies.phrase`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from schemas.errors import ConfigurationError
from schemas.events import LOCALES
from schemas.replies.phrase import Phrase, compiled
from schemas.replies.wording import KINDS, Hint, Rule, Wording, WordingLists
from schemas.yamlfile import Document, read

__all__ = ["load", "load_all"]

_FIELDS = ("language", "names", "unless", "shouting", "placeholder", "advice")
_ADVICE = ("kind", "why", "say", "phrases", "unless")
_HINTS = ("shouting", "placeholder")
_MOST_PHRASES = 2_000
_SENTENCE = 400


def load_all(directory: Path) -> WordingLists:
    """Returns the lists of a directory.

    Raises:
        ConfigurationError: a file is invalid or there is none, with file and line.
    """
    files = sorted(directory.glob("wording.*.yaml"))
    if not files:
        raise ConfigurationError("holds no wording.<language>.yaml", where=str(directory))
    return WordingLists({wording.language: wording for wording in map(load, files)})


def load(path: Path) -> Wording:
    """Returns the list of one language.

    Raises:
        ConfigurationError: with file and line of the first mistake.
    """
    document = read(path)
    data = document.data
    if not isinstance(data, dict):
        document.refuse("must be a mapping", fix=f"with {', '.join(_FIELDS)}")
    document.known(data, _FIELDS)
    language = data.get("language")
    if language not in LOCALES:
        document.refuse(f"{language!r} is not a language of ours", "language", fix=", ".join(LOCALES))
    if path.name != f"wording.{language}.yaml":
        document.refuse(f"is the list of {language!r}", "language", fix=f"name the file wording.{language}.yaml")
    latin = language == "en"
    entries = data.get("advice")
    if not isinstance(entries, list) or not entries:
        document.refuse("must be a list of advice", "advice")
    rules = tuple(_rule(document, number, entry, latin=latin) for number, entry in enumerate(entries))
    if sum(len(rule.phrases) for rule in rules) > _MOST_PHRASES:
        document.refuse(f"holds more than {_MOST_PHRASES} phrases", "advice")
    return Wording(
        language=language,
        rules=rules,
        hints={name: _hint(document, data[name], name) for name in _HINTS if name in data},
        unless=_any_of(document, data.get("unless"), "unless", latin=latin),
        names=_names(document, data.get("names")),
        version=document.version,
    )


def _rule(document: Document, number: int, entry: Any, *, latin: bool) -> Rule:
    at = "advice", number
    if not isinstance(entry, dict):
        document.refuse("must be a mapping", *at, fix=f"with {', '.join(_ADVICE)}")
    document.known(entry, _ADVICE, *at)
    kind = entry.get("kind")
    if not isinstance(kind, str) or kind not in KINDS or kind in _HINTS:
        document.refuse(
            f"{kind!r} is not a kind of advice",
            *at,
            "kind",
            fix=", ".join(each for each in KINDS if each not in _HINTS),
        )
    phrases = entry.get("phrases")
    if not isinstance(phrases, list) or not phrases:
        document.refuse("must be a list of phrases", *at, "phrases")
    found = tuple(_phrase(document, each, *at, "phrases", place, latin=latin) for place, each in enumerate(phrases))
    unless = _any_of(document, entry.get("unless"), *at, "unless", latin=latin)
    return Rule(kind, _line(document, entry, "why", *at), _line(document, entry, "say", *at), found, unless)


def _phrase(document: Document, written: Any, *at: str | int, latin: bool) -> Phrase:
    if not isinstance(written, str):
        document.refuse(f"{written!r} is not a text", *at, fix="put it in quotation marks")
    try:
        phrase = compiled(written, latin=latin)
    except ValueError as error:
        document.refuse(f"{written!r} is not a phrase: {error}", *at)
    if phrase.pattern.search("") is not None or phrase.pattern.search(" ") is not None:
        document.refuse(f"{written!r} would be found everywhere", *at)
    return phrase


def _any_of(document: Document, phrases: Any, *at: str | int, latin: bool) -> re.Pattern[str] | None:
    if phrases is None:
        return None
    if not isinstance(phrases, list):
        document.refuse("must be a list of phrases", *at)
    found = [_phrase(document, each, *at, place, latin=latin).pattern.pattern for place, each in enumerate(phrases)]
    return re.compile("|".join(f"(?:{each})" for each in found)) if found else None


def _names(document: Document, names: Any) -> re.Pattern[str] | None:
    if names is None:
        return None
    if not isinstance(names, list):
        document.refuse("must be a list of names", "names")
    for number, name in enumerate(names):
        if not isinstance(name, str) or not name.strip():
            document.refuse(f"{name!r} is not a name", "names", number)
    return re.compile("|".join(map(re.escape, names)), re.IGNORECASE) if names else None


def _hint(document: Document, entry: Any, name: str) -> Hint:
    if not isinstance(entry, dict):
        document.refuse("must hold `why` and `say`", name)
    document.known(entry, ("why", "say"), name)
    return Hint(_line(document, entry, "why", name), _line(document, entry, "say", name))


def _line(document: Document, entry: dict[str, Any], name: str, *at: str | int) -> str:
    text = entry.get(name)
    if not isinstance(text, str) or not text.strip() or len(text) > _SENTENCE or "\n" in text.strip():
        document.refuse(f"{name} must be one line of at most {_SENTENCE} characters", *at, name)
    return text.strip()

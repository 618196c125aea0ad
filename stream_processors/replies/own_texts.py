"""Checks the wording of our own texts: templates, notices, surveys, prewritten answers, help articles.

A text's language is that of the locale in its path (`email.ja.txt`, `ja/email.html`), or of the key above it in a YAML file.
What a template fills in, tags and comments are no words of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from schemas.errors import ConfigurationError
from schemas.events import LOCALES
from schemas.replies.own_words import MASK
from schemas.replies.wording import Advice, WordingLists
from schemas.yamlfile import Document, read

__all__ = ["Finding", "check", "texts"]

_SUFFIXES = (".txt", ".html", ".j2", ".jinja", ".md")
#: Keys of YAML whose texts are not what we say: they are what customers ask, and what texts are found by.
_NOT_SAID = frozenset(
    ("keywords", "question", "questions", "phrases", "patterns", "exclusions", "words", "title", "subject")
)
#: Files that hold no text of ours.
_PASSED_OVER = ("taxonomy", "wording.", "kustomization", "acknowledgements", "policies", "calendars")
_BLOCKS = re.compile(
    r"<(style|script)\b.*?</\1>|<!--.*?-->|\{#.*?#\}|\{%.*?%\}|<[^<>]{1,2000}>", re.DOTALL | re.IGNORECASE
)
#: What is said where there is no time to name: "as soon as possible" is then the truth.
_NO_PROMISE = re.compile(
    r"\{%-? *if promised\w* *-?%\}(?:(?!\{%-? *(?:if|endif)).)*?\{%-? *else *-?%\}(.*?)\{%-? *endif", re.DOTALL
)
_VALUES = re.compile(r"\{\{.*?\}\}|\{[a-z_]{1,40}\}", re.DOTALL)


class Text(NamedTuple):
    """One text of ours. `line` is where it begins in its file."""

    path: Path
    line: int
    language: str
    text: str


class Finding(NamedTuple):
    """One piece of advice on a text of ours."""

    path: Path
    line: int
    advice: Advice


def check(paths: Sequence[Path], lists: WordingLists) -> list[Finding]:
    """Returns the advice on all texts below the paths. An article may say what does not go: it is what its reader looks for.

    Raises:
        ConfigurationError: a file cannot be read.
    """
    found = []
    for text in texts(paths):
        without_time = [found.span(1) for found in _NO_PROMISE.finditer(text.text)]
        for advice in lists.check(_bare(text.text), text.language):
            is_true = advice.kind == "vague" and any(start <= advice.start < end for start, end in without_time)
            is_fact = advice.kind == "negative" and text.path.suffix == ".md"
            if advice.kind != "placeholder" and not is_true and not is_fact:
                found.append(Finding(text.path, text.line + text.text.count("\n", 0, advice.start), advice))
    return found


def texts(paths: Sequence[Path]) -> Iterator[Text]:
    """Yields all texts below the paths, in the order of their names."""
    for path in paths:
        if not path.exists():
            raise ConfigurationError("does not exist", where=str(path), fix="name files or directories")
        files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
        for file in files:
            if file.name.startswith(_PASSED_OVER):
                continue
            if file.suffix in (".yaml", ".yml"):
                yield from _of_yaml(file)
            elif file.suffix in _SUFFIXES and (language := _locale(file)):
                yield Text(file, 1, language, _content(file))


def _of_yaml(path: Path) -> Iterator[Text]:
    document = read(path)

    def walk(value: Any, keys: tuple[str | int, ...], language: str) -> Iterator[Text]:
        if isinstance(value, str) and language:
            yield _placed(document, path, keys, language, value)
        elif isinstance(value, dict):
            for key, below in value.items():
                if key not in _NOT_SAID:
                    yield from walk(below, (*keys, str(key)), key if key in LOCALES else language)
        elif isinstance(value, list):
            for number, below in enumerate(value):
                yield from walk(below, (*keys, number), language)

    yield from walk(document.data, (), "")


def _placed(document: Document, path: Path, keys: tuple[str | int, ...], language: str, text: str) -> Text:
    below = 1 if "\n" in text.strip() else 0  # a block begins on the line after its `|`
    return Text(path, document.line(*keys) + below, language, text)


def _content(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError("is not UTF-8", where=str(path)) from error


def _locale(path: Path) -> str:
    """Returns the locale that the path names last: in the file's name, or in a folder above it; '' for none."""
    for part in (path.name, *(folder.name for folder in list(path.parents)[:4])):
        named = [word for word in re.split(r"[._]", part) if word in LOCALES]
        if named:
            return named[-1]
    return ""


def _bare(text: str) -> str:
    """Returns a text without tags, comments and what is filled in, every other character at its place."""
    text = _BLOCKS.sub(lambda found: "".join(each if each == "\n" else " " for each in found[0]), text)
    return _VALUES.sub(lambda found: "".join(each if each == "\n" else MASK for each in found[0]), text)

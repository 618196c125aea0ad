"""Reads labelled messages that the rules were measured with; they train the suggester, too."""

from __future__ import annotations

from collections.abc import Iterator

from opencc import OpenCC

from stream_processors.tagging.scores import Labelled
from stream_processors.tagging.training_texts import SHIPPED_TEXTS

FOLDER = SHIPPED_TEXTS
_LANGUAGES = ("en", "zh-Hans", "ja")


def labelled_messages() -> list[Labelled]:
    """Returns all messages, those in simplified Chinese in traditional characters and words, too."""
    to_taiwan = OpenCC("s2twp")
    read = [*_with_reason("direct.txt"), *_with_reason("indirect.txt"), *_without_reason()]
    return [*read, *(_in(to_taiwan, each) for each in read if each.language == "zh-Hans")]


def _with_reason(name: str) -> Iterator[Labelled]:
    for reason, *columns in _rows(name):
        for language, column in zip(_LANGUAGES, columns, strict=True):
            yield from (Labelled(text, language, {reason: reason}) for text in _messages(column))


def _without_reason() -> Iterator[Labelled]:
    for language, column in _rows("small_talk.txt"):
        yield from (Labelled(text, language, {}) for text in _messages(column))


def _rows(name: str) -> Iterator[list[str]]:
    lines = (FOLDER / name).read_text("utf-8").splitlines()
    return (line.split("|") for line in lines if line and not line.startswith("#"))


def _messages(column: str) -> list[str]:
    return [text.strip() for text in column.split("~") if text.strip()]


def _in(to_taiwan: OpenCC, labelled: Labelled) -> Labelled:
    return labelled._replace(text=to_taiwan.convert(labelled.text), language="zh-Hant")

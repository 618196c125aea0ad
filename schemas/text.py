"""Texts of strangers on one line: subjects, answers of servers, errors."""

from __future__ import annotations

import re

__all__ = ["NOT_A_PATTERN", "encodable", "error_line", "named_error_line", "one_line", "printable_line"]


#: What `re.compile` raises for a text that is no regular expression, or one that is too large.
NOT_A_PATTERN = (re.error, ValueError, OverflowError, RecursionError)


def encodable(text: str) -> str:
    """Returns the text with `?` for what UTF-8 has no bytes for: surrogates, which stand for bytes that could not be read."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def one_line(text: str, longest: int | None = None) -> str:
    """Returns the text with every run of white space as one space, at most `longest` characters of it."""
    return " ".join(text.split())[:longest]


def printable_line(text: str) -> str:
    """Returns the text on one line, without control characters and other invisible ones."""
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    return one_line(text)


def error_line(error: BaseException, longest: int = 300) -> str:
    """Returns what the error says, on one line; its class's name when it says nothing."""
    return one_line(str(error), longest) or type(error).__name__


def named_error_line(error: BaseException, longest: int = 300) -> str:
    """Returns the name of the error's class and what it says, on one line."""
    return one_line(f"{type(error).__name__}: {error}", longest)

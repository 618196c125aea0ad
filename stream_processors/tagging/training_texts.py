"""Reads the texts that the suggester is trained with: those that ship in `training/`, and corrections of agents."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from opencc import OpenCC

from schemas.errors import ConfigurationError
from schemas.events import LOCALES
from stream_processors.tagging.suggester import NO_TAG

__all__ = ["SHIPPED_TEXTS", "TrainingText", "corrections", "data_hash", "shipped"]

SHIPPED_TEXTS = Path(__file__).with_name("training")
_LANGUAGES = ("en", "zh-Hans", "ja")
_NO_REASON = ("no_reason.txt", "small_talk.txt")
#: A language as pages and browsers name it, with or without script and region.
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_CORRECTION_COLUMNS = ("text", "language", "tag")


class TrainingText(NamedTuple):
    """A message of a customer and the one tag that it is about; `NO_TAG` for none."""

    text: str
    language: str
    tag: str


def shipped(folder: Path = SHIPPED_TEXTS) -> list[TrainingText]:
    """Returns all texts of a folder; those in simplified Chinese also in Taiwan's characters and words."""
    to_taiwan = OpenCC("s2twp")
    read = [text for path in sorted(folder.glob("*.txt")) for text in _of_file(path)]
    simplified = [each for each in read if each.language == "zh-Hans"]
    return [*read, *(each._replace(text=to_taiwan.convert(each.text), language="zh-Hant") for each in simplified)]


def corrections(path: Path) -> list[TrainingText]:
    """Returns the messages whose tags agents corrected: a CSV of `text,language,tag`. A region is left off: `en-GB` is `en`.

    Messages in languages that we do not tag are among them.

    Raises:
        ConfigurationError: the file cannot be read, lacks a column, or names what is no language.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = [name for name in _CORRECTION_COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise ConfigurationError(
                    f"has no column {missing[0]!r}", where=str(path), fix=", ".join(_CORRECTION_COLUMNS)
                )
            read = [TrainingText(*(row[name] or "" for name in _CORRECTION_COLUMNS)) for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"cannot be read: {error}", where=str(path)) from error
    for number, each in enumerate(read, start=2):
        if each.language not in LOCALES and _LANGUAGE.fullmatch(each.language) is None:
            raise ConfigurationError(
                f"row {number}: no language {each.language!r}", where=str(path), fix=", ".join(LOCALES)
            )
    return [each._replace(language=_ours(each.language)) for each in read if each.text.strip()]


def _ours(language: str) -> str:
    primary = language.partition("-")[0].lower()
    return primary if language not in LOCALES and primary in LOCALES else language


def data_hash(texts: list[TrainingText]) -> str:
    """Returns 12 hex characters of the texts and their tags, in their order."""
    digest = blake2b(digest_size=6)
    for each in texts:
        digest.update("\x1f".join(each).encode())
        digest.update(b"\x1e")
    return digest.hexdigest()


def _of_file(path: Path) -> Iterator[TrainingText]:
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        first, *columns = line.split("|")
        tag, languages = (NO_TAG, (first,)) if path.name in _NO_REASON else (first, _LANGUAGES)
        if len(columns) != len(languages):
            raise ConfigurationError(
                f"has {len(columns)} languages", where=f"{path}:{number}", fix=" | ".join(languages)
            )
        for language, column in zip(languages, columns, strict=True):
            yield from (TrainingText(text.strip(), language, tag) for text in column.split("~") if text.strip())

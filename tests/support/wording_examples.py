"""Reads the sentences of `tests/examples/wording`: one a line, its kind of advice (`fine` for none) and the text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from schemas.events import LOCALES

__all__ = ["FOLDER", "examples"]

FOLDER = Path(__file__).parents[1] / "examples" / "wording"


def examples() -> Iterator[tuple[str, str, str]]:
    """Yields language, kind and text of every sentence."""
    for language in LOCALES:
        for name in (f"{language}.txt", f"second.{language}.txt"):
            for line in (FOLDER / name).read_text("utf-8").splitlines():
                kind, _, text = line.partition("\t")
                yield language, kind, text.replace("\\n", "\n")

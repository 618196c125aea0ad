"""Lists how a word is misspelt in haste: a letter left out, two letters exchanged, or a letter doubled; and finds what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator

__all__ = ["closest", "misspelt"]

#: Shorter words become other words when a letter is lost.
_SHORTEST = 6
_MOST_NAMED = 40


def misspelt(word: str) -> Iterator[str]:
    """Yields the misspellings of a single English word; nothing for short words, phrases and other scripts.

    The first letter is always right. `cancel*` is misspelt within what is given of it.
    """
    stem = word.removesuffix("*")
    if len(stem) < _SHORTEST or not (stem.isascii() and stem.isalpha()):
        return
    ending = word[len(stem) :]
    seen = {stem}
    for at in range(1, len(stem)):
        before, rest = stem[:at], stem[at:]
        for wrong in (before + rest[1:], before + rest[1:2] + rest[:1] + rest[2:], before + rest[0] + rest):
            if wrong not in seen and not stem.startswith(wrong):
                seen.add(wrong)
                yield wrong + ending


def closest(word: object, known: Collection[str]) -> str:
    """Returns which known word somebody may have meant; where none is close, what there is."""
    close = difflib.get_close_matches(str(word), known, 1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(list(known)[:_MOST_NAMED])}"

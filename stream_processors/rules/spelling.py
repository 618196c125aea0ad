"""Lists how a word is misspelt in haste: a letter left out, two letters exchanged, or a letter doubled."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["misspelt"]

#: Shorter words become other words when a letter is lost.
_SHORTEST = 6


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

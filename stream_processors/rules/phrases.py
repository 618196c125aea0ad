"""Phrases, classes of words and patterns: what the taxonomy looks for in a text (see `phrase_index` for how).

A phrase is found

- as a whole word where its edge is a Latin character or digit ("card" is not in "discard"); CJK text has no such edges;
- with a gap where it is written `order … never came`: both parts in this order, close together, in one sentence;
- unless a longer phrase covers it, for those that can be covered.

A pattern is found where words of all its classes stand close together in one sentence, in any order, and no word of a
class that it bans: `cancel order -fee`. Words are found as phrases are, and `cancel*` is found as the beginning of a word.
A word of a class that covers hides the shorter words in it: "cancellation fee" is no "cancel".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from stream_processors.text.language import normalise

__all__ = ["QUESTION", "SPAN_CJK", "SPAN_LATIN", "Hit", "Pattern", "Phrase", "WordClass"]

#: How far apart, in characters, the two parts of a phrase with a gap may stand.
GAP_LATIN, GAP_CJK = 32, 12
#: A CJK character says about as much as so many Latin characters.
CJK_WEIGHT = 3
#: What a class of a pattern counts, in Latin characters.
PATTERN_WEIGHT = 8
#: How far apart, in characters, the first and the last word of a pattern may stand.
SPAN_LATIN, SPAN_CJK = 90, 30
#: The class of words that make a question; the question mark is one.
QUESTION = "question"
_GAP = "…"

#: A phrase in a text: start, end, number of the phrase.
Hit = tuple[int, int, int]


class Phrase(NamedTuple):
    """A phrase as it is looked for.

    role       what it is evidence of: a tag's slug, or a mood
    written    as it stands in the taxonomy
    parts      its text, normalised; two parts for a phrase with a gap
    weight     its length in Latin characters
    gap        how far apart its parts may stand, 0 for a phrase of one part
    excludes   its occurrence excludes the role
    coverable  a longer phrase that covers it hides it, as it hides others
    """

    role: str
    written: str
    parts: tuple[str, ...]
    weight: int
    gap: int
    excludes: bool
    coverable: bool

    @classmethod
    def parse(cls, role: str, written: str, *, excludes: bool, coverable: bool) -> Phrase:
        """Returns the phrase that is `written` so. Checks nothing: see `is_long_enough` and the number of `parts`."""
        parts = tuple(normalise(part) for part in written.split(_GAP))
        weight = sum(1 if character.isascii() else CJK_WEIGHT for part in parts for character in part)
        gap = 0 if len(parts) == 1 else GAP_LATIN if _is_latin(parts) else GAP_CJK
        return cls(role, written, parts, weight, gap, excludes, coverable)

    @property
    def is_long_enough(self) -> bool:
        """True for a phrase that means something: three Latin characters, or two CJK characters."""
        return self.weight >= (3 if _is_latin(self.parts) else CJK_WEIGHT + 1)

    @property
    def text(self) -> str:
        """The normalised text: two phrases of one text are the same phrase."""
        return _GAP.join(self.parts)


class WordClass(NamedTuple):
    """Words that mean the same in a pattern. `cancel*` stands for all words that begin so.

    `covers` is true when they hide the shorter words of other classes that they hold.
    """

    name: str
    words: tuple[str, ...]
    covers: bool = False


class Pattern(NamedTuple):
    """Classes of words that together are evidence of a tag, and classes that must not stand beside them."""

    role: str
    written: str
    needs: tuple[str, ...]
    bans: tuple[str, ...]

    @property
    def phrase(self) -> Phrase:
        """Returns the phrase that the pattern counts as."""
        return Phrase(self.role, self.written, (), PATTERN_WEIGHT * len(self.needs), 0, excludes=False, coverable=False)


def _is_latin(parts: Sequence[str]) -> bool:
    return "".join(parts).isascii()

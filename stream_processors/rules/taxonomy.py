"""Why customers contact us: the why-tags, and how a text is tagged.

The taxonomy is data (`config/taxonomy.yaml`, read by `taxonomy_file`). Its phrases in all languages are found in one pass
(see `phrases`). A tag is found by its phrases, unless an exclusion of the tag occurs anywhere in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from schemas.events import PRIORITIES
from stream_processors.rules.phrase_index import PhraseIndex, spaced
from stream_processors.rules.phrases import Hit, Phrase
from stream_processors.text.language import normalise

__all__ = ["DISSATISFIED", "MOODS", "QUADRANTS", "URGENT", "VALENCES", "Article", "Match", "Reading", "Tag", "Taxonomy"]

QUADRANTS = ("leverage", "simplify", "automate", "eliminate")
VALENCES = ("good", "bad", "neutral")
#: The roles of phrases that belong to no tag.
DISSATISFIED, URGENT = "dissatisfaction", "urgency"
MOODS = (DISSATISFIED, URGENT)
_MOODS = frozenset(MOODS)
#: Nobody explains a reason in more; beyond is pasted material.
_READ_CHARACTERS = 10_000
#: Where tags are said is compared among the first hits: a flood of them says nothing more.
_COMPARED_HITS = 300
_DIGITS = re.compile("[0-9]{4}")
#: How far before its first four digits an order number may be announced.
_ANNOUNCED = 40


class Match(NamedTuple):
    """A tag found in a text, with the phrase of the taxonomy that was found."""

    slug: str
    evidence: str


class Reading(NamedTuple):
    """The result of one pass over a text. `dissatisfied` and `urgent` are the evidence, '' for none."""

    matches: tuple[Match, ...]
    dissatisfied: str
    urgent: str
    order_number: str


class Article(NamedTuple):
    """A help article in the customer's language."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Tag:
    """A reason to contact us.

    priority  the priority that it raises a ticket to; '' for none
    formerly  slugs that it had, or that it was split from
    over      less exact tags that it replaces where both are found
    fallback  counts only where no other tag is found
    """

    slug: str
    parent: str
    quadrant: str
    valence: str
    owner: str
    priority: str
    articles: tuple[str, ...]
    formerly: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    fallback: bool = False


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """Holds the tags in force and finds them in texts. `version` is 12 hex characters of the file's content."""

    version: str
    tags: dict[str, Tag]
    most_tags: int
    repeat_micros: int
    low_csat_micros: int
    raised_priorities: dict[str, str]
    tier_priorities: dict[str, str]
    _help: dict[tuple[str, str], Article]
    _order_number: re.Pattern[str]
    _index: PhraseIndex

    def read(self, text: str, subject: str = "") -> Reading:
        """Returns all that the taxonomy finds in a message. Phrases in the subject count double."""
        head = normalise(subject[:_READ_CHARACTERS]) if subject else ""
        body = normalise(text[:_READ_CHARACTERS])
        order = self._find_order_number(f"{head}。{body}" if head else body)
        subject_length = 0
        whole = spaced(body)
        if head:
            head = spaced(head)
            subject_length = len(head)
            whole = f"{head}。{whole}"
        hits = self._index.find(whole)
        if not hits:
            return Reading((), "", "", order)
        said: dict[str, str] = {}
        roles, excluding = self._index.roles, self._index.excluding
        for _, _, number in hits:
            role = roles[number]
            if role in _MOODS:
                if number in excluding:
                    said[role] = ""
                elif role not in said:
                    said[role] = self._index.phrases[number].written
        best = self._best(hits, subject_length)
        return Reading(best, said.get(DISSATISFIED, ""), said.get(URGENT, ""), order)

    def tag(self, text: str, subject: str = "") -> tuple[Match, ...]:
        """Returns the why-tags of a message, best first, at most `most_tags`."""
        return self.read(text, subject).matches

    def current(self, slug: str) -> tuple[str, ...]:
        """Returns the tags that a slug means today: itself, and those that were called so or were split from it."""
        renamed = tuple(tag.slug for tag in self.tags.values() if slug in tag.formerly)
        return (slug, *renamed) if slug in self.tags or not renamed else renamed

    def owner(self, tags: Iterable[str]) -> str | None:
        """Returns the team of the first known tag, or None."""
        return next((self.tags[tag].owner for tag in tags if tag in self.tags), None)

    def quadrant(self, tag: str) -> str:
        """Returns the tag's quadrant of the value-irritant matrix; '' when this taxonomy does not know the tag."""
        return self.tags[tag].quadrant if tag in self.tags else ""

    def priority(self, tags: Iterable[str]) -> str:
        """Returns the highest priority that these tags raise a ticket to; '' for none."""
        effects = [self.tags[tag].priority for tag in tags if tag in self.tags]
        return max((effect for effect in effects if effect), key=PRIORITIES.index, default="")

    def articles(self, tags: Iterable[str], locale: str) -> tuple[Article, ...]:
        """Returns at most two help articles, for those of the tags that self-service is meant for (quadrant automate)."""
        found: list[Article] = []
        for slug in tags:
            tag = self.tags.get(slug)
            if tag is not None and tag.quadrant == "automate":
                found += [article for name in tag.articles if (article := self._help[name, locale]) not in found]
        return tuple(found[:2])

    def _best(self, hits: list[Hit], subject_length: int) -> tuple[Match, ...]:
        """Returns the tags by the weight of their distinct phrases; of equals, the one that is said first."""
        index, tags = self._index, self.tags
        phrases, roles, excluding = index.phrases, index.roles, index.excluding
        excluded = {roles[number] for _, _, number in hits if number in excluding}
        scores: dict[str, int] = {}
        evidence: dict[str, Phrase] = {}
        counted: set[int] = set()
        for start, _, number in hits:
            slug = roles[number]
            if number in counted or slug in excluded or slug not in tags:
                continue
            counted.add(number)
            phrase = phrases[number]
            weight = phrase.weight
            known = evidence.get(slug)
            if known is None or weight > known.weight:
                evidence[slug] = phrase
            scores[slug] = scores.get(slug, 0) + (weight * 2 if start < subject_length else weight)
        if len(scores) > 1:
            scores = self._without_less_exact(scores, hits)
        ranked = sorted(scores, key=scores.__getitem__, reverse=True)[: self.most_tags]
        return tuple(Match(slug, evidence[slug].written) for slug in ranked)

    def _without_less_exact(self, scores: dict[str, int], hits: list[Hit]) -> dict[str, int]:
        """Returns the tags that no more exact one replaces, and fallbacks only where there is nothing else.

        A tag stays if one of its phrases stands elsewhere than the evidence of the more exact tags: it is said besides.
        """
        replaced: dict[str, set[str]] = {}
        for slug in scores:
            for less in self.tags[slug].over:
                if less in scores:
                    replaced.setdefault(less, set()).add(slug)
        if replaced:
            kept = self._said_besides(replaced, hits)
            scores = {slug: score for slug, score in scores.items() if slug not in replaced or slug in kept}
        exact = {slug: score for slug, score in scores.items() if not self.tags[slug].fallback}
        return exact or scores

    def _said_besides(self, replaced: dict[str, set[str]], hits: list[Hit]) -> set[str]:
        """Returns those of the replaced tags that have a phrase where the tags that replace them have no evidence."""
        phrases, roles = self._index.phrases, self._index.roles
        hits = hits[:_COMPARED_HITS]
        spans: dict[str, list[tuple[int, int]]] = {}
        for start, end, number in hits:
            spans.setdefault(roles[number], []).append((start, end))
        kept: set[str] = set()
        for start, end, number in hits:
            slug = roles[number]
            if slug in replaced and slug not in kept and phrases[number].parts:
                taken = (span for other in replaced[slug] for span in spans.get(other, ()))
                if not any(start < last - 1 and first < end - 1 for first, last in taken):
                    kept.add(slug)
        return kept

    def _find_order_number(self, text: str) -> str:
        first = min((at for digit in "0123456789" if (at := text.find(digit)) >= 0), default=-1)
        digits = _DIGITS.search(text, first) if first >= 0 else None
        found = self._order_number.search(text, max(0, digits.start() - _ANNOUNCED)) if digits else None
        return found[1].upper() if found else ""

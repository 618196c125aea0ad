"""Scores tagging on labelled messages: untagged share, precision, recall and macro-F1 per language.

A message has accepted tags; any of them is right, and the first is its reason. A tag that another was split into counts
as that other where an older label accepts it. A message that must get no tag has none. Definitions, with the `most` best
tags of each message considered:

    untagged    messages that must get a tag and get none, as a share of those that must get one
    precision   tags that are accepted, as a share of all tags that were given
    recall      messages that get an accepted tag, as a share of those that must get one
    macro-F1    mean over the reasons of F1 = 2TP / (2TP + FP + FN); a message is a TP of the accepted tag that it got,
                else an FN of its reason, and each tag that is not accepted is an FP of that tag
    false       messages that must get no tag and get one, as a share of those that must get none
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

__all__ = ["Labelled", "Result", "Scores", "TagScore", "by_language", "confusions", "score", "tag_scores"]


class Labelled(NamedTuple):
    """A labelled message. `accepted` maps each accepted tag to the reason that it counts as; empty: must get no tag."""

    text: str
    language: str
    accepted: dict[str, str]

    @property
    def reason(self) -> str:
        """Returns the reason of a message that must get a tag."""
        return next(iter(self.accepted.values()))


class TagScore(NamedTuple):
    """Counts of one tag: right, given wrongly, and missed."""

    right: int
    wrong: int
    missed: int

    @property
    def f1(self) -> float:
        """Returns the harmonic mean of precision and recall, 0 where nothing was right."""
        return 2 * self.right / ((2 * self.right + self.wrong + self.missed) or 1)


class Scores(NamedTuple):
    """The scores of one language, as shares."""

    messages: int
    untagged: float
    precision: float
    recall: float
    macro_f1: float
    none_messages: int
    false: float


#: A message and the tags that it got, best first.
Result = tuple[Labelled, Sequence[str]]


def tag_scores(results: Iterable[Result], most: int) -> dict[str, TagScore]:
    """Returns the counts of each tag that was given or was the reason of a message."""
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for labelled, tags in results:
        given = tags[:most]
        hit = next((tag for tag in given if tag in labelled.accepted), None)
        if hit is not None:
            right[labelled.accepted[hit]] += 1
        elif labelled.accepted:
            missed[labelled.reason] += 1
        wrong.update(tag for tag in given if tag not in labelled.accepted)
    return {tag: TagScore(right[tag], wrong[tag], missed[tag]) for tag in sorted({*right, *wrong, *missed})}


def score(results: Sequence[Result], most: int) -> Scores:
    """Returns the scores of messages of one language, of their `most` best tags each."""
    tagged = [(labelled, tags[:most]) for labelled, tags in results if labelled.accepted]
    none = [tags for labelled, tags in results if not labelled.accepted]
    given = [(tag in labelled.accepted) for labelled, tags in results for tag in tags[:most]]
    reasons = [each for each in tag_scores(results, most).values() if each.right + each.missed]
    return Scores(
        messages=len(tagged),
        untagged=_share(sum(not tags for _, tags in tagged), len(tagged)),
        precision=_share(sum(given), len(given)),
        recall=_share(sum(any(tag in labelled.accepted for tag in tags) for labelled, tags in tagged), len(tagged)),
        macro_f1=sum(each.f1 for each in reasons) / (len(reasons) or 1),
        none_messages=len(none),
        false=_share(sum(bool(tags) for tags in none), len(none)),
    )


def confusions(results: Iterable[Result], most: int) -> list[tuple[str, str, int]]:
    """Returns (reason, tag given instead or '' for none, messages), the commonest first."""
    found: Counter[tuple[str, str]] = Counter()
    for labelled, tags in results:
        given = tags[:most]
        if labelled.accepted and not any(tag in labelled.accepted for tag in given):
            found[labelled.reason, given[0] if given else ""] += 1
        elif not labelled.accepted and given:
            found["(none)", given[0]] += 1
    return [
        (reason, tag, count) for (reason, tag), count in sorted(found.items(), key=lambda each: (-each[1], each[0]))
    ]


def by_language(results: Iterable[Result]) -> dict[str, list[Result]]:
    """Returns the results of each language, in the order of their names."""
    found: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        found[result[0].language].append(result)
    return dict(sorted(found.items()))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0

"""Prewritten answers: which fit a ticket best, and what stands in them.

An answer is found by the tags of a ticket and by words: keywords, title and text, weighed as BM25 does. Its placeholders are
filled with what is known and may be told; what is not becomes a gap `[[...]]`, which `wording` advises on until it is filled in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from schemas.replies.ranking import WordIndex

__all__ = ["KNOWN", "PERSONAL", "Answer", "AnswerBank", "AnswerBanks", "Line", "NextIssue", "Offer", "Offered", "Query"]

#: Placeholder that is filled with what is known → its name by language, which the agent reads where it is not known.
KNOWN: Mapping[str, Mapping[str, str]] = {
    "name": {"en": "name of the customer", "ja": "お客様のお名前", "zh-Hans": "客户姓名", "zh-Hant": "客戶姓名"},
    "order_number": {"en": "order number", "ja": "注文番号", "zh-Hans": "订单号", "zh-Hant": "訂單編號"},
    "ticket": {"en": "ticket", "ja": "受付番号", "zh-Hans": "工单号", "zh-Hant": "案件編號"},
    "brand": {"en": "name of the shop", "ja": "店名", "zh-Hans": "店名", "zh-Hant": "店名"},
    "agent": {"en": "your name", "ja": "担当者名", "zh-Hans": "您的名字", "zh-Hant": "您的名字"},
}
#: What nobody is told whose sender is not verified.
PERSONAL = frozenset(("name", "order_number"))
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
#: A tag of the ticket counts more than any words; the first of them most.
_TAG_SCORE, _GROUP_SCORE = 100.0, 2.0
MOST_OFFERED, MOST_NEXT = 10, 3
_SHORTEST_SCORE = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Holds one answer. `title`, `text` and `keywords` are by language; `line` is where it stands in its file."""

    id: str
    tags: tuple[str, ...]
    title: Mapping[str, str]
    text: Mapping[str, str]
    keywords: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    line: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """Holds a greeting, a holding line or a closing line. `tags` are tags or groups of them, none for any reason.

    `plain` is said where a placeholder of `text` has nothing to fill it.
    """

    tags: tuple[str, ...]
    text: Mapping[str, str]
    plain: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NextIssue:
    """Holds what customers with one of these tags ask next, and the paragraph that answers it before they do."""

    tags: tuple[str, ...]
    question: Mapping[str, str]
    paragraph: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Query:
    """Holds what an answer is wanted for.

    tags    of the ticket, the reason first
    text    what the customer wrote, or words that the agent looks for
    known   placeholder → what fills it; only what may be told
    """

    language: str
    tags: tuple[str, ...] = ()
    text: str = ""
    brand: str = ""
    known: Mapping[str, str] = field(default_factory=dict)


class Offered(msgspec.Struct, frozen=True):
    """One answer, filled. `missing` are the gaps `[[...]]` that are left; `tags` those of the ticket that it answers."""

    id: str
    title: str
    text: str
    score: float
    tags: list[str]
    missing: list[str]


class Question(msgspec.Struct, frozen=True):
    """What the customer may ask next, and the paragraph that answers it."""

    question: str
    paragraph: str


class Offer(msgspec.Struct, frozen=True):
    """What fits a ticket: answers, best first, the lines around them, and what comes next."""

    language: str
    brand: str
    greeting: str
    holding: str
    closing: str
    answers: list[Offered]
    next_issues: list[Question]


@dataclass(frozen=True, slots=True)
class AnswerBank:
    """Holds the answers of one brand, '' for all brands.

    facts   what is true of the shop, by the placeholder that it fills
    gaps    placeholder that the agent fills in → its name by language
    """

    brand: str
    answers: Mapping[str, Answer]
    lines: Mapping[str, tuple[Line, ...]]
    next_issues: tuple[NextIssue, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    gaps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    version: str = ""

    def before(self, other: AnswerBank) -> AnswerBank:
        """Returns this bank with the answers, lines and facts of another where it has none of its own."""
        kinds = {*self.lines, *other.lines}
        return AnswerBank(
            brand=self.brand,
            answers={**other.answers, **self.answers},
            lines={kind: (*self.lines.get(kind, ()), *other.lines.get(kind, ())) for kind in kinds},
            next_issues=(*self.next_issues, *other.next_issues),
            facts={**other.facts, **self.facts},
            gaps={**other.gaps, **self.gaps},
            version=f"{self.version}-{other.version}",
        )


class AnswerBanks:
    """Holds the banks of all brands, and finds the answers that fit best."""

    def __init__(self, banks: Iterable[AnswerBank]) -> None:
        by_brand = {bank.brand: bank for bank in banks}
        common = by_brand.get("", AnswerBank("", {}, {}))
        self.banks = tuple(by_brand.values())
        self._by_brand = {brand: bank.before(common) if brand else bank for brand, bank in by_brand.items()} | {
            "": common
        }
        self._indexes: dict[tuple[str, str], WordIndex] = {}
        for brand, bank in self._by_brand.items():
            for language in sorted({language for answer in bank.answers.values() for language in answer.text}):
                self._indexes[brand, language] = _index(bank, language)

    def bank(self, brand: str) -> AnswerBank:
        """Returns the bank of a brand with the common answers; the common bank for a brand without one."""
        return self._by_brand.get(brand, self._by_brand[""])

    def offer(self, query: Query, most: int = 3) -> Offer:
        """Returns what fits best, at most `most` answers; none where nothing fits."""
        bank = self.bank(query.brand)
        known = {**bank.facts, **query.known}
        ranked = self._ranked(bank, query)[: min(most, MOST_OFFERED)]
        return Offer(
            language=query.language,
            brand=query.brand,
            greeting=_line(bank, "greetings", query, known),
            holding=_line(bank, "holding", query, known),
            closing=_line(bank, "closing", query, known),
            answers=[_offered(bank, answer, score, query, known) for answer, score in ranked],
            next_issues=_next_issues(bank, query, known, ranked),
        )

    def _ranked(self, bank: AnswerBank, query: Query) -> list[tuple[Answer, float]]:
        index = self._indexes.get((bank.brand, query.language))
        if index is None:
            return []
        scores = index.scores(query.text) if query.text else {}
        ranked = []
        for answer in bank.answers.values():
            if query.language not in answer.text:
                continue
            score = scores.get(answer.id, 0.0) + _tag_score(answer.tags, query.tags)
            if score >= _SHORTEST_SCORE:
                ranked.append((answer, score))
        ranked.sort(key=lambda each: -each[1])
        return ranked


def filled(
    text: str, language: str, known: Mapping[str, str], gaps: Mapping[str, Mapping[str, str]]
) -> tuple[str, list[str]]:
    """Returns a text with its placeholders filled, and those that became gaps."""
    missing: list[str] = []

    def fill(found: re.Match[str]) -> str:
        name = found[1]
        if value := known.get(name, ""):
            return value
        missing.append(name)
        names = gaps.get(name) or KNOWN.get(name, {})
        return f"[[{names.get(language) or names.get('en') or name}]]"

    return PLACEHOLDER.sub(fill, text), list(dict.fromkeys(missing))


def _offered(bank: AnswerBank, answer: Answer, score: float, query: Query, known: Mapping[str, str]) -> Offered:
    text, missing = filled(answer.text[query.language], query.language, known, bank.gaps)
    tags = [tag for tag in query.tags if tag in answer.tags]
    return Offered(answer.id, answer.title[query.language], text, round(score, 2), tags, missing)


def _line(bank: AnswerBank, kind: str, query: Query, known: Mapping[str, str]) -> str:
    """Returns the line for the reason: of the tag itself before its group before any; '' where there is none."""
    found = [line for line in bank.lines.get(kind, ()) if query.language in line.text]
    for wanted in (*query.tags[:1], *(tag.partition(".")[0] for tag in query.tags[:1]), ""):
        for line in found:
            if wanted in line.tags or (not wanted and not line.tags):
                text, missing = filled(line.text[query.language], query.language, known, bank.gaps)
                if missing and (plain := line.plain.get(query.language)):
                    text, _ = filled(plain, query.language, known, bank.gaps)
                return text
    return ""


def _next_issues(
    bank: AnswerBank, query: Query, known: Mapping[str, str], ranked: Sequence[tuple[Answer, float]]
) -> list[Question]:
    """Returns what comes next after the ticket's reason or, where that is not known, after that of the best answer."""
    reasons = query.tags[:1] or (ranked[0][0].tags if ranked else ())
    found = []
    for each in bank.next_issues:
        if query.language in each.paragraph and not set(reasons).isdisjoint(each.tags):
            paragraph, _ = filled(each.paragraph[query.language], query.language, known, bank.gaps)
            found.append(Question(each.question[query.language], paragraph))
    return found[:MOST_NEXT]


def _tag_score(of_answer: Sequence[str], of_ticket: Sequence[str]) -> float:
    score = sum(_TAG_SCORE / (1 + place) for place, tag in enumerate(of_ticket) if tag in of_answer)
    if not score:
        groups = {tag.partition(".")[0] for tag in of_answer}
        score = _GROUP_SCORE if any(tag.partition(".")[0] in groups for tag in of_ticket) else 0.0
    return score


def _index(bank: AnswerBank, language: str) -> WordIndex:
    documents = {
        answer.id: (answer.keywords.get(language, ()), answer.title[language], answer.text[language])
        for answer in bank.answers.values()
        if language in answer.text
    }
    return WordIndex(documents)

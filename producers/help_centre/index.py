"""Searches the articles of one language: BM25, with titles and keywords above summaries, and those above the body."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from producers.help_centre.articles import Article
from producers.help_centre.terms import deletions, is_word, spellings, terms

__all__ = ["MOST_RESULTS", "Index"]

MOST_RESULTS = 10
#: How much a term counts by where it stands.
_TITLE, _KEYWORDS, _SUMMARY, _BODY = 4.0, 4.0, 2.0, 1.0
#: BM25: how soon a repeated term counts no more, and how much long articles are held back.
_K1, _B = 1.2, 0.4
#: A word that is only nearly the one of the article, and one that is only its beginning.
_MISSPELT, _BEGINNING = 0.7, 0.8
_SHORTEST_MISSPELT, _SHORTEST_BEGINNING = 5, 3
#: Longer runs of letters are no words that somebody misspells: each letter of a word costs memory.
_LONGEST_MISSPELT = 30
#: A single character of Chinese or Japanese, beside the pairs that it stands in.
_CHARACTER = 0.3
#: A result has at least this share of what the query says, and of the score of the best.
_LEAST_SHARE, _LEAST_OF_BEST = 0.25, 0.4
#: Comes after every letter.
_LAST = "\U0010ffff"
#: Terms of a query that are looked at, so that a pasted page costs no more than a question.
_MOST_TERMS = 60


class Index:
    """Holds the terms of articles; made once, never changed. Safe to use from several threads."""

    def __init__(self, articles: Iterable[Article], locale: str) -> None:
        self._locale = locale
        self._articles = tuple(articles)
        self._places: dict[str, dict[int, float]] = defaultdict(dict)
        self._near: dict[str, tuple[str, ...]] = {}
        lengths = [self._add(number, article) for number, article in enumerate(self._articles)]
        mean = sum(lengths) / len(lengths) if lengths else 1.0
        self._words = sorted(term for term in self._places if is_word(term))
        self._norms = [_K1 * (1 - _B + _B * length / (mean or 1.0)) for length in lengths]

    def search(self, query: str, is_shown: Callable[[Article], bool] = lambda _: True) -> list[Article]:
        """Returns the articles that a query is about, of those that are shown, the best first; none when there is none."""
        wanted = dict.fromkeys(terms(query, self._locale)[:_MOST_TERMS])
        written = {term: word for word, term in spellings(query, self._locale).items()}
        if not wanted:
            return []
        scores: dict[int, float] = defaultdict(float)
        shares: dict[int, float] = defaultdict(float)
        whole = 0.0
        for term in wanted:
            found, most = self._found(term, written.get(term, ""))
            weight = _CHARACTER if len(term) == 1 and not is_word(term) else 1.0
            whole += most * weight
            for number, (score, share) in found.items():
                scores[number] += score * weight
                shares[number] += share * weight
        about = [
            number for number in scores if shares[number] >= _LEAST_SHARE * whole and is_shown(self._articles[number])
        ]
        best = max((scores[number] for number in about), default=0.0)
        kept = [number for number in about if scores[number] >= _LEAST_OF_BEST * best]
        kept.sort(key=lambda number: (-scores[number], self._articles[number].slug))
        return [self._articles[number] for number in kept[:MOST_RESULTS]]

    def _add(self, number: int, article: Article) -> float:
        fields = (
            (article.title, _TITLE),
            *((keyword, _KEYWORDS) for keyword in article.keywords),
            (article.summary, _SUMMARY),
            (article.text, _BODY),
        )
        length = 0
        for text, weight in fields:
            for word, term in spellings(text, self._locale).items():
                if _SHORTEST_MISSPELT - 1 <= len(word) <= _LONGEST_MISSPELT:
                    for each in deletions(word):
                        near = self._near.get(each, ())
                        if term not in near:
                            self._near[each] = (*near, term)
            found = terms(text, self._locale)
            length += len(found)
            for term in found:
                self._places[term][number] = self._places[term].get(number, 0.0) + weight
        return length

    def _found(self, term: str, word: str) -> tuple[dict[int, tuple[float, float]], float]:
        """Returns article → (its score for a term, how much of the term it has), and the most that it may have."""
        found: dict[int, tuple[float, float]] = {}
        rarest = self._rarity(1)
        most = rarest
        for each, weight in self._like(term, word).items():
            places = self._places[each]
            rarity = self._rarity(len(places))
            if weight == 1.0:
                most = rarity
            for number, frequency in places.items():
                score = weight * rarity * frequency * (_K1 + 1) / (frequency + self._norms[number])
                if score > found.get(number, (0.0, 0.0))[0]:
                    found[number] = score, weight * rarity
        return found, most

    def _like(self, term: str, word: str) -> Mapping[str, float]:
        """Returns the terms of articles that a term of a query, and the word that it was written as, means, and how surely."""
        if term in self._places:
            return {term: 1.0}
        if not is_word(term):
            return {}
        likes: dict[str, float] = {}
        if _SHORTEST_MISSPELT <= len(word) <= _LONGEST_MISSPELT + 1:
            likes |= {each: _MISSPELT for left in deletions(word) for each in self._near.get(left, ())}
        if len(term) >= _SHORTEST_BEGINNING:
            first = bisect_left(self._words, term)
            last = bisect_left(self._words, term + _LAST, first)
            likes |= dict.fromkeys(self._words[first:last], _BEGINNING)
        return likes

    def _rarity(self, articles: int) -> float:
        """Returns how much it says that an article has a term, when so many have it."""
        return math.log(1 + (len(self._articles) - articles + 0.5) / (articles + 0.5))

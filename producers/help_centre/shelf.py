"""Keeps the articles of `DESKSTREAM_HELP_CENTRE`, and reads them again when they change.

An article that is refused leaves out that article. If it was there before, it stays as it was; so does everything while the folder
itself cannot be read. The log names file, line and reason, and `deskstream_help_articles_refused` says how many.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog

from producers.help_centre import articles
from producers.help_centre.articles import Article, Refusal
from producers.help_centre.index import Index
from schemas import metrics
from schemas.errors import ConfigurationError
from schemas.events import LOCALES

__all__ = ["LOOK_SECONDS", "Shelf"]

LOOK_SECONDS = 2.0
log = structlog.get_logger("producers.help_centre")


@dataclass(frozen=True, slots=True)
class _Content:
    """The articles of one moment, by language and slug, and what they are searched with."""

    articles: dict[str, dict[str, Article]]
    indexes: dict[str, Index]
    refusals: tuple[Refusal, ...] = ()

    @classmethod
    def of(cls, found: Iterable[Article], refusals: Iterable[Refusal]) -> _Content:
        by_locale: dict[str, dict[str, Article]] = {locale: {} for locale in LOCALES}
        for article in found:
            by_locale[article.locale][article.slug] = article
        indexes = {locale: Index(each.values(), locale) for locale, each in by_locale.items()}
        return cls(by_locale, indexes, tuple(refusals))


class Shelf:
    """Holds the articles in force. `look` reads what has changed, and is called every `LOOK_SECONDS`."""

    def __init__(self, place: Path) -> None:
        """Reads the articles.

        Raises:
            ConfigurationError: there is no such folder or feed.
        """
        self._place = place
        self._seen = _fingerprint(place)
        self._content = self._made(*articles.read(place))

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """What was refused at the last reading."""
        return self._content.refusals

    def all(self, locale: str, brand: str = "") -> list[Article]:
        """Returns the articles of a language that a brand shows, by title."""
        shown = (each for each in self._content.articles[locale].values() if _is_shown(each, brand))
        return sorted(shown, key=lambda article: article.title)

    def every(self) -> list[Article]:
        """Returns all articles in all languages."""
        return [article for each in self._content.articles.values() for article in each.values()]

    def get(self, locale: str, slug: str, brand: str = "") -> Article | None:
        """Returns an article in this language, else in English, else in any; None where there is none."""
        for each in (locale, *LOCALES):
            article = self._content.articles[each].get(slug)
            if article is not None and _is_shown(article, brand):
                return article
        return None

    def search(self, locale: str, query: str, brand: str = "") -> list[Article]:
        """Returns the articles of a language that a query is about, the best first."""
        return self._content.indexes[locale].search(query, lambda article: _is_shown(article, brand))

    def look(self) -> bool:
        """Reads the articles again if they have changed and nobody is writing; returns whether they were read. Blocks."""
        seen = _fingerprint(self._place)
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            found, refusals = articles.read(self._place)
        except ConfigurationError as error:
            log.error("help_centre_unreadable", problem=str(error), fix="the articles of before stay")
            metrics.HELP_ARTICLES_REFUSED.set(1)
            return False
        self._content = self._made(found, refusals)
        return True

    def _made(self, found: list[Article], refusals: list[Refusal]) -> _Content:
        """Returns the content, with what was in force before of each article that is refused now."""
        before = self._content.articles if hasattr(self, "_content") else {}
        refused = {each.about for each in refusals}
        there = {(each.locale, each.slug) for each in found}
        kept = [
            article
            for locale in before
            for article in before[locale].values()
            if (locale, article.slug) in refused - there
        ]
        found, _ = articles.checked([*found, *kept])  # one that stays may lead to one that is gone
        for refusal in refusals:
            log.error("help_article_refused", where=refusal.where, reason=refusal.reason, fix=refusal.fix)
        metrics.HELP_ARTICLES_REFUSED.set(len(refusals))
        counts = {locale: sum(each.locale == locale for each in found) for locale in LOCALES}
        for locale, count in counts.items():
            metrics.HELP_ARTICLES.labels(locale).set(count)
        log.info("help_centre_read", refused=len(refusals), kept=len(kept), **counts)
        return _Content.of(found, refusals)


def _is_shown(article: Article, brand: str) -> bool:
    return not article.brands or brand in article.brands


def _fingerprint(place: Path) -> tuple[tuple[str, int, int, int], ...]:
    """Returns name, inode, time and size of every file; a link that is pointed elsewhere, as Kubernetes does, changes them."""
    found: list[tuple[str, int, int, int]] = []
    try:
        paths = [place] if place.is_file() else [path for folder in place.iterdir() for path in _files(folder)]
        for path in paths:
            stat = path.stat() if path.exists() else path.lstat()  # a link that leads nowhere is refused by itself
            found.append((str(path), stat.st_ino, stat.st_mtime_ns, stat.st_size))
    except OSError:  # read at the next look
        return ()
    return tuple(sorted(found))


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir() or folder.name.startswith("."):
        return []
    return [Path(entry.path) for entry in os.scandir(folder) if not entry.name.startswith((".", "~"))]

"""Reads the articles of a help centre from a folder, `LOCALE/SLUG.md`, or from a JSON Feed (a `.json` file).

An article begins with its front matter, YAML between two lines of `---`:

    ---
    title: Ways to pay
    summary: Cards and wallets, and when we take the money.   # optional: below the title in lists
    keywords: [credit card, PayPal]                           # optional: how customers call it
    brands: [zen]                                             # optional: shown for these brands only
    ---
    Text in Markdown. [Another article](track-order.md), [our form](#contact).

What is wrong with one article leaves out that one and is a `Refusal`; the others are there.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from producers.help_centre import feed, markdown
from schemas.errors import ConfigurationError
from schemas.events import LOCALES

__all__ = ["Article", "Refusal", "checked", "read"]

MOST_ARTICLES, MOST_BYTES = 5_000, 200_000
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,78}[a-z0-9])?")
#: Words that stand for something else in the address of an article.
_RESERVED = frozenset((markdown.CONTACT, "chat"))
_BRAND = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_FENCE = "---"
_FIELDS = {"title": 150, "summary": 300}
_LISTS = {"keywords": (50, 60), "brands": (50, 40)}


@dataclass(frozen=True, slots=True)
class Article:
    """Holds one article in one language.

    where   its file and line, for complaints
    html    its page, safe to show as it is; links to other articles are `{article:SLUG}`
    text    its words, to search in
    links   the slugs of the articles that it leads to, each with the place of the link
    """

    slug: str
    locale: str
    where: str
    title: str
    summary: str = ""
    keywords: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()
    html: str = ""
    text: str = ""
    links: tuple[tuple[str, str], ...] = ()


class Refusal(NamedTuple):
    """Says why an article is left out: `where` is file and line, `about` language and slug as far as they are known."""

    where: str
    reason: str
    fix: str = ""
    about: tuple[str, str] = ("", "")

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}" + (f" ({self.fix})" if self.fix else "")


def read(place: Path) -> tuple[list[Article], list[Refusal]]:
    """Returns the articles of a folder or of a feed, and what of them is refused.

    Raises:
        ConfigurationError: there is no such folder or file, it has no folder of a language, or it cannot be read at all.
    """
    if place.is_dir():
        if not any(each.is_dir() for each in _entries(place)):
            fix = f"articles are in folders in it: {', '.join(f'{locale}/SLUG.md' for locale in LOCALES)}"
            raise ConfigurationError("holds no folder of a language", where=str(place), fix=fix)
        found = [_named(_of_file(path), path.parent.name, path.stem) for path in _listed(place)]
    elif place.suffix == ".json":
        found = [_named(_of_item(item), item.locale, item.slug) for item in feed.items(place)]
    else:
        fix = "name a folder with en/, zh-Hans/, zh-Hant/, ja/, or a JSON Feed that ends with .json"
        raise ConfigurationError("is neither a folder nor a JSON Feed", where=str(place), fix=fix)
    refusals = [each for each in found if isinstance(each, Refusal)]
    articles = [each for each in found if isinstance(each, Article)]
    if len(articles) > MOST_ARTICLES:
        refusals.append(Refusal(str(place), f"{len(articles)} articles, at most {MOST_ARTICLES} are read"))
    known, wrong = checked(articles[:MOST_ARTICLES])
    return known, [*refusals, *wrong]


def checked(articles: Iterable[Article]) -> tuple[list[Article], list[Refusal]]:
    """Returns the articles that can stand beside each other: no two of one name, no link to what is not there."""
    refusals: list[Refusal] = []
    known: dict[tuple[str, str], Article] = {}
    for article in articles:
        if (first := known.setdefault((article.locale, article.slug), article)) is not article:
            refusals.append(Refusal(article.where, f"{article.slug!r} is there already: {first.where}"))
    while broken := {key: link for key, each in known.items() for link in each.links if (key[0], link[0]) not in known}:
        for key, (slug, where) in broken.items():
            refusals.append(Refusal(where, f"there is no article {slug!r} in {key[0]}", "correct the link", key))
            del known[key]
    return list(known.values()), refusals


def _listed(place: Path) -> list[Path]:
    """Returns the files that should be articles; what lies beside the folders of languages should not."""
    return [path for folder in _entries(place) if folder.is_dir() for path in _entries(folder)]


def _entries(folder: Path) -> list[Path]:
    """Returns what lies in a folder and should be read: all but hidden files and what editors keep there."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith((".", "~")))
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", where=str(folder)) from error


def _named(found: Article | Refusal, locale: str, slug: str) -> Article | Refusal:
    return found._replace(about=(locale, slug)) if isinstance(found, Refusal) else found


def _of_file(path: Path) -> Article | Refusal:
    locale = path.parent.name
    if locale not in LOCALES:
        return Refusal(str(path), f"{locale!r} is not a language that we answer in", f"one of {', '.join(LOCALES)}")
    if path.suffix != ".md" or path.is_dir():
        return Refusal(str(path), "is not an article", "name it SLUG.md, or begin its name with a dot")
    if not _SLUG.fullmatch(path.stem):
        return Refusal(str(path), f"{path.stem!r} is no slug", "use lower case letters, digits and -")
    if path.stem in _RESERVED:
        return Refusal(str(path), f"{path.stem!r} is the way to a person", "choose another name")
    try:
        if path.stat().st_size > MOST_BYTES:
            return Refusal(str(path), f"is longer than {MOST_BYTES:,} bytes", "make two articles of it")
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        return Refusal(str(path), f"cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return Refusal(f"{path}:{line}", "is not UTF-8", "save it as UTF-8")
    return _of_text(text, path, locale)


def _of_text(text: str, path: Path, locale: str) -> Article | Refusal:
    lines = text.split("\n")
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE), 0)
    if lines[0].rstrip() != _FENCE or not end:
        fix = "begin with a line ---, then title: ..., then a line ---"
        return Refusal(f"{path}:1", "has no front matter", fix)
    try:
        head = yaml.compose("\n".join(lines[1:end]), Loader=yaml.CSafeLoader)
        data = yaml.load("\n".join(lines[1:end]), Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 2 if mark else 2
        problem = getattr(error, "problem", None) or str(error)
        return Refusal(
            f"{path}:{line}", f"its front matter is not YAML: {problem}", 'put "..." around a text with a colon'
        )
    places = _lines_of(head)
    problem = _problem(data)
    if problem:
        name, reason, fix = problem
        return Refusal(f"{path}:{places.get(name, 2)}", reason, fix)
    page = markdown.page("\n".join(lines[end + 1 :]))
    if page.problem:
        return Refusal(f"{path}:{page.problem_line + end + 1}", page.problem, page.fix)
    links = tuple((slug, f"{path}:{line + end + 1}") for slug, line in page.links)
    return _article(path.stem, locale, f"{path}:1", data, page.html, page.text, links)


def _of_item(item: feed.Item) -> Article | Refusal:
    if item.problem:
        return Refusal(item.where, item.problem, item.fix)
    if item.locale not in LOCALES:
        reason = f"{item.locale!r} is not a language that we answer in" if item.locale else "has no language"
        return Refusal(item.where, reason, f"set `language` to one of {', '.join(LOCALES)}")
    if not _SLUG.fullmatch(item.slug) or item.slug in _RESERVED:
        return Refusal(item.where, f"{item.slug!r} is no slug", "use lower case letters, digits and - as `id`")
    data = {"title": item.title, "summary": item.summary, "keywords": item.keywords}
    if problem := _problem({name: value for name, value in data.items() if value}):
        return Refusal(item.where, *problem[1:])
    return _article(item.slug, item.locale, item.where, data, item.html, item.text, ())


def _article(
    slug: str,
    locale: str,
    where: str,
    data: Mapping[str, Any],
    html: str,
    text: str,
    links: tuple[tuple[str, str], ...],
) -> Article | Refusal:
    if not text.strip():
        return Refusal(where, "says nothing", "write the answer below the front matter")
    return Article(
        slug=slug,
        locale=locale,
        where=where,
        title=" ".join(data["title"].split()),
        summary=" ".join((data.get("summary") or "").split()),
        keywords=tuple(str(each) for each in data.get("keywords") or ()),
        brands=tuple(data.get("brands") or ()),
        html=html,
        text=text,
        links=links,
    )


def _lines_of(head: yaml.Node | None) -> dict[str, int]:
    """Returns the line of the file on which each field of the front matter stands."""
    if not isinstance(head, yaml.MappingNode):
        return {}
    return {str(name.value): name.start_mark.line + 2 for name, _ in head.value}


def _problem(data: Any) -> tuple[str, str, str] | None:
    """Returns what is wrong with the fields of an article: the field, what is wrong, and what to do."""
    if not isinstance(data, dict):
        return "", "its front matter has no fields", "write title: ..."
    for name in data:
        if name not in _FIELDS and name not in _LISTS:
            return str(name), f"{name!r} is not known here", f"use {', '.join((*_FIELDS, *_LISTS))}"
    if not data.get("title") or (isinstance(data["title"], str) and not data["title"].strip()):
        return "title", "has no title", "write title: ..."
    for name, longest in _FIELDS.items():
        value = data.get(name)
        if value is not None and not isinstance(value, str):
            return name, f"{name} {reprlib.repr(value)} is no text", 'put "..." around it'
        if len(value or "") > longest:
            return name, f"{name} has more than {longest} characters", "shorten it"
    for name, (most, longest) in _LISTS.items():
        values = data.get(name) or []
        if not isinstance(values, list) or not all(isinstance(each, str | int) for each in values):
            return name, f"{name} is no list of words", f"write {name}: [first, second]"
        if len(values) > most or any(len(str(each)) > longest for each in values):
            return name, f"{name} has more than {most} words, or one of more than {longest} characters", "shorten it"
    if any(not _BRAND.fullmatch(str(each)) for each in data.get("brands") or ()):
        return "brands", "brands are slugs of brands.yaml", "use lower case letters, digits, - and _"
    return None

"""Makes a page of the Markdown of an article. HTML in it is text; images are refused, because a page loads nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

__all__ = ["CONTACT", "Page", "page"]

#: What a link leads to that leads to a person.
CONTACT = "contact"
_MARKDOWN = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}).enable(["table", "strikethrough"])
_ARTICLE = re.compile(r"(?:\./)?([a-z0-9][a-z0-9-]{0,79})(?:\.md)?|#(contact)")
_ELSEWHERE = re.compile(r"https?://[^\s/?#@]+|mailto:[^\s@]+@|tel:\+?[0-9]", re.IGNORECASE)


class Page(NamedTuple):
    """A page, or what is wrong with it. Lines count from 1; `links` are slugs of articles with their lines."""

    html: str = ""
    text: str = ""
    links: tuple[tuple[str, int], ...] = ()
    problem: str = ""
    problem_line: int = 0
    fix: str = ""


def page(text: str) -> Page:
    """Returns the page of a text. Its headings begin with the second level: the title of the article is the first."""
    tokens = _MARKDOWN.parse(text.replace("\0", ""))
    links: list[tuple[str, int]] = []
    for token, line in _inline(tokens):
        if token.type == "image":
            fix = "say in words what it shows"
            return Page(problem="has an image, which the page would not load", problem_line=line, fix=fix)
        if token.type == "link_open":
            leads_to = str(token.attrs.get("href", ""))
            if found := _ARTICLE.fullmatch(leads_to):
                slug = found[1] or found[2]
                token.attrs["href"] = f"{{article:{slug}}}"
                if slug != CONTACT:
                    links.append((slug, line))
            elif _ELSEWHERE.match(leads_to):
                token.attrs["rel"] = "noopener"
            else:
                fix = "use https://..., mailto:..., tel:..., the slug of an article, or #contact"
                return Page(problem=f"has a link to {leads_to!r}", problem_line=line, fix=fix)
    lower = 1 if _has_first_level(tokens) else 0
    for token in tokens:
        if token.type.startswith("heading"):
            token.tag = f"h{min(int(token.tag[1]) + lower, 4)}"
    words = " ".join(each.content for each, _ in _inline(tokens) if each.content)
    return Page(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}), words, tuple(links))


def _has_first_level(tokens: Sequence[Token]) -> bool:
    return any(token.type == "heading_open" and token.markup in ("#", "=") for token in tokens)


def _inline(tokens: Sequence[Token]) -> Iterator[tuple[Token, int]]:
    """Yields what stands within the blocks, and blocks of code, each with its line."""
    line = 1
    for token in tokens:
        line = token.map[0] + 1 if token.map else line
        if token.type in ("fence", "code_block"):
            yield token, line
        for child in token.children or ():
            yield child, line
            if child.type in ("softbreak", "hardbreak"):
                line += 1

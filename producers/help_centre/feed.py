"""Reads a JSON Feed (version 1 or 1.1), as help centres of others export their articles.

Of an item are read `id` (the slug; else the last word of its `url`), `title`, `summary`, `content_html` or `content_text`,
`tags` (the keywords) and `language`, which the feed may say for all.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from producers.text.locales import locale_hint
from schemas import safe_html
from schemas.errors import ConfigurationError

__all__ = ["Item", "items"]

MOST_BYTES = 20_000_000
_TAG = re.compile(r"<(/?)([a-z0-9]+)[^>]*>")
_WITHIN_WORDS = frozenset(("a", "b", "code", "em", "i", "s", "strong", "sub", "sup", "u"))


class Item(NamedTuple):
    """An item of a feed, or what is wrong with it. `html` is safe to show."""

    where: str
    slug: str = ""
    locale: str = ""
    title: Any = ""
    summary: Any = ""
    keywords: Any = ()
    html: str = ""
    text: str = ""
    problem: str = ""
    fix: str = ""


def items(path: Path) -> Iterator[Item]:
    """Yields the items of a feed.

    Raises:
        ConfigurationError: it cannot be read, or is no JSON Feed.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConfigurationError(f"is larger than {MOST_BYTES:,} bytes", where=str(path))
        text = path.read_bytes().decode("utf-8-sig")
        feed = json.loads(text)
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError("is not UTF-8", where=str(path)) from error
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"is not JSON: {error.msg}", where=f"{path}:{error.lineno}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"is not JSON: {error}", where=str(path)) from error
    if not isinstance(feed, dict) or not isinstance(feed.get("items"), list):
        raise ConfigurationError("is no JSON Feed", where=f"{path}:1", fix="it is an object with `items`")
    at = 0
    for number, item in enumerate(feed["items"]):
        where, at = _place(path, text, item, at)
        if not isinstance(item, dict):
            yield Item(where, problem=f"item {number + 1} is no object")
        else:
            yield _item(item, where, str(feed.get("language") or ""))


def _place(path: Path, text: str, item: Any, after: int) -> tuple[str, int]:
    """Returns the file and line of an item, found by its id or title, and where in the text that is."""
    for name in ("id", "title") if isinstance(item, dict) else ():
        for written in (json.dumps(item.get(name), ensure_ascii=False), json.dumps(item.get(name))):
            if (at := text.find(written, after)) >= 0:
                return f"{path}:{text.count(chr(10), 0, at) + 1}", at
    return f"{path}:{text.count(chr(10), 0, after) + 1}", after


def _item(item: dict[str, Any], where: str, language: str) -> Item:
    try:
        address = urlsplit(str(item.get("url") or "")).path.rstrip("/").rpartition("/")[2]
    except ValueError:  # such as http://[
        address = ""
    named = str(item.get("id") or "")
    slug = named if re.fullmatch(r"[a-z0-9-]+", named) else address.lower() or named
    locale = locale_hint(str(item.get("language") or language))
    markup, plain = item.get("content_html"), item.get("content_text")
    if isinstance(markup, str):
        page = safe_html.clean(markup)
    elif isinstance(plain, str):
        page = safe_html.from_text(plain)
    else:
        return Item(where, slug, locale, problem="has no content", fix="give it content_html or content_text")
    if "<img" in page:
        return Item(
            where, slug, locale, problem="has an image, which the page would not load", fix="say in words what it shows"
        )
    return Item(
        where=where,
        slug=slug,
        locale=locale,
        title=item.get("title"),
        summary=item.get("summary"),
        keywords=item.get("tags"),
        html=page.replace("{article:", "{ article:"),
        text=html.unescape(_TAG.sub(lambda tag: "" if tag[2] in _WITHIN_WORDS else " ", page)),
    )

"""Maps language tags of every spelling to the locales that we answer in."""

from __future__ import annotations

from functools import lru_cache

__all__ = ["locale_hint", "negotiated"]

_LONGEST, _LONGEST_HEADER = 100, 500
_TRADITIONAL = {"tw", "hk", "mo", "hant"}


def locale_hint(text: str) -> str:
    """Returns our locale (`zh_TW.UTF-8, en;q=0.5` is `zh-Hant`), '' for a language that we do not answer in."""
    return _hint(text[:_LONGEST])  # so that the cache is bounded, whatever strangers send


@lru_cache(maxsize=1024)
def _hint(text: str) -> str:
    first = text.split(",")[0].split(";")[0].split(".")[0].strip().lower().replace("_", "-")
    language, *rest = first.split("-")
    if language in ("en", "ja"):
        return language
    if language == "jp":
        return "ja"
    if language in ("zh", "cmn", "yue", "chinese"):
        return "zh-Hant" if language == "yue" or _TRADITIONAL.intersection(rest) else "zh-Hans"
    return ""


def negotiated(accept_language: str, default: str = "en") -> str:
    """Returns the locale of a page for an `Accept-Language` header: the best of those that we answer in (RFC 9110 12.5.4)."""
    return _negotiated(accept_language[:_LONGEST_HEADER], default)


@lru_cache(maxsize=1024)
def _negotiated(accept_language: str, default: str) -> str:
    best, most = default, 0.0
    for item in accept_language.split(","):
        name, _, parameters = item.partition(";")
        try:
            quality = float(parameters.partition("q=")[2] or 1.0)
        except ValueError:
            continue
        locale = locale_hint(name)
        if locale and most < quality <= 1.0:
            best, most = locale, quality
    return best

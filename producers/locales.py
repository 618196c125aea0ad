"""Language tags of every spelling to the locales that we answer in."""

from __future__ import annotations

from functools import lru_cache

__all__ = ["locale_hint"]

_TRADITIONAL = {"tw", "hk", "mo", "hant"}


@lru_cache(maxsize=1024)
def locale_hint(text: str) -> str:
    """`zh_TW.UTF-8, en;q=0.5` → `zh-Hant`; '' for a language that we do not answer in, so that it is detected."""
    first = text.split(",")[0].split(";")[0].split(".")[0].strip().lower().replace("_", "-")
    language, *rest = first.split("-")
    if language in ("en", "ja"):
        return language
    if language == "jp":
        return "ja"
    if language in ("zh", "cmn", "yue", "chinese"):
        return "zh-Hant" if language == "yue" or _TRADITIONAL.intersection(rest) else "zh-Hans"
    return ""

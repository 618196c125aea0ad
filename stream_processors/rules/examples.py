"""Renders an example of every acknowledgement: each situation, kind of channel, language and brand, with made-up values.

The preview shows them, the snapshots of the tests hold them, and whatever judges our wording may go through them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import product
from typing import NamedTuple
from zoneinfo import ZoneInfo

from schemas.brands import Brand
from schemas.clock import to_micros
from schemas.events import LOCALES
from schemas.opening_hours import said_week
from schemas.reply_time import in_words
from stream_processors.rules.ruleset import Rules
from stream_processors.rules.situations import Rule
from stream_processors.rules.taxonomy import Article
from stream_processors.rules.templates import KINDS, Rendered, Situation, own_words
from stream_processors.text.promised_time import promised_time

__all__ = ["GENERAL", "Example", "examples"]

#: Of no situation.
GENERAL = ""
TICKET = "K7QX2M9PLW4T-12"
ORDER = "10023456"
_AT = to_micros(datetime(2026, 12, 1, 15, 40, tzinfo=UTC))
_OPENS = to_micros(datetime(2026, 12, 1, 9, tzinfo=UTC))
_CHANNELS = {"email": "form", "chat": "chat", "sms": "sms", "call": "phone", "social": "social"}
#: Of each language: who writes, about what, from where.
_CUSTOMERS = {
    "en": ("Ann Smith", "My kettle", "Europe/London"),
    "zh-Hans": ("王小明", "电热水壶", "Asia/Shanghai"),
    "zh-Hant": ("林佳蓉", "電熱水壺", "Asia/Taipei"),
    "ja": ("佐藤 花", "電気ケトル", "Asia/Tokyo"),
}
_INCIDENTS = {
    "en": "Card payments have been failing since 10:00. We know, we are on it, and there is no need to try again.",
    "zh-Hans": "今天10:00起银行卡支付出现故障，我们已知悉并正在抢修，您无需重复尝试。",
    "zh-Hant": "今天10:00起信用卡付款發生故障，我們已知悉並正在搶修，您無須重複嘗試。",
    "ja": "本日10時よりカード決済に不具合が発生しております。現在復旧作業中ですので、再度のお手続きは必要ございません。",
}


class Example(NamedTuple):
    """An acknowledgement as a customer gets it; `locale` is the customer's, `missing` what has no text in it."""

    kind: str
    situation: str
    locale: str
    brand: str
    rendered: Rendered
    missing: str


def examples(
    rules: Rules,
    *,
    situations: Iterable[str] | None = None,
    kinds: Iterable[str] = KINDS,
    locales: Iterable[str] = LOCALES,
    brands: Iterable[Brand] | None = None,
) -> Iterator[Example]:
    """Yields the example of each combination, by brand, language, situation and kind; of everything unless some are named."""
    chosen = (GENERAL, *rules.situations.names) if situations is None else tuple(situations)
    for brand, locale, situation, kind in product(brands or rules.brands.all, locales, chosen, kinds):
        templates = rules.templates_of(brand)
        wording = templates.wording(kind, situation, locale)
        case = _case(rules, brand, kind, situation, wording.locale)
        yield Example(kind, situation, locale, brand.slug, templates.render(case), wording.missing)


def _case(rules: Rules, brand: Brand, kind: str, situation: str, locale: str) -> Situation:
    name, subject, zone = _CUSTOMERS[locale]
    rule = next((each for each in rules.situations.rules if each.name == situation), None)
    flags = dict(rule.when[0].flags) if rule else {}
    values = dict(rule.when[0].values) if rule else {}
    dissatisfied = flags.get("dissatisfied", False)
    articles = _articles(rules, locale) if not dissatisfied and (rule is None or _offers(rule)) else ()
    full, short = promised_time(_AT, zone, ZoneInfo(zone), locale)
    closed = min(values.get("closed", ("out_of_hours",) if flags.get("staffed") is False else ("",)))
    has_room = kind in ("email", "chat")
    office = rules.policies.match(_CHANNELS[kind], "normal", (), "", "", locale, brand.slug).calendar
    opens = promised_time(_OPENS, zone, ZoneInfo(zone), locale).full if closed and has_room else ""
    hours = said_week(office, _AT, locale) if office and closed and has_room else ""
    public = kind == "social"
    return Situation(
        kind,
        locale,
        TICKET,
        name,
        "" if public else own_words(subject, 60),
        "" if public else ORDER,
        full,
        short,
        articles,
        dissatisfied,
        brand.name,
        _signature(brand, locale),
        closed,
        _INCIDENTS[locale] if flags.get("incident") else "",
        situation,
        hours,
        opens,
        "" if closed or not has_room else in_words(7200, locale),
    )


def _offers(rule: Rule) -> bool:
    """Returns true for a situation in which an article is shown: articles go by tags, so not where a tag decides."""
    return rule.articles and rule.when[0].tags is None


def _articles(rules: Rules, locale: str) -> tuple[Article, ...]:
    found = (rules.taxonomy.articles((tag,), locale) for tag in rules.taxonomy.tags)
    return next((each[:1] for each in found if each), ())


def _signature(brand: Brand, locale: str) -> str:
    lines = brand.signature(locale).replace("{brand}", brand.name).split("\n")
    return "\n".join(line for line in lines if "{" not in line).strip()

"""Chooses the words of an acknowledgement: in which situation the contact is, in which language, and what is offered.

Everything that the choice rests on may be told to whoever wrote (`told`): a situation says what we know of a customer as
plainly as their name does.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from schemas.events import LOCALES, CallEnded, MessageReceived
from stream_processors.rules.situations import Circumstances
from stream_processors.rules.taxonomy import Article
from stream_processors.rules.templates import kind_of
from stream_processors.tickets.brand_voice import in_help_centre
from stream_processors.tickets.context import FoldContext
from stream_processors.tickets.told import Told

__all__ = ["Words", "choose", "locale_of"]

_BOT = "bot"
#: Regions and the script of Traditional Chinese.
_TRADITIONAL = frozenset(("hant", "tw", "hk", "mo"))
OTHER_LANGUAGE = "other"


class Words(NamedTuple):
    """Holds what was chosen.

    locale    of the text; `wanted` is the customer's, `other` for a language that we have no texts in
    missing   the template that has no text in the language wanted, '' for none
    incident  what is told of an incident, '' for nothing
    """

    kind: str
    situation: str
    locale: str
    wanted: str
    missing: str
    incident: str
    articles: tuple[Article, ...]


def choose(context: FoldContext, channel: str, event: MessageReceived | CallEnded, told: Told, closed: str) -> Words:
    """Returns the words for a contact on this channel; `closed` says why nobody works now, '' when somebody does."""
    rules, brand = context.rules, context.brand
    kind, language = kind_of(channel, event.address), locale_of(told.language)
    wanted = language or "en"
    case = Circumstances(
        channel=channel,
        language=wanted,
        brand=brand.slug,
        tier=told.tier,
        tags=told.tags,
        contacts=told.contacts,
        dissatisfied=told.dissatisfied,
        handed_over=event.channel == _BOT,
        closed=closed,
        public=getattr(event, "public", False),
    )
    incident = rules.incident(case, wanted)
    situation = rules.situations.choose(case._replace(incident=True) if incident else case)
    wording = rules.templates_of(brand).wording(kind, situation, wanted)
    missing, locale = wording.missing, wording.locale
    if not language and told.language:
        missing = missing or kind
    if incident and locale != wanted:
        incident = rules.incident(case, locale)
    offered = rules.situations.may_offer_articles(situation, dissatisfied=told.dissatisfied, tier=context.customer.tier)
    articles = in_help_centre(rules.taxonomy.articles(told.tags, locale), brand) if offered else ()
    return Words(kind, situation, locale, language or OTHER_LANGUAGE, missing, incident, articles)


@lru_cache(maxsize=256)
def locale_of(language: str) -> str:
    """Returns the language of ours that a language tag means (`zh-TW`: `zh-Hant`), '' for another language and for none."""
    if language in LOCALES:
        return language
    first, *rest = language.lower().replace("_", "-").split("-")
    if first == "zh":
        return "zh-Hans" if _TRADITIONAL.isdisjoint(rest) else "zh-Hant"
    return first if first in LOCALES else ""

"""Renders templates in every case when they are loaded, and refuses those that would fail when a customer waits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from schemas import safe_html
from schemas.brands import NAME_CHARACTERS
from schemas.calendars import CLOSED
from schemas.errors import ConfigurationError
from stream_processors.rules.taxonomy import Article
from stream_processors.rules.template_files import LAYOUT
from stream_processors.rules.templates import FITS, Situation, Templates

if TYPE_CHECKING:
    from stream_processors.rules.templates import Wording

__all__ = ["try_all"]

#: The longest ticket id and promise that can occur in practice.
_TICKET = "WWWWWWWWWWWW-9999"
_INCIDENT = "Our card payments are out of order."
_LONGEST_BRAND = ("W" * NAME_CHARACTERS, "Your team")
_LONGEST_TIMES = {
    "en": ("23:59 GMT+10:30 on Wednesday 30 September", "Wed 30 Sep 23:59 GMT+10:30"),
    "zh-Hans": ("12月30日星期三 23:59（GMT+10:30）", "12月30日23:59 GMT+10:30"),
    "zh-Hant": ("12月30日星期三 23:59（GMT+10:30）", "12月30日23:59 GMT+10:30"),
    "ja": ("12月30日(水) 23:59（GMT+10:30）", "12月30日 23:59 GMT+10:30"),
}
_HELP = (Article("Help", "https://help"),)
_HOURS, _REPLY_TIME = "Mon–Fri 09:00–12:30 and 13:30–18:00, Sat 10:00–16:00 (Eastern Time)", "45 minutes"
_NOTHING = ("", "")
#: What a customer may write: in an attribute of HTML, the quotation mark would end it.
_NAME, _SUBJECT = 'Kim "K"', '"Tea" x="y'


def try_all(templates: Templates, wordings: Iterable[Wording], only: frozenset[Path] | None) -> None:
    """Renders each template once in each case; with `only`, those that one of these files takes part in.

    Raises:
        ConfigurationError: one fails, does not name the ticket and the promise, is too long, or its HTML is not safe.
    """
    for wording in {id(each.template): each for each in wordings if not each.missing}.values():
        template = wording.template
        if only is not None and only.isdisjoint(file.path for file in template.files):
            continue
        kind, locale, situation = (*template.name.split("."), "")[:3]
        for case in _cases(kind, locale, situation, uses_brand=template.uses_brand):
            _try(templates, case, [file.path for file in template.files])


def _cases(kind: str, locale: str, situation: str, *, uses_brand: bool) -> Iterator[Situation]:
    """Yields the cases: all of them for the general words; for those of a situation what else may be said besides."""
    times: tuple[tuple[str, str], ...] = (_NOTHING, _LONGEST_TIMES[locale])
    brands: tuple[tuple[str, str], ...] = (_NOTHING, _LONGEST_BRAND) if uses_brand else (_NOTHING,)
    names: tuple[str, ...] = ("", _NAME)
    orders: tuple[str, ...] = ("", "10023")
    if situation:
        times, brands, names, orders = times[1:], brands[-1:], names[1:], orders[:1]
    moods, plain = tuple(product(times, (False, True), brands)), Situation(kind, locale, _TICKET, situation=situation)
    for (time, dissatisfied, brand), name, subject in product(moods, names, ("", _SUBJECT)):
        told = plain._replace(
            name=name, subject=subject, dissatisfied=dissatisfied, brand=brand[0], signature=brand[1],
            promised_time=time[0], promised_time_short=time[1],
        )  # fmt: skip
        for order, articles in product(orders, ((), _HELP)):
            yield told._replace(order_number=order, articles=articles, reply_time=_REPLY_TIME if articles else "")
    for (time, dissatisfied, brand), closed, incident in product(moods, CLOSED, ("", _INCIDENT)):
        yield plain._replace(
            dissatisfied=dissatisfied, brand=brand[0], signature=brand[1], closed=closed, incident=incident,
            promised_time=time[0], promised_time_short=time[1], hours=_HOURS, opens=time[0],
        )  # fmt: skip


def _try(templates: Templates, case: Situation, paths: Sequence[Path]) -> None:
    path = paths[0]
    try:
        text, _, _, page = templates.render(case)
    except Exception as error:  # whatever a template may do wrong when it runs
        raise ConfigurationError(f"cannot be rendered: {error}", where=str(path)) from error
    times = case.promised_time, case.promised_time_short
    for said in (text, page) if page else (text,):
        if _TICKET not in said or (times[0] and times[0] not in said and times[1] not in said):
            raise ConfigurationError(
                "does not name the ticket and the promised time in every situation", where=str(path)
            )
    if case.kind in FITS and not FITS[case.kind](text):
        raise ConfigurationError(
            f"is too long for one message even without the customer's own words: {text!r}",
            where=str(path),
            fix="shorten it",
        )
    if page and safe_html.clean(page) != page:
        raise ConfigurationError(
            "its HTML has what mails may not have",
            where=str(next(each for each in paths if each.suffix == LAYOUT)),
            fix=f"only these, without style: {' '.join(sorted(safe_html.TAGS - {'img'}))}; all closed; no customer's words within tags",
        )

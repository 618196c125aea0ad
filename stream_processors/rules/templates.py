"""Renders acknowledgements from templates in `config/templates/`: for each kind of channel, situation and language.

Plain Jinja: `{{ variable }}`, `{{ super() }}`, `if`, `for`, `block` and `extends` only (`template_files` says which files there
are, and what extends what). Every template is parsed, checked and rendered in every situation when it is loaded, so that
nothing can fail, and no SMS can be too long, when a customer waits. What the `if`s decide is worked out once per case and
kept as a frame that only wants filling in (about a tenth of the time of rendering). The HTML of a mail is made of the same
blocks as its text, within `email.html`; both say the same.

A language that lacks a template is answered by the next of its `FALLBACKS`; one that only lacks the words of a situation
is answered by its general ones. Both are counted.

Variables, each empty when there is nothing to say:
  name, subject, order_number   the customer's own words, on one line, shortened, and left out where they look like an
                                advertisement that somebody wants us to send
  ticket                        the ticket's id
  promised, promised_short      by when we answer, in words
  articles                      (title, address) of help articles
  dissatisfied                  whether the customer is
  hours, opens                  where nobody works now: our hours, and when we are there again
  reply_time                    within which time most are answered at present; only where somebody works now
  out_of_hours, weekend, holiday   true when nobody works now, for this reason
  incident                      what is out of order now, and that we know
  brand, signature              the name of the brand that answers, and what stands below its mails
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from html import escape
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import TemplateError
from markupsafe import Markup

from schemas.calendars import CLOSED
from schemas.errors import ConfigurationError
from schemas.events import LOCALES
from stream_processors.rules.taxonomy import Article
from stream_processors.rules.template_files import CHANNEL, KINDS, LAYOUT, File, View, read
from stream_processors.text import sms
from stream_processors.text.own_words import order_number_words, own_words

__all__ = ["FALLBACKS", "FITS", "KINDS", "VARIABLES", "Rendered", "Situation", "Templates", "kind_of", "own_words"]

VARIABLES = (
    "name", "subject", "order_number", "ticket", "promised", "promised_short", "articles", "dissatisfied", "brand",
    "signature", "incident", "hours", "opens", "reply_time", *CLOSED,
)  # fmt: skip
#: In which languages a template is looked for, in this order.
FALLBACKS = {
    "en": ("en",),
    "zh-Hans": ("zh-Hans", "zh-Hant", "en"),
    "zh-Hant": ("zh-Hant", "zh-Hans", "en"),
    "ja": ("ja", "en"),
}

_KIND_OF = {
    "email": "email", "form": "email", "in_person": "email", "chat": "chat", "bot": "chat", "help_centre": "chat",
    "sms": "sms", "phone": "call", "voicemail": "call", "social": "social",
}  # fmt: skip
#: What one message of these kinds may be; a social post as it is counted there, CJK characters double.
FITS: dict[str, Callable[[str], bool]] = {
    "sms": sms.fits,
    "call": sms.fits,
    "social": lambda text: sum(1 if ord(character) < 0x1100 else 2 for character in text) <= 280,
}
_FILLED = (
    "name",
    "subject",
    "order_number",
    "ticket",
    "promised",
    "promised_short",
    "brand",
    "signature",
    "incident",
    "hours",
    "opens",
    "reply_time",
)
_SIGNATURE = _FILLED.index("signature")
#: Stand out in HTML: what the customer looks for.
_STRONG = ("ticket", "promised", "promised_short")
_NAME_CHARACTERS = 40
_SUBJECT_CHARACTERS = {"email": 100, "chat": 60, "sms": 60, "call": 60, "social": 60}
_SHORTEST_SUBJECT = 6
_ELLIPSIS = "..."


class Situation(NamedTuple):
    """The facts that an acknowledgement is written from.

    promised_time   by when we answer, in words; '' for no promise
    closed          one of `CLOSED` when nobody works now, '' otherwise
    situation       its name in `situations.yaml`, '' for none
    hours, opens    while nobody works: our hours, and when somebody works again, in words
    reply_time      within which time most are answered at present, in words
    """

    kind: str
    locale: str
    ticket: str
    name: str = ""
    subject: str = ""
    order_number: str = ""
    promised_time: str = ""
    promised_time_short: str = ""
    articles: tuple[Article, ...] = ()
    dissatisfied: bool = False
    brand: str = ""
    signature: str = ""
    closed: str = ""
    incident: str = ""
    situation: str = ""
    hours: str = ""
    opens: str = ""
    reply_time: str = ""


class Rendered(NamedTuple):
    """A rendered text, and the HTML of a mail, '' where there is none.

    `template` is `<kind>.<locale>`, with `.<situation>` where it has words of its own; `version` 12 hex characters of the
    content of all its files.
    """

    text: str
    template: str
    version: str
    html: str = ""


class _Template(NamedTuple):
    name: str
    version: str
    frame: Callable[[tuple[bool, ...], tuple[Article, ...], bool, str], tuple[str, str]]
    uses_brand: bool
    files: tuple[File, ...]


class Wording(NamedTuple):
    """The template that is rendered in a case: in which language, and what lacks a translation (`email.vip`), '' for nothing."""

    template: _Template
    locale: str
    missing: str


@dataclass(frozen=True, slots=True)
class Templates:
    """Holds all templates, by kind, situation ('' for none) and language."""

    _wordings: Mapping[tuple[str, str, str], Wording]
    files: Mapping[str, File]

    @classmethod
    def load(cls, directory: Path, situations: Sequence[str] = (), common: Templates | None = None) -> Templates:
        """Reads, checks and tries every template. A brand's folder needs not have them all: the others are the `common` ones.

        Raises:
            ConfigurationError: a template is missing in English, is not Jinja, uses an unknown variable, does not name
                ticket and promise, or is too long for its channel; with file and line.
        """
        from stream_processors.rules.template_trial import try_all

        own = read(directory, situations, VARIABLES)
        if common is not None and not own:
            raise ConfigurationError("holds no template", where=str(directory), fix="name one <locale>/<kind>.txt")
        layers = (own,) if common is None else (own, common.files)
        made = _Maker(directory, layers, situations).all()
        templates = cls(made, own if common is None else {**common.files, **own})
        try_all(templates, made.values(), None if common is None else frozenset(each.path for each in own.values()))
        return templates

    def wording(self, kind: str, situation: str, locale: str) -> Wording:
        """Returns the template of a case. A situation that these templates do not know has the general words."""
        return self._wordings.get((kind, situation, locale)) or self._wordings[kind, "", locale]

    @property
    def untranslated(self) -> list[tuple[str, str]]:
        """Returns (language, template) of everything that is answered in other words for lack of a translation."""
        return sorted({(locale, each.missing) for (_, _, locale), each in self._wordings.items() if each.missing})

    def render(self, situation: Situation) -> Rendered:
        """Returns the text for a situation; what the customer wrote is made harmless and short enough for the channel."""
        template = self.wording(situation.kind, situation.situation, situation.locale).template
        name = own_words(situation.name, _NAME_CHARACTERS)
        subject = own_words(situation.subject, _SUBJECT_CHARACTERS[situation.kind])
        order_number = order_number_words(situation.order_number, _NAME_CHARACTERS)

        def written(name: str, subject: str) -> tuple[str, str]:
            values = (
                name,
                subject,
                order_number,
                situation.ticket,
                situation.promised_time,
                situation.promised_time_short,
                situation.brand,
                situation.signature,
                situation.incident,
                situation.hours,
                situation.opens,
                situation.reply_time,
            )
            given = tuple(map(bool, values))
            text, page = template.frame(given, situation.articles, situation.dissatisfied, situation.closed)
            return text.format(*values), page.format(*map(_as_html, values)) if page else ""

        text, page = written(name, subject)
        fits = FITS.get(situation.kind)
        if fits is not None and not fits(text):
            shorter = _shorter(lambda *words: written(*words)[0], name, subject)
            text = next((each for each in shorter if fits(each)), None) or written("", "")[0]
        return Rendered(text, template.name, template.version, page)


def kind_of(channel: str, address: str) -> str:
    """Returns the kind of template for a channel. A channel that cannot be answered on itself is answered by mail or SMS."""
    kind = _KIND_OF.get(channel, "email")
    return "sms" if kind == "email" and address.startswith("+") and "@" not in address else kind


def _as_html(value: str) -> str:
    return value if not value or value.isalnum() else escape(value, quote=False).replace("\n", "<br>")


def _shorter(text: Callable[[str, str], str], name: str, subject: str) -> Iterator[str]:
    """Yields the same message with ever less of the customer's own words."""
    keep = subject.removesuffix(_ELLIPSIS)
    while len(keep) > _SHORTEST_SUBJECT:
        keep = keep[: max(_SHORTEST_SUBJECT, len(keep) - 4)].rstrip()
        yield text(name, keep + _ELLIPSIS)
    yield text(name, "")
    yield text("", subject)


class _Maker:
    """Compiles the templates of all languages."""

    def __init__(self, directory: Path, layers: Sequence[Mapping[str, File]], situations: Sequence[str]) -> None:
        self.directory, self.situations = directory, situations
        self.views = {locale: View(locale, layers) for locale in LOCALES}
        self._made: dict[tuple[str, str, str], _Template] = {}

    def all(self) -> dict[tuple[str, str, str], Wording]:
        for kind in KINDS:
            if not self.views["en"].named(f"{kind}.txt"):
                missing = str(self.directory / "en" / f"{kind}.txt")
                raise ConfigurationError("is missing", where=missing, fix="every kind needs a template in English")
        return {
            (kind, situation, locale): self._wording(kind, situation, locale)
            for kind, situation, locale in product(KINDS, ("", *self.situations), LOCALES)
        }

    def _wording(self, kind: str, situation: str, locale: str) -> Wording:
        used = next(each for each in FALLBACKS[locale] if self.views[each].named(f"{kind}.txt"))
        own, missing = self._own_words(kind, situation, used), "" if used == locale else kind
        if situation and not own and any(self._own_words(kind, situation, each) for each in LOCALES):
            missing = missing or f"{kind}.{situation}"
        name = own or self.views[used].named(f"{kind}.txt")[0]
        return Wording(self._template(name, kind, situation, used), used, missing)

    def _own_words(self, kind: str, situation: str, locale: str) -> str:
        """Returns the file with the words of a situation, '' where there is none, or none that this kind has a place for."""
        view = self.views[locale]
        for name in (f"{kind}.{situation}.txt", f"{situation}.txt") if situation else ():
            for each in view.named(name):
                chain = view.chain(each, kind)
                places = {block for parent in chain[1:] for block in view.files[parent].blocks}
                if len(chain) == 1 or not view.files[each].blocks.isdisjoint(places):
                    return each
        return ""

    def _template(self, name: str, kind: str, situation: str, locale: str) -> _Template:
        view = self.views[locale]
        files = tuple(view.files[each] for each in view.chain(name, kind))
        layouts = [*(view.named(f"email.{situation}{LAYOUT}") if situation else ()), *view.named(f"email{LAYOUT}")]
        blocks = frozenset(block for file in files for block in file.blocks)
        layout = layouts[0] if kind == "email" and layouts and blocks else ""
        if (made := self._made.get((f"{locale}:{name}", kind, layout))) is not None:
            return made
        if layout:
            pages = [view.files[each] for each in view.chain(layout, kind)]
            files = (*files, *pages)
            for page in pages:
                _check_layout(page, blocks)
        sources = "\0".join(file.source for file in files)
        uses = {name for file in files for name in file.uses}
        words = situation if name.rpartition("/")[2] != f"{kind}.txt" else ""
        made = self._made[f"{locale}:{name}", kind, layout] = _Template(
            ".".join(filter(None, (kind, locale, words))),
            sha256(sources.encode()).hexdigest()[:12],
            _frame(view, name, kind, layout, files),
            not uses.isdisjoint(("brand", "signature")),
            files,
        )
        return made


def _check_layout(file: File, blocks: frozenset[str]) -> None:
    for name, line in file.uses.items():
        if name not in blocks and name not in VARIABLES:
            known = ", ".join((*sorted(blocks), *VARIABLES))
            raise ConfigurationError(f"unknown variable {name!r}", where=file.where(line), fix=f"one of {known}")


def _frame(
    view: View, name: str, kind: str, layout: str, files: Sequence[File]
) -> Callable[[tuple[bool, ...], tuple[Article, ...], bool, str], tuple[str, str]]:
    try:
        template, page = view.compiled(name), view.compiled(layout) if layout else None
    except (TemplateError, SyntaxError, RecursionError) as error:  # two blocks of one name, too deep, and the like
        raise ConfigurationError(f"is not a template: {error}", where=files[0].where()) from error

    shown = view.files[layout].uses if layout else {}

    @lru_cache(maxsize=1024)
    def frame(
        given: tuple[bool, ...], articles: tuple[Article, ...], dissatisfied: bool, closed: str
    ) -> tuple[str, str]:
        """The text and the HTML with `{0}`, `{1}`, ... where the values go; empty ones are left out."""
        marks = {name: _MARK.format(number) if given[number] else "" for number, name in enumerate(_FILLED)}
        values: dict[str, Any] = marks | {reason: reason == closed for reason in CLOSED}
        values |= {"articles": articles, "dissatisfied": dissatisfied, CHANNEL: f"{kind}.txt"}
        context = template.new_context(values)
        text = _BLANK_LINES.sub("\n\n", "".join(template.root_render_func(context)).strip())
        if page is None:
            return _MARKED.sub(r"{\1}", _doubled(text)), ""
        blocks = {each: _block("".join(context.blocks[each][0](context))) for each in shown if each in context.blocks}
        return _MARKED.sub(r"{\1}", _doubled(text)), _filled_in(page.render(values | blocks))

    return frame


def _block(text: str) -> Markup:
    """Returns the text of a block as HTML: lines and paragraphs as they are."""
    paragraphs = _BLANK_LINES.sub("\n\n", text.strip())
    return Markup(escape(paragraphs, quote=False).replace("\n\n", "</p>\n<p>").replace("\n", "<br>"))  # noqa: S704


def _filled_in(page: str) -> str:
    page = _BLANK_LINES.sub("\n", _EMPTY.sub("", page)).strip()
    return _MARKED.sub(lambda mark: _IN_HTML[int(mark[1])], _doubled(page))


def _doubled(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


_MARK, _MARKED = "\ue000{}\ue001", re.compile("\ue000(\d+)\ue001")
_BLANK_LINES, _EMPTY = re.compile(r"\n\s*\n(?:\s*\n)*"), re.compile(r"<p>\s*</p>")
_IN_HTML = [f"<strong>{{{n}}}</strong>" if name in _STRONG else f"{{{n}}}" for n, name in enumerate(_FILLED)]

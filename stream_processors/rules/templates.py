"""Renders acknowledgements from templates in `config/templates/`, one per kind of channel and locale.

`<kind>.<locale>.txt`, in plain Jinja: `{{ variable }}`, `if` and `for` only. Every template is parsed, checked and
rendered in every situation when it is loaded, so that nothing can fail, and no SMS can be too long, when a customer
waits. What the `if`s decide is worked out once per situation and kept as a frame that only wants filling in (about a
tenth of the time of rendering).

Variables, each empty when there is nothing to say:
  name, subject, order_number   the customer's own words, on one line, shortened, and left out where they look like an
                                advertisement that somebody wants us to send
  ticket                        the ticket's id
  promised, promised_short      by when we answer, in words
  articles                      (title, address) of help articles
  dissatisfied                  whether the customer is
  out_of_hours, weekend, holiday   true when nobody works now, for this reason
  incident                      what is out of order now, and that we know (`incident` of notices.yaml)
  brand, signature              the name of the brand that answers, and what stands below its mails
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from itertools import chain, product
from pathlib import Path
from typing import NamedTuple

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from schemas.brands import NAME_CHARACTERS
from schemas.errors import ConfigurationError
from schemas.events import LOCALES
from stream_processors.rules.calendars import CLOSED
from stream_processors.rules.taxonomy import Article
from stream_processors.text import sms
from stream_processors.text.own_words import order_number_words, own_words

__all__ = ["KINDS", "VARIABLES", "Rendered", "Situation", "Templates", "kind_of", "own_words"]

KINDS = ("email", "chat", "sms", "call", "social")
VARIABLES = (
    "name", "subject", "order_number", "ticket", "promised", "promised_short", "articles", "dissatisfied", "brand",
    "signature", "incident", *CLOSED,
)  # fmt: skip

_KIND_OF = {
    "email": "email", "form": "email", "in_person": "email", "chat": "chat", "bot": "chat", "help_centre": "chat",
    "sms": "sms", "phone": "call", "voicemail": "call", "social": "social",
}  # fmt: skip
#: What one message of these kinds may be; a social post as it is counted there, CJK characters double.
_FITS: dict[str, Callable[[str], bool]] = {
    "sms": sms.fits,
    "call": sms.fits,
    "social": lambda text: sum(1 if ord(character) < 0x1100 else 2 for character in text) <= 280,
}
#: What a template may be made of: nothing that depends on more of a variable than whether it is empty.
_PLAIN = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.If, nodes.For, nodes.Tuple, nodes.Not,
    nodes.And, nodes.Or, nodes.Getattr, nodes.Const,
)  # fmt: skip
_FILLED = ("name", "subject", "order_number", "ticket", "promised", "promised_short", "brand", "signature", "incident")
_NAME_CHARACTERS = 40
_SUBJECT_CHARACTERS = {"email": 100, "chat": 60, "sms": 60, "call": 60, "social": 60}
_SHORTEST_SUBJECT = 6
_ELLIPSIS = "..."


class Situation(NamedTuple):
    """The facts that an acknowledgement is written from.

    promised_time   by when we answer, in words; '' for no promise
    closed          one of `CLOSED` when nobody works now, '' otherwise
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


class Rendered(NamedTuple):
    """A rendered text. `template` is its file's name without the ending; `version` 12 hex characters of its content."""

    text: str
    template: str
    version: str


class _Template(NamedTuple):
    name: str
    version: str
    frame: Callable[[tuple[bool, ...], tuple[Article, ...], bool, str], str]
    uses_brand: bool


@dataclass(frozen=True, slots=True)
class Templates:
    """Holds all templates, by kind and locale."""

    _templates: dict[tuple[str, str], _Template]

    @classmethod
    def load(cls, directory: Path, common: Templates | None = None) -> Templates:
        """Reads, checks and tries every template. A brand's folder needs not have them all: the others are the `common` ones.

        Raises:
            ConfigurationError: a template is missing, is not Jinja, uses an unknown variable, does not name ticket
                and promise, or is too long for its channel; with file and line.
        """
        environment = ImmutableSandboxedEnvironment(
            undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
        )
        templates = cls(
            {
                (kind, locale): _load(environment, directory / f"{kind}.{locale}.txt")
                for kind, locale in product(KINDS, LOCALES)
                if common is None or (directory / f"{kind}.{locale}.txt").exists()
            }
        )
        if common is not None and not templates._templates:
            raise ConfigurationError("holds no template", where=str(directory), fix="name one <kind>.<locale>.txt")
        for path in sorted(directory.glob("*.txt")):
            kind, _, locale = path.stem.partition(".")
            if kind not in KINDS or locale not in LOCALES:
                raise ConfigurationError(
                    "is not the template of a kind and a locale",
                    where=str(path),
                    fix=f"name it <kind>.<locale>.txt with a kind of {', '.join(KINDS)}",
                )
        for kind, locale in templates._templates:
            _try(templates, kind, locale, directory / f"{kind}.{locale}.txt")
        return templates if common is None else cls(common._templates | templates._templates)

    def render(self, situation: Situation) -> Rendered:
        """Returns the text for a situation; what the customer wrote is made harmless and short enough for the channel."""
        template = self._templates[situation.kind, situation.locale]
        name = own_words(situation.name, _NAME_CHARACTERS)
        subject = own_words(situation.subject, _SUBJECT_CHARACTERS[situation.kind])
        order_number = order_number_words(situation.order_number, _NAME_CHARACTERS)

        def text(name: str, subject: str) -> str:
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
            )
            given = tuple(map(bool, values))
            frame = template.frame(given, situation.articles, situation.dissatisfied, situation.closed)
            return frame.format(*values)

        written = text(name, subject)
        fits = _FITS.get(situation.kind)
        if fits is not None and not fits(written):
            written = next((each for each in _shorter(text, name, subject) if fits(each)), text("", ""))
        return Rendered(written, template.name, template.version)


def kind_of(channel: str, address: str) -> str:
    """Returns the kind of template for a channel. A channel that cannot be answered on itself is answered by mail or SMS."""
    kind = _KIND_OF.get(channel, "email")
    return "sms" if kind == "email" and address.startswith("+") and "@" not in address else kind


def _shorter(text: Callable[[str, str], str], name: str, subject: str) -> Iterator[str]:
    """Yields the same message with ever less of the customer's own words."""
    keep = subject.removesuffix(_ELLIPSIS)
    while len(keep) > _SHORTEST_SUBJECT:
        keep = keep[: max(_SHORTEST_SUBJECT, len(keep) - 4)].rstrip()
        yield text(name, keep + _ELLIPSIS)
    yield text(name, "")
    yield text("", subject)


def _load(environment: ImmutableSandboxedEnvironment, path: Path) -> _Template:
    try:
        source = path.read_text("utf-8")
        tree = environment.parse(source)
        unknown = meta.find_undeclared_variables(tree) - set(VARIABLES)
        for part in tree.find_all(nodes.Node):
            if not isinstance(part, _PLAIN) or (isinstance(part, nodes.Getattr) and part.node != _LOOP):
                raise ConfigurationError(
                    f"{type(part).__name__.lower()} is not possible here",
                    where=f"{path}:{part.lineno}",
                    fix="use {{ variable }}, if and for only",
                )
        for node in tree.find_all(nodes.Name):
            if node.name in unknown:
                raise ConfigurationError(
                    f"unknown variable {node.name!r}",
                    where=f"{path}:{node.lineno}",
                    fix=f"one of {', '.join(VARIABLES)}",
                )
        template = environment.from_string(source)
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError("is not UTF-8", where=str(path)) from error
    except TemplateSyntaxError as error:
        raise ConfigurationError(f"is not a template: {error.message}", where=f"{path}:{error.lineno}") from error
    except TemplateError as error:
        raise ConfigurationError(f"is not a template: {error.message}", where=str(path)) from error

    @lru_cache(maxsize=1024)
    def frame(given: tuple[bool, ...], articles: tuple[Article, ...], dissatisfied: bool, closed: str) -> str:
        """The text with `{0}`, `{1}`, ... where the values go; empty ones are left out."""
        marks = {name: _MARK.format(number) if given[number] else "" for number, name in enumerate(_FILLED)}
        why = {reason: reason == closed for reason in CLOSED}
        text = template.render(marks, articles=articles, dissatisfied=dissatisfied, **why).strip()
        return _MARKED.sub(r"{\1}", text.replace("{", "{{").replace("}", "}}"))

    uses_brand = not meta.find_undeclared_variables(tree).isdisjoint(("brand", "signature"))
    return _Template(path.stem, sha256(source.encode()).hexdigest()[:12], frame, uses_brand)


_LOOP = nodes.Name("loop", "load")
_MARK, _MARKED = "\ue000{}\ue001", re.compile("\ue000(.)\ue001")
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


def _try(templates: Templates, kind: str, locale: str, path: Path) -> None:
    """Renders a template in every situation; refuses it when one fails."""
    words: tuple[tuple[str, str], ...] = (("", ""), _LONGEST_TIMES[locale])
    brands = (("", ""), _LONGEST_BRAND) if templates._templates[kind, locale].uses_brand else (("", ""),)
    helpful = ((), (Article("Help", "https://help"),))
    told = product(("", "Kim"), ("", "Tea"), ("", "10023"), words, helpful, (False, True), brands, (("", ""),))
    moments = product(("",), ("",), ("",), words, ((),), (False, True), brands, product(CLOSED, ("", _INCIDENT)))
    for name, subject, order, times, articles, dissatisfied, brand, moment in chain(told, moments):
        situation = Situation(
            kind, locale, _TICKET, name, subject, order, *times, articles, dissatisfied, *brand, *moment
        )
        try:
            text = templates.render(situation).text
        except Exception as error:  # whatever a template may do wrong when it runs
            raise ConfigurationError(f"cannot be rendered: {error}", where=str(path)) from error
        if _TICKET not in text or (times[0] and times[0] not in text and times[1] not in text):
            raise ConfigurationError(
                "does not name the ticket and the promised time in every situation", where=str(path)
            )
        if kind in _FITS and not _FITS[kind](text):
            raise ConfigurationError(
                f"is too long for one message even without the customer's own words: {text!r}",
                where=str(path),
                fix="shorten it",
            )

"""Chooses with which words a contact is acknowledged: the first situation of `situations.yaml` whose conditions all hold.

A situation has words of its own in the templates that are named after it (`template_files`); where it has none, the general
ones are said. Who is dissatisfied, and customers of the tiers in `no_articles_for_tiers`, are never offered help articles
instead of a person, whatever a rule says.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from schemas.calendars import CLOSED
from schemas.events import CHANNELS, LOCALES
from schemas.yamlfile import Document, read
from stream_processors.rules.template_files import CHANNEL, KINDS

__all__ = ["NO_SITUATIONS", "Circumstances", "Condition", "Rule", "Situations", "condition"]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TAKEN = (*KINDS, CHANNEL, *LOCALES)
#: Conditions that name one value or several, and those that are true or false.
_LISTS = ("tag", "tier", "language", "channel", "brand", "closed")
_FLAGS = ("dissatisfied", "handed_over", "incident", "staffed", "public")
_CONTACTS = "contacts"
CONDITIONS = (*_LISTS, *_FLAGS, _CONTACTS)
_GROUP = ".*"
_REMEMBERED = 4096
#: A tag that the taxonomy lacks is no mistake: nothing ever has it.
_SKIP = "skip_unknown_tags"


class Circumstances(NamedTuple):
    """What is known of a contact when it is acknowledged. What may not be told to its sender must not be in here.

    tier         of the customer, '' for none and for whom it may not be told
    contacts     tickets that the customer had before this one, None where that may not be told
    handed_over  a bot handed it over
    incident     an incident is told to this contact
    closed       why nobody works now, '' when somebody does
    """

    channel: str
    language: str
    brand: str = ""
    tier: str = ""
    tags: tuple[str, ...] = ()
    contacts: int | None = None
    dissatisfied: bool = False
    handed_over: bool = False
    incident: bool = False
    closed: str = ""
    public: bool = False


class Condition(NamedTuple):
    """Holds conditions of which all must hold: values by name, flags by name, and how many contacts there were before."""

    values: tuple[tuple[str, frozenset[str]], ...] = ()
    tags: frozenset[str] | None = None
    flags: tuple[tuple[str, bool], ...] = ()
    contacts: tuple[int, int] | None = None

    def holds(self, case: Circumstances) -> bool:
        """Returns true when all of it holds."""
        if self.tags is not None and self.tags.isdisjoint(case.tags):
            return False
        for name, allowed in self.values:
            if getattr(case, name) not in allowed:
                return False
        for name, wanted in self.flags:
            if (not case.closed if name == "staffed" else getattr(case, name)) is not wanted:
                return False
        if self.contacts is None:
            return True
        return case.contacts is not None and self.contacts[0] <= case.contacts <= self.contacts[1]


class Rule(NamedTuple):
    """A situation: any of `when` must hold. `articles`: whether help articles may be offered in it."""

    name: str
    when: tuple[Condition, ...]
    articles: bool


@dataclass(frozen=True, slots=True)
class Situations:
    """Holds the situations in their order. `version` is 12 hex characters of the file's content."""

    version: str
    rules: tuple[Rule, ...]
    no_articles_for_tiers: frozenset[str]
    _chosen: dict[Circumstances, str] = field(default_factory=dict, compare=False)

    @classmethod
    def load(cls, path: Path, tags: Collection[str] = (), brands: Collection[str] = ()) -> Situations:
        """Reads and checks the situations; conditions may name these tags and brands.

        Raises:
            ConfigurationError: with file and line of the first mistake.
        """
        document = read(path)
        data = document.data
        if not isinstance(data, dict):
            document.refuse("must be a mapping", fix="write `situations:`")
        document.known(data, ("situations", "no_articles_for_tiers", _SKIP))
        if not isinstance(skips := data.get(_SKIP, False), bool):
            document.refuse(f"{_SKIP} is true or false", _SKIP)
        entries = data.get("situations") or {}
        if not isinstance(entries, dict):
            document.refuse("must be a mapping of names", "situations")
        tiers = _texts(document, data.get("no_articles_for_tiers") or [], "no_articles_for_tiers")
        if skips:
            tags = {*tags, *_named_tags(entries)}
        rules = tuple(_rule(document, name, entry, tags, brands) for name, entry in entries.items())
        return cls(document.version, rules, frozenset(tiers))

    @property
    def names(self) -> tuple[str, ...]:
        """Returns the names of all situations, in their order."""
        return tuple(rule.name for rule in self.rules)

    def choose(self, case: Circumstances) -> str:
        """Returns the name of the situation, '' for none. Customers are alike: what was chosen is remembered."""
        found = self._chosen.get(case)
        if found is None:
            if len(self._chosen) >= _REMEMBERED:
                self._chosen.clear()
            found = self._chosen[case] = self._first(case)
        return found

    def _first(self, case: Circumstances) -> str:
        for rule in self.rules:
            for each in rule.when:
                if each.holds(case):
                    return rule.name
        return ""

    def may_offer_articles(self, situation: str, *, dissatisfied: bool, tier: str) -> bool:
        """Returns false where a person is offered and nothing else; `tier` is the customer's, whoever may be told so."""
        if dissatisfied or tier in self.no_articles_for_tiers:
            return False
        return all(rule.articles for rule in self.rules if rule.name == situation)


#: Of rules from before there were situations.
NO_SITUATIONS = Situations("", (), frozenset(("vip", "gold")))


def condition(
    document: Document, when: Any, tags: Collection[str], brands: Collection[str], *at: str | int
) -> Condition:
    """Returns the conditions that stand at `at`.

    Raises:
        ConfigurationError: one is unknown, or names what does not exist; with file and line.
    """
    if not isinstance(when, dict) or not when:
        document.refuse("must be conditions", *at, fix=f"such as `tier: vip`; known: {', '.join(CONDITIONS)}")
    document.known(when, CONDITIONS, *at)
    known: Mapping[str, Collection[str]] = {
        "language": LOCALES, "channel": CHANNELS, "brand": brands, "closed": CLOSED,
    }  # fmt: skip
    values: list[tuple[str, frozenset[str]]] = []
    found_tags: frozenset[str] | None = None
    for name in (each for each in _LISTS if each in when):
        texts = _texts(document, when[name], *at, name)
        if name == "tag":
            found_tags = frozenset(_tags(document, texts, tags, *at, name))
        else:
            for text in texts if name in known else ():
                if text not in known[name]:
                    fix = f"one of {', '.join(known[name])}" if known[name] else "none is known"
                    document.refuse(f"{text!r} is not a {name}", *at, name, fix=fix)
            values.append((name, frozenset(texts)))
    for name in (each for each in _FLAGS if each in when):
        if not isinstance(when[name], bool):
            document.refuse(f"{name} is true or false", *at, name)
    flags = tuple((name, when[name]) for name in _FLAGS if name in when)
    return Condition(tuple(values), found_tags, flags, _contacts(document, when, *at))


def _rule(document: Document, name: Any, entry: Any, tags: Collection[str], brands: Collection[str]) -> Rule:
    at = ("situations", str(name))
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in _TAKEN:
        document.refuse(f"{name!r} cannot name a situation", *at, fix="use small letters, digits and _, and no channel")
    if not isinstance(entry, dict) or "when" not in entry:
        document.refuse("has no conditions", *at, fix="write `when:`")
    document.known(entry, ("when", "articles"), *at)
    articles = entry.get("articles", True)
    if not isinstance(articles, bool):
        document.refuse("articles is true or false", *at, "articles")
    when = entry["when"]
    if isinstance(when, list):
        if not when:
            document.refuse("has no conditions", *at, "when")
        conditions = tuple(condition(document, each, tags, brands, *at, "when", n) for n, each in enumerate(when))
    else:
        conditions = (condition(document, when, tags, brands, *at, "when"),)
    return Rule(name, conditions, articles)


def _named_tags(value: Any) -> Iterator[str]:
    """Yields every tag that a condition names."""
    for name, below in value.items() if isinstance(value, dict) else ():
        if name == "tag":
            yield from (each for each in (below if isinstance(below, list) else [below]) if isinstance(each, str))
        else:
            yield from _named_tags(below)
    for below in value if isinstance(value, list) else ():
        yield from _named_tags(below)


def _texts(document: Document, value: Any, *at: str | int) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(each, str) and each.strip() for each in texts):
        document.refuse("must be a text or a list of texts", *at)
    return texts


def _tags(document: Document, texts: Iterable[str], tags: Collection[str], *at: str | int) -> Iterable[str]:
    for text in texts:
        found = [tag for tag in tags if tag.startswith(text[:-1])] if text.endswith(_GROUP) else [text]
        if not found or (found == [text] and text not in tags):
            document.refuse(f"{text!r} is not a tag of the taxonomy", *at)
        yield from found


def _contacts(document: Document, when: Mapping[str, Any], *at: str | int) -> tuple[int, int] | None:
    if _CONTACTS not in when:
        return None
    given, place = when[_CONTACTS], (*at, _CONTACTS)
    if isinstance(given, int) and not isinstance(given, bool):
        given = {"at_least": given, "at_most": given}
    if not isinstance(given, dict) or not given:
        document.refuse("is a number, or at_least and at_most", *place)
    document.known(given, ("at_least", "at_most"), *place)
    for name, number in given.items():
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            document.refuse(f"{number!r} is no number of contacts", *place, name)
    return given.get("at_least", 0), given.get("at_most", 10**9)

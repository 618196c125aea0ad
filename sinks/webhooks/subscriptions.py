"""Reads and checks the subscriptions of DESKSTREAM_WEBHOOKS_FILE.

    subscriptions:
      - name: help-desk                          # lower case; names the consumer group, so never change it
        url: https://desk.example/hooks/in       # http, and private addresses, only if the setting allows them
        secret: 0123456789abcdef0123456789       # or secrets: [new, old] while it is changed; 16 characters at least
        facts: [ticket_fact, contact_fact]       # or "*" for all
        channels: [email, chat]                  # optional: only facts of these channels
        teams: [billing]                         # optional: only facts of these teams
        targets: [support]                       # optional: only what automations tell these chats and webhooks
        format: fact                             # or text: {"text": ...}, as chat services take it
        start: beginning                         # or now: where a new subscription begins
        enabled: true

With `channels` or `teams`, facts that have no channel or no team are not sent. With `targets`, nothing but what a rule of
`automations.yaml` says to one of them: `facts: [automation_fact]`, `notify: {chat: support}` or `{webhook: support}`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import SplitResult, urlsplit

from schemas import yamlfile
from schemas.errors import ConfigurationError
from schemas.events import CHANNELS
from schemas.facts import AutomationFact, Fact
from schemas.topics import TOPIC_OF, Topic
from sinks.webhooks.addresses import is_public, literal
from sinks.webhooks.payload import KINDS

__all__ = ["Subscription", "named", "read"]

STARTS = ("beginning", "now")
FORMATS = ("fact", "text")
_TOLD = ("chat", "webhook")
SHORTEST_SECRET = 16
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_KEYS = ("name", "url", "secret", "secrets", "facts", "channels", "teams", "targets", "format", "start", "enabled")


@dataclass(frozen=True, slots=True)
class Subscription:
    """One receiver, and the facts that it wants. Empty `channels`, `teams` and `targets` mean all of them.

    text_only  it gets `{"text": ...}` instead of the fact, and nothing where there is no text
    """

    name: str
    url: str
    secrets: tuple[str, ...] = field(repr=False)
    facts: frozenset[type[Fact]]
    channels: frozenset[str] = frozenset()
    teams: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    text_only: bool = False
    start: str = "beginning"
    enabled: bool = True

    @property
    def topics(self) -> tuple[Topic, ...]:
        """The topics of its facts, sorted by name."""
        return tuple(sorted({TOPIC_OF[kind] for kind in self.facts}, key=lambda topic: topic.name))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its facts, `*` for all."""
        everything = len(self.facts) == len(KINDS)
        return ("*",) if everything else tuple(name for name, kind in KINDS.items() if kind in self.facts)

    @property
    def group(self) -> str:
        """Its consumer group, without the deployment's namespace."""
        return f"webhooks-{self.name}"

    def wants(self, fact: Fact) -> bool:
        """Tells whether the receiver wants a fact."""
        return (
            type(fact) in self.facts
            and (not self.channels or getattr(fact, "channel", "") in self.channels)
            and (not self.teams or getattr(fact, "team", "") in self.teams)
            and (not self.targets or _is_told(fact, self.targets))
            and (not self.text_only or bool(getattr(fact, "text", "")))
        )


def _is_told(fact: Fact, targets: frozenset[str]) -> bool:
    """Returns true for what a rule says to one of these chats or webhooks, and is not withheld."""
    return (
        isinstance(fact, AutomationFact) and fact.action in _TOLD and fact.target in targets and fact.outcome == "done"
    )


def read(path: Path | None, *, allow_private: bool = False) -> tuple[Subscription, ...]:
    """Returns the subscriptions of a file, in its order.

    Raises:
        ConfigurationError: no file is set, or it is invalid: names file, line and mistake.
    """
    if path is None:
        raise ConfigurationError("it is not set", where="DESKSTREAM_WEBHOOKS_FILE", fix="name the subscriptions' file")
    document = yamlfile.read(path)
    entries = document.data.get("subscriptions") if isinstance(document.data, dict) else None
    if not isinstance(entries, list) or set(document.data) != {"subscriptions"}:
        document.refuse("one key is expected: subscriptions, with a list")
    found: dict[str, Subscription] = {}
    for number in range(len(entries)):
        each = _Entry(document, number).subscription(allow_private)
        if each.name in found:
            document.refuse(f"{each.name!r} is there already", "subscriptions", number, "name")
        found[each.name] = each
    return tuple(found.values())


def named(subscriptions: Collection[Subscription], name: str) -> Subscription:
    """Returns the subscription of this name.

    Raises:
        ConfigurationError: there is none.
    """
    for each in subscriptions:
        if each.name == name:
            return each
    known = ", ".join(each.name for each in subscriptions) or "none"
    raise ConfigurationError(f"there is no subscription {name!r}", fix=f"known: {known}")


class _Entry:
    """Reads one item of the list."""

    def __init__(self, document: yamlfile.Document, number: int) -> None:
        self._document, self._number = document, number
        data = document.data["subscriptions"][number]
        if not isinstance(data, dict):
            self._refuse("a subscription is a mapping with name, url, secret and facts")
        self._data: dict[Any, Any] = data

    def subscription(self, allow_private: bool) -> Subscription:
        for key in self._data:
            if key not in _KEYS:
                self._refuse(f"{key!r} is not a key", key, fix=_closest(str(key), _KEYS))
        name = self._text("name")
        if not _NAME.fullmatch(name):
            self._refuse(f"{name!r} is not lower-case letters, digits and dashes, at most 40", "name")
        facts = self._facts()
        enabled = self._data.get("enabled", True)
        if not isinstance(enabled, bool):
            self._refuse("must be true or false", "enabled")
        start = str(self._data.get("start", STARTS[0]))
        if start not in STARTS:
            self._refuse(f"{start!r} is none of {', '.join(STARTS)}", "start")
        return Subscription(
            name=name,
            url=self._url(allow_private),
            secrets=self._secrets(),
            facts=facts,
            channels=self._filter("channels", "channel", CHANNELS),
            teams=self._filter("teams", "team", ()),
            targets=self._filter("targets", "target", ()),
            text_only=self._format(facts) == FORMATS[1],
            start=start,
            enabled=enabled,
        )

    def _format(self, facts: frozenset[type[Fact]]) -> str:
        text = str(self._data.get("format", FORMATS[0]))
        if text not in FORMATS:
            self._refuse(f"{text!r} is none of {', '.join(FORMATS)}", "format")
        if text != FORMATS[0] and facts != frozenset((AutomationFact,)):
            self._refuse("only what rules say has a text for people", "format", fix="write facts: [automation_fact]")
        return text

    def _url(self, allow_private: bool) -> str:
        text = self._text("url")
        try:
            url = urlsplit(text)
            _ = url.port
        except ValueError:
            url = SplitResult("", "", "", "", "")
        if url.scheme not in ("https", "http") or not url.hostname or not text.isprintable() or " " in text:
            self._refuse("is not an address such as https://desk.example/hooks/in", "url")
        if "@" in url.netloc:
            self._refuse("holds a user or password; the signature is the proof", "url")
        if allow_private:
            return text
        fix = "set DESKSTREAM_WEBHOOK_ALLOW_PRIVATE=true if that is meant"
        if url.scheme != "https":
            self._refuse("facts go over https only", "url", fix=fix)
        address = literal(url.hostname)
        if url.hostname == "localhost" or (address is not None and not is_public(address)):
            self._refuse(f"{url.hostname} is not a public address", "url", fix=fix)
        return text

    def _secrets(self) -> tuple[str, ...]:
        key = "secrets" if "secrets" in self._data else "secret"
        if "secret" in self._data and "secrets" in self._data:
            self._refuse("give secret or secrets", "secrets")
        value = self._data.get(key)
        secrets = value if key == "secrets" and isinstance(value, list) else [value]
        if not secrets or not all(isinstance(each, str) and len(each) >= SHORTEST_SECRET for each in secrets):
            self._refuse(f"must be text of at least {SHORTEST_SECRET} characters, in quotes if it is a number", key)
        if len(secrets) > 2:
            self._refuse("two may be valid at a time", key)
        return tuple(secrets)

    def _facts(self) -> frozenset[type[Fact]]:
        value = self._data.get("facts")
        if value in ("*", ["*"]):
            return frozenset(KINDS.values())
        names = self._names("facts")
        for place, name in enumerate(names):
            if name not in KINDS:
                self._refuse(f"{name!r} is not a fact", "facts", place, fix=_closest(name, KINDS))
        if not names:
            self._refuse('must be a list of facts, or "*"', "facts", fix=", ".join(KINDS))
        return frozenset(KINDS[name] for name in names)

    def _filter(self, key: str, attribute: str, known: Collection[str]) -> frozenset[str]:
        if key not in self._data:
            return frozenset()
        names = self._names(key)
        if not names:
            self._refuse("must be a list with something in it, or be left out", key)
        for place, name in enumerate(names):
            if known and name not in known:
                self._refuse(f"{name!r} is not a {attribute}", key, place, fix=_closest(name, known))
        if self._data.get("facts") not in ("*", ["*"]):
            for place, name in enumerate(self._names("facts")):
                if attribute not in KINDS[name].__struct_fields__:
                    self._refuse(f"{name} has no {attribute}, so {key} would leave all of it out", "facts", place)
        return frozenset(names)

    def _names(self, key: str) -> list[str]:
        value = self._data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
            self._refuse("must be a list of names", key)
        return value

    def _text(self, key: str) -> str:
        value = self._data.get(key)
        if not isinstance(value, str) or not value:
            self._refuse(f"{key} is needed, as text", key)
        return str(value)

    def _refuse(self, problem: str, *keys: str | int, fix: str = "") -> NoReturn:
        said = f"{keys[0]}: {problem}" if keys else problem
        self._document.refuse(said, "subscriptions", self._number, *keys, fix=fix)


def _closest(word: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(word, known, 1)
    return f"did you mean {close[0]}?" if close else "known: " + ", ".join(known)

"""Names whom a command is about: an address, a telephone number, a customer id, a customer tag or a ticket id. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from schemas.errors import ConfigurationError
from schemas.identity import canonical_customer_id, customer_tag, split_ticket_id

__all__ = ["Person", "named"]

_TAG = re.compile(r"[A-Z2-7]{12}")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,19}:\S.{0,253}")
_SHORTEST_WORD = 8


@dataclass(frozen=True)
class Person:
    """Holds what a person is known by.

    tags   their customer tags: the record keys, and the beginnings of ticket ids
    words  what is theirs alone: customer ids and addresses
    names  what others may be called as well: it says that they are mentioned, never that something is theirs
    """

    tags: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()

    def also(self, tags: Iterable[str] = (), words: Iterable[str] = (), names: Iterable[str] = ()) -> Person:
        """Returns the person, who is known by more."""
        return Person(
            self.tags.union(tags),
            self.words.union(filter(_is_telling, words)),
            self.names.union(filter(_is_telling, names)),
        )

    def rough(self) -> re.Pattern[bytes]:
        """Returns what finds everything that `pattern` and `mention` find, in any bytes, and more."""
        words = (b"(?i:" + re.escape(word.encode()) + b")" for word in sorted(self.words | self.names))
        return re.compile(b"|".join((*self._tags(), *words)))

    def pattern(self) -> re.Pattern[bytes]:
        """Returns what finds their tags, and their words as whole words in a text, in any case."""
        return re.compile(b"|".join((*self._tags(), *map(_whole, sorted(self.words)))))

    def mention(self) -> re.Pattern[bytes]:
        """Returns what finds their names as well."""
        return re.compile(b"|".join((*self._tags(), *map(_whole, sorted(self.words | self.names)))))

    def _tags(self) -> Iterable[bytes]:
        return (re.escape(tag.encode()) for tag in sorted(self.tags))


def named(given: str) -> Person:
    """Returns the person that somebody typed.

    Raises:
        ConfigurationError: it is nothing that customers are known by.
    """
    text = given.strip()
    if ticket := split_ticket_id(text.upper()):
        return Person(frozenset((ticket[0],)))
    if _TAG.fullmatch(text.upper()) and "@" not in text:
        return Person(frozenset((text.upper(),)))
    if _KIND.fullmatch(text):
        kind, _, value = text.partition(":")
    elif "@" in text and " " not in text:
        kind, value = "email", text
    elif (number := re.sub(r"[\s().-]", "", text)).startswith("+") and number[1:].isdigit():
        kind, value = "tel", number
    else:
        raise ConfigurationError(
            f"{given[:60]!r} is no address, number, customer id or customer tag",
            where="CUSTOMER",
            fix="give ann@example.org, +819012345678 (with the country code), chat:visitor-5, a tag or a ticket id",
        )
    customer_id = canonical_customer_id(kind, value)
    return Person(frozenset((customer_tag(customer_id),))).also(words=(customer_id, customer_id.partition(":")[2]))


def _is_telling(word: str) -> bool:
    """Returns false for a word so short that it stands in the records of half the world."""
    return len(word.encode()) >= _SHORTEST_WORD


def _whole(word: str) -> bytes:
    """Returns a pattern for an address that is no part of a longer one: ann@example.org is not in joann@example.org."""
    return rb"(?<![A-Za-z0-9._%+-])(?i:" + re.escape(word.encode()) + rb")(?![A-Za-z0-9_-]|[.@][A-Za-z0-9])"

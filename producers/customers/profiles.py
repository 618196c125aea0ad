"""Holds what a directory knows of a customer, and reads it from texts of any quality."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import msgspec

from producers.customers.identities import Identities
from producers.text.fields import prose, time_zone_problem
from producers.text.locales import locale_hint
from schemas.errors import Refused

__all__ = ["COLUMNS", "UNKNOWN", "Profile", "answered", "has_kind", "profile_of"]

#: The fields of a profile, as files and servers name them.
COLUMNS = ("address", "customer_id", "name", "language", "time_zone", "tier")


class Profile(msgspec.Struct, frozen=True):
    """Holds what is known of a customer; '' is unknown. `customer_id` '' means: the address itself."""

    customer_id: str = ""
    name: str = ""
    language: str = ""
    time_zone: str = ""
    tier: str = ""


#: Of a customer that nobody knows.
UNKNOWN = Profile()


def profile_of(fields: dict[str, Any], identities: Identities) -> Profile:
    """Returns the profile of a row or an answer.

    Raises:
        ValueError: what is wrong, one plain line.
    """
    texts = {name: str(fields[name]).strip() for name in COLUMNS if fields.get(name) not in (None, "")}
    own = texts.get("customer_id", "")
    if own:
        try:
            own = identities.customer_id(own if has_kind(own) else f"ext:{own}")
        except Refused as refused:
            raise ValueError(refused.detail) from refused
    language = texts.get("language", "")
    if language and not locale_hint(language):
        raise ValueError(f"{language[:40]!r} is not a language that we answer in: en, zh-Hans, zh-Hant, ja")
    if problem := time_zone_problem(texts.get("time_zone", "")):
        raise ValueError(problem)
    return Profile(
        customer_id=own,
        name=prose(" ".join(texts.get("name", "").split()), 200),
        language=locale_hint(language) if language else "",
        time_zone=texts.get("time_zone", ""),
        tier=texts.get("tier", "").lower()[:40],
    )


def has_kind(text: str) -> bool:
    """Returns whether a text begins with the kind of an id, such as `email:`."""
    kind, colon, _ = text.partition(":")
    return bool(colon) and kind.isidentifier()


def answered(profile: Profile) -> Future[Profile]:
    """Returns a future that has its result."""
    future: Future[Profile] = Future()
    future.set_result(profile)
    return future

"""Reads telephone numbers as senders write them: their E.164 form, and the language of their country."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import phonenumbers

__all__ = ["CARRIER", "Caller", "caller", "e164", "language_of"]

#: Countries where nearly everybody writes one language (and script) that we answer in.
_LANGUAGES = {
    "JP": "ja", "CN": "zh-Hans", "TW": "zh-Hant", "HK": "zh-Hant", "MO": "zh-Hant",
    "GB": "en", "IE": "en", "AU": "en", "NZ": "en", "US": "en",
}  # fmt: skip
#: Characters of the longest number that is read; it bounds the cache.
_LONGEST = 100
_NUMBER = re.compile(r"\+[1-9][0-9]{5,14}")
#: Placeholders of telephone systems for a number: words, and the digits of these words on a keypad.
_ANONYMOUS = frozenset(
    {
        "anonymous", "restricted", "unavailable", "unknown", "private", "blocked", "+266696687", "+7378742833",
        "+2562533", "+8656696", "+464",
    }
)  # fmt: skip


class Caller(NamedTuple):
    """A caller or sender. `address` is '' when nobody can be answered there; `customer` is '' for anonymous ones."""

    customer: str
    address: str


#: How a number is verified that the signed webhook of its carrier names.
CARRIER = "carrier"


def e164(text: str, country: str = "") -> str:
    """Returns the E.164 form (`0044 (20) 7946-0000` is `+442079460000`), '' when it is no number.

    `country` is for numbers without one.
    """
    return _e164(text.strip(), country) if len(text) <= _LONGEST else ""


@lru_cache(maxsize=4096)
def _e164(plain: str, country: str) -> str:
    if _NUMBER.fullmatch(plain):
        return plain
    try:
        number = phonenumbers.parse(plain, country.strip().upper() or None)
    except phonenumbers.NumberParseException:
        return ""
    # A short code such as 12345 is a possible number of nearly every country, and a valid one of none.
    if not (phonenumbers.is_possible_number if plain.startswith("+") else phonenumbers.is_valid_number)(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@lru_cache(maxsize=4096)
def language_of(number: str) -> str:
    """Returns the locale that a number's country suggests, '' where that is not clear."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return ""
    region = phonenumbers.region_code_for_number(parsed)
    if region is None:  # a number that is not given out (yet) still has the code of its country
        regions = phonenumbers.region_codes_for_country_code(parsed.country_code or 0)
        region = regions[0] if len(regions) == 1 else ""
    return _LANGUAGES.get(region, "")


def caller(text: str, country: str = "") -> Caller:
    """Returns the caller: a number, a short code or name (known, but not to be answered), or an anonymous one."""
    plain = text.strip()
    if plain.lower() in _ANONYMOUS or not plain:
        return Caller("", "")
    if plain.lower().startswith("sip:"):
        plain = plain[4:].partition("@")[0] if e164(plain[4:].partition("@")[0], country) else plain
    number = e164(plain, country)
    if number:
        return Caller(f"tel:{number}", number)
    kind, _, name = plain.partition(":") if ":" in plain else ("tel", "", plain)
    return Caller(f"{kind.lower()}:{name[:200]}", "")

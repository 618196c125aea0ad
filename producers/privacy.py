"""Card numbers never leave a producer: all but the last four digits are masked before anything reaches Kafka.

A card number is 13 to 19 digits that pass the Luhn check (ISO/IEC 7812-1 annex B) and start with 2 to 6, the
industry digits of payment cards; the digits may be full-width and stand in groups.
"""

from __future__ import annotations

import re

__all__ = ["luhn", "mask", "mask_bytes"]

_GAP = r"[ \t\u00a0\u2007\u2009\u202f\u3000\-\u2010-\u2015\u2212\uff0d.\uff0e\u00b7]{0,2}"
_RUN = re.compile(rf"\d(?:{_GAP}\d){{12,}}")
_GROUP = re.compile(r"\d+")
_SHORTEST, _LONGEST = 13, 19
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def luhn(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of the others."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        total += _DOUBLED[value] if place % 2 else value
    return total % 10 == 0


def mask(text: str) -> str:
    """The text with every card number's digits but the last four replaced by `*`; its length does not change."""
    return _RUN.sub(_mask_run, text) if len(text) >= _SHORTEST else text


def mask_bytes(raw: bytes) -> bytes:
    """The same for raw bytes of unknown encoding: only ASCII digits are seen."""
    text = raw.decode("latin-1")
    masked = mask(text)
    return raw if masked == text else masked.encode("latin-1")


def _mask_run(run: re.Match[str]) -> str:
    """A run may hold more than the card (an order number before it): try every stretch of whole groups."""
    text = run[0]
    groups = [match.span() for match in _GROUP.finditer(text)]
    first = 0
    while first < len(groups):
        last = _card_from(text, groups, first)
        if last is None:
            first += 1
            continue
        start, end = groups[first][0], groups[last][1]
        text = text[:start] + _stars(text[start:end]) + text[end:]
        first = last + 1
    return text


def _card_from(text: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """The index of the last group of the longest card number that starts with group `first`."""
    found, digits = None, ""
    for index in range(first, len(groups)):
        start, end = groups[index]
        digits += text[start:end]
        if len(digits) > _LONGEST:
            break
        if len(digits) >= _SHORTEST and int(digits[0]) in (2, 3, 4, 5, 6) and luhn(digits):
            found = index
    return found


def _stars(card: str) -> str:
    keep = 4
    masked = []
    for char in reversed(card):
        if char.isdigit():
            masked.append(char if keep > 0 else "*")
            keep -= 1
        else:
            masked.append(char)
    return "".join(reversed(masked))

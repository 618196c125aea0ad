"""Measures a text as one SMS: 160 units in the GSM 7-bit alphabet (3GPP TS 23.038), 70 in UCS-2."""

from __future__ import annotations

__all__ = ["GSM_7_UNITS", "UCS_2_UNITS", "fits", "is_gsm_7", "units"]

GSM_7_UNITS, UCS_2_UNITS = 160, 70

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
#: Behind an escape character: two units each.
_EXTENSION = frozenset("\f^{}\\[~]|€")
_ALPHABET = _BASIC | _EXTENSION


def is_gsm_7(text: str) -> bool:
    """Returns true when every character is in the GSM 7-bit alphabet or its extension."""
    return _ALPHABET.issuperset(text)


def units(text: str) -> int:
    """Returns the septets in GSM-7, otherwise 16-bit units of UCS-2 (an emoji is two)."""
    if is_gsm_7(text):
        return len(text) + sum(1 for character in text if character in _EXTENSION)
    return sum(2 if ord(character) > 0xFFFF else 1 for character in text)


def fits(text: str) -> bool:
    """Returns true when the text fits into one SMS."""
    return units(text) <= (GSM_7_UNITS if is_gsm_7(text) else UCS_2_UNITS)

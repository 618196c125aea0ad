"""Fills WhatsApp templates: what goes out when the 24 hours after the customer's last message are over.

A value of a template is one line without tabs or runs of spaces, and is never empty; a template with its values has at most 1,024
characters. A longer text goes in several messages.
"""

from __future__ import annotations

import json

from schemas.facts import Outbound
from sinks.delivery.adapter import Undeliverable
from sinks.delivery.split import split

__all__ = ["contents", "says"]

#: Of a text in one template; the rest of the 1,024 is for its own words and the other values.
TEXT_UNITS = 700
_VALUE_CHARACTERS = 100
_TEXT = "{text}"


def contents(message: Outbound, most_units: int, most_parts: int) -> list[str]:
    """Returns the ContentVariables of each part, as the service takes them.

    Raises:
        Undeliverable: there is no template, or the text does not fit into so many parts.
    """
    if not message.template:
        raise Undeliverable(
            "refused",
            "whatsapp_window",
            "more than 24 hours have passed since the customer's last WhatsApp message, and the brand has no approved template "
            f"of kind {message.kind} for this language",
        )
    text, most = _one_line(message.text), min(most_units, TEXT_UNITS)
    parts = split(text, most, most_parts, _units) if _units(text) > most else [text]
    return [json.dumps(_filled(message.template_variables, _one_line(part)), ensure_ascii=False) for part in parts]


def says(body: str, variables: str) -> bool:
    """Returns true when a message that the service sent holds every value of these ContentVariables."""
    line = _one_line(body)
    return all(value in line for value in json.loads(variables).values())


def _filled(variables: dict[str, str], text: str) -> dict[str, str]:
    filled = {}
    for name, pattern in variables.items():
        before, found, after = pattern.partition(_TEXT)
        own = f"{_short(before)}{text}{_short(after.replace(_TEXT, text))}" if found else _short(pattern)
        filled[name] = _one_line(own) or "-"
    return filled


def _short(value: str) -> str:
    return value if len(value) <= _VALUE_CHARACTERS else value[:_VALUE_CHARACTERS]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _units(text: str) -> int:
    return len(text) + sum(each > "\uffff" for each in text)

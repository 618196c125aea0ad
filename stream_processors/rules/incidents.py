"""Holds what is out of order and whom that is told. An incident begins and ends with an `IncidentChanged` on the topic `rules`.

So it is in force at one instant for all workers, without a change of files, and a replay tells what was told then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from schemas.events import LOCALES
from schemas.published import IncidentChanged
from stream_processors.rules.situations import Circumstances

__all__ = ["TEXT_CHARACTERS", "Incident", "in_force", "problem_of", "told"]

TEXT_CHARACTERS = 240


class Incident(NamedTuple):
    """An incident that goes on: its texts by language, and whom it is told; an empty set is everybody."""

    name: str
    texts: Mapping[str, str]
    tags: frozenset[str]
    channels: frozenset[str]
    brands: frozenset[str]

    def concerns(self, case: Circumstances) -> bool:
        """Returns true for a contact that is to be told about it."""
        return (
            (not self.tags or not self.tags.isdisjoint(case.tags))
            and (not self.channels or case.channel in self.channels)
            and (not self.brands or case.brand in self.brands)
        )


def in_force(changes: Iterable[IncidentChanged]) -> tuple[Incident, ...]:
    """Returns the incidents that go on after these changes, which come in the order in which they took effect; newest first."""
    going_on: dict[str, Incident] = {}
    for change in changes:
        going_on.pop(change.incident, None)
        if change.texts:
            whom = (frozenset(each) for each in (change.tags, change.channels, change.brands))
            going_on[change.incident] = Incident(change.incident, change.texts, *whom)
    return tuple(reversed(going_on.values()))


def told(incidents: Iterable[Incident], case: Circumstances, locale: str) -> str:
    """Returns what is told of the newest incident that concerns a contact, in English where it has no text in the language."""
    for each in incidents:
        if each.concerns(case):
            return each.texts.get(locale) or each.texts.get("en", "")
    return ""


def problem_of(texts: Mapping[str, object]) -> str:
    """Returns why texts of an incident cannot be told, '' when they can: one line each, and one of them English."""
    for locale, text in texts.items():
        if locale not in LOCALES:
            return f"{locale!r} is no language of ours ({', '.join(LOCALES)})"
        if not isinstance(text, str) or not text.strip() or not text.strip().isprintable():
            return f"the text in {locale} must be one line"
        if len(text.strip()) > TEXT_CHARACTERS:
            return f"the text in {locale} has {len(text.strip())} characters, at most {TEXT_CHARACTERS} are told"
    return "" if "en" in texts else "a text in `en` is needed: who has no other is told that one"

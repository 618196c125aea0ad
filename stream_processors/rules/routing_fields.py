"""Reads the fields that teams and agents share in `teams.yaml` and `agents.yaml`; each refuses a mistake with its line."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeVar

from schemas import yamlfile
from schemas.calendars import Calendar
from schemas.calendars_file import Calendars
from schemas.events import CHANNELS, LOCALES
from schemas.skills import HIGHEST_LEVEL

__all__ = ["by_channel", "calendar", "languages", "limits", "seconds", "skills", "weights"]

_SKILL = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_DURATION = re.compile(r"(\d{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_SECONDS = 366 * 86400
_MOST_TICKETS = 10_000
#: Finer weights than this are no plan for a person.
_SMALLEST_PART = 1000
_FRACTION = re.compile(r"\d{1,4}/\d{1,4}")
T = TypeVar("T")
Convert = Callable[[yamlfile.Document, Any, tuple[str | int, ...]], T]


def by_channel(
    document: yamlfile.Document, fields: dict[str, Any], name: str, convert: Convert[T], *where: str | int
) -> dict[str, T]:
    """Returns the field as values by channel; a single value is that of all channels."""
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        return {"default": convert(document, value, (*where, name))}
    for channel in value:
        if channel != "default" and channel not in CHANNELS:
            known = ", ".join(("default", *CHANNELS))
            document.refuse(f"{channel!r} is not a channel", *where, name, str(channel), fix=f"use {known}")
    return {channel: convert(document, each, (*where, name, channel)) for channel, each in value.items()}


def limits(document: yamlfile.Document, value: Any, where: tuple[str | int, ...]) -> int:
    """Returns a number of tickets."""
    if type(value) is not int or not 0 <= value <= _MOST_TICKETS:
        document.refuse(f"{value!r} is not a number of tickets", *where, fix=f"write 0 to {_MOST_TICKETS}")
    return value


def weights(document: yamlfile.Document, value: Any, where: tuple[str | int, ...]) -> float:
    """Returns a part of a person, written as `1/3` or `0.25`."""
    written = isinstance(value, str) and _FRACTION.fullmatch(value.replace(" ", "")) is not None
    if (not written and type(value) not in (int, float)) or (written and value.rstrip().endswith("/0")):
        document.refuse(f"{value!r} is not a part of a person", *where, fix="write for example 1/3 or 0.25")
    part = float(Fraction(value.replace(" ", ""))) if written else float(value)
    if not 1 / _SMALLEST_PART <= part <= 1:
        document.refuse(f"{value!r} is not between 1/{_SMALLEST_PART} and 1", *where, fix="1 is a whole person")
    return part


def seconds(document: yamlfile.Document, value: Any, where: tuple[str | int, ...]) -> int:
    """Returns a duration such as `90s` in seconds."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or not int(match[1]):
        document.refuse(f"{value!r} is not a duration", *where, fix="write for example 90s, 10m, 24h or 7d")
    found = int(match[1]) * _SECONDS[match[2]]
    if found > _LONGEST_SECONDS:
        document.refuse(f"{value!r} is longer than a year", *where)
    return found


def skills(document: yamlfile.Document, fields: dict[str, Any], *where: str | int) -> dict[str, int]:
    """Returns skill → level of a mapping such as `{refunds: 2}`, or of a list of skills, whose level is 1."""
    value = fields.get("skills")
    if value is None:
        return {}
    if isinstance(value, list):
        for number, skill in enumerate(value):
            _require_skill(document, skill, *where, "skills", number)
        return dict.fromkeys(value, 1)
    if not isinstance(value, dict):
        document.refuse("skills are not a list, nor levels by skill", *where, "skills", fix="write {refunds: 2}")
    for skill, level in value.items():
        _require_skill(document, skill, *where, "skills", str(skill))
        if type(level) is not int or not 1 <= level <= HIGHEST_LEVEL:
            fix = f"write 1 to {HIGHEST_LEVEL}"
            document.refuse(f"{level!r} is not a level", *where, "skills", skill, fix=fix)
    return dict(value)


def _require_skill(document: yamlfile.Document, skill: Any, *where: str | int) -> None:
    if not isinstance(skill, str) or not _SKILL.fullmatch(skill):
        document.refuse(f"{skill!r} is not a skill", *where, fix="use lower case letters, digits, - and _")


def languages(document: yamlfile.Document, fields: dict[str, Any], *where: str | int) -> tuple[str, ...]:
    """Returns the languages, of those that we answer in."""
    value = fields.get("languages") or []
    if not isinstance(value, list):
        document.refuse("languages is not a list", *where, "languages")
    for number, language in enumerate(value):
        if language not in LOCALES:
            known = ", ".join(LOCALES)
            document.refuse(f"{language!r} is not a language we answer in", *where, "languages", number, fix=known)
    return tuple(value)


def calendar(
    document: yamlfile.Document, fields: dict[str, Any], calendars: Calendars | None, *where: str | int
) -> Calendar | None:
    """Returns the calendar that `hours` names; None for none."""
    name = fields.get("hours")
    if name is None:
        return None
    if calendars is None or not isinstance(name, str) or name not in calendars:
        known = ", ".join(sorted(calendars.calendars)) if calendars else ""
        document.refuse(f"{name!r} is not a calendar", *where, "hours", fix=f"calendars.yaml has {known or 'none'}")
    return calendars[name]

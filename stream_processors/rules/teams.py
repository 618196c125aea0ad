"""Holds the teams that answer: their names, the fallback, the languages that each answers in, and their signatures."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schemas import yamlfile
from schemas.events import LOCALES

__all__ = ["Team", "Teams"]

_SLUG = re.compile(r"[a-z][a-z0-9_-]*")
_FIELDS = ("name", "languages", "signatures")
_SIGNATURE_CHARACTERS = 2_000
#: What a signature may name.
_PLACES = ("agent", "team", "brand")
_PLACE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Team:
    """A team; empty `languages` mean all. `signatures` are by language, below what its people write by mail."""

    slug: str
    name: str
    languages: tuple[str, ...] = ()
    signatures: Mapping[str, str] = field(default_factory=dict)

    def signature(self, locale: str) -> str:
        """Returns its signature in this language, in English where it has none, '' where it has none at all."""
        return self.signatures.get(locale) or self.signatures.get("en", "")


@dataclass(frozen=True, slots=True)
class Teams:
    """Holds all teams by slug; `version` is that of the file's content."""

    teams: dict[str, Team]
    fallback: str
    version: str

    def __contains__(self, team: str) -> bool:
        return team in self.teams

    @property
    def names(self) -> Container[str]:
        """The slugs of all teams."""
        return self.teams

    def choose(self, owner: str | None, language: str) -> str:
        """Returns the team for a ticket: the owner of its tags if it answers in the language, otherwise the fallback."""
        team = self.teams.get(owner or "")
        if team is None or (team.languages and language and language not in team.languages):
            return self.fallback
        return team.slug

    @classmethod
    def load(cls, path: Path) -> Teams:
        """Reads `teams.yaml`.

        Raises:
            ConfigurationError: with file and line.
        """
        document = yamlfile.read(path)
        data = document.data
        if not isinstance(data, dict) or not isinstance(data.get("teams"), dict) or not data["teams"]:
            document.refuse("names no teams", "teams", fix="write `teams:` with one entry per team")
        for key in data:
            if key not in ("fallback", "teams"):
                document.refuse(f"{key!r} is not a setting of teams", key, fix="use fallback, teams")
        teams = {str(slug): _team(document, slug, value) for slug, value in data["teams"].items()}
        fallback = data.get("fallback")
        if fallback not in teams:
            document.refuse(f"the fallback {fallback!r} is not one of the teams", "fallback")
        return cls(teams, str(fallback), document.version)


def _team(document: yamlfile.Document, slug: object, value: object) -> Team:
    where = ("teams", str(slug))
    if not isinstance(slug, str) or not _SLUG.fullmatch(slug):
        document.refuse(f"{slug!r} is not a team's slug", *where, fix="use lower case letters, digits, - and _")
    fields = value or {}
    if not isinstance(fields, dict):
        document.refuse(f"team {slug!r} has no fields", *where)
    for key in fields:
        if key not in _FIELDS:
            document.refuse(f"{key!r} is not a field of a team", *where, str(key), fix=f"use {', '.join(_FIELDS)}")
    languages = fields.get("languages") or []
    if not isinstance(languages, list):
        document.refuse("languages is not a list", *where, "languages")
    for number, language in enumerate(languages):
        if language not in LOCALES:
            known = ", ".join(LOCALES)
            document.refuse(f"{language!r} is not a language we answer in", *where, "languages", number, fix=known)
    return Team(slug, str(fields.get("name") or slug), tuple(languages), _signatures(document, fields, where))


def _signatures(document: yamlfile.Document, fields: dict[str, Any], where: tuple[str, str]) -> dict[str, str]:
    found = fields.get("signatures") or {}
    if not isinstance(found, dict):
        document.refuse("signatures are not texts by language", *where, "signatures", fix='write {en: "..."}')
    for locale, text in found.items():
        place = (*where, "signatures", str(locale))
        if locale not in LOCALES:
            document.refuse(f"{locale!r} is not a language we answer in", *place, fix=", ".join(LOCALES))
        if not isinstance(text, str) or not text.strip() or len(text) > _SIGNATURE_CHARACTERS:
            document.refuse(f"is no text of 1 to {_SIGNATURE_CHARACTERS} characters", *place)
        for name in _PLACE.findall(text):
            if name not in _PLACES:
                document.refuse(f"{{{name}}} cannot be filled in", *place, fix=f"use {{{'}, {'.join(_PLACES)}}}")
    return {str(locale): text.strip("\n") for locale, text in found.items()}

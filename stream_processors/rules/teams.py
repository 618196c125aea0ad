"""Holds the teams that answer: their names, the fallback, and the languages that each answers in."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from schemas import yamlfile
from schemas.events import LOCALES

__all__ = ["Team", "Teams"]

_SLUG = re.compile(r"[a-z][a-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Team:
    """A team; empty `languages` mean all."""

    slug: str
    name: str
    languages: tuple[str, ...] = ()


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
        if key not in ("name", "languages"):
            document.refuse(f"{key!r} is not a field of a team", *where, str(key), fix="use name, languages")
    languages = fields.get("languages") or []
    if not isinstance(languages, list):
        document.refuse("languages is not a list", *where, "languages")
    for number, language in enumerate(languages):
        if language not in LOCALES:
            known = ", ".join(LOCALES)
            document.refuse(f"{language!r} is not a language we answer in", *where, "languages", number, fix=known)
    return Team(slug, str(fields.get("name") or slug), tuple(languages))

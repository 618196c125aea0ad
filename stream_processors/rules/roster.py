"""Holds the agents of `agents.yaml`: their teams, and what the router is told that they can do.

Agents may as well come by events (`RosterChanged`), or just say that they are there (`PresenceChanged`): an empty roster
knows nobody and admits everybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schemas import yamlfile
from schemas.calendars import Calendar
from schemas.calendars_file import Calendars
from schemas.events import AgentProfile
from schemas.skills import levels_of
from stream_processors.rules.routing_fields import by_channel, calendar, languages, limits, skills, weights
from stream_processors.rules.teams import Teams

__all__ = ["Member", "Roster"]

_FIELDS = ("name", "teams", "languages", "skills", "limits", "weights", "hours")
_MOST_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Member:
    """An agent. What is empty is as their team has it, or as their presence says; `hours` None is always."""

    agent_id: str
    name: str
    teams: tuple[str, ...]
    languages: tuple[str, ...] = ()
    skills: Mapping[str, int] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    hours: Calendar | None = None


@dataclass(frozen=True, slots=True)
class Roster:
    """Holds all agents by their ids. A `strict` roster says that there are no others."""

    agents: Mapping[str, Member] = field(default_factory=dict)
    strict: bool = False
    version: str = ""
    _profiles: dict[str, list[AgentProfile]] = field(default_factory=dict, compare=False, repr=False)

    def admits(self, agent: str) -> bool:
        """Returns true when a ticket may be given to this agent."""
        return not self.strict or agent in self.agents

    def works_in(self, agent: str, team: str) -> bool | None:
        """Returns whether the agent is in a team; None for an agent of whom nothing is known."""
        known = self.agents.get(agent)
        return None if known is None else team in known.teams

    def at_work(self, agent: str, now: int) -> bool:
        """Returns false when `now` is outside of the agent's hours."""
        known = self.agents.get(agent)
        return known is None or known.hours is None or known.hours.is_open(now)

    def profiles(self, team: str) -> list[AgentProfile]:
        """Returns what the router is told of the agents of a team."""
        return [
            AgentProfile(
                agent_id=each.agent_id,
                capacity=dict(each.limits),
                weights=dict(each.weights),
                languages=list(each.languages),
                skills=levels_of(each.skills),
            )
            for _, each in sorted(self.agents.items())
            if team in each.teams
        ]

    @classmethod
    def load(cls, path: Path, teams: Teams, calendars: Calendars | None = None) -> Roster:
        """Reads `agents.yaml`, whose agents are in these teams.

        Raises:
            ConfigurationError: with file and line.
        """
        document = yamlfile.read(path)
        data = document.data
        if not isinstance(data, dict) or not isinstance(data.get("agents", {}) or {}, dict):
            document.refuse("holds no agents", fix="write `agents:` with one entry per agent, or `agents: {}`")
        document.known(data, ("strict", "agents"))
        strict = data.get("strict", False)
        if not isinstance(strict, bool):
            document.refuse(f"{strict!r} is neither true nor false", "strict")
        agents = data.get("agents") or {}
        if strict and not agents:
            document.refuse("names nobody, and is strict: no ticket could be given to anybody", "strict")
        made = {}
        for key, value in agents.items():
            member = _member(document, key, value, teams, calendars)
            made[member.agent_id] = member
        return cls(made, strict, document.version)


def _member(document: yamlfile.Document, key: Any, value: Any, teams: Teams, calendars: Calendars | None) -> Member:
    where = ("agents", str(key))
    if not isinstance(key, str) or not key.strip().isprintable() or not 0 < len(key) <= _MOST_CHARACTERS:
        document.refuse(
            f"{key!r} is not an agent's id", *where, fix=f"put it in quotes; up to {_MOST_CHARACTERS} letters"
        )
    if not isinstance(value, dict):
        document.refuse(f"agent {key!r} has no fields", *where, fix="write for example {teams: [support]}")
    document.known(value, _FIELDS, *where)
    listed = value.get("teams")
    if not isinstance(listed, list) or not listed:
        document.refuse(f"agent {key!r} is in no team", *where, "teams", fix="write teams: [support]")
    for number, team in enumerate(listed):
        if not isinstance(team, str) or team not in teams:
            document.refuse(f"{team!r} is not a team", *where, "teams", number, fix=", ".join(teams.teams))
    return Member(
        agent_id=key,
        name=str(value.get("name") or key),
        teams=tuple(dict.fromkeys(listed)),
        languages=languages(document, value, *where),
        skills=skills(document, value, *where),
        limits=by_channel(document, value, "limits", limits, *where),
        weights=by_channel(document, value, "weights", weights, *where),
        hours=calendar(document, value, calendars, *where),
    )

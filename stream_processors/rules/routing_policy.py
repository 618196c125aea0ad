"""Holds what `teams.yaml` says of waiting in a team, and turns teams and roster into what the router is told (ADR 47).

Values are by channel, with `default` for the channels that are not named. A channel without a value has no such limit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from schemas.events import TeamConfigured
from schemas.identity import event_id

if TYPE_CHECKING:
    from stream_processors.rules.ruleset import Rules
    from stream_processors.rules.versions import RulesetHistory

__all__ = ["ORDER", "RoutingPolicy", "announcements", "configuration"]

#: By what waiting tickets are ordered, the first first.
ORDER = ("channel", "priority", "due_at", "eligible_at")
_IDENTIFYING = 16


@dataclass(frozen=True, slots=True)
class RoutingPolicy:
    """What happens to tickets that wait in a team. Seconds; `weights` are parts of a person.

    limits      tickets waiting on us that an agent takes
    overflow    how long a ticket waits before it goes to the fallback
    affinity    for how long after a customer's last contact the previous agent is preferred; without: for ever
    reserve     how long a ticket waits for the previous agent, who is on shift and has no room; without: not at all
    accept      how long an agent may take to accept an offer; without: tickets are assigned and not offered
    silent      after how long without a report an agent is away
    order       a permutation of `ORDER`
    give_back   percent of the time to the deadline after which a ticket that its agent left alone is given back; 0: never
    """

    limits: Mapping[str, int] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)
    overflow: Mapping[str, int] = field(default_factory=dict)
    affinity: Mapping[str, int] = field(default_factory=dict)
    reserve: Mapping[str, int] = field(default_factory=dict)
    accept: Mapping[str, int] = field(default_factory=dict)
    silent: Mapping[str, int] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    give_back: int = 0


def announcements(history: RulesetHistory, now: int, source: str) -> list[TeamConfigured]:
    """Returns the configuration of each team by the rules in force at `now`, and of teams that only other rules have."""
    in_force = history.version_at(now)
    former = frozenset(team for version in history.versions for team in version.rules.teams.teams)
    return list(configuration(in_force.rules, in_force.effective_from, now=now, source=source, former=former))


def configuration(
    rules: Rules, number: int, *, now: int, source: str = "", former: frozenset[str] = frozenset()
) -> Iterator[TeamConfigured]:
    """Yields what the router is to know of each team under these rules. `number` orders rules by when they take effect.

    `former` are teams of earlier rules: those that are not there any more are said to be gone.
    """
    for slug, team in sorted(rules.teams.teams.items()):
        policy = team.routing
        fields: dict[str, Any] = {
            "agents": rules.roster.profiles(slug),
            "languages": list(team.languages),
            "fallback": rules.teams.fallback_of(slug, ""),
            "limits": dict(policy.limits),
            "weights": dict(policy.weights),
            "overflow_seconds": dict(policy.overflow),
            "affinity_seconds": dict(policy.reserve),
            "accept_seconds": dict(policy.accept),
            "silent_seconds": dict(policy.silent),
            "order": list(policy.order),
            "give_back_percent": policy.give_back,
        }
        yield _event(slug, number, now, source, fields)
    for slug in sorted(former - set(rules.teams.teams)):
        yield _event(slug, number, now, source, {"active": False, "fallback": rules.teams.fallback})


def _event(team: str, number: int, now: int, source: str, fields: dict[str, Any]) -> TeamConfigured:
    content = sha256(json.dumps(msgspec.to_builtins(fields), sort_keys=True).encode()).hexdigest()[:_IDENTIFYING]
    return TeamConfigured(
        event_id=event_id("team-configured", team, str(number), content),
        occurred_at=now,
        received_at=now,
        customer_tag="",
        source=source,
        team=team,
        number=number,
        content=content,
        **fields,
    )

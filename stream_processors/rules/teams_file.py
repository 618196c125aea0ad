"""Reads and validates `teams.yaml`: the teams, what holds for all of them, and the rules by which they are chosen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from schemas import yamlfile
from schemas.calendars_file import Calendars
from schemas.events import CHANNELS, LOCALES
from stream_processors.rules.routing_fields import by_channel, calendar, languages, limits, seconds, skills, weights
from stream_processors.rules.routing_policy import ORDER, RoutingPolicy
from stream_processors.rules.teams import RoutingRule, Team, Teams

__all__ = ["load"]

_SLUG = re.compile(r"[a-z][a-z0-9_-]*")
_BY_CHANNEL: dict[str, Callable[..., Any]] = {
    "limits": limits,
    "weights": weights,
    "overflow": seconds,
    "affinity": seconds,
    "reserve": seconds,
    "accept": seconds,
    "silent": seconds,
}
_POLICY = (*_BY_CHANNEL, "order", "give_back")
_FIELDS = ("name", "languages", "signatures", "skills", "hours", "fallback", *_POLICY)
_CONDITIONS = ("owner", "tier", "language", "channel", "brand", "order_value")
_SIGNATURE_CHARACTERS = 2_000
#: What a signature may name.
_PLACES = ("agent", "team", "brand")
_PLACE = re.compile(r"\{([^{}]*)\}")
_PERCENT = 100


def load(path: Path, calendars: Calendars | None = None, brands: Iterable[str] | None = None) -> Teams:
    """Reads `teams.yaml`. Teams may name these calendars, and rules these brands (None: any).

    Raises:
        ConfigurationError: with file and line.
    """
    document = yamlfile.read(path)
    data = document.data
    if not isinstance(data, dict) or not isinstance(data.get("teams"), dict) or not data["teams"]:
        document.refuse("names no teams", "teams", fix="write `teams:` with one entry per team")
    for key in data:
        if key not in ("fallback", "all_teams", "teams", "rules"):
            document.refuse(f"{key!r} is not a setting of teams", key, fix="use fallback, all_teams, teams, rules")
    common = data.get("all_teams") or {}
    if not isinstance(common, dict):
        document.refuse("`all_teams` holds no fields", "all_teams", fix=f"use {', '.join(_POLICY)}")
    document.known(common, _POLICY, "all_teams")
    shared = _policy(document, common, RoutingPolicy(), "all_teams")
    teams = {str(slug): _team(document, slug, value, shared, calendars) for slug, value in data["teams"].items()}
    fallback = data.get("fallback")
    if not isinstance(fallback, str) or fallback not in teams:
        document.refuse(f"the fallback {fallback!r} is not one of the teams", "fallback")
    for team in teams.values():
        if team.fallback and team.fallback not in teams:
            known = ", ".join(teams)
            document.refuse(f"{team.fallback!r} is not a team", "teams", team.slug, "fallback", fix=known)
        if team.fallback == team.slug:
            document.refuse("a team is not its own fallback", "teams", team.slug, "fallback", fix="leave it out")
    rules = _rules(document, data.get("rules") or [], teams, brands)
    values = tuple(sorted({rule.least_value for rule in rules if rule.least_value}))
    ask_skills = any(team.skills for team in teams.values()) or any(rule.skills for rule in rules)
    return Teams(teams, fallback, document.version, rules, values, ask_skills)


def _team(
    document: yamlfile.Document, slug: object, value: object, shared: RoutingPolicy, calendars: Calendars | None
) -> Team:
    where = ("teams", str(slug))
    if not isinstance(slug, str) or not _SLUG.fullmatch(slug):
        document.refuse(f"{slug!r} is not a team's slug", *where, fix="use lower case letters, digits, - and _")
    fields = value or {}
    if not isinstance(fields, dict):
        document.refuse(f"team {slug!r} has no fields", *where)
    for key in fields:
        if key not in _FIELDS:
            document.refuse(f"{key!r} is not a field of a team", *where, str(key), fix=f"use {', '.join(_FIELDS)}")
    return Team(
        slug,
        str(fields.get("name") or slug),
        languages=languages(document, fields, *where),
        signatures=_signatures(document, fields, where),
        routing=_policy(document, fields, shared, *where),
        skills=skills(document, fields, *where),
        hours=calendar(document, fields, calendars, *where),
        fallback=str(fields.get("fallback") or ""),
    )


def _policy(document: yamlfile.Document, fields: dict[str, Any], shared: RoutingPolicy, *where: str) -> RoutingPolicy:
    """Returns what a team says of waiting; of a channel that it does not name, what is said for all teams."""
    said: dict[str, Any] = {
        name: {**getattr(shared, name), **by_channel(document, fields, name, convert, *where)}
        for name, convert in _BY_CHANNEL.items()
    }
    order = fields.get("order", list(shared.order))
    if not isinstance(order, list) or (order and sorted(map(str, order)) != sorted(ORDER)):
        document.refuse(f"{order!r} is not an order", *where, "order", fix=f"order all of {', '.join(ORDER)}")
    give_back = fields.get("give_back", shared.give_back)
    if type(give_back) is not int or not 0 <= give_back <= _PERCENT:
        document.refuse(f"{give_back!r} is not a percentage", *where, "give_back", fix="write 0 to 100")
    return RoutingPolicy(**said, order=tuple(order), give_back=give_back)


# -- rules ------------------------------------------------------------------------------------------------------------


def _rules(
    document: yamlfile.Document, entries: Any, teams: dict[str, Team], brands: Iterable[str] | None
) -> tuple[RoutingRule, ...]:
    if not isinstance(entries, list):
        document.refuse("`rules` is not a list", "rules", fix="write `- name: ...` for each rule")
    known = None if brands is None else tuple(brands)
    made: list[RoutingRule] = []
    for number, entry in enumerate(entries):
        rule = _rule(document, number, entry, teams, known)
        if any(rule.name == each.name for each in made):
            document.refuse(f"the rule {rule.name!r} is there twice", "rules", number)
        if not rule.when and not rule.least_value and rule.team and number + 1 < len(entries):
            document.refuse(f"nothing after {rule.name!r} could ever decide", "rules", number, fix="put it last")
        made.append(rule)
    return tuple(made)


def _rule(
    document: yamlfile.Document, number: int, entry: Any, teams: dict[str, Team], brands: tuple[str, ...] | None
) -> RoutingRule:
    where = ("rules", number)
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not _SLUG.fullmatch(entry["name"]):
        fix = "write `name:` in lower case letters, digits, - and _"
        document.refuse("a rule needs a name", *where, fix=fix)
    document.known(entry, ("name", "when", "team", "skills"), *where)
    team = entry.get("team") or ""
    if team and (not isinstance(team, str) or team not in teams):
        document.refuse(f"{team!r} is not a team", *where, "team", fix=", ".join(teams))
    asked = skills(document, entry, *where)
    if not team and not asked:
        document.refuse("a rule without a team or skills does nothing", *where, fix="write `team:` or `skills:`")
    when = entry.get("when") or {}
    if not isinstance(when, dict):
        document.refuse("`when` is not a mapping", *where, "when")
    document.known(when, _CONDITIONS, *where, "when")
    least = when.get("order_value", 0)
    if type(least) is not int or not 0 <= least < 2**63:
        fix = "write the least amount in the minor unit, as orders have it: 50000 for 500.00"
        document.refuse(f"{least!r} is not an amount", *where, "when", "order_value", fix=fix)
    conditions = {name: value for name, value in when.items() if name != "order_value"}
    allowed = {"owner": tuple(teams), "language": LOCALES, "channel": CHANNELS, "brand": brands, "tier": None}
    return RoutingRule(
        entry["name"],
        {name: _values(document, value, allowed[name], *where, "when", name) for name, value in conditions.items()},
        team,
        asked,
        least,
    )


def _values(
    document: yamlfile.Document, value: Any, allowed: tuple[str, ...] | None, *where: str | int
) -> frozenset[str]:
    values = value if isinstance(value, list) else [value]
    if not values:
        document.refuse("is an empty list: the rule could never fit", *where, fix="name what it is for")
    for each in values:
        if not isinstance(each, str) or (allowed is not None and each not in allowed):
            document.refuse(f"{each!r} is not a {where[-1]}", *where, fix=", ".join(allowed or ()))
    return frozenset(values)


# -- signatures -------------------------------------------------------------------------------------------------------


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

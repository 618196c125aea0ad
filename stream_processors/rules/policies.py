"""Holds the service policies: the targets of each clock, the promise to the customer, and how long a solved ticket can reopen.

Policies are ordered and the first whose conditions all hold is in force. A duration is calendar time, or working time
where the policy names a business calendar.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from schemas import yamlfile
from schemas.calendars import Calendar, NeverOpen
from schemas.calendars_file import Calendars
from schemas.clock import MICROS
from schemas.events import CHANNELS, LOCALES, PRIORITIES
from stream_processors.rules.teams import Teams

__all__ = ["CLOCKS", "Policies", "Policy", "Thanks", "due_at"]

#: The SLA clocks that a policy may give a target for.
CLOCKS = (
    "acknowledgement",
    "answer",
    "first_response",
    "next_response",
    "requester_wait",
    "agent_work",
    "first_resolution",
    "full_resolution",
)
CONDITIONS = ("channel", "priority", "tags", "tier", "team", "language", "brand")
#: What in a policy names a calendar.
_CALENDARS = frozenset(("calendar", "measured_in"))
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_SECONDS = 3660 * 86400
_REMEMBERED = 10_000
_MINUTE = 60 * MICROS
#: A promise looks no further ahead, however long somebody waited.
_LONGEST_WAIT_SECONDS = 30 * 86400
_SOME_TIME = 1_800_000_000 * MICROS
_THANKS_CHARACTERS = 80


class Attributes(NamedTuple):
    """The attributes that a policy is matched on; `tier` is the customer's, `brand` the slug of the ticket's."""

    channel: str
    priority: str
    tags: tuple[str, ...]
    tier: str
    team: str
    language: str
    brand: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy with targets in seconds by clock; a clock without target does not run. `version` is that of all policies.

    With a `calendar` targets and margin are working time, otherwise calendar time. `measured_in` is the calendar whose
    working time the measures of a ticket say beside all time, where that is another one or the targets have none.
    `at_risk` are the percentages of a target at which its clock warns, in rising order.
    """

    name: str
    version: str
    targets: dict[str, float]
    margin_seconds: float = 0.0
    when: dict[str, frozenset[str]] = field(default_factory=dict)
    calendar: Calendar | None = None
    at_risk: tuple[int, ...] = ()
    measured_in: Calendar | None = None

    def promised_at(self, received_at: int, queue_seconds: float = 0.0) -> int | None:
        """Returns until when (micros) we promise an answer to a message of `received_at`; None where no target exists.

        The promise is the first-response target plus a margin: promise less, deliver more. Where customers wait longer than
        the target at present (`queue_seconds`, of the calendar's time) it is that wait plus the margin. With a calendar it
        lies in working time, as the customer reads it: in whole minutes, and not at the very moment of closing.
        """
        target = self.targets.get("first_response")
        if target is None:
            return None
        seconds = max(target, min(queue_seconds, _LONGEST_WAIT_SECONDS)) + self.margin_seconds
        at = due_at(received_at, seconds, self.calendar)
        if self.calendar is None or self.calendar.is_open(minute := -(-at // _MINUTE) * _MINUTE):
            return at
        return self.calendar.opens_at(minute)

    def fits(self, wanted: Attributes) -> bool:
        """Returns true when all conditions hold."""
        return all(_holds(name, allowed, getattr(wanted, name)) for name, allowed in self.when.items())


def due_at(since: int, target_seconds: float, calendar: Calendar | None) -> int:
    """Returns when (micros) so many seconds have passed since `since`: working time of the calendar, all time without one."""
    micros = round(target_seconds * MICROS)
    return since + micros if calendar is None else calendar.add_business(since, micros)


@dataclass(frozen=True, slots=True)
class Thanks:
    """Recognises a message that only says thanks, in any of our languages."""

    thanks: frozenset[str]
    fillers: frozenset[str]

    def only(self, text: str, *names: str) -> bool:
        """Returns true when the text is made of thanks and fillers, at least one thanks, and perhaps one of the names."""
        if not text or len(text) > _THANKS_CHARACTERS:
            return False
        characters = _alphanumerics(text)
        words = self.fillers | {_alphanumerics(name) for name in names if name}
        # reachable[i]: 0 not at all, 1 by fillers only, 2 with thanks
        reachable = [1] + [0] * len(characters)
        longest = max(map(len, words | self.thanks), default=0)
        for start in range(len(characters)):
            if not reachable[start]:
                continue
            for end in range(start + 1, min(start + longest, len(characters)) + 1):
                piece = characters[start:end]
                if piece in self.thanks:
                    reachable[end] = 2
                elif piece in words:
                    reachable[end] = max(reachable[end], reachable[start])
        return reachable[-1] == 2


@dataclass(frozen=True, slots=True)
class Policies:
    """Holds all policies in order; `time_zone` is used for customers whose own is unknown.

    `version` is 12 hex characters of the file's content, and of the calendars' where a policy uses one.
    """

    policies: tuple[Policy, ...]
    time_zone: ZoneInfo
    reopen_seconds: float
    thanks: Thanks
    version: str
    #: By attributes, as a plain tuple: a named one takes ten times as long to make.
    _remembered: dict[tuple[Any, ...], Policy] = field(default_factory=dict, compare=False, repr=False)

    def match(
        self, channel: str, priority: str, tags: tuple[str, ...], tier: str, team: str, language: str, brand: str = ""
    ) -> Policy:
        """Returns the first policy that fits. There always is one: the last has no conditions."""
        known = channel, priority, tags, tier, team, language, brand
        policy = self._remembered.get(known)
        if policy is None:
            wanted = Attributes(*known)
            policy = next(each for each in self.policies if each.fits(wanted))
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[known] = policy
        return policy

    @property
    def reopen_micros(self) -> int:
        """How long after a solve a message reopens the ticket, in micros."""
        return round(self.reopen_seconds * MICROS)

    @classmethod
    def load(
        cls,
        path: Path,
        teams: Teams,
        calendars: Calendars | None = None,
        tags: Iterable[str] | None = None,
        brands: Iterable[str] = (),
    ) -> Policies:
        """Reads `policies.yaml`. A policy may name these calendars and brands, and tags that tickets can have (None: any).

        Raises:
            ConfigurationError: with file and line.
        """
        document = yamlfile.read(path)
        data = document.data
        if not isinstance(data, dict):
            document.refuse("holds no policies", fix="write `policies:` with a list")
        document.known(data, ("time_zone", "reopen", "at_risk", "policies"))
        entries = data.get("policies")
        if not isinstance(entries, list) or not entries:
            document.refuse("holds no policies", "policies", fix="write `policies:` with a list")
        version = _version(document, entries, calendars)
        at_risk = _at_risk(document, data["at_risk"], "at_risk") if "at_risk" in data else ()
        whole = None if tags is None else _with_parents(tags)
        policies = tuple(
            _policy(document, number, entry, teams, calendars, version, at_risk, whole, brands)
            for number, entry in enumerate(entries)
        )
        _check_order(document, policies)
        seconds, thanks = _reopen(document, data.get("reopen"))
        return cls(policies, _zone(document, data.get("time_zone")), seconds, thanks, version)


def _holds(name: str, allowed: frozenset[str], value: Any) -> bool:
    if name != "tags":
        return value in allowed
    return any(tag in allowed or any(tag.startswith(f"{parent}.") for parent in allowed) for tag in value)


def _alphanumerics(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _seconds(document: yamlfile.Document, value: Any, *where: str | int) -> float:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or not float(match[1]):
        document.refuse(f"{value!r} is not a duration", *where, fix="write for example 90s, 10m, 24h or 7d")
    seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds > _LONGEST_SECONDS:
        document.refuse(f"{value!r} is longer than ten years", *where)
    return seconds


def _zone(document: yamlfile.Document, name: Any) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except Exception:  # ZoneInfoNotFoundError, or ValueError, TypeError, OSError for a name that is no name
        document.refuse(f"{name!r} is not a time zone", "time_zone", fix="use an IANA name such as Europe/London")


def _version(document: yamlfile.Document, entries: list[Any], calendars: Calendars | None) -> str:
    """Returns the version of the file, and of the calendars where a policy uses one: a target depends on them, too."""
    if calendars is None or not any(isinstance(entry, dict) and not _CALENDARS.isdisjoint(entry) for entry in entries):
        return document.version
    return sha256(f"{document.version} {calendars.version}".encode()).hexdigest()[:12]


def _at_risk(document: yamlfile.Document, value: Any, *where: str | int) -> tuple[int, ...]:
    whole = isinstance(value, list) and all(type(each) is int and 0 < each < 100 for each in value)
    if not whole or sorted(set(value)) != value:
        document.refuse(f"{value!r} is no rising list of percentages", *where, fix="write for example [50, 75, 90]")
    return tuple(value)


def _policy(
    document: yamlfile.Document,
    number: int,
    entry: Any,
    teams: Teams,
    calendars: Calendars | None,
    version: str,
    at_risk: tuple[int, ...],
    tags: frozenset[str] | None,
    brands: Iterable[str],
) -> Policy:
    where = ("policies", number)
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        document.refuse("a policy needs a name", *where)
    document.known(entry, ("name", "when", "targets", "margin", "at_risk", *_CALENDARS), *where)
    named = {key: _calendar(document, entry[key], calendars, *where, key) for key in sorted(_CALENDARS) if key in entry}
    targets = entry.get("targets")
    if not isinstance(targets, dict):
        document.refuse(f"policy {entry['name']!r} has no targets", *where)
    document.known(targets, CLOCKS, *where, "targets")
    seconds = {clock: _seconds(document, value, *where, "targets", clock) for clock, value in targets.items()}
    margin = _seconds(document, entry["margin"], *where, "margin") if "margin" in entry else 0.0
    for clock, value in seconds.items():
        _can_be_due(document, value + margin, named.get("calendar"), *where, "targets", clock)
    return Policy(
        name=entry["name"],
        version=version,
        targets=seconds,
        margin_seconds=margin,
        when=_conditions(document, number, entry.get("when") or {}, teams, tags, brands),
        calendar=named.get("calendar"),
        measured_in=named.get("measured_in"),
        at_risk=_at_risk(document, entry["at_risk"], *where, "at_risk") if "at_risk" in entry else at_risk,
    )


def _calendar(document: yamlfile.Document, name: Any, calendars: Calendars | None, *where: str | int) -> Calendar:
    known = sorted(calendars.calendars) if calendars else []
    if calendars is None or name not in known:
        document.refuse(f"{name!r} is not a calendar", *where, fix=f"calendars.yaml has {', '.join(known) or 'none'}")
    calendar = calendars[name]
    for last, after in ((None, _SOME_TIME), *calendar.ends()):
        try:
            calendar.add_business(after, 1)
        except NeverOpen:
            document.refuse(
                f"the calendar {name!r} never opens{f' after {last}' if last else ''}: no target could ever be due",
                *where,
                fix=f"give {name!r} an entry without `to`, for all other days" if last else "",
            )
    return calendar


def _can_be_due(document: yamlfile.Document, seconds: float, calendar: Calendar | None, *where: str | int) -> None:
    """Refuses a target that no ticket could ever reach: the fold of every ticket with it would fail."""
    try:
        due_at(_SOME_TIME, seconds, calendar)
    except NeverOpen as error:
        document.refuse(f"could never be due: {error}", *where, fix="a duration is working time of that calendar")


def _with_parents(tags: Iterable[str]) -> frozenset[str]:
    """Returns the tags and their groups: `payment` of `payment.card_declined`."""
    return frozenset(tag[:end] for tag in tags for end in (len(tag), *(m.start() for m in re.finditer(r"\.", tag))))


def _conditions(
    document: yamlfile.Document,
    number: int,
    when: Any,
    teams: Teams,
    tags: frozenset[str] | None,
    brands: Iterable[str],
) -> dict[str, frozenset[str]]:
    where: tuple[str | int, ...] = ("policies", number, "when")
    if not isinstance(when, dict):
        document.refuse("`when` is not a mapping", *where)
    document.known(when, CONDITIONS, *where)
    allowed: dict[str, Iterable[str]] = {
        "channel": CHANNELS,
        "priority": PRIORITIES,
        "language": LOCALES,
        "team": teams.teams,
        "brand": tuple(brands),
    }
    conditions = {}
    for name, value in when.items():
        values = value if isinstance(value, list) else [value]
        if not values:
            document.refuse("is an empty list: the policy could never fit", *where, name, fix="name what it is for")
        for each in values:
            if name == "tags" and tags is not None and isinstance(each, str) and each not in tags:
                document.refuse(f"{each!r} is not a tag, nor above one", *where, name, fix="taxonomy.yaml has them")
            if not isinstance(each, str) or (name in allowed and each not in allowed[name]):
                document.refuse(f"{each!r} is not a {name}", *where, name, fix=", ".join(allowed.get(name, ())))
        conditions[name] = frozenset(values)
    return conditions


def _check_order(document: yamlfile.Document, policies: tuple[Policy, ...]) -> None:
    names: set[str] = set()
    for number, policy in enumerate(policies):
        if policy.name in names:
            document.refuse(f"the policy {policy.name!r} is there twice", "policies", number)
        names.add(policy.name)
        last = number == len(policies) - 1
        if last and policy.when:
            document.refuse("the last policy has conditions", "policies", number, fix="end with one that always fits")
        if not last and not policy.when:
            document.refuse(f"nothing after {policy.name!r} can ever fit", "policies", number, fix="put it last")


def _reopen(document: yamlfile.Document, value: Any) -> tuple[float, Thanks]:
    if not isinstance(value, dict):
        document.refuse("`reopen` is missing", "reopen", fix="write `reopen: {window: 7d}`")
    document.known(value, ("window", "thanks", "fillers"), "reopen")
    words = {}
    for name in ("thanks", "fillers"):
        listed = value.get(name) or []
        if not isinstance(listed, list) or not all(isinstance(each, str) and _alphanumerics(each) for each in listed):
            document.refuse(f"`{name}` is not a list of words", "reopen", name)
        words[name] = frozenset(map(_alphanumerics, listed))
    return _seconds(document, value.get("window"), "reopen", "window"), Thanks(words["thanks"], words["fillers"])

"""Clock cases: what happens to a ticket, and what its clocks must say of it, in one short YAML entry.

Every file of `clock_cases/` is a topic. It names its policies once (as `policies.yaml` does) and holds cases:

    about: one sentence
    policies: [{name: mail, targets: {agent_work: 1h}}]      # and `calendars`, `at_risk`, `channel`, `other_policies`
    cases:
      - says: agent work stands still while the ticket is pending
        why: 10 min new, then pending until 60 min, then 5 min open = 15 min       # the arithmetic, in words
        log: 0 message; 10m pending; 1h open; 1h5m solve
        agent_work:                                        # a clock's whole ledger; `[]` for none
          - 1 activate @0 due @1h
          - 1 pause @10m after 10m
          - 1 resume @1h after 10m due @1h50m
          - 1 fulfil @1h5m after 15m
        row: {agent_work: 15m, on_hold: 0, answer: none}   # of `ticket_clocks`
        shares: {agent_work: {support: 15m}}               # all shares of a clock that are not 0

**Times** are `0`, `90` (seconds), `1.5s`, `10m`, `1h30m`, `2d`, or a day of the week and a time in London (`Fri-17:00`,
`Mon+1-09:30:05` in the week after), counted from Monday 2026-03-02 09:00:00Z, which is 09:00 there; London's clocks go
forward on `Sun+3`. A **length** is such a time, or `A / B` for A of which B is working time, `none` for undefined.

**Log**: `time action arguments`, `;` between, in the order of the log: an event with a smaller time came late. What is
due before an event has been said before it, as the worker does. Actions: see `ACTIONS`.

**Ledger rows**: `[episode/]instance transition [threshold] @time`, then what matters of: `after LENGTH`, `due @time` (or
`due none`), `because REASON`, `policy NAME`, `team NAME`, `target LENGTH`. What is left out is not compared.

**Also**: `ticket:` fields of the ticket fact, `state: {clock: {risk: 50}}` fields of the clock in the state, `next:` the
next deadline (or `none`), `dead:` reasons of dead letters, `imported: true`, `channel: chat`. In a file with `merges: true`
there are Bob and Cat besides, into whom the customer may go up; `of: bob` looks at his ticket.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from schemas import codec, events
from schemas.calendars_file import Calendars
from schemas.facts import ClockFact, TicketClocks
from schemas.facts import ClockShare as ClockShareFact
from stream_processors.rules.policies import CLOCKS, Policies
from stream_processors.rules.ruleset import Rules
from stream_processors.rules.versions import RulesetHistory
from stream_processors.tickets.sla.clocks import next_deadline
from tests.support.tickets.moving_story import MovingStory
from tests.support.tickets.story import SECOND, T0, Story, at

FOLDER = Path(__file__).parents[2] / "stream_processors" / "tickets" / "clock_cases"
LONDON = ZoneInfo("Europe/London")
MONDAY = datetime(2026, 3, 2, tzinfo=LONDON)
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
OFFICE = [{"name": "office", "time_zone": "Europe/London", "hours": {"mon-fri": "09:00-18:00"}}]
OF_A_CASE = {
    "says",
    "why",
    "log",
    "row",
    "shares",
    "ticket",
    "state",
    "next",
    "dead",
    "imported",
    "channel",
    "of",
    *CLOCKS,
}
OF_A_FILE = {"about", "policies", "other_policies", "calendars", "at_risk", "channel", "merges", "cases"}


class BadCase(Exception):
    """A case that cannot be read."""


# -- times ------------------------------------------------------------------------------------------------------------


def seconds(text: Any) -> float:
    """Seconds after `T0` (or of a length): see the module."""
    text = str(text)
    if match := re.fullmatch(r"([A-Z][a-z]{2})(?:\+(\d))?-(\d\d):(\d\d)(?::(\d\d(?:\.\d+)?))?", text):
        day, week, hour, minute, second = match.groups()
        date = MONDAY + timedelta(days=DAYS.index(day) + 7 * int(week or 0))
        moment = date.replace(hour=int(hour), minute=int(minute))
        return moment.timestamp() + float(second or 0) - T0 / SECOND
    sign, rest = (-1.0, text[1:]) if text.startswith("-") else (1.0, text)
    if not re.fullmatch(r"(\d+(\.\d+)?[smhd]?)+", rest):
        raise BadCase(f"{text!r} is not a time")
    return sign * sum(float(number) * UNITS[unit] for number, unit in re.findall(r"(\d+(?:\.\d+)?)([smhd]?)", rest))


def length(text: Any) -> tuple[float | None, ...]:
    """(calendar,) or (calendar, business); None for `none`."""
    return tuple(None if part.strip() == "none" else seconds(part.strip()) for part in str(text).split("/"))


# -- what can happen --------------------------------------------------------------------------------------------------


def _options(words: list[str]) -> dict[str, Any]:
    """`wait=40s talk=10m by=mei id=c1`."""
    given = dict(word.split("=", 1) for word in words)
    named = {"wait": "wait_seconds", "talk": "talk_seconds", "by": "agent_id", "thread": "thread_id", "id": "call_id"}
    return {named.get(key, key): seconds(value) if key in ("wait", "talk") else value for key, value in given.items()}


def _caller(story: Story) -> dict[str, Any]:
    return {"customer_id": story.customer_id, "address": "+15550100"}


def _chat_ended(story: Story, t: float, outcome: str, thread: str = "t1") -> Any:
    fields = {"customer_id": story.customer_id, "address": "browser", "thread_id": thread, "outcome": outcome}
    return story.tell(events.ChatEnded(**story.base(t) | fields))


ACTIONS: dict[str, Callable[..., Any]] = {
    "message": lambda s, t, *w: s.message(t, **_options(list(w))),  # priority=urgent thread=t1 channel=chat
    "more": lambda s, t, *w: s.more(t, **_options(list(w))),  # on the same ticket
    "thanks": lambda s, t: s.more(t, "Thank you so much!"),
    "reply": lambda s, t, agent="mei": s.reply(t, agent=agent),
    "private": lambda s, t, agent="mei": s.reply(t, agent=agent, public=False),
    "note": lambda s, t: s.add_note(t),
    "new": lambda s, t: s.status(t, "new"),
    "open": lambda s, t: s.status(t, "open"),
    "pending": lambda s, t: s.status(t, "pending"),
    "hold": lambda s, t: s.status(t, "hold"),
    "solve": lambda s, t, agent="": s.solve(t, agent_id=agent),
    "close": lambda s, t: s.status(t, "closed"),
    "assign": lambda s, t, agent, team="support": s.assign(t, agent, team, source="help desk"),
    "give_back": lambda s, t, team="support": s.assign(t, "", team, source="help desk"),
    "transfer": lambda s, t, team, agent="": s.transfer(t, team, to_agent=agent),
    "call": lambda s, t, outcome, *w: s.call(t, outcome, **_options(list(w))),  # wait=40s talk=10m by=mei id=c1
    "call_answered": lambda s, t, agent="mei": s.tell(
        events.CallAnswered(**s.base(t) | _caller(s) | {"call_id": "c1", "agent_id": agent})
    ),
    "chat_ended": _chat_ended,  # outcome [thread]
    "writes": lambda s, t, who, *w: s.writes(who, t, **_options(list(w))),  # somebody else
    "merge": lambda s, t, who="ann", into="bob": s.merge(t, who, into),
    "split": lambda s, t, who="bob", to="ann": s.split(t, who, to),  # the ticket goes to `to`
    "pass": lambda s, t: s.worker.advance(at(t)),  # nothing happens: ticks as the worker appends them
    "tick": lambda s, t: s.tick(t),  # one tick, at a time that a late worker noticed
}


# -- cases ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    file: str
    says: str
    given: dict[str, Any]
    topic: dict[str, Any] = field(repr=False)

    def __str__(self) -> str:
        return f"{self.file}: {self.says}"


def cases() -> Iterator[Case]:
    """Every case of every file, in order.

    Raises:
        BadCase: a file or case has a word that nobody reads, or no arithmetic.
    """
    for path in sorted(FOLDER.glob("*.yaml")):
        topic = yaml.safe_load(path.read_text("utf-8"))
        if unknown := topic.keys() - OF_A_FILE:
            raise BadCase(f"{path.name}: {sorted(unknown)} means nothing")
        for given in topic["cases"]:
            if unknown := given.keys() - OF_A_CASE:
                raise BadCase(f"{path.name}: {given.get('says')}: {sorted(unknown)} means nothing")
            if not given.get("why"):
                raise BadCase(f"{path.name}: {given.get('says')}: where is the arithmetic?")
            yield Case(path.stem, given["says"], given, topic)


def rules_of(shipped: Rules, topic: dict[str, Any], folder: Path, policies: str = "policies") -> Rules:
    """The shipped rules with the topic's calendars and policies."""
    (folder / "calendars.yaml").write_text(yaml.safe_dump({"calendars": topic.get("calendars", OFFICE)}))
    document = {
        "time_zone": "Europe/London",
        "at_risk": topic.get("at_risk", []),
        "reopen": {"window": "7d", "thanks": ["thank you"], "fillers": ["so much"]},
        "policies": topic[policies],
    }
    (folder / "policies.yaml").write_text(yaml.safe_dump(document))
    calendars = Calendars.load(folder / "calendars.yaml")
    policies_ = Policies.load(folder / "policies.yaml", shipped.teams, calendars)
    return replace(shipped, calendars=calendars, policies=policies_)


def play(case: Case, rules: Rules, other: Rules | None) -> Story:
    """The story of the case, told to its end. `rules other` in the log puts the topic's `other_policies` in force."""
    channel = case.given.get("channel", case.topic.get("channel", "email"))
    kind = MovingStory if case.topic.get("merges") else Story
    story = kind(rules, channel=channel, imported=case.given.get("imported", False))
    for entry in str(case.given["log"]).split(";"):
        when, action, *words = entry.split()
        if action == "rules":
            assert other is not None, "the file has no other_policies"
            story.worker.processor.rules = RulesetHistory.of(other)  # type: ignore[attr-defined]
        elif action in ACTIONS:
            ACTIONS[action](story, seconds(when), *words)
        else:
            raise BadCase(f"{case}: nobody knows what {action!r} does")
    return story


def differences(case: Case, story: Story) -> list[str]:
    """What is otherwise than the case says, in words."""
    given = case.given
    wrong: list[str] = []
    if isinstance(story, MovingStory):
        story.subject = given.get("of", "ann")
    if (refused := [reason for _, reason in story.refused()]) != given.get("dead", []):
        wrong.append(f"dead letters {refused}")
    for clock in CLOCKS:
        if clock in given:
            rows = [row for row in story.all(ClockFact) if row.clock == clock and row.ticket_id == story.ticket_id()]
            wrong += _ledger(clock, given[clock], rows)
    if "row" in given:
        wrong += _row(given["row"], [f for f in story.all(TicketClocks) if f.ticket_id == story.ticket_id()][-1])
    for clock, shares in given.get("shares", {}).items():
        wrong += _shares(clock, shares, story)
    for name, value in given.get("ticket", {}).items():
        if (found := getattr(story.ticket_fact(), name)) != value:
            wrong.append(f"ticket.{name} is {found!r}, not {value!r}")
    for clock, fields in given.get("state", {}).items():
        state = next(each for each in story.ticket().clocks if each.name == clock)
        wrong += [
            f"{clock}.{k} is {getattr(state, k)!r}, not {v!r}" for k, v in fields.items() if getattr(state, k) != v
        ]
    if "next" in given:
        found = min(filter(None, (next_deadline(state) for _, state in story.worker.states(b"c"))), default=None)
        expected = None if given["next"] == "none" else at(seconds(given["next"]))
        if found != expected:
            wrong.append(f"next deadline is @{None if found is None else _after(found)}, not @{given['next']}")
    return wrong


# -- comparing --------------------------------------------------------------------------------------------------------


def _after(micros: int) -> float:
    return (micros - T0) / SECOND


def _same(found: float | None, expected: float | None) -> bool:
    return found is expected is None or (found is not None and expected is not None and abs(found - expected) < 2e-6)


def _ledger(clock: str, expected: list[str], rows: list[ClockFact]) -> list[str]:
    shown = "\n    ".join(map(_shown, rows))
    if len(expected) != len(rows):
        return [f"{clock} has {len(rows)} rows, not {len(expected)}:\n    {shown}"]
    wrong = [f"{want!r}: {why}" for want, row in zip(expected, rows, strict=True) for why in _row_differs(want, row)]
    return [f"{clock}: " + "; ".join(wrong) + f"\n    {shown}"] if wrong else []


def _row_differs(want: str, row: ClockFact) -> Iterator[str]:
    words = want.split()
    episode, _, instance = words.pop(0).rpartition("/")
    checks: list[tuple[str, Any, Any]] = [
        ("episode", row.episode, int(episode or 1)),
        ("instance", row.instance, int(instance)),
        ("transition", row.transition, words.pop(0)),
    ]
    if row.transition == "at_risk" and words and words[0].isdigit():
        checks.append(("threshold", row.threshold, int(words.pop(0))))
    while words:
        word = words.pop(0)
        if word.startswith("@"):
            checks.append(("at", _after(row.at), seconds(word[1:])))
        elif word == "after":
            text = words.pop(0)
            if words[:1] == ["/"]:
                text += "/" + words[1]
                del words[:2]
            found = (row.elapsed_seconds, row.elapsed_business_seconds)
            checks += [("elapsed", have, need) for have, need in zip(found, length(text), strict=False)]
        elif word == "due":
            text = words.pop(0)
            due = None if row.due_at is None else _after(row.due_at)
            checks.append(("due", due, None if text == "none" else seconds(text[1:])))
        elif word in ("because", "policy", "team", "target"):
            text = words.pop(0)
            name = {"because": "reason", "target": "target_seconds"}.get(word, word)
            checks.append((word, getattr(row, name), seconds(text) if word == "target" else text))
        else:
            raise BadCase(f"{want!r}: {word!r} means nothing")
    for name, have, need in checks:
        same = (
            _same(have, need) if isinstance(have, (float, type(None))) and not isinstance(need, str) else have == need
        )
        if not same:
            yield f"{name} is {have}, not {need}"


def _shown(row: ClockFact) -> str:
    passed = "" if row.elapsed_seconds is None else f" after {row.elapsed_seconds:g}/{row.elapsed_business_seconds}"
    due = "none" if row.due_at is None else f"@{_after(row.due_at):g}"
    said = f" {row.threshold}" if row.threshold else ""
    return f"{row.episode}/{row.instance} {row.transition}{said} @{_after(row.at):g}{passed} due {due} {row.reason}"


def _row(expected: dict[str, Any], fact: TicketClocks) -> list[str]:
    wrong = []
    for name, value in expected.items():
        if hasattr(fact, name):
            found: tuple[Any, ...] = (getattr(fact, name),)
            same = found[0] == value
        else:
            found = (getattr(fact, f"{name}_seconds"), getattr(fact, f"{name}_business_seconds"))
            lengths = length(value) if value != "none" else (None, None)
            same = all(_same(have, need) for have, need in zip(found, lengths, strict=False))
        if not same:
            wrong.append(f"row.{name} is {' / '.join(map(str, found))}, not {value}")
    return wrong


def _shares(clock: str, expected: dict[str, Any], story: Story) -> list[str]:
    """`clock` may be followed by `/episode`."""
    name, _, episode = clock.partition("/")
    found = {}
    for identity, value in story.worker.facts().items():
        if identity[0] == "ClockShare":
            share: ClockShareFact = codec.decode(value)
            mine = share.ticket_id == story.ticket_id() and share.clock == name and share.episode == int(episode or 1)
            if mine and share.seconds:
                holder = f"{share.team}/{share.agent_id}" if share.agent_id else share.team
                found[holder] = (share.seconds, share.business_seconds)
    wanted = {holder: length(value) for holder, value in expected.items()}
    same = found.keys() == wanted.keys() and all(
        _same(have, need) for holder in wanted for have, need in zip(found[holder], wanted[holder], strict=False)
    )
    return [] if same else [f"shares of {clock} are {found}, not {expected}"]

"""Reads and checks `automations.yaml`; each mistake is refused with its line, and with what to write instead."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from schemas.brands import Brands
from schemas.events import CHANNELS, LOCALES, PRIORITIES, STATUSES
from schemas.replies import answers_file
from schemas.replies.answers import PLACEHOLDER, AnswerBank
from schemas.yamlfile import Document, read
from stream_processors.rules.automations import ANY, NOTIFICATIONS, TRIGGERS, Action, Automations, Conditions, Rule
from stream_processors.rules.loop_guards import Guards
from stream_processors.rules.policies import CLOCKS, Policies
from stream_processors.rules.roster import Roster
from stream_processors.rules.routing_fields import seconds
from stream_processors.rules.spelling import closest
from stream_processors.rules.taxonomy import Taxonomy
from stream_processors.rules.teams import Teams

__all__ = ["ANSWERS", "NAMES", "Known", "load", "names_answers"]

#: The prewritten answers that rules name, beside `automations.yaml`.
ANSWERS = "answers.yaml"
_OF_TICKET = "ticket rule why team channel priority status tier language brand tags assignee"
#: What a notification may say. `name`, `subject` and `order_number` are the customer's; nothing else of them gets out.
NAMES = (*_OF_TICKET.split(), "name", "subject", "order_number")
#: What a notification of a spike may say.
_SPIKE_NAMES = ("rule", "why", "team", "brand", "tag", "count", "expected", "since")
#: What an answer to a customer may say.
_ANSWER_NAMES = ("name", "order_number", "ticket", "brand")
_RULE = ("name", "enabled", "when", "if", "unless", "then", "per_hour")
_ACTIONS = ("set_priority", "add_tag", "transfer", "assign", "answer", "survey", "notify")
_NOTIFY = (*NOTIFICATIONS, "text", "subject")
_LISTS = ("tag", "tier", "language", "channel", "brand", "team", "priority", "status")
_FLAGS = ("assigned", "dissatisfied", "public")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TARGET = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_MAILBOX = re.compile(r"[^@\s<>,;\"()]+@[^@\s<>,;\"()]+\.[^@\s<>,;\"()]+")
_ANSWER = re.compile(rb"\banswer[\"' \t]*:[ \t]*[\"'a-z]")
_GROUP = ".*"
_PER_HOUR, _MOST_PER_HOUR = 20, 1000
_MOST_CHARACTERS, _MOST_RULES = 2000, 500
At = tuple[str | int, ...]


class Known(NamedTuple):
    """The other rules, which these may name."""

    teams: Teams
    taxonomy: Taxonomy
    policies: Policies
    roster: Roster
    brands: Brands
    guards: Guards


def names_answers(content: bytes) -> bool:
    """Returns true when a rule may name a prewritten answer."""
    return _ANSWER.search(content) is not None


def load(path: Path, known: Known) -> Automations:
    """Reads the rules. The prewritten answers that they name stand in `answers.yaml` beside them.

    Raises:
        ConfigurationError: with file and line of the first mistake.
    """
    document = read(path)
    data = document.data
    if not isinstance(data, dict):
        document.refuse("must be a mapping", fix="write `automations:` with a list, or `automations: []`")
    document.known(data, ("automations",))
    entries = data.get("automations") or []
    if not isinstance(entries, list):
        document.refuse("must be a list of rules", "automations", fix="begin each with `- name:`")
    if len(entries) > _MOST_RULES:
        document.refuse(f"holds {len(entries)} rules, at most {_MOST_RULES} are read", "automations")
    beside = path.parent / ANSWERS
    bank = answers_file.load(beside) if beside.exists() else None
    rules: dict[str, tuple[Rule, bool]] = {}
    for place in range(len(entries)):
        entry = _Entry(document, known, bank, place)
        rule = entry.rule()
        if rule.name in rules:
            document.refuse(f"{rule.name!r} is the name of another rule", "automations", place, "name")
        rules[rule.name] = rule, entry.enabled
    return Automations.of(
        document.version,
        (rule for rule, enabled in rules.values() if enabled),
        (rule for rule, enabled in rules.values() if not enabled),
    )


@dataclass(frozen=True)
class _Reader:
    """Reads the values of one rule."""

    document: Document
    known: Known
    bank: AnswerBank | None
    place: int

    @property
    def _data(self) -> Any:
        return self.document.data["automations"][self.place]

    def _text(self, value: Any, names: Collection[str], at: At) -> str:
        if not isinstance(value, str) or not value.strip() or len(value) > _MOST_CHARACTERS:
            self._refuse(f"must be a text of up to {_MOST_CHARACTERS} characters", *at)
        for name in PLACEHOLDER.findall(value):
            if name not in names:
                self._refuse(f"{{{name}}} is not known here", *at, fix=f"use {', '.join(names)}")
        if PLACEHOLDER.sub("", value).count("{") or PLACEHOLDER.sub("", value).count("}"):
            self._refuse("holds a brace that belongs to no {name}", *at)
        return value

    def _texts(self, value: Any, at: At) -> list[str]:
        texts = [value] if isinstance(value, str) else value
        if (
            not isinstance(texts, list)
            or not texts
            or not all(isinstance(each, str) and each.strip() for each in texts)
        ):
            self._refuse("must be a text or a list of texts", *at)
        return texts

    def _among(self, value: Any, known: Collection[str], what: str, at: At) -> list[str]:
        texts = self._texts(value, at)
        for text in texts:
            if text not in known:
                self._refuse(f"{text!r} is not {what}", *at, fix=closest(text, known))
        return texts

    def _tags(self, value: Any, at: At) -> list[str]:
        found: list[str] = []
        for text in self._texts(value, at):
            known = self.known.taxonomy.tags
            group = [tag for tag in known if tag.startswith(text[:-1])] if text.endswith(_GROUP) else []
            if not group and text not in known:
                self._refuse(f"{text!r} is not a tag of the taxonomy", *at, fix=closest(text, known))
            found += group or [text]
        return found

    def _whole(self, name: str, default: int, least: int, most: int) -> int:
        value = self._data.get(name, default)
        if type(value) is not int or not least <= value <= most:
            self._refuse(f"{name} is a number from {least} to {most}", name)
        return int(value)

    def _refuse(self, problem: str, *at: str | int, fix: str = "") -> NoReturn:
        name = self._data.get("name") if isinstance(self._data, dict) else None
        said = f"rule {name!r}: {problem}" if isinstance(name, str) else problem
        self.document.refuse(said, "automations", self.place, *at, fix=fix)


class _Entry(_Reader):
    """Reads one item of the list."""

    @property
    def enabled(self) -> bool:
        return bool(self._data.get("enabled", True))

    def rule(self) -> Rule:
        data = self._data
        if not isinstance(data, dict):
            self._refuse("a rule is a mapping", fix="write name, when and then")
        self.document.known(data, _RULE, "automations", self.place)
        name = data.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            self._refuse(f"{name!r} cannot name a rule", "name", fix="use small letters, digits and _")
        if not isinstance(data.get("enabled", True), bool):
            self._refuse("enabled is true or false", "enabled")
        trigger, keys, micros = self._when()
        if trigger == "spike" and ({"if", "unless"} & set(data)):
            self._refuse("a spike is of no ticket: it has no conditions", "if" if "if" in data else "unless")
        return Rule(
            name=name,
            place=self.place,
            trigger=trigger,
            keys=keys,
            actions=_Actions(self.document, self.known, self.bank, self.place).read(trigger, keys),
            when=self._conditions("if"),
            unless=self._conditions("unless"),
            stay_micros=micros,
            per_hour=self._whole("per_hour", _PER_HOUR, 1, _MOST_PER_HOUR),
        )

    def _when(self) -> tuple[str, frozenset[str], int]:
        when = self._data.get("when")
        if not isinstance(when, dict) or len(when) != 1:
            self._refuse("has one trigger", "when", fix=f"write one of {', '.join(TRIGGERS)}")
        trigger, value = next(iter(when.items()))
        if trigger not in TRIGGERS:
            self._refuse(f"{trigger!r} is not a trigger", "when", str(trigger), fix=closest(trigger, TRIGGERS))
        at: At = ("when", trigger)
        micros = 0
        if trigger in ("opened", "reopened"):
            if value is not True:
                self._refuse(f"{trigger} is true", *at)
            keys: Iterable[str] = ("",)
        elif trigger == "tag" or (trigger == "spike" and value != ANY):
            keys = self._tags(value, at)
        elif trigger == "spike":
            keys = (ANY,)
        elif trigger == "tier":
            keys = self._texts(value, at)
        elif trigger == "status":
            keys = self._among(value, STATUSES, "a status", at)
        elif trigger == "breach":
            keys = (ANY,) if value == ANY else self._among(value, CLOCKS, "a clock", at)
        elif trigger == "at_risk":
            keys = self._at_risk(value, at)
        elif trigger == "in_status":
            keys, micros = self._in_status(value, at)
        else:
            keys = self._score(value, at)
        return trigger, frozenset(keys), micros

    def _at_risk(self, value: Any, at: At) -> Iterable[str]:
        given = value if isinstance(value, dict) else {"percent": value}
        self.document.known(given, ("percent", "clock"), "automations", self.place, *at)
        listed = given.get("percent")
        percents = listed if isinstance(listed, list) and listed else [listed]  # an empty list is no percentage either
        warned = sorted({percent for policy in self.known.policies.policies for percent in policy.at_risk})
        for percent in percents:
            if type(percent) is not int or (self.enabled and percent not in warned):
                known = ", ".join(map(str, warned)) or "none"
                fix = f"policies.yaml warns at {known}: write one of these, or add it to at_risk there"
                self._refuse(f"no policy warns at {percent!r} percent", *at, fix=fix)
        clocks = self._among(given["clock"], CLOCKS, "a clock", (*at, "clock")) if "clock" in given else CLOCKS
        return (f"{clock} {percent}" for clock in clocks for percent in percents)

    def _in_status(self, value: Any, at: At) -> tuple[Iterable[str], int]:
        if not isinstance(value, dict) or set(value) != {"status", "for"}:
            self._refuse("needs a status and a time", *at, fix="write {status: pending, for: 48h}")
        statuses = self._among(value["status"], STATUSES, "a status", (*at, "status"))
        if "closed" in statuses:
            self._refuse("nothing happens to a closed ticket any more", *at, "status")
        return statuses, seconds(self.document, value["for"], ("automations", self.place, *at, "for")) * 1_000_000

    def _score(self, value: Any, at: At) -> Iterable[str]:
        if not isinstance(value, dict) or not value:
            self._refuse("needs a bound", *at, fix="write {at_most: 2} or {at_least: 4}")
        self.document.known(value, ("at_most", "at_least"), "automations", self.place, *at)
        for name, number in value.items():
            if type(number) is not int or not 1 <= number <= 5:
                self._refuse(f"{number!r} is not a score of 1 to 5", *at, name)
        scores = range(value.get("at_least", 1), value.get("at_most", 5) + 1)
        if not scores:
            self._refuse("no score is both", *at)
        return map(str, scores)

    def _conditions(self, name: str) -> Conditions:
        given = self._data.get(name, {})
        if not isinstance(given, dict):
            self._refuse("must be a mapping of conditions", name)
        self.document.known(given, (*_LISTS, *_FLAGS), "automations", self.place, name)
        values, tags, flags = [], frozenset[str](), []
        for key, value in given.items():
            at: At = (name, key)
            if key in _FLAGS:
                if not isinstance(value, bool):
                    self._refuse(f"{key} is true or false", *at)
                flags.append((key, value))
            elif key == "tag":
                tags = frozenset(self._tags(value, at))
            else:
                known = self._values(key)
                found = self._texts(value, at) if known is None else self._among(value, known, f"a {key}", at)
                values.append((key, frozenset(found)))
        return Conditions(tuple(values), tags, tuple(flags))

    def _values(self, key: str) -> Collection[str] | None:
        """Returns what a condition may name; None for anything."""
        by_name: Mapping[str, Collection[str] | None] = {
            "language": LOCALES,
            "channel": CHANNELS,
            "brand": self.known.brands.brands,
            "team": self.known.teams.teams,
            "priority": PRIORITIES,
            "status": STATUSES,
        }
        return by_name.get(key)


class _Actions(_Reader):
    """Reads what a rule does."""

    def read(self, trigger: str, keys: frozenset[str]) -> tuple[Action, ...]:
        entries = self._data.get("then")
        if not isinstance(entries, list) or not entries:
            self._refuse("does nothing", "then", fix="write a list of actions, such as `- set_priority: high`")
        actions: list[Action] = []
        for number, entry in enumerate(entries):
            at: At = ("then", number)
            if not isinstance(entry, dict) or len(entry) != 1:
                self._refuse("an action has one name", *at, fix=f"write one of {', '.join(_ACTIONS)}")
            kind, value = next(iter(entry.items()))
            if kind not in _ACTIONS:
                self._refuse(f"{kind!r} is not an action", *at, str(kind), fix=closest(kind, _ACTIONS))
            if trigger == "spike" and kind != "notify":
                self._refuse("a spike is of no ticket: a rule can only notify somebody of it", *at)
            names = _SPIKE_NAMES if trigger == "spike" else NAMES
            actions += self._action(kind, value, (*at, kind), names)
            if kind == "add_tag" and trigger == "tag" and value in keys:
                self._refuse(f"adds the tag {value!r} that it waits for", *at)
        changed = [action.kind for action in actions if action.kind in ("set_priority", "transfer", "assign", "answer")]
        if twice := next((kind for kind in changed if changed.count(kind) > 1), ""):
            self._refuse(f"does {twice} twice", "then")
        return tuple(actions)

    def _action(self, kind: str, value: Any, at: At, names: Collection[str]) -> list[Action]:
        if kind == "notify":
            return self._notify(value, at, names)
        if kind == "answer":
            return [self._answer(value, at)]
        if kind == "survey":
            if value is not True:
                self._refuse("survey is true", *at)
            return [Action(kind)]
        if not isinstance(value, str) or not value.strip():
            self._refuse(f"{kind} needs a text", *at)
        if kind == "assign":
            if not self.known.roster.admits(value):
                self._refuse(f"{value!r} is not in agents.yaml, which is strict", *at)
        else:
            known: Collection[str] = {
                "set_priority": PRIORITIES,
                "add_tag": self.known.taxonomy.tags,
                "transfer": self.known.teams.teams,
            }[kind]
            what = {"set_priority": "a priority", "add_tag": "a tag of the taxonomy", "transfer": "a team"}[kind]
            if value not in known:
                self._refuse(f"{value!r} is not {what}", *at, fix=closest(value, known))
        return [Action(kind, value)]

    def _notify(self, value: Any, at: At, names: Collection[str]) -> list[Action]:
        if not isinstance(value, dict) or not set(NOTIFICATIONS) & set(value):
            self._refuse("notifies nobody", *at, fix="write {mail: lead@shop.example}, {chat: NAME} or {webhook: NAME}")
        self.document.known(value, _NOTIFY, "automations", self.place, *at)
        said = {name: self._text(value[name], names, (*at, name)) for name in ("text", "subject") if name in value}
        actions = []
        for way in NOTIFICATIONS:
            for target in self._texts(value[way], (*at, way)) if way in value else ():
                self._require_target(way, target, (*at, way))
                actions.append(Action(way, target, text=said.get("text", ""), subject=said.get("subject", "")))
        return actions

    def _require_target(self, way: str, target: str, at: At) -> None:
        if way != "mail":
            if not _TARGET.fullmatch(target):
                self._refuse(f"{target!r} is not a name", *at, fix="small letters, digits, - and _")
            return
        if not _MAILBOX.fullmatch(target) or len(target) > 254:
            self._refuse(f"{target!r} is not a mail address", *at)
        if self.known.guards.machine(target, {}) == "own_address":
            self._refuse(f"{target} is a mailbox of ours: each notification would open a ticket", *at)

    def _answer(self, value: Any, at: At) -> Action:
        if isinstance(value, dict):
            if "en" not in value:
                self._refuse("has no text in English, for languages without one", *at, fix="write {en: ...}")
            self.document.known(value, LOCALES, "automations", self.place, *at)
            texts = {name: self._text(text, _ANSWER_NAMES, (*at, name)) for name, text in value.items()}
            return Action("answer", "text", texts)
        answers = {} if self.bank is None else self.bank.answers
        if not isinstance(value, str) or self.bank is None or value not in answers:
            fix = closest(str(value), answers) if answers else "put answers.yaml beside automations.yaml"
            self._refuse(f"{value!r} is not a prewritten answer", *at, fix=fix)
        texts = {}
        for language, text in answers[value].text.items():
            names = PLACEHOLDER.findall(text)
            gaps = [name for name in names if name not in (*_ANSWER_NAMES, *self.bank.facts)]
            if gaps:
                self._refuse(f"{value!r} has gaps that a person fills in: {', '.join(gaps)}", *at)
            for name, fact in self.bank.facts.items():
                text = text.replace(f"{{{name}}}", fact)
            texts[language] = text
        return Action("answer", value, texts)

"""Holds the rules of `automations.yaml`: when something happens to a ticket, they act by themselves (ADR 48).

A rule has one trigger, which is an instant, and conditions on the ticket as it is then. Rules are found by their trigger, so
that a ticket that no rule concerns costs next to nothing. Which actions are carried out, and which are withheld and why, is
decided by `tickets.automations`; who is notified how often, by `spikes.notifications`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = [
    "ACTIONS",
    "ANY",
    "DEPTH",
    "NOTIFICATIONS",
    "NO_AUTOMATIONS",
    "SOURCE",
    "TRIGGERS",
    "Action",
    "Automations",
    "Case",
    "Conditions",
    "Rule",
    "filled",
]

#: `source` of the events by which rules change tickets.
SOURCE = "automations"
TRIGGERS = ("opened", "reopened", "tag", "tier", "at_risk", "breach", "in_status", "status", "score", "spike")
#: Ways to notify somebody.
NOTIFICATIONS = ("mail", "chat", "webhook")
ACTIONS = ("set_priority", "add_tag", "transfer", "assign", "answer", "survey", *NOTIFICATIONS)
#: After so many automatic hops no rule fires any more.
DEPTH = 3
ANY = "any"


class Case(NamedTuple):
    """What the conditions of a rule ask of a ticket."""

    tag: frozenset[str]
    tier: str = ""
    language: str = ""
    channel: str = ""
    brand: str = ""
    team: str = ""
    priority: str = ""
    status: str = ""
    assigned: bool = False
    dissatisfied: bool = False
    public: bool = False


class Conditions(NamedTuple):
    """Holds values by name, one of which the ticket must have, and flags."""

    values: tuple[tuple[str, frozenset[str]], ...] = ()
    tags: frozenset[str] = frozenset()
    flags: tuple[tuple[str, bool], ...] = ()

    def hold(self, case: Case) -> bool:
        """Returns true when all of them hold."""
        if self.tags and self.tags.isdisjoint(case.tag):
            return False
        if any(getattr(case, name) not in allowed for name, allowed in self.values):
            return False
        return all(getattr(case, name) is wanted for name, wanted in self.flags)

    def touch(self, case: Case) -> bool:
        """Returns true when any of them holds."""
        return (
            not self.tags.isdisjoint(case.tag)
            or any(getattr(case, name) in allowed for name, allowed in self.values)
            or any(getattr(case, name) is wanted for name, wanted in self.flags)
        )


class Action(NamedTuple):
    """One action. `texts` are by language: of an answer to the customer; `text` and `subject` are of a notification."""

    kind: str
    target: str = ""
    texts: Mapping[str, str] = {}
    text: str = ""
    subject: str = ""


class Rule(NamedTuple):
    """A rule; `place` is where it stands in the order.

    keys        what its trigger must name: tags, clocks, statuses, tiers, scores; `at_risk` has percentages behind clocks
    stay_micros of `in_status`: for how long
    when        all of them must hold, and none of `unless`
    per_hour    so many of its notifications are sent to each target in an hour
    """

    name: str
    place: int
    trigger: str
    keys: frozenset[str]
    actions: tuple[Action, ...]
    when: Conditions = Conditions()
    unless: Conditions = Conditions()
    stay_micros: int = 0
    per_hour: int = 0

    def fits(self, case: Case) -> bool:
        """Returns true when the ticket is as the rule wants it."""
        return self.when.hold(case) and not self.unless.touch(case)


@dataclass(frozen=True, slots=True)
class Automations:
    """Holds the rules that are switched on, in their order. `version` is 12 hex characters of the file's content.

    `index` finds them by trigger and what it names. Rules that are switched off are only checked.
    """

    version: str = ""
    rules: tuple[Rule, ...] = ()
    off: tuple[Rule, ...] = ()
    index: Mapping[tuple[str, str], tuple[Rule, ...]] = field(default_factory=dict)
    of_tickets: bool = False

    @classmethod
    def of(cls, version: str, rules: Iterable[Rule], off: Iterable[Rule] = ()) -> Automations:
        """Returns the rules with their index."""
        index: dict[tuple[str, str], tuple[Rule, ...]] = {}
        kept = tuple(rules)
        for rule in kept:
            for key in rule.keys:
                known = index.get((rule.trigger, key), ())
                index[rule.trigger, key] = (*known, rule)
        return cls(version, kept, tuple(off), index, any(rule.trigger != "spike" for rule in kept))

    def find(self, trigger: str, key: str) -> tuple[Rule, ...]:
        """Returns the rules that this concerns, in their order."""
        found, others = self.index.get((trigger, key), ()), self.index.get((trigger, ANY), ())
        if found and others:
            return tuple(sorted((*found, *others), key=lambda rule: rule.place))
        return found or others


def filled(text: str, values: Mapping[str, str]) -> str:
    """Returns a text with its placeholders filled; a value is never read for placeholders again."""
    if "{" not in text:
        return text
    parts, rest = [], text
    while rest:
        before, brace, rest = rest.partition("{")
        parts.append(before)
        if brace:
            name, _, rest = rest.partition("}")
            parts.append(values.get(name, ""))
    return "".join(parts)


#: Of rules from before there were any.
NO_AUTOMATIONS = Automations()

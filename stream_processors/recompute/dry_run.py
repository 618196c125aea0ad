"""Folds the log as if other automations had been in force, and collects what they would have done.

What the rules in force then wrote to the log is left out. What these rules write is folded at once, as a worker would; what they
say to people goes through the limits of the desk afterwards, in the order of time over all partitions. Nothing gets out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from heapq import merge

from schemas.events import Event, NotificationRequested, TagsCounted
from schemas.facts import AutomationFact, Fact
from stream_processors.recompute.engine import Recomputation
from stream_processors.rules.automations import SOURCE, Automations
from stream_processors.rules.ruleset import Rules
from stream_processors.spikes.processor import SpikesProcessor
from stream_processors.tickets.processor import TicketsProcessor

__all__ = ["DryRun", "told", "with_all"]


class DryRun(Recomputation):
    """Folds one partition; yields the facts of its rules. `for_desk` is what goes to the desk, in order."""

    def __init__(self, rules: Rules, partition: int) -> None:
        super().__init__(TicketsProcessor(rules), partition)
        self.for_desk: list[Event] = []
        self._watches = any(rule.trigger == "spike" for rule in rules.automations.rules)

    def take(self, event: Event) -> Iterator[Fact]:
        """Yields what rules do until the next event of the log, and at that event."""
        if event.source == SOURCE:
            return
        yield from super().take(event)

    def _fold(self, event: Event) -> Iterator[Fact]:
        changes = []
        for record in self._records(event):
            if isinstance(record, AutomationFact):
                yield record
            elif isinstance(record, NotificationRequested) or (self._watches and isinstance(record, TagsCounted)):
                self.for_desk.append(record)
            elif isinstance(record, Event) and record.source == SOURCE:
                changes.append(record)
        for change in changes:
            yield from self._fold(change)


def told(rules: Rules, partitions: Iterable[list[Event]], until: int) -> Iterator[AutomationFact]:
    """Yields what the desk would have told people of what all partitions asked for, and of spikes, until then."""
    desk = Recomputation(SpikesProcessor(rules), 0)
    for event in merge(*partitions, key=lambda each: each.received_at):
        yield from _acted(desk.take(event))
    yield from _acted(desk.end(until))


def with_all(rules: Rules) -> Rules:
    """Returns the rules with those automations switched on that are off."""
    known = rules.automations
    every = sorted((*known.rules, *known.off), key=lambda rule: rule.place)
    return replace(rules, automations=Automations.of(known.version, every))


def _acted(facts: Iterable[Fact]) -> Iterator[AutomationFact]:
    return (fact for fact in facts if isinstance(fact, AutomationFact))

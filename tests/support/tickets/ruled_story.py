"""A story whose rules act: what they write to the log of contacts is folded, what they say to people goes to the desk.

rules = with_automations(rules, "- {name: hurry, when: {opened: true}, then: [{set_priority: high}]}")
story = RuledStory(rules)
story.message(0); story.acted()      # ["hurry set_priority high done"]
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from schemas import codec
from schemas.events import Event
from schemas.facts import AutomationFact, Outbound
from schemas.topics import CONTACT_EVENTS, TAG_COUNTS
from stream_processors.rules import automations_file
from stream_processors.rules.ruleset import Rules
from stream_processors.spikes.processor import SpikesProcessor
from tests.support.memory_worker import MemoryWorker
from tests.support.tickets.story import Story, at


def with_automations(rules: Rules, text: str) -> Rules:
    """Returns the rules with these automations, a list in YAML."""
    lines = "\n".join(f"  {line}" for line in text.strip("\n").split("\n"))
    known = automations_file.Known(
        rules.teams, rules.taxonomy, rules.policies, rules.roster, rules.brands, rules.guards
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "automations.yaml"
        path.write_text(f"automations:\n{lines}\n", "utf-8")
        return replace(rules, automations=automations_file.load(path, known))


class RuledStory(Story):
    """Folds what comes back to the log of contacts, and the log of the desk."""

    def __init__(self, rules: Rules, **options: Any) -> None:
        super().__init__(rules, **options)
        self.desk = MemoryWorker(SpikesProcessor(rules))
        self._delivered = 0

    def tell(self, event: Event) -> Event:
        self.worker.feed([event])
        self.settle()
        return event

    def until(self, seconds: float) -> None:
        while ticks := self.worker.ticks(at(seconds)):
            self.worker.feed(ticks)
            self.settle()
        self.desk.advance(at(seconds))

    def settle(self) -> None:
        """Folds what was written to the logs, until nothing more comes of it."""
        for _ in range(200):
            written = self.worker.outputs[self._delivered :]
            if not written:
                return
            self._delivered = len(self.worker.outputs)
            for record in written:
                if record.topic == CONTACT_EVENTS.name:
                    self.worker.append_raw(record.key or b"", record.value)
                elif record.topic == TAG_COUNTS.name:
                    self.desk.feed([codec.decode(record.value)])
            self.worker.run()
        raise AssertionError("the rules go on for ever")

    def facts(self) -> list[AutomationFact]:
        """What rules did, the newest fact of each firing."""
        newest: dict[str, AutomationFact] = {}
        for fact in (*self.all(AutomationFact), *self.desk.records(AutomationFact)):
            newest[fact.firing_id] = fact
        return list(newest.values())

    def acted(self) -> list[str]:
        """`rule action target outcome`, or why it was withheld."""
        return [
            " ".join(filter(None, (fact.rule, fact.action, fact.target, fact.reason or fact.outcome)))
            for fact in self.facts()
        ]

    def mails(self) -> list[Outbound]:
        """Notifications by mail."""
        return [each for each in self.desk.records(Outbound) if each.kind == "notification"]

    def answers(self) -> list[Outbound]:
        """What rules answered."""
        return [each for each in self.all(Outbound) if each.kind == "answer"]

"""A recomputation follows what the router said then, though its own positions are others."""

from __future__ import annotations

from schemas import codec
from schemas.facts import AssignmentFact
from stream_processors.recompute.engine import Recomputation
from stream_processors.rules import ruleset
from stream_processors.tickets.processor import TicketsProcessor
from tests.support.tickets.story import Story, at

DAY = 86_400


def test_an_assignment_counts_whose_decision_has_another_position_here() -> None:
    rules = ruleset.load()
    story = Story(rules)
    story.message(0)
    story.until(2 * DAY)
    story.transfer(2 * DAY + 10, "returns")
    story.assign(2 * DAY + 20, "mei", "returns", answers=story.ticket().routing.ref)
    run = Recomputation(TicketsProcessor(rules), 0)
    facts = [fact for record in story.worker.log for fact in run.take(codec.decode(record.value))]
    facts += run.end(at(2 * DAY + 30))
    told = [fact.agent_id for fact in facts if isinstance(fact, AssignmentFact)]
    assert told == [fact.agent_id for fact in story.all(AssignmentFact)] == ["", "mei"]

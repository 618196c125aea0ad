"""Folds a story's log again and returns what its steps observed."""

from __future__ import annotations

from schemas import codec
from stream_processors.runtime.processor import Position
from stream_processors.tickets.observations import Duration, Observation, Score
from stream_processors.tickets.processor import fold
from stream_processors.tickets.state import Customer
from tests.support.tickets.story import Story

Kind = type[Observation]


def observations(story: Story, *kinds: Kind) -> list[Observation]:
    """Returns the observations of these kinds, in their order. No pane is read."""
    customer, found = Customer(), list[Observation]()
    processor = story.worker.processor
    for offset, record in enumerate(story.worker.log):
        context = fold(customer, codec.decode(record.value), Position(0, offset), processor.rules, processor.signing)
        customer = context.customer
        found += [each for each in context.observed if type(each) in kinds]
    return found


def observed(story: Story, *kinds: Kind) -> list[tuple[Kind, float]]:
    """Returns the same as (kind, its duration in seconds or its score; 0 without one)."""
    return [(type(each), _value(each)) for each in observations(story, *kinds)]


def _value(observation: Observation) -> float:
    if isinstance(observation, Score):
        return observation.score
    return observation.seconds if isinstance(observation, Duration) else 0.0

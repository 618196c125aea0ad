"""The pure steps as every contender runs them: the same processor, the same codec, the same rules.

`StepRunner.run` turns one record and a way to read states into states to store and records to send. What differs
between contenders is only how they move records and keep state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from schemas import codec
from schemas.settings import Settings
from schemas.topics import TOPIC_OF
from stream_processors.rules import ruleset
from stream_processors.runtime.processor import Position
from stream_processors.runtime.state_codec import StateCodec
from stream_processors.tickets.processor import TicketsProcessor


class Result(NamedTuple):
    """`states` are (key, encoded value or None); `records` are (topic, key, encoded value)."""

    states: list[tuple[bytes, bytes | None]]
    records: list[tuple[str, bytes, bytes]]


class _Reader:
    def __init__(self, codec: StateCodec, get: Callable[[bytes], bytes | None]) -> None:
        self._codec, self._get = codec, get

    def get(self, key: bytes) -> Any | None:
        value = self._get(key)
        return None if value is None else self._codec.load(key, value)

    def scan(self, prefix: bytes) -> Any:
        raise NotImplementedError("the tickets aggregate reads by key only")


class StepRunner:
    """Decode, fold, encode. Reads settings only for topic names."""

    def __init__(self, settings: Settings) -> None:
        self.processor = TicketsProcessor(ruleset.load())
        self.codec = StateCodec(self.processor.kinds, self.processor.deadline)
        self._topics = {kind: settings.topic(topic) for kind, topic in TOPIC_OF.items()}

    def run(
        self, value: bytes, key: bytes, partition: int, offset: int, get: Callable[[bytes], bytes | None]
    ) -> Result:
        outcome = self.processor.process(codec.decode(value), Position(partition, offset), _Reader(self.codec, get))
        states = [
            (name, None if state is None else self.codec.dump(name, state)) for name, state in outcome.states.items()
        ]
        if outcome.skipped:
            return Result(states, [])
        records = [
            (self._topics[type(out.record)], key if out.key is None else out.key.encode(), codec.encode(out.record))
            for out in outcome.outputs
        ]
        return Result(states, records)

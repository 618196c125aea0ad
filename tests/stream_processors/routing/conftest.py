"""A store in memory with the rules of the real one, so that routing can be folded, crashed and folded again."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Any

import pytest

from schemas.events import Assigned, Event, PresenceChanged, RoutingUpdate
from schemas.facts import PresenceFact
from stream_processors.routing.processor import RoutingProcessor
from stream_processors.runtime.processor import Position

T0 = 1_772_409_600_000_000  # 2026-03-02T00:00:00Z
SECOND = 1_000_000


class Router:
    """Folds events one by one; counts what is read, and keeps what is told of presences."""

    def __init__(self) -> None:
        self.processor = RoutingProcessor()
        self.states: dict[bytes, Any] = {}
        self.keys: list[bytes] = []
        self.reads = 0
        self.offset = -1
        self.described: list[PresenceFact] = []

    def get(self, key: bytes) -> Any | None:
        self.reads += 1
        return self.states.get(key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, Any]]:
        index = bisect_left(self.keys, prefix)
        while index < len(self.keys) and self.keys[index].startswith(prefix):
            self.reads += 1
            yield self.keys[index], self.states[self.keys[index]]
            index += 1

    def fold(self, event: Event) -> list[Assigned]:
        """Fold one event at the next offset; what it assigned."""
        records = [output.record for output in self.outputs_of(event)]
        self.described += (record for record in records if isinstance(record, PresenceFact))
        return [record for record in records if isinstance(record, Assigned)]

    def outputs_of(self, event: Event) -> list[Any]:
        """Fold one event at the next offset; all that it wrote."""
        self.offset += 1
        outcome = self.processor.process(event, Position(0, self.offset), self)
        self.apply(outcome.states)
        return list(outcome.outputs)

    def apply(self, states: Any) -> None:
        for key, state in states.items():
            if state is None:
                if self.states.pop(key, None) is not None:
                    del self.keys[bisect_left(self.keys, key)]
            else:
                if key not in self.states:
                    insort(self.keys, key)
                self.states[key] = state

    def waiting(self) -> list[str]:
        return [key[1:].split(b"\0")[1].decode() for key in self.keys if key[:1] == b"i" and not self.states[key].agent]


class Story:
    """Writes routing events of one team, a second apart."""

    def __init__(self, team: str = "support") -> None:
        self.team, self.seconds = team, 0

    def update(self, action: str, ticket: str, channel: str = "email", **fields: Any) -> RoutingUpdate:
        self.seconds += 1
        at = T0 + self.seconds * SECOND
        fields.setdefault("eligible_at", at)
        return RoutingUpdate(
            event_id=f"u{self.seconds}",
            occurred_at=at,
            received_at=at,
            customer_tag=ticket.rpartition("-")[0],
            channel=channel,
            ticket_id=ticket,
            team=self.team,
            action=action,
            **fields,
        )

    def presence(self, agent: str, status: str = "online", **fields: Any) -> PresenceChanged:
        self.seconds += 1
        at = T0 + self.seconds * SECOND
        fields.setdefault("capacity", {"default": 2})
        return PresenceChanged(
            event_id=f"p{self.seconds}",
            occurred_at=at,
            received_at=at,
            customer_tag="",
            agent_id=agent,
            team=self.team,
            status=status,
            **fields,
        )


@pytest.fixture
def router() -> Router:
    return Router()


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def new_router() -> type[Router]:
    return Router


@pytest.fixture
def new_story() -> type[Story]:
    return Story

"""Small cases of routing that can be solved exactly: two agents who do one thing at a time, a handful of tickets.

`played` is what the real router makes of a case; it learns of a ticket when it comes, and of a handle time when it is over.
`optimum` knows all of it beforehand and may let an agent wait for a ticket: no router can do better. All times are minutes.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from functools import cache
from itertools import count
from typing import Any, NamedTuple

from schemas.events import Assigned, Event, PresenceChanged, RoutingUpdate, TeamConfigured
from stream_processors.routing.processor import RoutingProcessor
from stream_processors.runtime.processor import Position
from tests.support.routing.world import MINUTE, ORDER, START, States

TARGETS = {"chat": 2, "email": 45}
LANGUAGES = {"ann": ("en",), "bea": ("en", "ja")}


class Contact(NamedTuple):
    """A ticket of a case: `handle` is how long its agent has no room for another."""

    came: int
    channel: str
    language: str
    handle: int

    @property
    def agents(self) -> tuple[str, ...]:
        """Who suits it: an agent who does not write its language does not, as long as one who does is there."""
        return tuple(name for name, languages in LANGUAGES.items() if self.language in languages)

    def wait(self, began: int) -> int:
        return began - self.came

    def late(self, began: int) -> int:
        """Returns by how much it was answered after its deadline."""
        return max(0, began - self.came - TARGETS[self.channel])

    def chat_wait(self, began: int) -> int:
        return self.wait(began) if self.channel == "chat" else 0


Cost = Callable[[Contact, int], int]


def cases(number: int, contacts: int, seed: int) -> list[list[Contact]]:
    """Returns cases in which people have too much to do for a while."""
    chance, made = random.Random(seed), []
    for _ in range(number):
        made.append(
            [
                Contact(
                    came=chance.randrange(20),
                    channel=chance.choice(("chat", "email", "email")),
                    language=chance.choice(("en", "en", "ja")),
                    handle=chance.randrange(3, 16),
                )
                for _ in range(contacts)
            ]
        )
    return made


def optimum(case: list[Contact], cost: Cost) -> int:
    """Returns the least sum of costs of any plan: every agent, every order."""

    @cache
    def rest(left: int, ann: int, bea: int) -> int:
        best = 0 if not left else 1 << 60
        for number, contact in enumerate(case):
            if not left >> number & 1:
                continue
            for agent in contact.agents:
                began = max(contact.came, ann if agent == "ann" else bea)
                end = began + contact.handle
                after = rest(left & ~(1 << number), *((end, bea) if agent == "ann" else (ann, end)))
                best = min(best, cost(contact, began) + after)
        return best

    return rest((1 << len(case)) - 1, 0, 0)


def played(case: list[Contact], order: tuple[str, ...] = ORDER) -> list[int]:
    """Returns when each ticket was given to an agent by the real router."""
    return _Game(case, order).play()


class _Game:
    def __init__(self, case: list[Contact], order: tuple[str, ...]) -> None:
        self._case, self._order = case, order
        self._router, self._states, self._offsets = RoutingProcessor(), States(), count()
        self._began = [-1] * len(case)
        self._due = [(contact.came, number, "queue") for number, contact in enumerate(case)]

    def play(self) -> list[int]:
        whole = {"default": 1.0}  # one ticket, of whatever channel, takes a whole person
        configured = {"number": 1, "content": "1", "weights": whole, "order": list(self._order)}
        self._fold(TeamConfigured(**self._base(0), **configured), 0)
        for name, languages in LANGUAGES.items():
            said = {"agent_id": name, "status": "online", "languages": list(languages), "capacity": {"default": 1}}
            self._fold(PresenceChanged(**self._base(0), **said), 0)
        heapq.heapify(self._due)
        while self._due:
            at, number, action = heapq.heappop(self._due)
            self._fold(self._update(number, action, at), at)
        return self._began

    def _update(self, number: int, action: str, at: int) -> RoutingUpdate:
        contact = self._case[number]
        came = START + contact.came * MINUTE
        return RoutingUpdate(
            **self._base(at),
            ticket_id=f"AAAABBBBCCCA-{number + 1}",
            action=action,
            channel=contact.channel,
            language=contact.language,
            eligible_at=came,
            due_at=came + TARGETS[contact.channel] * MINUTE,
        )

    def _base(self, at: int) -> dict[str, Any]:
        moment = START + at * MINUTE
        return {
            "event_id": f"e{next(self._offsets)}",
            "occurred_at": moment,
            "received_at": moment,
            "customer_tag": "",
            "source": "test",
            "team": "team",
        }

    def _fold(self, event: Event, at: int) -> None:
        outcome = self._router.process(event, Position(0, next(self._offsets)), self._states)
        for key, state in outcome.states.items():
            self._states.put(key, state)
        for output in outcome.outputs:
            if isinstance(output.record, Assigned) and output.record.agent_id:
                number = int(output.record.ticket_id.rpartition("-")[2]) - 1
                assert self._began[number] < 0, "no ticket is given away twice"
                self._began[number] = at
                heapq.heappush(self._due, (at + self._case[number].handle, number, "done"))

"""A story whose customer may go up in another one: three partitions, and what is written back between them comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from schemas import codec, events
from schemas.events import Event
from schemas.identity import customer_tag, ticket_id
from stream_processors.rules.ruleset import Rules
from stream_processors.tickets.processor import TicketsProcessor
from stream_processors.tickets.state import Ticket
from tests.support.memory_worker import MemoryCluster
from tests.support.tickets.story import ANN, Story

__all__ = ["MovingStory"]

PEOPLE = {"ann": ANN, "bob": "tel:+15550100", "cat": "ext:4711"}


class _Workers:
    """What a story asks of a `MemoryWorker`, of a cluster. Of one ticket, records come in the order of their versions."""

    def __init__(self, processor_of: Callable[[], TicketsProcessor]) -> None:
        self.cluster = MemoryCluster(processor_of, partitions=3)

    def feed(self, told: Iterable[Event]) -> None:
        self.cluster.append(told)
        self.cluster.settle()

    def advance(self, now: int) -> None:
        self.cluster.advance(now)

    def states(self, prefix: bytes) -> Iterator[tuple[bytes, Any]]:
        return self.cluster.states(prefix)

    def records(self, *kinds: type) -> list[Any]:
        return sorted(self.cluster.records(*kinds), key=lambda record: getattr(record, "version", 0))

    def facts(self) -> dict[tuple[Any, ...], bytes]:
        found: dict[tuple[Any, ...], bytes] = {}
        for worker in self.cluster.workers:
            for identity, value in worker.facts().items():
                known = found.get(identity)
                if known is None or codec.decode(known).version < codec.decode(value).version:
                    found[identity] = value
        return found

    @property
    def dead_letters(self) -> list[tuple[int, str, str, str]]:
        return [each for worker in self.cluster.workers for each in worker.dead_letters]


class MovingStory(Story):
    """Ann's story; Bob and Cat live in other partitions. `subject` is whose first ticket is looked at."""

    def __init__(self, rules: Rules, *, channel: str = "email", imported: bool = False) -> None:
        super().__init__(rules, channel=channel, imported=imported)
        self.worker = _Workers(lambda: TicketsProcessor(rules))  # type: ignore[assignment]
        self.subject = "ann"

    def ticket_id(self, number: int = 1) -> str:
        return ticket_id(customer_tag(PEOPLE[self.subject]), number)

    def ticket(self, number: int = 1) -> Ticket:
        """Wherever it is by now."""
        wanted = self.ticket_id(number)
        for key, customer in self.worker.states(b"c"):
            for each in customer.tickets:
                if each.id_at(key[1:].decode()) == wanted:
                    return each
        raise AssertionError(f"nobody has {wanted}")

    def writes(self, who: str, seconds: float, **changes: Any) -> Event:
        """Somebody else's first message."""
        person = PEOPLE[who]
        about = {"customer_id": person, "customer_tag": customer_tag(person), "address": person.partition(":")[2]}
        return self.message(seconds, **about | changes)

    def merge(self, seconds: float, who: str = "ann", into: str = "bob") -> Event:
        names = {"from_customer_id": PEOPLE[who], "into_customer_id": PEOPLE[into], "agent_id": "mei"}
        return self.tell(events.CustomersMerged(**self.base(seconds, customer_tag=customer_tag(PEOPLE[who])), **names))

    def split(self, seconds: float, who: str = "bob", to: str = "ann") -> Event:
        """The first ticket of the story goes to `to`."""
        names = {"customer_id": PEOPLE[who], "to_customer_id": PEOPLE[to], "ticket_ids": [self.ticket_id()]}
        base = self.base(seconds, customer_tag=customer_tag(PEOPLE[who]))
        return self.tell(events.CustomersSplit(**base, **names, agent_id="mei"))

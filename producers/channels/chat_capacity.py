"""Counts the chats that could begin now: the online agents' capacity without the chats that they hold or that wait.

It is folded from `routing` (presences and updates) and from the assignments on `contact-events`, as the router sees
them: a chat that waits on its customer uses no capacity. Pure; one record at a time; a record may come twice.

    free = the sum of the online agents' capacity for chat - the chats that they hold - the chats that wait

Chat is offered while that is above zero: no visitor is offered a place for which another one waits. Agents of several
teams count in each of them, as they do in the router.
"""

from __future__ import annotations

from msgspec import Struct

from schemas.events import Assigned, Event, PresenceChanged, RoutingUpdate

__all__ = ["ChatCapacity"]

CHANNEL = "chat"
_PRIORITY = {"urgent": 0, "high": 1, "normal": 2, "low": 3}


class Place(Struct, frozen=True):
    """The place of one chat ticket: in the queue of `team`, or with `agent`."""

    team: str
    agent: str
    priority: str
    since: int


class ChatCapacity:
    """The capacity for chat at this moment. `observe` takes the next record."""

    def __init__(self) -> None:
        self._capacity: dict[tuple[str, str], tuple[bool, int]] = {}  # (team, agent) → (online, chats they take)
        self._places: dict[str, Place] = {}
        self._seen: dict[int, int] = {}  # partition of contact-events → the newest offset that caused an update

    def observe(self, event: Event) -> None:
        """Takes one record of `routing`, or an `Assigned`; anything else changes nothing."""
        if isinstance(event, PresenceChanged):
            self._presence(event)
        elif isinstance(event, RoutingUpdate):
            self._update(event)
        elif isinstance(event, Assigned):
            self._assigned(event)

    @property
    def free(self) -> int:
        """The chats that could begin now; negative when more are held or wait than agents take."""
        return sum(chats for online, chats in self._capacity.values() if online) - len(self._places)

    def positions(self) -> dict[str, int]:
        """Returns the place of every waiting ticket in its team's queue, from 1."""
        found: dict[str, int] = {}
        served: dict[str, int] = {}
        waiting = [(ticket, place) for ticket, place in self._places.items() if not place.agent]
        for ticket, place in sorted(waiting, key=_order):
            served[place.team] = found[ticket] = served.get(place.team, 0) + 1
        return found

    def knows(self, ticket_id: str) -> bool:
        """Says if the ticket waits or is held: its place is counted."""
        return ticket_id in self._places

    def _presence(self, event: PresenceChanged) -> None:
        key = (event.team, event.agent_id)
        known = self._capacity.get(key, (False, 0))[1]
        taken = event.capacity.get(CHANNEL, event.capacity.get("default", 0)) if event.capacity else known
        self._capacity[key] = (event.status == "online", max(0, taken))

    def _update(self, event: RoutingUpdate) -> None:
        if event.version >= 0:
            if event.version < self._seen.get(event.partition, -1):
                return  # written again after a crash
            self._seen[event.partition] = event.version
        if event.channel != CHANNEL or event.action == "declined":  # it waits on, for another agent
            return
        if event.action not in ("queue", "busy"):
            if (known := self._places.get(event.ticket_id)) is not None and known.team == event.team:
                del self._places[event.ticket_id]
            return
        agent = event.agent_id if event.action == "busy" else ""
        since = event.eligible_at or event.occurred_at
        self._places[event.ticket_id] = Place(event.team, agent, event.priority, since)

    def _assigned(self, event: Assigned) -> None:
        place = self._places.get(event.ticket_id)
        if place is not None and place.team == event.team:
            self._places[event.ticket_id] = Place(place.team, event.agent_id, place.priority, place.since)


def _order(waiting: tuple[str, Place]) -> tuple[int, int, str]:
    ticket, place = waiting
    return (_PRIORITY.get(place.priority, 2), place.since, ticket)

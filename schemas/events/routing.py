"""What workers and the router tell each other, and the presence of agents."""

from __future__ import annotations

from schemas.events.base import Event, Micros


class Assigned(Event, frozen=True, kw_only=True):
    """The router's answer: written to the ticket's own partition. `agent_id` '' means given back to the queue."""

    ticket_id: str
    team: str
    agent_id: str
    queued_at: Micros | None = None
    reason: str = ""


class PresenceChanged(Event, frozen=True, kw_only=True):
    """An agent comes or goes; written to `routing`, key = team.

    status    `online away offline`
    capacity  how many tickets waiting on us the agent takes, by channel; `default` for the others
    """

    agent_id: str
    team: str
    status: str
    capacity: dict[str, int] = {}
    languages: list[str] = []
    skills: list[str] = []


class RoutingUpdate(Event, frozen=True, kw_only=True):
    """What the router must know of a ticket; written to `routing`, key = team.

    action  `queue` it needs a person · `busy` its agent holds it and it waits on us · `idle` it waits on the customer
            · `done` solved, closed or gone to another team
    skills     what the agent should be able to do; a preference while nobody on shift has them
    partition, version   where in `contact-events` the cause stands: an update below the highest seen
                         of its partition was written again after a crash; version -1 when unknown
    """

    ticket_id: str
    team: str
    action: str
    priority: str = "normal"
    language: str = ""
    eligible_at: Micros = 0
    agent_id: str = ""
    preferred_agent: str = ""
    skills: list[str] = []
    partition: int = 0
    version: int = -1

"""What workers and the router tell each other, and the presence of agents."""

from __future__ import annotations

import msgspec

from schemas.events.base import Event, Micros


class Assigned(Event, frozen=True, kw_only=True):
    """The router's answer: written to the ticket's own partition. `agent_id` '' means given back to the queue.

    answers   the `ref` of the newest update of the ticket that the router had folded: when the ticket has decided something
              else since, the answer comes too late (ADR 47); '' of a router from before this was said
    """

    ticket_id: str
    team: str
    agent_id: str
    queued_at: Micros | None = None
    reason: str = ""
    answers: str = ""


class Offered(Event, frozen=True, kw_only=True):
    """The router offers a ticket to an agent, whose place it keeps free until `expires_at`; written to the ticket's own partition.

    Said again to the same agent it lasts longer. `answers` and `queued_at` are as in `Assigned`, `reason` is that of the
    assignment that comes of it.
    """

    ticket_id: str
    team: str
    agent_id: str
    expires_at: Micros
    queued_at: Micros | None = None
    reason: str = ""
    answers: str = ""


class PresenceChanged(Event, frozen=True, kw_only=True):
    """An agent comes or goes, or says again that they are there; written to `routing`, key = team.

    status    `online away offline`
    capacity  how many tickets waiting on us the agent takes, by channel; `default` for the others
    valid_seconds  for how long this report holds without another one; 0: as long as the team's configuration says
    returned  of an `online`: the agent said so themselves, which ends an absence for missed offers; a report that a program
              repeats leaves it out
    reason    of what the router says: `silent missed_offers`, why they are not there
    """

    agent_id: str
    team: str
    status: str
    capacity: dict[str, int] = {}
    languages: list[str] = []
    skills: list[str] = []
    valid_seconds: int = 0
    returned: bool = False
    reason: str = ""


class RoutingUpdate(Event, frozen=True, kw_only=True):
    """What the router must know of a ticket; written to `routing`, key = team.

    action  `queue` it needs a person · `busy` its agent holds it and it waits on us · `idle` it waits on the customer
            · `done` solved, closed or gone to another team · `declined` its agent does not take the offer
    skills     what the agent should be able to do; a preference while nobody on shift has them
    partition, version   where in `contact-events` the cause stands: an update below the highest seen
                         of its partition was written again after a crash; version -1 when unknown
    fallback   of a `queue` update: the team that gets the ticket when it waits too long; '' for none
    ref        names the decision that the update tells; the router's answers repeat it. A `queue` with the ref that the
               router knows only changes the place of a ticket that still waits; one with another ref puts it into the queue,
               whoever it was given to before: the ticket's own partition takes no answer to an older ref (ADR 47)
    due_at     the nearest deadline of its clocks; None when none runs
    avoid_agent  of a `queue` update: who gave it back or away; gets it again only when nobody else has room
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
    fallback: str = ""
    ref: str = ""
    due_at: Micros | None = None
    brand: str = ""
    avoid_agent: str = ""


class Overflowed(Event, frozen=True, kw_only=True):
    """The router's word that a ticket waited too long in a team; written to the ticket's own partition, which moves it.

    `to_team` is the `fallback` of the `queue` update, `answers` its `ref`. The ticket is moved by its own partition alone, and
    stays where it is when this comes too late.
    """

    ticket_id: str
    team: str
    to_team: str
    answers: str = ""
    queued_at: Micros | None = None
    reason: str = ""


class AgentProfile(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is configured of an agent in a team.

    capacity   tickets waiting on us that they take, by channel; `default` for the others; empty: as the team has it
    weights    the part of a person that one ticket takes, by channel; `default` for the others; empty: as the team has it
    skills     one of a level stands for those below it, too: `refunds` and `refunds.2` of a skill of level 2
    """

    agent_id: str
    capacity: dict[str, int] = {}
    weights: dict[str, float] = {}
    languages: list[str] = []
    skills: list[str] = []


class TeamConfigured(Event, frozen=True, kw_only=True):
    """The configuration of a team took effect; written to `routing`, key = team, by each worker that sees it do so.

    number    orders rules by when they took effect: one below the last of this team is old news
    content   identifies what is configured here: the same as the last of this team changes nothing
    active    false for a team that the rules name no more
    agents    those of the configuration; whom the last one named and this one does not are taken out
    fallback  who gets a ticket of it that waited `overflow_seconds`
    limits, weights   of an agent who has none of their own, as in `AgentProfile`
    order     the criteria that order waiting tickets, the first first: of `channel priority due_at eligible_at`; empty: these
    give_back_percent  of the time from the assignment to `due_at`: after so much of it a ticket that its agent left alone
                       goes back to the queue; 0: never

    The others are by channel, with `default` for those that are not named; a channel without a value has no such limit:

    overflow_seconds   how long a ticket waits before it goes to the fallback
    affinity_seconds   how long a ticket waits for the previous agent, who is on shift and has no room
    accept_seconds     how long an agent may take to accept an offer; without: tickets are assigned and not offered
    silent_seconds     after how long without a report an agent is away
    """

    team: str
    number: int = 0
    content: str = ""
    active: bool = True
    agents: list[AgentProfile] = []
    languages: list[str] = []
    fallback: str = ""
    limits: dict[str, int] = {}
    weights: dict[str, float] = {}
    overflow_seconds: dict[str, int] = {}
    affinity_seconds: dict[str, int] = {}
    accept_seconds: dict[str, int] = {}
    silent_seconds: dict[str, int] = {}
    order: list[str] = []
    give_back_percent: int = 0


class RosterChanged(Event, frozen=True, kw_only=True):
    """An agent joins a team, changes what they can do there, or leaves it; written to `routing`, key = team.

    It holds until the configuration says something else of this agent than it did. What is left out stays as it was known.
    `skills` and the others are as in `AgentProfile`.
    """

    agent_id: str
    team: str
    active: bool = True
    capacity: dict[str, int] = {}
    weights: dict[str, float] = {}
    languages: list[str] = []
    skills: list[str] = []

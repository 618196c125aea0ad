"""Logs of one partition of `routing`: of updates and presences, and of every kind of event."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from schemas.events import AgentProfile, PresenceChanged, RosterChanged, RoutingUpdate, TeamConfigured, Tick
from stream_processors.routing.state import entry_key, team_key

__all__ = ["TICKETS", "logs", "logs_of_all"]

T0 = 1_772_409_600_000_000
AGENTS = ("ann", "bob", "cai")
TICKETS = tuple(f"AAAABBBBCCC{suffix}-{n}" for suffix in "ABC" for n in (1, 2, 3))
LANGUAGES = ("", "en", "ja")

updates = st.fixed_dictionaries(
    {
        "action": st.sampled_from(("queue", "queue", "queue", "busy", "idle", "done")),
        "ticket_id": st.sampled_from(TICKETS),
        "channel": st.sampled_from(("chat", "email")),
        "language": st.sampled_from(LANGUAGES),
        "priority": st.sampled_from(("normal", "urgent")),
        "agent_id": st.sampled_from(AGENTS),
        "preferred_agent": st.sampled_from(("", *AGENTS)),
    }
)
presences = st.fixed_dictionaries(
    {
        "agent_id": st.sampled_from(AGENTS),
        "status": st.sampled_from(("online", "online", "away", "offline")),
        "capacity": st.sampled_from(({"default": 1}, {"default": 2}, {"chat": 2, "default": 1}, {"chat": 1})),
        "languages": st.sampled_from(([], ["en"], ["ja"], ["en", "ja"])),
    }
)
teams = st.sampled_from(("delivery", "delivery", "payments"))
#: Somebody is there, so that most logs assign something.
OPENING = [
    ("delivery", {"agent_id": "ann", "status": "online", "capacity": {"default": 1}, "languages": []}),
    ("delivery", {"agent_id": "bob", "status": "online", "capacity": {"chat": 2}, "languages": ["ja"]}),
]


@st.composite
def logs(draw: Any, least: int = 0) -> list[Any]:
    """A log of routing events. A ticket keeps its channel and language, as it does in life."""
    log: list[Any] = []
    steps = draw(st.lists(st.tuples(teams, st.one_of(updates, updates, presences)), min_size=least, max_size=60))
    for number, (team, fields) in enumerate([*OPENING, *steps]):
        at = T0 + number * 1_000_000
        base = {"event_id": str(number), "occurred_at": at, "received_at": at, "team": team}
        if "action" in fields:
            tag, _, digit = fields["ticket_id"].rpartition("-")
            fixed = {"channel": ("chat", "email", "email")[int(digit) - 1], "language": LANGUAGES[ord(tag[-1]) - 65]}
            log.append(RoutingUpdate(customer_tag=tag, eligible_at=at, **base, **{**fields, **fixed}))
        else:
            log.append(PresenceChanged(customer_tag="", **base, **fields))
    return log


configurations = st.fixed_dictionaries(
    {
        "number": st.integers(0, 3),
        "agents": st.lists(
            st.builds(
                AgentProfile,
                agent_id=st.sampled_from(AGENTS),
                capacity=st.sampled_from(({}, {"default": 1})),
                weights=st.sampled_from(({}, {"chat": 0.5, "default": 0.1})),
                skills=st.sampled_from(([], ["refunds"])),
            ),
            max_size=2,
        ),
        "active": st.sampled_from((True, True, False)),
        "limits": st.sampled_from(({}, {"default": 2})),
        "weights": st.sampled_from(({}, {"chat": 1 / 3, "default": 0.25})),
        "overflow_seconds": st.sampled_from(({}, {"default": 4}, {"chat": 2})),
        "affinity_seconds": st.sampled_from(({}, {"default": 3})),
        "silent_seconds": st.sampled_from(({}, {"default": 5}, {"chat": 3})),
        "order": st.sampled_from(([], ["eligible_at"], ["due_at", "priority"])),
        "give_back_percent": st.sampled_from((0, 50)),
        "accept_seconds": st.sampled_from(({}, {"default": 3}, {"chat": 2})),
    }
)
rosters = st.fixed_dictionaries(
    {
        "agent_id": st.sampled_from(AGENTS),
        "active": st.sampled_from((True, True, False)),
        "capacity": st.sampled_from(({}, {"default": 3})),
        "skills": st.sampled_from(([], ["refunds"])),
    }
)
answers = st.fixed_dictionaries(
    {
        "action": st.sampled_from(("declined", "busy", "queue")),
        "ticket_id": st.sampled_from(TICKETS),
        "agent_id": st.sampled_from(AGENTS),
        "avoid_agent": st.sampled_from(("", *AGENTS)),
    }
)
due_states = st.one_of(st.just(""), st.sampled_from(TICKETS), st.sampled_from(TICKETS))
decisions = st.fixed_dictionaries(
    {
        "ref": st.sampled_from(("", "1", "2")),
        "fallback": st.sampled_from(("", "returns")),
        "due_at": st.sampled_from((None, 5, 20)),
        "skills": st.sampled_from(([], [], ["refunds"])),
        "version": st.integers(-1, 6),
    }
)


@st.composite
def logs_of_all(draw: Any) -> list[Any]:
    """A log of every kind of event, in which time passes and some records come twice."""
    steps = st.lists(
        st.tuples(
            teams,
            st.one_of(updates, updates, presences, configurations, rosters, due_states, due_states, answers),
            decisions,
            st.booleans(),
        ),
        min_size=25,
        max_size=60,
    )
    log: list[Any] = []
    for number, (team, fields, decision, twice) in enumerate(draw(steps)):
        at = T0 + number * 1_000_000
        base = {"event_id": str(number), "occurred_at": at, "received_at": at, "customer_tag": ""}
        source = {**base, "team": team, "source": "desk"}
        if isinstance(fields, str):
            key = entry_key(team, fields) if fields else team_key(team)
            log.append(Tick(**base, state_key=key))
        elif "action" in fields:
            due_at = None if decision["due_at"] is None else at + decision["due_at"] * 1_000_000
            log.append(RoutingUpdate(**source, eligible_at=at, **{**fields, **decision, "due_at": due_at}))
        elif "number" in fields:
            log.append(TeamConfigured(**source, content=str(number), **fields))
        elif "status" in fields:
            late = {**source, "occurred_at": at - decision["version"] * 1_000_000, "returned": twice}
            log.append(PresenceChanged(**late, valid_seconds=number % 3, **fields))
        else:
            log.append(RosterChanged(**source, **fields))
        if twice:
            log.append(log[-1])
    return log

"""Gauges of the agents of one partition, kept from the states of teams.

Only agents who announced themselves count, as in presence facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from schemas.events import CHANNELS
from schemas.service_metrics import ServiceMetric
from stream_processors.routing.state import PRESENCES, Team
from stream_processors.runtime.gauges import Counts, Labels, Sample, StateGauges, change

__all__ = ["TeamGauges", "bounded_channel"]


def bounded_channel(channel: str) -> str:
    """Returns the channel as a label: one that we do not know is `other`."""
    return channel if channel in CHANNELS or not channel else "other"


class TeamGauges(StateGauges):
    """Keeps the gauges of one partition of `routing`.

    agents  team, status → agents
    busy    team → agents who are online with a ticket in their hands that waits on us
    queued  team, channel → tickets that wait for an agent
    silent  team → sources that report nobody any more
    """

    prefixes: ClassVar[bytes] = b"t"

    def __init__(self) -> None:
        super().__init__()
        self.agents: Counts = {}
        self.busy: Counts = {}
        self.queued: Counts = {}
        self.silent: Counts = {}

    @classmethod
    def samples(cls, partitions: Sequence[Self], now: int) -> list[Sample]:
        """Of a team that has agents there is a value for every status, also when it is 0."""
        agents: dict[Labels, float] = {}
        busy: dict[Labels, float] = {}
        silent: dict[Labels, float] = {}
        queued: dict[Labels, float] = {}
        for each in partitions:
            for team in {team for team, _ in each.agents}:
                agents |= {(team, status): each.agents.get((team, status), 0) for status in PRESENCES}
                busy[team,] = each.busy.get((team,), 0)
                silent[team,] = each.silent.get((team,), 0)
            queued |= each.queued
        return [
            (ServiceMetric.AGENTS, agents),
            (ServiceMetric.AGENTS_BUSY, busy),
            (ServiceMetric.QUEUE_TICKETS, queued),
            (ServiceMetric.PRESENCE_SOURCES_SILENT, silent),
        ]

    def _change(self, key: bytes, before: Team | None, after: Team | None) -> None:
        team = key[1:].decode()
        for state, step in ((before, -1), (after, 1)):
            if state is None:
                continue
            for skills, tickets in state.waiting.items():
                change(self.queued, (team, bounded_channel(skills.partition("\0")[0])), step * tickets)
            silent = sum(source.silent_since is not None for source in state.sources.values())
            if silent:
                change(self.silent, (team,), step * silent)
            for name, agent in state.agents.items():
                if agent.announced:
                    change(self.agents, (team, agent.status), step)
                if agent.announced and agent.is_busy(state.offered.get(name, 0)):
                    change(self.busy, (team,), step)

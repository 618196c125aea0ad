"""Gauges of the agents of one partition, kept from the states of teams.

Only agents who announced themselves count, as in presence facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from schemas.service_metrics import ServiceMetric
from stream_processors.routing.state import PRESENCES, Team
from stream_processors.runtime.gauges import Counts, Labels, Sample, StateGauges, change

__all__ = ["TeamGauges"]


class TeamGauges(StateGauges):
    """Keeps the gauges of one partition of `routing`.

    agents  team, status → agents
    busy    team → agents who are online with a ticket in their hands that waits on us
    """

    prefixes: ClassVar[bytes] = b"t"

    def __init__(self) -> None:
        super().__init__()
        self.agents: Counts = {}
        self.busy: Counts = {}

    @classmethod
    def samples(cls, partitions: Sequence[Self], now: int) -> list[Sample]:
        """Of a team that has agents there is a value for every status, also when it is 0."""
        agents: dict[Labels, float] = {}
        busy: dict[Labels, float] = {}
        for each in partitions:
            for team in {team for team, _ in each.agents}:
                agents |= {(team, status): each.agents.get((team, status), 0) for status in PRESENCES}
                busy[team,] = each.busy.get((team,), 0)
        return [(ServiceMetric.AGENTS, agents), (ServiceMetric.AGENTS_BUSY, busy)]

    def _change(self, key: bytes, before: Team | None, after: Team | None) -> None:
        team = key[1:].decode()
        for state, step in ((before, -1), (after, 1)):
            for agent in () if state is None else state.agents.values():
                if agent.announced:
                    change(self.agents, (team, agent.status), step)
                if agent.announced and agent.busy:
                    change(self.busy, (team,), step)

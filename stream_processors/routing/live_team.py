"""A team in memory: its state, changed in place, and what finds agents and tickets in it quickly.

It stands for the `Team` that it last returned, whose mappings it shares, and is only good for folding the record that comes
next after it. It is a memory, not a state: made anew from any `Team`, it goes on in the same way.
"""

from __future__ import annotations

from stream_processors.routing.queue_index import QueueIndex
from stream_processors.routing.roster import Roster
from stream_processors.routing.state import Configuration, Seen, Source, Team
from stream_processors.routing.waiting import WaitingLine

__all__ = ["LiveTeam"]


class LiveTeam:
    """Holds one team while its records are folded."""

    def __init__(self, team: Team) -> None:
        self.state = team
        self.roster = Roster(dict(team.agents), team.configuration)
        self.line = WaitingLine(dict(team.waiting), dict(team.fronts))
        self._index = QueueIndex()
        self._index_as_of = (0, 0)
        self.begin(team)

    def is_of(self, team: Team) -> bool:
        """Returns true if this stands for a team: the same value, or an equal one that was stored meanwhile."""
        mine = self.state
        return mine is team or (
            mine.offset == team.offset
            and mine.assignments == team.assignments
            and mine.waiting == team.waiting
            and mine.fronts == team.fronts
            and mine.configuration == team.configuration
            and mine.agents == team.agents
        )

    def begin(self, team: Team) -> None:
        """Begins a record; `team` is the value that it stands for."""
        self.seen: dict[int, Seen] = team.seen
        self.sources: dict[str, Source] = team.sources
        self.configuration: Configuration = team.configuration
        self.assignments, self.next_silence = team.assignments, team.next_silence
        self.offered: dict[str, int] = team.offered
        self.missed: dict[str, int] = team.missed
        self.doubted: dict[str, tuple[int, int]] = team.doubted
        self.roster.begin()
        self.line.begin()

    def queues_for(self, name: str, channel: str) -> list[str]:
        """Returns the skill queues for which an agent is of the best class who has room on their channel."""
        as_of = self.roster.classes, self.line.changes
        if self._index_as_of != as_of:
            self._index, self._index_as_of = QueueIndex(), as_of
        return self._index.queues_for(name, channel, self.roster, self.line)

    def rollback(self) -> None:
        """Restores the mappings of the last state; nothing else can be done with this afterwards."""
        self.roster.rollback()
        self.line.rollback()

    def team(self, offset: int) -> Team:
        """Returns the team as it is after the record at `offset`."""
        self.state = Team(
            offset=offset,
            agents=self.roster.agents,
            waiting=self.line.counts,
            assignments=self.assignments,
            seen=self.seen,
            fronts=self.line.fronts,
            configuration=self.configuration,
            sources=self.sources,
            next_silence=self.next_silence,
            doubted=self.doubted,
            offered=self.offered,
            missed=self.missed,
        )
        return self.state

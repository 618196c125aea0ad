"""The skill queues whose tickets suit an agent, so that only their heads are looked at when the agent has room.

Agents who write the same languages and have the same skills are of the same class for every queue of a channel that they
take. So what one of them was told holds for all, until an agent or a skill queue comes, goes or changes.
"""

from __future__ import annotations

from typing import NamedTuple

from stream_processors.routing.roster import Roster
from stream_processors.routing.waiting import WaitingLine

__all__ = ["QueueIndex"]


class _Channel(NamedTuple):
    """The skill queues of a channel: those for everybody, and those that are reserved for an agent who is there."""

    for_all: list[str]
    reserved: dict[str, list[str]]


class QueueIndex:
    """Holds the answers of one moment."""

    def __init__(self) -> None:
        self._channels: dict[str, _Channel] = {}
        self._suiting: dict[tuple[str, tuple[str, ...], frozenset[str]], list[str]] = {}

    def queues_for(self, name: str, channel: str, roster: Roster, line: WaitingLine) -> list[str]:
        """Returns the skill queues for which an agent is of the best class who takes their channel."""
        traits = roster.traits[name]
        key = channel, traits.languages, traits.skills
        suiting = self._suiting.get(key)
        if suiting is None:
            queues = self._channels.get(channel)
            if queues is None:
                queues = self._channels[channel] = _split(line.channels().get(channel, []), roster)
            suiting = self._suiting[key] = [skills for skills in queues.for_all if roster.of_best(skills, name)]
        own = self._channels[channel].reserved.get(name)
        return suiting + own if own else suiting


def _split(queues: list[str], roster: Roster) -> _Channel:
    found = _Channel([], {})
    for skills in queues:
        name = roster.reserved_for(skills)
        if name:
            found.reserved.setdefault(name, []).append(skills)
        else:
            found.for_all.append(skills)
    return found

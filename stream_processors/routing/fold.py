"""Folds one record of one team: changes entries or agents; the assignments follow from that (`assignments`).

Nothing that could be refused is left to do once the team is changed. What fails all the same is undone by the processor.
"""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace

from schemas.errors import Refused
from schemas.events import Event, PresenceChanged, RosterChanged, RoutingUpdate, TeamConfigured
from stream_processors.routing import answers, offers, silence
from stream_processors.routing.assignments import Assignments
from stream_processors.routing.configure import configuration_of, configured_profiles, merged
from stream_processors.routing.live_team import LiveTeam
from stream_processors.routing.presence import presence_facts
from stream_processors.routing.queue import TeamQueue
from stream_processors.routing.roster import LIVE_CHANNELS
from stream_processors.routing.state import PRESENCES, QueueEntry, Seen, ticket_at
from stream_processors.runtime.processor import Output, Position

__all__ = ["MOST_LEAVING", "TeamFold"]

#: So many tickets leave a team that is gone with one record, which must fit into the read log.
MOST_LEAVING = 200


class TeamFold:
    """Folds one record into a `LiveTeam` and its queue."""

    _ACTIONS: ClassVar[frozenset[str]] = frozenset({"queue", "busy", "idle", "done", "declined"})

    def __init__(self, name: str, live: LiveTeam, queue: TeamQueue, event: Event, position: Position) -> None:
        self.queue, self.assignments = queue, Assignments(name, live, queue, event, position)
        self._team, self._live, self._event, self._position = name, live, event, position
        self._roster = live.roster
        self._offering = self.assignments.offering

    # -- the steps of a record ----------------------------------------------------------------------------------

    def update(self, event: RoutingUpdate) -> None:
        """Changes a ticket's entry to what its own partition says of it."""
        if event.action not in self._ACTIONS:
            raise Refused("unknown_action", event.action)
        if event.action == "busy" and not event.agent_id:
            raise Refused("busy_without_agent", event.ticket_id)
        if event.version >= 0 and not self._is_new(event):
            return  # a tickets worker wrote it again after a crash
        before = self.queue.entry(event.ticket_id)
        if event.action == "queue":
            self._enqueue(event, before)
        elif event.action == "busy":
            self._hold(event, before)
        elif event.action == "declined":
            self._offering.declined(event, before)
        elif before is not None:
            self.assignments.remove(event.ticket_id)

    def presence(self, event: PresenceChanged) -> None:
        """Changes an agent's presence. What the event leaves out stays as it was known."""
        if event.status not in PRESENCES:
            raise Refused("unknown_presence", event.status)
        if event.source == answers.SOURCE:
            return  # what this router told others
        known = self._roster.get(event.agent_id)
        if silence.comes_late(self._live, event):
            if event.status != known.status:
                self._offering.contradict(event.agent_id, known.status)
            return
        stays_away = offers.stays_away(self._live, event)
        if stays_away:
            self._offering.contradict(event.agent_id, "away")
        said = replace(
            known,
            status="away" if stays_away else event.status,
            announced=True,
            capacity=event.capacity or known.capacity,
            languages=tuple(event.languages) or known.languages,
            skills=tuple(event.skills) or known.skills,
        )
        self._roster.set(event.agent_id, silence.record_report(self._live, event, said))
        silence.expect_report(self._live, event.agent_id)
        if event.status == "offline":
            self.assignments.give_back_all(event.agent_id, "agent_offline")
        elif event.status == "away":
            self._offering.withdraw(event.agent_id)

    def configure(self, event: TeamConfigured) -> None:
        """Takes the configuration of the team. Whom it named before and does not name now leaves the team."""
        known = self._live.configuration
        if event.number < known.number:
            return
        if event.content and event.content == known.content:
            self._live.configuration = replace(known, number=event.number)
            return
        self._live.configuration = configuration_of(event)
        self._roster.configure(self._live.configuration)
        silence.judge_again(self._live, event.received_at)
        profiles = configured_profiles(event)
        named = {name for name, agent in self._roster.agents.items() if agent.configured is not None}
        for name in sorted(named | profiles.keys()):
            agent, profile = self._roster.get(name), profiles.get(name)
            if agent.configured != profile:
                self._roster.set(name, replace(agent, configured=profile, roster=None, out=profile is None))
                if profile is None:
                    self.assignments.give_back_all(name, "agent_left")
        if self._live.configuration.gone:
            self._leave_team(event.received_at)

    def change_roster(self, event: RosterChanged) -> None:
        """Takes what a roster event says of an agent."""
        agent = self._roster.get(event.agent_id)
        self._roster.set(event.agent_id, replace(agent, roster=merged(agent.roster, event), out=not event.active))
        silence.judge_again(self._live, event.received_at)
        if not event.active:
            self.assignments.give_back_all(event.agent_id, "agent_left")

    def ticket_due(self, ticket: str, at: int) -> None:
        """Makes the deadline of an entry true, if it still is one."""
        entry = self.queue.entry(ticket)
        if entry is None or entry.deadline is None or entry.deadline > at:
            return
        if entry.offered:
            self._offering.due(ticket, entry)
        elif entry.agent:
            self.assignments.give_back(ticket, "left_alone", avoid=entry.agent)
        elif entry.overflow_at is not None and entry.overflow_at <= at:
            self.assignments.overflow(ticket)
        else:
            self.assignments.remove(ticket)
            self.assignments.put(ticket, replace(entry, reserved_until=0))

    def agents_due(self, at: int) -> None:
        """Sends agents away of whom no report came; their live tickets go back, and all when they are gone."""
        found = silence.judge(self._live, at)
        for name in found.away:
            agent = self._roster.get(name)
            self._roster.set(name, replace(agent, status="away", silent=True))
            self._offering.contradict(name, "away", "silent")
            self._offering.withdraw(name)
            for ticket in self.queue.held(name):
                entry = self.queue.entry(ticket)
                if entry is not None and entry.agent == name and entry.channel in LIVE_CHANNELS:
                    self.assignments.give_back(ticket, "agent_silent")
        for name in found.offline:
            self._roster.set(name, replace(self._roster.get(name), status="offline"))
            self._offering.contradict(name, "offline", "silent")
            self.assignments.give_back_all(name, "agent_silent")
        if self._live.configuration.gone:
            self._leave_team(at)

    def finish(self) -> list[Output]:
        """Assigns what fits by now; returns all that is told. Presence facts come last: assignments make agents busy."""
        self.assignments.assign_waiting()
        facts = presence_facts(self._live, self._team, self._event, self._position)
        return [*self._offering.presences, *self.assignments.outputs, *(Output(fact, key=self._team) for fact in facts)]

    def _leave_team(self, at: int) -> None:
        """Sends on who waits in a team that is gone: so many with each record, the others with the next tick."""
        left = MOST_LEAVING
        for skills in sorted(self._live.line.counts):
            places, _ = self.queue.first(skills, left)
            for place in places:
                self.assignments.overflow(ticket_at(place))
            left -= len(places)
            if not left:
                silence.judge_soon(self._live, at)
                return

    def _is_new(self, event: RoutingUpdate) -> bool:
        """Updates of one partition arrive in the order of their versions; one record may cause several."""
        last = self._live.seen.get(event.partition, _NEVER_SEEN)
        if event.version < last.version or event.event_id in last.events:
            return False
        events = (*last.events, event.event_id) if event.version == last.version else (event.event_id,)
        self._live.seen = {**self._live.seen, event.partition: Seen(event.version, events)}
        return True

    def _enqueue(self, event: RoutingUpdate, before: QueueEntry | None) -> None:
        """Lets a ticket wait. One that was assigned stays so, unless its partition decided anew since (ADR 47)."""
        avoid = event.avoid_agent
        if before is not None and before.agent:
            if not event.ref or event.ref == before.ref:
                if before.offered:
                    self._offering.describe(event.ticket_id, before, _entry(event, before.eligible_at))
                return
            before = None
            self.assignments.remove(event.ticket_id)
        elif before is not None:
            avoid = avoid or before.avoid
        eligible_at = event.eligible_at or event.occurred_at
        entry = _entry(event, min(eligible_at, before.eligible_at) if before else eligible_at)
        entry = self.assignments.waiting(replace(entry, avoid=avoid), event.occurred_at)
        known = before.offers if before is not None and event.ref == before.ref else None
        entry = replace(entry, overflow_at=self._overflow_at(entry, before, event), offers=known)
        if before is None or replace(before, offset=-1) != entry:
            self.assignments.remove(event.ticket_id)
            self.assignments.put(event.ticket_id, entry)

    def _overflow_at(self, entry: QueueEntry, before: QueueEntry | None, event: RoutingUpdate) -> int | None:
        """Returns until when a ticket may wait here: its time begins when it comes to the team, not when its customer wrote."""
        due = entry.overflow_at
        if due is None:
            return None
        came = min(event.occurred_at, event.received_at)
        due += max(0, came - entry.eligible_at)
        return due if before is None or before.overflow_at is None else min(due, before.overflow_at)

    def _hold(self, event: RoutingUpdate, before: QueueEntry | None) -> None:
        """Gives a ticket to an agent, by our assignment or by hand; by hand may exceed the capacity."""
        entry = replace(_entry(event, event.eligible_at or event.occurred_at), agent=event.agent_id)
        entry = replace(entry, silent_at=self.assignments.silent_at(entry, event.occurred_at))
        if before is not None and before.offers is not None:
            self._offering.accepted_by(before, event.agent_id)
        if before is None or before.agent != event.agent_id or before.channel != event.channel or before.offered:
            self.assignments.remove(event.ticket_id)
            self.assignments.put(event.ticket_id, entry)
        elif (before.ref, before.due_at) != (entry.ref, entry.due_at):
            self.queue.put(event.ticket_id, entry)


_NEVER_SEEN = Seen(-1, ())


def _entry(event: RoutingUpdate, eligible_at: int) -> QueueEntry:
    return QueueEntry(
        channel=event.channel,
        language=event.language,
        skills=tuple(sorted(event.skills)),
        priority=event.priority,
        eligible_at=eligible_at,
        preferred=event.preferred_agent,
        ref=event.ref,
        due_at=event.due_at,
        fallback=event.fallback,
    )

"""What holds for routing whatever happens: no overload, no double assignment, nobody waits in vain, and a crash at
any point of a batch changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import codec
from schemas.events import Assigned, PresenceChanged, RoutingUpdate
from schemas.facts import PresenceFact
from stream_processors.routing.processor import RoutingProcessor
from stream_processors.runtime.batch import BatchFolder, Overlay
from stream_processors.runtime.state_codec import stored_offset
from tests.support.routing.logs import TICKETS, logs, logs_of_all


class World:
    """An independent account of who is there, who holds what and who waits, from events and assignments alone."""

    def __init__(self) -> None:
        self.agents: dict[tuple[str, str], PresenceChanged] = {}
        self.holder: dict[tuple[str, str], str] = {}
        self.ticket: dict[tuple[str, str], RoutingUpdate] = {}

    def see(self, event: Any) -> None:
        if isinstance(event, PresenceChanged):
            known = self.agents.get((event.team, event.agent_id), event)
            # what a presence leaves out stays as it was known
            self.agents[event.team, event.agent_id] = msgspec.structs.replace(
                event, languages=event.languages or known.languages, capacity=event.capacity or known.capacity
            )
            return
        key = (event.team, event.ticket_id)
        if event.action == "queue":
            self.holder.setdefault(key, "")
            if not self.holder[key]:
                self.ticket[key] = event
        elif event.action == "busy":
            self.holder[key], self.ticket[key] = event.agent_id, event
        else:
            self.holder.pop(key, None)

    def room(self, team: str, name: str, channel: str) -> int:
        agent = self.agents.get((team, name))
        if agent is None or agent.status != "online":
            return 0
        held = sum(
            1
            for (of, ticket), holder in self.holder.items()
            if (of, holder) == (team, name) and self.ticket[of, ticket].channel == channel
        )
        return agent.capacity.get(channel, agent.capacity.get("default", 0)) - held

    def assign(self, record: Assigned) -> None:
        key = (record.team, record.ticket_id)
        if not record.agent_id:
            assert self.agents[record.team, self.holder[key]].status == "offline"
            self.holder[key] = ""
            return
        assert self.holder[key] == "", "a ticket that is held is not assigned"
        assert self.room(record.team, record.agent_id, record.channel) > 0, "nobody is given more than their capacity"
        self.holder[key] = record.agent_id

    def somebody_waits_in_vain(self) -> bool:
        for (team, ticket), holder in self.holder.items():
            update = self.ticket[team, ticket]
            on_shift = [
                name
                for (of, name), p in self.agents.items()
                if of == team and p.status != "offline" and p.capacity.get(update.channel, p.capacity.get("default", 0))
            ]
            known = [name for name in on_shift if self._speaks(team, name, update.language)] or on_shift
            if not holder and any(self.room(team, name, update.channel) > 0 for name in known):
                return True
        return False

    def _speaks(self, team: str, name: str, language: str) -> bool:
        languages = self.agents[team, name].languages
        return not languages or not language or language in languages


@given(log=logs())
@settings(max_examples=150, deadline=None)
def test_no_overload_no_double_assignment_no_needless_wait(log: list[Any]) -> None:
    world, presences = World(), Presences()
    store, folder = Storage(), BatchFolder(RoutingProcessor(), "routing", lambda: 0)
    for offset, event in enumerate(log):
        folded = folder.fold(0, [Record(offset, codec.encode(event))], store.overlay(folder))
        assert folded.failures == []
        store.write(folder, folded.states)
        world.see(event)
        for _, output in folded.outputs:
            if isinstance(output.record, PresenceFact):
                presences.take(output.record)
            else:
                world.assign(output.record)  # type: ignore[arg-type]
        presences.check(world, event.occurred_at)
        assert not world.somebody_waits_in_vain()
    assert_counts_agree(store, folder)


class Presences:
    """What a reader of the facts knows of presences: the highest version of each stretch."""

    def __init__(self) -> None:
        self.facts: dict[tuple[str, str, int], PresenceFact] = {}

    def take(self, fact: PresenceFact) -> None:
        self.facts[fact.team, fact.agent_id, fact.since] = fact

    def check(self, world: World, now: int) -> None:
        """Of every agent who announced themselves there is one open stretch, and it says what is so; of nobody else."""
        open_ = {(fact.team, fact.agent_id): fact for fact in self.facts.values() if fact.until is None}
        assert open_.keys() == world.agents.keys()
        for (team, name), fact in open_.items():
            status = world.agents[team, name].status
            holds = any(of == team and holder == name for (of, _), holder in world.holder.items())
            assert (fact.status, fact.busy) == (status, status == "online" and holds)
        for agent in open_:
            line = sorted((f for f in self.facts.values() if (f.team, f.agent_id) == agent), key=lambda f: f.since)
            assert [fact.until for fact in line] == [*(fact.since for fact in line[1:]), None], "one follows the other"
            assert all(fact.status_since <= fact.since <= now for fact in line)
            for fact, following in pairwise(line):
                same = fact.status == following.status
                assert following.status_since == (fact.status_since if same else following.since)
                assert not same or fact.busy is not following.busy, "a new stretch is another"


def assert_counts_agree(store: Storage, folder: BatchFolder) -> None:
    """What a team counts is what its tickets say."""
    states = {key: folder.codec.load(key, value) for key, value in store.values.items()}
    for key, team in states.items():
        if key[:1] != b"t":
            continue
        prefix = b"i" + key[1:] + b"\0"
        entries = [state for name, state in states.items() if name.startswith(prefix)]
        held: dict[str, dict[str, int]] = {}
        skill_queues: dict[str, int] = {}
        for entry in entries:
            if entry.agent:
                counts = held.setdefault(entry.agent, {})
                counts[entry.channel] = counts.get(entry.channel, 0) + 1
            else:
                skill_queues[entry.skill_queue] = skill_queues.get(entry.skill_queue, 0) + 1
        assert {name: agent.open for name, agent in team.agents.items() if agent.open} == held
        offered = Counter(entry.agent for entry in entries if entry.offered)
        assert team.offered == offered and all(entry.agent for entry in entries if entry.offered)
        assert team.waiting == skill_queues
        assert sum(name.startswith(b"w" + key[1:] + b"\0") for name in states) == sum(skill_queues.values())
        assert sum(name.startswith(b"h" + key[1:] + b"\0") for name in states) == len(entries) - sum(
            skill_queues.values()
        )


class Record(NamedTuple):
    offset: int
    value: bytes
    key: bytes = b"team"


class Storage:
    """A store of bytes, scanned in key order."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        yield from sorted(item for item in self.values.items() if item[0].startswith(prefix))

    def overlay(self, folder: BatchFolder) -> Overlay:
        return Overlay(folder.codec, self.values.get, self.scan)

    def write(self, folder: BatchFolder, states: Any) -> None:
        for key, state in states.items():
            self.put(key, None if state is None else folder.codec.dump(key, state))

    def put(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value


class CrashingWorker:
    """The order of the worker loop, in memory: outputs, changelog kind by kind, local store, commit.

    `crash_at` is the share of these durable steps that still happen, in percent; None: all. After a crash the local
    store is the changelog's content (a new host), or what was there with the changelog replayed over it.
    """

    def __init__(self, log: list[Any]) -> None:
        self.folder = BatchFolder(RoutingProcessor(), "routing", lambda: 0)
        self.log = [Record(offset, codec.encode(event)) for offset, event in enumerate(log)]
        self.store, self.changelog, self.replayed = Storage(), list[tuple[bytes, bytes | None]](), 0
        self.outputs: dict[str, bytes] = {}
        self.committed = 0

    def batch(self, size: int, crash_at: int | None, keep_store: bool) -> None:
        records = self.log[self.committed : self.committed + size]
        folded = self.folder.fold(0, records, self.store.overlay(self.folder))
        assert folded.failures == []
        changes = {
            key: None if state is None else self.folder.codec.dump(key, state) for key, state in folded.states.items()
        }
        steps: list[Callable[[], object]] = [partial(self.write_output, output.record) for _, output in folded.outputs]
        for prefix in self.folder.processor.kinds:
            steps += [partial(self.changelog.append, item) for item in changes.items() if item[0][:1] == prefix]
        steps.append(partial(self.write_store, changes))
        for step in steps if crash_at is None else steps[: len(steps) * crash_at // 100]:
            step()
        if crash_at is None:
            self.committed += len(records)
        else:
            self.restart(keep_store)

    def write_output(self, record: Any) -> None:
        value = codec.encode(record)
        name = (
            f"{record.team} {record.agent_id} {record.since} {record.version}"
            if isinstance(record, PresenceFact)
            else record.event_id
        )
        assert self.outputs.setdefault(name, value) == value, "a refold repeats itself"

    def write_store(self, changes: dict[bytes, bytes | None]) -> None:
        for key, value in changes.items():
            self.store.put(key, value)
        self.replayed = len(self.changelog)

    def restart(self, keep_store: bool) -> None:
        if not keep_store:
            self.store, self.replayed = Storage(), 0
        for key, value in self.changelog[self.replayed :]:
            known = self.store.values.get(key)
            if value is None or known is None or stored_offset(known) <= stored_offset(value):
                self.store.put(key, value)
        self.replayed = len(self.changelog)


def test_a_crash_before_the_team_is_durable_does_not_hide_an_assignment(new_story: Any) -> None:
    story = new_story()
    log = [
        story.presence("ann", capacity={"default": 1}),
        *(story.update("queue", ticket) for ticket in TICKETS[:2]),
        story.update("done", TICKETS[0]),
    ]
    worker = CrashingWorker(log)
    worker.batch(1, None, True)
    worker.batch(3, 90, keep_store=False)
    assert [key[:1] for key in worker.store.values].count(b"i") == 1, "the tickets are ahead of the team"
    worker.batch(3, None, True)
    team = worker.folder.codec.load(b"tsupport", worker.store.values[b"tsupport"])
    assert (team.agents["ann"].open, team.waiting, team.assignments) == ({"email": 1}, {}, 2)


@given(
    log=st.one_of(logs(least=25), logs_of_all(), logs_of_all()),
    batches=st.lists(
        st.tuples(st.integers(3, 12), st.one_of(st.none(), st.integers(20, 100)), st.booleans()), min_size=4, max_size=9
    ),
)
@settings(max_examples=70, deadline=None)
def test_batches_and_crashes_change_no_assignment(log: list[Any], batches: Any) -> None:
    steady = CrashingWorker(log)
    while steady.committed < len(log):
        steady.batch(1, None, True)
    troubled = CrashingWorker(log)
    for size, crash_at, keep_store in batches:
        troubled.batch(size, crash_at, keep_store)
    while troubled.committed < len(log):
        troubled.batch(7, None, True)
    troubled.restart(keep_store=False)  # the changelog alone is enough
    assert troubled.outputs == steady.outputs
    assert_counts_agree(steady.store, steady.folder)
    assert troubled.store.values == steady.store.values

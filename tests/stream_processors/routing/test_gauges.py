"""Gauges of agents: those kept by changes are those of all states, whenever they are read."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import codec
from schemas.events import TeamConfigured, Tick
from schemas.service_metrics import ServiceMetric
from stream_processors.routing.gauges import TeamGauges
from stream_processors.routing.processor import RoutingProcessor
from stream_processors.routing.state import entry_key
from tests.stream_processors.routing.conftest import Story
from tests.stream_processors.routing.test_invariants import Record
from tests.support.gauge_partition import GaugePartition
from tests.support.routing.logs import logs


def shown(*partitions: TeamGauges) -> dict[ServiceMetric, dict[tuple[str, ...], float]]:
    return dict(TeamGauges.samples(partitions, 0))


def follow(router: Any, gauges: TeamGauges, *events: Any) -> None:
    for event in events:
        before = deepcopy(router.states)  # a team is changed in place
        router.fold(event)
        for key in before.keys() | router.states.keys():
            gauges.changed(key, before.get(key), router.states.get(key))


def complete() -> TeamGauges:
    gauges = TeamGauges()
    gauges.finish()
    return gauges


def test_agents_count_under_the_status_they_reported_last(router: Any, story: Any) -> None:
    gauges = complete()
    follow(router, gauges, story.presence("mei"), story.presence("tom"), story.presence("eva", "away"))
    follow(router, gauges, story.update("queue", "AAAABBBBCCCA-1"))
    assert shown(gauges) == {
        ServiceMetric.AGENTS: {("support", "online"): 2, ("support", "away"): 1, ("support", "offline"): 0},
        ServiceMetric.AGENTS_BUSY: {("support",): 1},
        ServiceMetric.QUEUE_TICKETS: {},
        ServiceMetric.PRESENCE_SOURCES_SILENT: {("support",): 0},
    }
    follow(router, gauges, story.presence("mei", "offline"), story.presence("tom", "offline"))
    assert shown(gauges) == {
        ServiceMetric.AGENTS: {("support", "online"): 0, ("support", "away"): 1, ("support", "offline"): 2},
        ServiceMetric.AGENTS_BUSY: {("support",): 0},
        ServiceMetric.QUEUE_TICKETS: {("support", "email"): 1},
        ServiceMetric.PRESENCE_SOURCES_SILENT: {("support",): 0},
    }


def test_an_agent_who_never_reported_counts_nowhere(router: Any, story: Any) -> None:
    gauges = complete()
    follow(router, gauges, story.update("busy", "AAAABBBBCCCA-1", agent_id="eva"))
    assert not any(shown(gauges).values())


def test_teams_of_several_partitions_are_joined(router: Any, new_router: Any, new_story: Any) -> None:
    here, there = complete(), complete()
    follow(router, here, new_story().presence("mei"))
    follow(new_router(), there, new_story("payments").presence("mei", "away"))
    found = shown(here, there)[ServiceMetric.AGENTS]
    assert {labels for labels, count in found.items() if count} == {("support", "online"), ("payments", "away")}


def test_decisions_and_overflows_are_counted() -> None:
    partition, story = GaugePartition(RoutingProcessor()), Story()
    late = story.update("queue", "AAAABBBBCCCB-1", "pigeon", fallback="returns")
    base = {"occurred_at": late.occurred_at, "received_at": late.received_at, "customer_tag": ""}
    events = [
        TeamConfigured(event_id="c", team="support", content="c", overflow_seconds={"default": 5}, **base),
        late,
        Tick(
            event_id="t",
            state_key=entry_key("support", late.ticket_id),
            **base | {"occurred_at": late.eligible_at + 5_000_000},
        ),
        story.presence("mei"),
        story.update("queue", "AAAABBBBCCCA-1", preferred_agent="mei"),
        story.presence("mei", "offline"),
    ]
    partition.fold([Record(offset, codec.encode(event)) for offset, event in enumerate(events)])
    assert partition.counts == {
        (ServiceMetric.ASSIGNMENTS, ("support", "email", "previous_agent")): 1,
        (ServiceMetric.ASSIGNMENTS, ("support", "email", "agent_offline")): 1,
        (ServiceMetric.OVERFLOWS, ("support", "other")): 1,
    }


def test_a_source_that_reports_nobody_is_counted(router: Any, story: Any) -> None:
    gauges = complete()
    follow(router, gauges, story.presence("mei", source="desk"), story.presence("tom", source="desk"))
    for _ in range(2):
        due = router.processor.deadline(b"tsupport", router.states[b"tsupport"])
        tick = {"event_id": str(due), "occurred_at": due, "received_at": due, "customer_tag": ""}
        follow(router, gauges, Tick(**tick, state_key=b"tsupport"))
    assert shown(gauges)[ServiceMetric.PRESENCE_SOURCES_SILENT] == {("support",): 1}
    follow(router, gauges, story.presence("tom", source="desk"))
    assert shown(gauges)[ServiceMetric.PRESENCE_SOURCES_SILENT] == {("support",): 0}


@given(log=logs(least=5), read_at=st.integers(0, 60), sizes=st.lists(st.integers(1, 4), max_size=60))
@settings(max_examples=60, deadline=None)
def test_gauges_follow_changes_while_states_are_read(log: list[Any], read_at: int, sizes: list[int]) -> None:
    partition, batches = GaugePartition(RoutingProcessor()), 0
    records = [Record(offset, codec.encode(event)) for offset, event in enumerate(log)]
    while records:
        size = sizes.pop() if sizes else 3
        partition.fold(records[:size])
        records, batches = records[size:], batches + 1
        if batches > read_at:
            partition.read(most=1)
    partition.read()
    assert shown(partition.gauges) == shown(partition.read_again())
    teams = partition.states(b"t")
    agents = [agent for team in teams for agent in team.agents.values() if agent.announced]
    assert sum(shown(partition.gauges)[ServiceMetric.AGENTS].values()) == len(agents)
    assert sum(shown(partition.gauges)[ServiceMetric.AGENTS_BUSY].values()) == sum(
        a.status == "online" and bool(a.open) for a in agents
    )

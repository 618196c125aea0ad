"""Spikes of tags, by the processor on a log in memory: what is one, what is none, and that the same log gives the same facts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from schemas.events import Event, TagsCounted
from schemas.facts import SpikeFact
from stream_processors.rules import ruleset
from stream_processors.rules.ruleset import Rules
from stream_processors.spikes.detector import Sum
from stream_processors.spikes.gauges import SpikeGauges
from stream_processors.spikes.processor import SpikesProcessor
from stream_processors.spikes.state import tag_key
from tests.support.memory_worker import Crashed, MemoryWorker

MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
T0 = 1_772_409_600_000_000  # Monday 2026-03-02T00:00:00Z
TAG = "delivery.carrier_delay"
#: Contacts of an hour, by hour of the day: nights are quiet.
RHYTHM = [0.1] * 7 + [0.6, 1.2, 1.8, 2.0, 2.0, 1.9, 1.8, 1.8, 1.7, 1.6, 1.4, 1.1, 0.8, 0.5, 0.3, 0.2, 0.1]


@pytest.fixture(scope="module")
def rules() -> Rules:
    return ruleset.load()


def counted(at: int, number: int, **fields: Any) -> TagsCounted:
    values: dict[str, Any] = {
        "event_id": f"e{number}",
        "occurred_at": at,
        "received_at": at,
        "customer_tag": "ABCDEFGHIJKL",
        "ticket_id": f"ABCDEFGHIJKL-{number}",
        "tags": [TAG],
        "taxonomy_version": "1",
    }
    return TagsCounted(**(values | fields))


def traffic(since: int, until: int, per_hour: float, seed: int = 1) -> Iterator[int]:
    """Times of contacts, so many an hour in the mean of a day, in the daily rhythm."""
    random, at, peak = Random(seed), since, max(RHYTHM)
    while True:
        at += round(random.expovariate(per_hour * peak) * HOUR)
        if at >= until:
            return
        if random.random() * peak < RHYTHM[at // HOUR % 24]:
            yield at


def events(times: Iterable[int], first: int = 0, **fields: Any) -> list[Event]:
    return [counted(at, number, **fields) for number, at in enumerate(times, first)]


_DESKS: dict[tuple[int, float], MemoryWorker] = {}


def desk(rules: Rules, *, days: int = 21, per_hour: float = 10.0) -> MemoryWorker:
    """A desk that has been live for so many days, with so many contacts of the tag an hour."""
    if (days, per_hour) not in _DESKS:
        first = _DESKS[days, per_hour] = MemoryWorker(SpikesProcessor(rules))
        first.feed(events(traffic(T0, T0 + days * DAY, per_hour)))
        assert spikes(first) == []
    known, worker = _DESKS[days, per_hour], MemoryWorker(SpikesProcessor(rules))
    worker.log, worker.committed, worker.store = [*known.log], known.committed, {**known.store}
    return worker


def spikes(worker: MemoryWorker) -> list[SpikeFact]:
    assert worker.dead_letters == []
    return worker.records(SpikeFact)


def test_a_tag_that_trebles_is_found_in_fifteen_minutes(rules):
    """From 60 contacts an hour to 180: in the median of some days, and soon after on the worst of them."""
    delays, began = [], T0 + 15 * DAY + 10 * HOUR
    for seed in range(9):
        worker = desk(rules, days=15, per_hour=30.0)
        worker.feed(events(traffic(began - HOUR, began, 30.0, seed), 90_000))
        worker.feed(events(traffic(began, began + HOUR, 90.0, 50 + seed), 100_000))
        delays.append((spikes(worker)[0].detected_at - began) / MINUTE)
    assert sorted(delays)[4] <= 15 and max(delays) <= 40, delays


def test_a_spike_has_its_evidence(rules):
    worker, began = desk(rules), T0 + 21 * DAY + 10 * HOUR
    worker.feed(events(traffic(began, began + HOUR, 40.0, seed=3), 100_000))
    facts = spikes(worker)
    first, last = facts[0], facts[-1]
    assert began <= first.since < first.detected_at < began + HOUR
    assert (first.tag, first.brand, first.ended_at) == (TAG, "", None)
    assert (first.quadrant, first.owner_team) == (rules.taxonomy.tags[TAG].quadrant, rules.taxonomy.tags[TAG].owner)
    assert first.count > 2 * first.expected
    assert 1 <= len(first.tickets) <= 10 and last.tickets[-1].startswith("ABCDEFGHIJKL-100")
    assert {fact.since for fact in facts} == {first.since} and len(facts) <= 13  # one every five minutes
    assert 18 < last.usual_per_hour < 26
    assert 60 < last.count < 100 and 15 < last.expected < 26


def test_a_spike_ends_when_nothing_speaks_for_it_any_more(rules):
    worker = desk(rules)
    began = T0 + 21 * DAY + 10 * HOUR
    worker.feed(events(traffic(began, began + 3 * HOUR, 60.0), 100_000))
    assert spikes(worker)[-1].ended_at is None
    gauges = SpikeGauges()
    for key, state in worker.states(b"x"):
        gauges.changed(key, None, state)
        gauges.read(key, state)
    ((_, contacts), (_, expected)) = SpikeGauges.samples([gauges], 0)
    tag = rules.taxonomy.tags[TAG]
    assert list(contacts) == list(expected) == [(TAG, "", tag.quadrant, tag.owner)]
    worker.advance(began + 12 * HOUR)
    ended = spikes(worker)[-1]
    assert ended.ended_at is not None and began + 3 * HOUR < ended.ended_at < began + 9 * HOUR
    for key, state in worker.states(b"x"):
        gauges.changed(key, None, state)
    assert [values for _, values in SpikeGauges.samples([gauges], 0)] == [{}, {}]
    assert not worker.due_before(began + 1000 * DAY)


def _cases(rules: Rules) -> Iterator[tuple[str, MemoryWorker, list[Event]]]:
    """What is no spike: a desk, and what comes next."""
    now = T0 + 21 * DAY
    steady = desk(rules)
    yield "a usual day", desk(rules), events(traffic(now, now + DAY, 10.0, 5), 100_000)
    yield "a quiet day", desk(rules), events(traffic(now, now + 2 * DAY, 2.0, 5), 100_000)
    yield (
        "a holiday and the day after",
        desk(rules),
        [
            *events(traffic(now, now + DAY, 1.0, 5), 100_000),
            *events(traffic(now + DAY, now + 2 * DAY, 12.0, 6), 200_000),
        ],
    )
    history = [now + number * MINUTE for number in range(300)]
    yield "history is imported", steady, events(history, 100_000, received_at=now + DAY, imported=True)
    past = events((now - 9 * HOUR + number * MINUTE // 4 for number in range(400)), 100_000, received_at=now + 9 * HOUR)
    usual = events(traffic(now, now + 9 * HOUR, 10.0, 5), 150_000)
    yield "mails of the night come late", desk(rules), [*usual, *past]
    yield "a desk without history", MemoryWorker(SpikesProcessor(rules)), events(traffic(now, now + 3 * DAY, 60.0), 1)
    new = {"tags": ["product.praise"], "taxonomy_version": "2"}
    yield "a tag that the taxonomy is new to", desk(rules), events(traffic(now, now + DAY, 30.0), 100_000, **new)
    same = events((now + 10 * HOUR + number for number in range(1000)), 100_000, partition=3, version=7)
    yield "one record a thousand times", desk(rules), same
    yield (
        "clocks of the future",
        desk(rules),
        [
            counted(now + 10 * DAY, 100_000, received_at=now),
            *events(traffic(now, now + DAY, 10.0, 7), 100_001),
        ],
    )
    growing = [at for day in range(14) for at in traffic(now + day * DAY, now + (day + 1) * DAY, 10.0 * 1.05**day, day)]
    yield "five percent more every day", desk(rules), events(growing, 100_000)


def test_what_is_usual_new_late_or_old_is_no_spike(rules):
    found = []
    for name, worker, more in _cases(rules):
        worker.feed(more)
        found += [(name, fact.count, fact.expected) for fact in spikes(worker)]
    assert found == []


def test_a_tag_that_was_never_found_may_break_out(rules):
    """The taxonomy has had it for three weeks: that there was none is its rhythm."""
    worker = desk(rules)
    began = T0 + 21 * DAY + 10 * HOUR
    worker.feed(events((began + number * MINUTE for number in range(8)), 100_000, tags=["product.praise"]))
    assert [fact.tag for fact in spikes(worker)][:1] == ["product.praise"]


def test_imported_history_teaches_the_rhythm(rules):
    """Live for four days only, after an import of two months: a triple is found, the usual is not."""
    worker = MemoryWorker(SpikesProcessor(rules))
    live = T0 + 60 * DAY
    worker.feed(events(traffic(T0, live, 10.0), received_at=live, imported=True))
    began = live + 4 * DAY + 10 * HOUR
    worker.feed(events(traffic(live, began, 10.0, 2), 100_000))
    assert spikes(worker) == []
    worker.feed(events(traffic(began, began + 2 * HOUR, 40.0, 3), 200_000))
    assert len({fact.since for fact in spikes(worker)}) == 1


def test_a_renamed_tag_keeps_its_rhythm(rules):
    renamed = replace(rules.taxonomy.tags[TAG], slug="delivery.late", formerly=(TAG, "delivery.gone"))
    taxonomy = replace(rules.taxonomy, tags={**rules.taxonomy.tags, "delivery.late": renamed})
    worker = MemoryWorker(SpikesProcessor(replace(rules, taxonomy=taxonomy)))
    now = T0 + 21 * DAY
    worker.feed(events(traffic(T0, now, 10.0)))
    after = {"tags": ["delivery.late"], "taxonomy_version": "2"}
    worker.feed(events(traffic(now, now + 2 * DAY, 10.0, 2), 100_000, **after))
    assert spikes(worker) == []
    began = now + 2 * DAY + 10 * HOUR
    worker.feed(events(traffic(began, began + HOUR, 40.0, 3), 200_000, **after))
    assert {fact.tag for fact in spikes(worker)} == {"delivery.late"}


def test_brands_are_watched_apart_and_together(rules):
    worker = MemoryWorker(SpikesProcessor(rules))
    now, began = T0 + 21 * DAY, T0 + 21 * DAY + 10 * HOUR
    both = [*events(traffic(T0, now, 4.0), brand="north"), *events(traffic(T0, now, 20.0, 2), 50_000, brand="south")]
    worker.feed(sorted(both, key=lambda event: event.occurred_at))
    worker.feed(events(traffic(began, began + HOUR, 20.0, 3), 100_000, brand="north"))
    assert {fact.brand for fact in spikes(worker)} == {"north"}


def test_a_crash_anywhere_gives_the_same_facts(rules):
    began = T0 + 21 * DAY + 10 * HOUR
    whole = desk(rules, per_hour=3.0)
    story = [*events(traffic(began, began + 2 * HOUR, 20.0), 100_000, brand="north"), *events([began + DAY], 200_000)]
    worker = desk(rules, per_hour=3.0)
    whole.feed(story)
    worker.append(story)
    random, crashes = Random(4), 0
    while worker.committed < len(worker.log):
        try:
            worker.run([random.randint(1, 9)], crash_after=random.randint(0, 12), batches=1)
        except Crashed:
            crashes += 1
    assert crashes > 10 and spikes(whole)
    assert worker.facts() == whole.facts()
    assert dict(worker.states()) == dict(whole.states())


def test_the_state_of_a_tag_is_small(rules):
    worker = desk(rules, days=70, per_hour=1.0)
    assert len(worker.store[tag_key(TAG)]) < 2500


def test_what_scatters_more_speaks_less_in_both_directions() -> None:
    sum_ = Sum(score=5.0, since=1, count=3, expected=1.0)
    assert sum_.passed(2.0, 4.0).score == pytest.approx(sum_.passed(0.5, 1.0).score)
    gained = [sum_.with_contact(2, dispersion, 100.0).score - 5.0 for dispersion in (1.0, 4.0)]
    assert gained[0] == pytest.approx(4 * gained[1])

"""Folds which tags contacts got, of all partitions, into one state per tag, and says when one breaks out.

All records have one key, so one partition holds the counts of the whole desk: only there can a rate of a few contacts an
hour be told from its treble. They are small: one per contact that got tags.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from schemas.errors import Refused
from schemas.events import Event, NotificationRequested, TagsCounted, Tick
from schemas.facts import SpikeFact
from schemas.topics import TAG_COUNTS, Topic
from stream_processors.rules.ruleset import Rules
from stream_processors.rules.versions import RulesetHistory, time_of
from stream_processors.runtime.gauges import StateGauges
from stream_processors.runtime.processor import Count, Outcome, Output, Position, Reader, State, require_event
from stream_processors.spikes import notifications, watch
from stream_processors.spikes.detector import HOUR_MICROS, Sum
from stream_processors.spikes.gauges import SpikeGauges
from stream_processors.spikes.notifications import Notified
from stream_processors.spikes.state import DESK_KEY, Desk, Spike, TagState, place_of, tag_key

__all__ = ["SpikesProcessor"]

#: A contact that reaches us so long after it was written only teaches the rhythm.
_LATE_MICROS = HOUR_MICROS
#: The desk is watched when it has been live for so long: imported history may end before that.
_SETTLING_MICROS = 3 * 24 * HOUR_MICROS
#: While a spike is on, its fact is written anew when the last one is so old.
_FACT_MICROS = 300_000_000
_UTC = ZoneInfo("UTC")


class SpikesProcessor:
    """Folds `tag-counts` (a `Processor`): the tags of contacts, and what rules say to people.

    `rules` name the owners and former slugs of tags, the zone of the desk, and whom a spike is told.
    """

    name = "spikes"
    gauges: type[StateGauges] | None = SpikeGauges
    topic: Topic = TAG_COUNTS

    def __init__(self, rules: RulesetHistory | Rules) -> None:
        self.rules = RulesetHistory.of(rules)
        # who was told of a spike before the spike, of which nobody is told twice
        # the desk last: its `seen` decides whether a record is counted again
        self.kinds: Mapping[bytes, type[State]] = {b"n": Notified, b"x": TagState, DESK_KEY: Desk}

    def process(self, event: Event, position: Position, read: Reader) -> Outcome:
        """Counts the tags of one contact, notifies somebody, or ends a spike or an hour at a tick.

        Raises:
            Refused: an event that does not belong here, a time that cannot be.
        """
        require_event(event)
        if isinstance(event, Tick):
            return self._tick(event, position, read)
        if isinstance(event, NotificationRequested):
            return self._notify(event, position, read)
        if not isinstance(event, TagsCounted):
            raise Refused("unexpected_event", f"{type(event).__name__} on the topic of tag counts")
        if any("\0" in text for text in (event.brand, *event.tags)):
            raise Refused("bad_id", "a zero character in a tag or brand")
        desk: Desk = read.get(DESK_KEY) or Desk()
        if position.offset <= desk.offset:
            return Outcome({DESK_KEY: desk}, skipped=True)
        if event.version >= 0:
            if event.version <= desk.seen.get(event.partition, -1):
                return Outcome({DESK_KEY: replace(desk, offset=position.offset)})  # written again after a crash
            desk = replace(desk, seen={**desk.seen, event.partition: event.version})
        desk = replace(_informed(desk, event), offset=position.offset)
        fold = _Fold(self.rules.at(time_of(event)), desk, event, position, read)
        for tag in dict.fromkeys(event.tags):
            fold.count(tag, "")
            if event.brand:
                fold.count(tag, event.brand)
        return Outcome({**fold.states, DESK_KEY: desk}, fold.outputs, counts=fold.counts)

    def deadline(self, key: bytes, state: Any) -> int | None:
        """Returns when a spike is over if no contact comes."""
        if key[:1] == b"n":
            return notifications.due_at(state)
        return watch.due_at(state) if key[:1] == b"x" else None

    def _notify(self, event: NotificationRequested, position: Position, read: Reader) -> Outcome:
        if any("\0" in text for text in (event.rule, event.way, event.target)):
            raise Refused("bad_id", "a zero character in a rule or target")
        key = notifications.key_of(event.rule, event.way, event.target)
        known: Notified | None = read.get(key)
        if known is not None and position.offset <= known.offset:
            return Outcome({key: known}, skipped=True)
        state, outputs, counts = notifications.request(known, event, position, self.rules.at(time_of(event)))
        return Outcome({key: state}, outputs, counts=counts)

    def _hour_ends(self, event: Tick, state: Notified, position: Position) -> Outcome:
        key = event.state_key
        if position.offset <= state.offset:
            return Outcome({key: state}, skipped=True)
        if not state.withheld or event.occurred_at < state.until:
            return Outcome({})
        rule, way, target = key[1:].decode("utf-8", "surrogatepass").split("\0")
        outputs = notifications.summary(state, rule, way, target, position, self.rules.at(time_of(event)))
        over = replace(state, offset=position.offset, until=0, sent=0, withheld=0, tickets=())
        return Outcome({key: over}, outputs)

    def _tick(self, event: Tick, position: Position, read: Reader) -> Outcome:
        key = event.state_key
        if key[:1] not in self.kinds:
            raise Refused("bad_tick", f"no state has the key {key!r}")
        state = read.get(key)
        if isinstance(state, Notified):
            return self._hour_ends(event, state, position)
        if not isinstance(state, TagState) or state.spike is None:
            return Outcome({})
        if position.offset <= state.offset:
            return Outcome({key: state}, skipped=True)
        after = replace(
            watch.passed(state, event.occurred_at, zone_of(self.rules.at(time_of(event)))), offset=position.offset
        )
        if not watch.is_over(after):
            return Outcome({key: after})
        return Outcome({key: _ended(after)}, [_output(key, after, position, ended_at=after.at)])


class _Fold:
    """Counts one contact under several places."""

    def __init__(self, rules: Rules, desk: Desk, event: TagsCounted, position: Position, read: Reader) -> None:
        self.states: dict[bytes, TagState | Notified] = {}
        self.outputs: list[Output] = []
        self.counts: list[Count] = []
        self._rules = rules
        self._desk, self._event, self._position, self._read = desk, event, position, read
        self._tags, self._zone = rules.taxonomy.tags, zone_of(rules)
        self._at = min(event.occurred_at, event.received_at)  # nothing was written after it came

    def count(self, tag: str, brand: str) -> None:
        """Adds the contact to the state of one tag."""
        event, at, key = self._event, self._at, tag_key(tag, brand)
        state: TagState | None = self._read.get(key)
        if state is None:
            state = self._first(tag, brand)
        elif state.offset >= self._position.offset:
            return  # it is ahead of this record, after a crash
        if event.imported:
            state = watch.late_contact(state, at, self._zone, imported_at=event.received_at)
        elif at < state.until - HOUR_MICROS or event.received_at - at > _LATE_MICROS:
            state = watch.late_contact(state, at, self._zone)
        else:
            state = self._contact(key, watch.passed(state, at, self._zone))
        self.states[key] = replace(state, offset=self._position.offset)

    def _first(self, tag: str, brand: str) -> TagState:
        """Returns the state of a tag that nobody had, with what its former slugs brought."""
        event, known = self._event, self._tags.get(tag)
        begins = self._at if event.imported else event.received_at  # an old contact opens no hour of the past
        since = self._desk.taxonomies.get(event.taxonomy_version, begins)
        state = watch.new_state(begins, self._zone, since)
        for former in () if known is None else known.formerly:
            before: TagState | None = self._read.get(tag_key(former, brand))
            if before is not None:
                state = watch.inherited(state, before)
        return state

    def _contact(self, key: bytes, state: TagState) -> TagState:
        event, at = self._event, self._at
        if watch.is_over(state):
            self.outputs.append(_output(key, state, self._position, ended_at=state.at))
            state = _ended(state)
        watched = at - self._desk.live_since >= _SETTLING_MICROS and watch.may_alarm(state, at)
        state = watch.contact(state, at, event.ticket_id, watched=watched)
        spike = state.spike
        if spike is None or at - spike.written_at < _FACT_MICROS:
            return state
        begins = not spike.written_at
        if begins and (known := self._tags.get(place_of(key)[0])) is not None:
            spike = replace(spike, quadrant=known.quadrant, team=known.owner, valence=known.valence)
        state = replace(state, spike=replace(spike, written_at=at))
        if begins:
            self._tell(key, spike, at)
        self.outputs.append(_output(key, state, self._position))
        return state

    def _tell(self, key: bytes, spike: Spike, at: int) -> None:
        """Notifies whom rules name of a spike that begins."""
        tag, brand = place_of(key)
        about = {"tag": tag, "brand": brand, "since": spike.since, "at": at, "team": spike.team}
        about |= {"count": spike.count, "expected": spike.expected}
        for rule in self._rules.automations.find("spike", tag):
            for asked in notifications.of_spike(rule, self._rules, about, self._position):
                target = notifications.key_of(asked.rule, asked.way, asked.target)
                before: Any = self.states.get(target) or self._read.get(target)
                if before is not None and target not in self.states and before.offset >= self._position.offset:
                    continue  # it is ahead of this record, after a crash
                state, outputs, counts = notifications.request(before, asked, self._position, self._rules)
                self.states[target] = state
                self.outputs += outputs
                self.counts += counts


def zone_of(rules: Rules) -> ZoneInfo:
    """Returns the zone in which the desk's days are counted: that of the first calendar; UTC without one."""
    first = next(iter(rules.calendars.calendars.values()), None)
    return _UTC if first is None else first.zone


def _informed(desk: Desk, event: TagsCounted) -> Desk:
    """Returns the desk with what a live contact tells of it."""
    if event.imported:
        return desk
    if not desk.live_since:
        desk = replace(desk, live_since=event.received_at)
    if event.taxonomy_version in desk.taxonomies:
        return desk
    known = list(desk.taxonomies.items())[1 - Desk.KEPT :]
    return replace(desk, taxonomies={**dict(known), event.taxonomy_version: event.received_at})


def _ended(state: TagState) -> TagState:
    return replace(state, spike=None, sum=Sum(), tickets=())


def _output(key: bytes, state: TagState, position: Position, *, ended_at: int | None = None) -> Output:
    tag, brand = place_of(key)
    spike = state.spike
    assert spike is not None, "there is a fact of a spike alone"
    fact = SpikeFact(
        customer_tag="",
        version=position.offset,
        partition=position.partition,
        at=state.at,
        tag=tag,
        brand=brand,
        since=spike.since,
        detected_at=spike.detected_at,
        ended_at=ended_at,
        count=spike.count,
        expected=spike.expected,
        usual_per_hour=state.per_hour,
        dispersion=state.day.dispersion,
        tickets=list(state.tickets),
        quadrant=spike.quadrant,
        valence=spike.valence,
        owner_team=spike.team,
    )
    return Output(fact, key=tag)

"""Reads every record of every topic, and says which of them tell of a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from aiokafka import TopicPartition

from schemas import codec
from schemas.admin import declared
from schemas.dead_letter import reader
from schemas.errors import CodecError
from schemas.events import CustomersMerged, MessageReceived
from schemas.identity import is_tag_of
from schemas.record_key import is_unique, name_of
from schemas.settings import Settings
from schemas.topics import CONTACT_EVENTS, STATE_TABLES, changelog
from sinks.erasure.person import Person

__all__ = ["Counts", "Found", "LogScan", "changelogs", "scan", "until_request"]

#: Says of a topic and a record of it whether the record is meant.
Counts = Callable[[str, Any], bool]


class Found(NamedTuple):
    """Names one record that tells of the person."""

    topic: str
    partition: int
    offset: int
    key: bytes


@dataclass
class LogScan:
    """Holds what a scan of the log looked at and found.

    looked      records and bytes, by topic
    theirs      records that are the person's and can be erased
    others      records of other customers, or of the rules, that mention the person, by topic
    states      states whose newest value tells of the person, by topic, partition and key
    older       older values of states that do: Kafka's compaction removes them
    bare        the last record of an earlier build in each partition, which compaction would not keep apart from others
    ends        the end of each partition when it was read
    learned     the person, with the addresses, ids and names that their records tell
    """

    looked: Counter[str] = field(default_factory=Counter)
    looked_bytes: Counter[str] = field(default_factory=Counter)
    theirs: list[Found] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    states: dict[tuple[str, int, bytes], Found] = field(default_factory=dict)
    older: list[Found] = field(default_factory=list)
    bare: dict[TopicPartition, int] = field(default_factory=dict)
    ends: dict[TopicPartition, int] = field(default_factory=dict)
    learned: Person = field(default_factory=Person)


def changelogs(settings: Settings) -> dict[str, str]:
    """Maps the changelog topics to their state tables."""
    return {changelog(f"{settings.namespace}deskstream", table).name: table for table in STATE_TABLES}


def until_request(settings: Settings, last: Mapping[str, int]) -> Counts:
    """Leaves alone what a customer wrote after their request, the last offset of which `last` has by tag: they start anew."""
    log, ends = settings.topic(CONTACT_EVENTS), {tag.encode(): offset for tag, offset in last.items()}
    return lambda topic, record: topic != log or record.offset <= ends.get(name_of(record.key), record.offset)


async def scan(
    settings: Settings,
    person: Person,
    *,
    topics: Iterable[str] = (),
    counts: Counts = lambda topic, record: True,
) -> LogScan:
    """Reads the topics (all of the deployment by default) to their ends of now.

    `counts` says of a record of the person whether it is meant: what came after a request is not.

    Raises:
        Unavailable: Kafka does not answer.
    """
    found = LogScan(learned=person)
    match, states = _Match(person), changelogs(settings)
    keyed = {name for name, topic in declared(settings).items() if topic.key == "customer tag"}
    async with reader.reader(settings) as consumer:
        places = await reader.spans(consumer, topics or declared(settings))
        found.ends = {place: end for place, (_, end) in places.items()}
        async for record in reader.records(consumer, places, tombstones=True):
            found.looked[record.topic] += 1
            found.looked_bytes[record.topic] += len(record.key or b"") + len(record.value or b"")
            if record.topic in states:
                _state(found, record, match)
            elif record.value is not None:
                _judge(found, record, match, of_customers=record.topic in keyed, counts=counts)
    return found


class _Match:
    """Says what a record has to do with the person; nearly every record has nothing, which the rough pattern tells."""

    def __init__(self, person: Person) -> None:
        self.tags = frozenset(tag.encode() for tag in person.tags)
        self._rough, self._own, self._mention = person.rough(), person.pattern(), person.mention()

    def of(self, record: Any) -> str:
        """Returns `own` for what names the person, `mention` for a name that may be another's, '' for nothing."""
        parts = [record.key or b"", record.value or b"", *(value for _, value in record.headers if value)]
        if not any(map(self._rough.search, parts)):
            return ""
        parts[1] = _as_text(parts[1])
        if any(map(self._own.search, parts)):
            return "own"
        return "mention" if any(map(self._mention.search, parts)) else ""

    def in_state(self, record: Any) -> str:
        """Returns the same of a state. That of another customer may mention them; the router's are told by tickets' ids."""
        key, value = record.key or b"", record.value or b""
        if any(tag in key for tag in self.tags) or (key[:1] != b"c" and any(tag in value for tag in self.tags)):
            return "own"
        return "mention" if self._rough.search(value) else ""


def _as_text(value: bytes) -> bytes:
    """Returns our records as JSON: in Avro the bytes around a text are not its neighbours."""
    try:
        return msgspec.json.encode(codec.decode(value))
    except (CodecError, UnicodeError):
        return value


def _judge(found: LogScan, record: Any, match: _Match, *, of_customers: bool, counts: Counts) -> None:
    """Puts a record that is no state where it belongs."""
    name = name_of(record.key)
    theirs, how = name in match.tags, match.of(record)
    if (theirs or (how == "own" and (not of_customers or not name))) and counts(record.topic, record):
        found.theirs.append(Found(record.topic, record.partition, record.offset, record.key or b""))
        _learn(found, record.value)
        return
    if how and not theirs:
        found.others[record.topic] += 1
    if not is_unique(record.key) and not theirs:
        found.bare[TopicPartition(record.topic, record.partition)] = record.offset


def _state(found: LogScan, record: Any, match: _Match) -> None:
    """Judges a record of a changelog, of which the newest of each key counts; the others go with the next compaction."""
    place = Found(record.topic, record.partition, record.offset, record.key or b"")
    key = (record.topic, record.partition, place.key)
    how = match.in_state(record) if record.value is not None else ""
    found.others[record.topic] += how == "mention"
    if how == "own":
        if key in found.states:
            found.older.append(found.states[key])
        found.states[key] = place
    elif (before := found.states.pop(key, None)) is not None:
        found.older.append(before)


def _learn(found: LogScan, value: bytes) -> None:
    """Learns what else the person is called, from what they wrote and from merges; others write to their tickets as well."""
    try:
        event = codec.decode(value)
    except CodecError:
        return
    if isinstance(event, MessageReceived):
        if _is_own(found.learned, event.customer_id):
            words = event.customer_id, event.customer_id.partition(":")[2], event.address
            found.learned = found.learned.also(words=words, names=(event.customer_name,))
    elif isinstance(event, CustomersMerged):
        own = [each for each in (event.from_customer_id, event.into_customer_id) if _is_own(found.learned, each)]
        found.learned = found.learned.also(words=[*own, *(each.partition(":")[2] for each in own)])


def _is_own(person: Person, customer_id: str) -> bool:
    return any(is_tag_of(tag, customer_id) for tag in person.tags)

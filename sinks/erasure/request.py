"""Writes the request of an erasure into the person's log, and follows it until the workers have folded all that comes of it."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping
from typing import Any

from aiokafka import TopicPartition

from schemas.admin import administrator
from schemas.codec import HEADER_BYTES, MARKER, decode, encode, fingerprint, versions
from schemas.dead_letter import reader
from schemas.errors import Unavailable
from schemas.events import ErasureRequested
from schemas.record_key import partition_of, record_key
from schemas.settings import SinkSettings
from schemas.topics import CONTACT_EVENTS
from sinks.erasure.person import Person

__all__ = ["caught_up", "folded", "joined", "requests", "waiting", "write"]

POLL_SECONDS = 0.5
_HEADERS = {MARKER + fingerprint(each) for each in versions(ErasureRequested).values()}


def write_all(person: Person, by: str, now: int) -> list[ErasureRequested]:
    """Returns one request for each tag."""
    return [
        ErasureRequested(
            event_id=uuid.uuid4().hex[:26].upper(),
            occurred_at=now,
            received_at=now,
            customer_tag=tag,
            source="erase",
            requested_by=by,
        )
        for tag in sorted(person.tags)
    ]


async def write(settings: SinkSettings, producer: Any, person: Person, by: str) -> None:
    """Appends a request to the log of each tag, durably."""
    for request in write_all(person, by, settings.pipeline_clock.now()):
        name = request.customer_tag.encode()
        await producer.send_and_wait(
            settings.topic(CONTACT_EVENTS),
            encode(request),
            key=record_key(name),
            partition=partition_of(name, settings.partitions),
        )


async def requests(settings: SinkSettings) -> list[tuple[TopicPartition, int, ErasureRequested]]:
    """Returns every request in the log, with its place, and everything that workers wrote because of one."""
    found = []
    async with reader.reader(settings) as consumer:
        places = await reader.spans(consumer, [settings.topic(CONTACT_EVENTS)])
        async for record in reader.records(consumer, places):
            if record.value[:HEADER_BYTES] in _HEADERS:
                place = TopicPartition(record.topic, record.partition)
                found.append((place, record.offset, decode(record.value)))
    return found


async def waiting(settings: SinkSettings) -> list[tuple[Person, str]]:
    """Returns whom the requests in the log are about, and who asked: each is taken out of the log when it is carried out."""
    known = await requests(settings)
    asked = {event.customer_tag: event.requested_by for _, _, event in known if not event.request_id}
    people: dict[Person, str] = {}
    for tag, by in asked.items():
        people.setdefault(joined(Person(frozenset((tag,))), known), by)
    return list(people.items())


def joined(person: Person, known: list[tuple[TopicPartition, int, ErasureRequested]]) -> Person:
    """Returns the person with the tags of everybody to whose log workers wrote one of their requests. Pure."""
    roots: dict[str, set[str]] = {}
    for _, _, event in known:
        roots.setdefault(event.request_id or event.event_id, set()).add(event.customer_tag)
    tags = set(person.tags)
    while more := [group for group in roots.values() if group & tags and not group <= tags]:
        tags.update(*more)
    return person.also(tags=tags)


async def folded(settings: SinkSettings, person: Person, *, seconds: float) -> tuple[Person, dict[str, int]]:
    """Waits until the workers have folded the requests; returns everybody who is the person, and each tag's last offset.

    Raises:
        Unavailable: no worker folds them in time, or Kafka does not answer.
    """
    deadline = time.monotonic() + seconds
    while True:
        known = await requests(settings)
        person = joined(person, known)
        last: dict[str, int] = {}
        wanted: dict[TopicPartition, int] = {}
        for place, offset, event in known:
            if event.customer_tag in person.tags:
                last[event.customer_tag] = max(offset, last.get(event.customer_tag, -1))
                wanted[place] = max(offset + 1, wanted.get(place, 0))
        group = settings.group("").rstrip("-")
        await caught_up(settings, group, wanted, seconds=deadline - time.monotonic(), who="worker")
        if _places(await requests(settings)) == _places(known):
            return person, last


def _places(known: list[tuple[TopicPartition, int, ErasureRequested]]) -> set[tuple[TopicPartition, int]]:
    return {(place, offset) for place, offset, _ in known}


async def caught_up(
    settings: SinkSettings, group: str, wanted: Mapping[TopicPartition, int], *, seconds: float, who: str
) -> None:
    """Waits until a consumer group has committed all of this; a group that never committed anything is not there.

    Raises:
        Unavailable: it has not in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        behind = await asyncio.to_thread(_behind, settings, group, wanted)
        if not behind:
            return
        if time.monotonic() > deadline:
            raise Unavailable(
                f"no {who} has read {behind} records that an erasure must wait for (group {group}): start it and run "
                "the command again, which goes on where it stopped"
            )
        await asyncio.sleep(POLL_SECONDS)


def _behind(settings: SinkSettings, group: str, wanted: Mapping[TopicPartition, int]) -> int:
    with administrator(settings) as admin:
        committed = admin.list_group_offsets({group: list(wanted)}).get(group, {})
    places = {(place.topic, place.partition): each.offset for place, each in committed.items()}
    return sum(max(0, end - max(0, places.get((place.topic, place.partition), 0))) for place, end in wanted.items())

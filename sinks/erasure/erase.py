"""Forgets a person: request, worker state, tables, files, log; in an order that a kill at any moment leaves repeatable (ADR 52).

The records of the requests go last, so a command that is run again finds everybody who is the same person.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition
from clickhouse_connect.driver.client import Client

from schemas.settings import SinkSettings
from schemas.topics import CONTACT_EVENTS, FACT_TOPICS, OUTBOUND
from sinks import kafka
from sinks.clickhouse import connection
from sinks.erasure import files, removal, request, tables
from sinks.erasure.log import Found, LogScan, changelogs, scan, until_request
from sinks.erasure.person import Person
from sinks.erasure.proof import Proof, prove

__all__ = ["Options", "erase"]

#: Overwritten by the router as other records come; until then they hold ids of tickets.
_READ_LOG = b"j"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """Holds how an erasure is carried out.

    by        who asked for it, for the audit row
    folders   further folders that are searched at the end: those of producers and workers
    wait_seconds     for workers and sinks to read what came before
    remove_seconds   for Kafka to remove the bytes
    """

    by: str = ""
    folders: tuple[Path, ...] = ()
    wait_seconds: float = 120.0
    remove_seconds: float = 600.0


async def erase(settings: SinkSettings, person: Person, options: Options, say: Say) -> Proof:
    """Forgets a person everywhere; returns the proof. Does nothing when nothing is stored of them.

    Raises:
        Unavailable: Kafka or ClickHouse does not answer, or a worker or sink does not catch up: run it again.
    """
    began = time.monotonic()
    client = connection.connect(settings)
    for topic in await asyncio.to_thread(removal.end_interrupted, settings):
        say(f"{topic} was still set to be cleaned by an erasure that was killed: it is as before again")
    before = await prove(settings, client, person, options.folders)
    if before.is_clean:
        say("nothing is stored of them")
        return before
    producer = kafka.producer(settings)
    await kafka.start(settings, producer)
    try:
        await request.write(settings, producer, person, options.by)
        say("requested; waiting for the workers")
        person, last = await request.folded(settings, person, seconds=options.wait_seconds)
        say(f"the workers have forgotten {len(person.tags)} customer{'' if len(person.tags) == 1 else 's'}")
        found = await scan(settings, person, counts=until_request(settings, last))
        person = found.learned
        found = await scan(settings, person, counts=until_request(settings, last))
        await _sinks_caught_up(settings, found, options)
        rows = tables.deleted(client, person, say=say)
        attachments = files.erase_attachments(settings, person)
        lines = files.erase_lines(files.line_files(settings), person)
        say(f"{attachments} attachments removed, {lines} lines of files overwritten")
        left = await _remove(settings, producer, found, options, say)
    finally:
        await kafka.stop(producer)
    records = len(found.theirs) + len(found.older)
    seconds = time.monotonic() - began
    _audit(settings, client, options.by, len(person.tags), records - len(left), rows, attachments + lines, seconds)
    say(f"done in {seconds:.0f} s; the table {tables.AUDIT} has a row that says so, without saying of whom")
    return await prove(settings, client, person, options.folders, after=last)


async def _sinks_caught_up(settings: SinkSettings, found: LogScan, options: Options) -> None:
    """Waits until what was written of the person is in the tables and out of the house: it could come in later."""
    facts = {settings.topic(topic) for topic in FACT_TOPICS}
    for group, topics in (("clickhouse", facts), ("delivery", {settings.topic(OUTBOUND)})):
        wanted: dict[TopicPartition, int] = {}
        for each in found.theirs:
            if each.topic in topics:
                place = TopicPartition(each.topic, each.partition)
                wanted[place] = max(each.offset + 1, wanted.get(place, 0))
        await request.caught_up(
            settings, settings.group(group), wanted, seconds=options.wait_seconds, who=f"sink {group}"
        )


async def _remove(settings: SinkSettings, producer: Any, found: LogScan, options: Options, say: Say) -> list[Found]:
    """Removes the records from Kafka; returns those that are left."""
    states = changelogs(settings)
    slots = [each for each in found.states.values() if each.key[:1] == _READ_LOG]
    bare = {place.topic for place in found.bare}
    theirs = [each for each in found.theirs if each.topic not in bare]
    for topic in sorted({each.topic for each in found.theirs} & bare):
        ends = ", ".join(f"{place.partition}:{at}" for place, at in sorted(found.bare.items()) if place.topic == topic)
        say(
            f"Kafka: {topic} still has records of an earlier build, the last at {ends} (partition:offset). Theirs in it stay "
            "until those are gone: deploy/docs/privacy.md says what to do"
        )
    log = settings.topic(CONTACT_EVENTS)
    requests_last = sorted(theirs, key=lambda each: (each.topic == log, each.offset))
    await removal.tombstones(producer, [*slots, *(each for each in requests_last if each.topic != log)])
    await removal.tombstones(producer, [each for each in requests_last if each.topic == log])
    wanted = [*theirs, *slots, *found.older]
    by_topic = Counter(each.topic for each in wanted)
    say(f"Kafka: {len(wanted)} records of {len(by_topic)} topics are to go; waiting until they have")
    changed = [name for name in by_topic if name not in bare or name in states]
    async with removal.compacting(settings, changed):
        left = await removal.removed(settings, producer, _gone_for_good(wanted, found), seconds=options.remove_seconds)
    for topic, count in sorted(Counter(each.topic for each in left).items()):
        say(f"Kafka: {count} records of {topic} are not removed yet; run the command again")
    return left


def _gone_for_good(wanted: Iterable[Found], found: LogScan) -> list[Found]:
    """Leaves out older values of a state that is still there: only its newest value stays, under the same key."""
    living = {key for key, each in found.states.items() if each.key[:1] != _READ_LOG}
    return [each for each in wanted if (each.topic, each.partition, each.key) not in living]


def _audit(
    settings: SinkSettings, client: Client, by: str, customers: int, records: int, rows: int, files: int, seconds: float
) -> None:
    values = [settings.pipeline_clock.now(), by, customers, records, rows, files, seconds]
    columns = ["at", "requested_by", "customers", "records", "rows", "files", "seconds"]
    client.command(
        f"INSERT INTO {tables.AUDIT} ({', '.join(columns)}) SELECT fromUnixTimestamp64Micro({{at:Int64}}), {{by:String}}, "
        "{customers:UInt32}, {records:UInt64}, {rows:UInt64}, {files:UInt64}, {seconds:Float64}",
        parameters=dict(zip(("at", "by", *columns[2:]), values, strict=True)),
    )

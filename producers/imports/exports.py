"""Imports the export of another help desk, an mbox, or JSON lines to be sorted: reads, sorts, publishes.

Files are read to the end before anything is published, because the tickets of an export are in no order, and parts of a
ticket are in other files. Events are published in the order of time. The same files give the same events in the same
order, so a position in that order is a checkpoint.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import structlog

from producers.imports import reader
from producers.imports.checkpoint import Checkpoint
from producers.imports.formats import chatwoot, freshdesk, history, zendesk
from producers.imports.formats import parts as export_parts
from producers.imports.formats.origin import Origin
from producers.imports.formats.parts import People, Reading, Refusal
from producers.imports.progress import progress
from producers.imports.reader import Record
from producers.imports.report import Report
from producers.imports.sender import Sender, Sent
from producers.imports.spool import Outgoing, Part, Spool
from producers.mail import event as email
from producers.publisher import Publisher, Receipt
from schemas import codec
from schemas.dead_letter.headers import InputContext
from schemas.errors import BrokenBody, Refused, Unavailable
from schemas.events import Event
from schemas.process import Health
from schemas.settings import ProducerSettings

__all__ = ["Export", "dry_run", "read", "run"]

log = structlog.get_logger("producers.import")

Parts = Callable[[Mapping[str, Any]], Iterator[export_parts.Part | Refusal]]
Read = Callable[[Mapping[str, Any], People, Origin], Reading]
_READERS: dict[str, tuple[Parts, Read]] = {
    "zendesk": (zendesk.parts, zendesk.read),
    "freshdesk": (freshdesk.parts, freshdesk.read),
    "chatwoot": (chatwoot.parts, chatwoot.read),
}
#: The channel that a dead letter counts under and is replayed by.
_CHANNELS = {"mbox": email.CHANNEL, "jsonl": history.CHANNEL}


@dataclass(frozen=True)
class Export:
    """An import to be done. `account`, `zone` and `tags` are those of `producers.imports.formats.origin.Origin`."""

    path: Path
    format: str
    live: bool = False
    account: str = ""
    zone: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def channel(self) -> str:
        """The channel that a dead letter counts under."""
        return _CHANNELS.get(self.format, self.format)

    @property
    def source(self) -> str:
        """The name of this import for people."""
        return f"import:{self.path.name}"

    def context(self, now: int) -> InputContext | None:
        """Returns the context that a dead letter of one record keeps; None where a record is only a part of a ticket."""
        known = self.format in _CHANNELS
        return InputContext(received_at=now, source=self.source, imported=not self.live) if known else None

    def about(self) -> dict[str, Any]:
        """Returns what identifies this import, beside the content."""
        tags = sorted(map(list, self.tags.items()))
        return {
            "format": self.format, "live": self.live, "account": self.account, "zone": self.zone, "tags": tags,
        }  # fmt: skip


def run(
    export: Export,
    publisher: Publisher,
    settings: ProducerSettings,
    *,
    health: Health,
    stop: threading.Event,
    state: Path | None = None,
    again: bool = False,
    report_to: Path | None = None,
) -> Report:
    """Publishes everything that is not published yet; returns early, with all of it durable, when `stop` is set.

    Raises:
        ConfigurationError: a file cannot be read, the report cannot be written.
        Unavailable: Kafka does not answer; the same command goes on later.
    """
    started = time.perf_counter()
    paths = reader.found_at(export.path)
    checkpoint = Checkpoint.beside(str(export.path), state, {**export.about(), "digest": reader.digest(paths)})
    known = None if again else checkpoint.load()
    report = Report(already=int(known["position"]) if known else 0, remembered=checkpoint.path is not None)
    report.write_to(report_to, again=report.already > 0)
    spool = Spool()

    def remember(position: int) -> None:
        checkpoint.save(position=position)

    sender = Sender(publisher, report, checkpoint, health, remember)
    try:
        publisher.connect()  # before the long reading, so that a wrong address is known at once
        health.ready = True
        _fill(spool, export, paths, settings, report, health, stop)
        if not stop.is_set():
            _publish(spool, export, sender, publisher, report, stop)
            sender.settle(0)
        report.finished = not stop.is_set()
    except Unavailable as error:
        sender.save()
        raise Unavailable(f"{error}; the same command goes on where this one ended") from error
    finally:
        report.seconds = time.perf_counter() - started
        report.close()
        spool.close()
    sender.save()
    return report


def dry_run(export: Export, settings: ProducerSettings, *, report_to: Path | None = None) -> Report:
    """Reads everything and publishes nothing."""
    report, started = Report(), time.perf_counter()
    report.write_to(report_to, again=False)
    try:
        for outgoing in read(export, settings, report):
            if refused := outgoing.refused:
                report.outcomes["bad"] += 1
                report.refuse(f"{outgoing.place} record", outgoing.record, outgoing.own_id, refused)
            else:
                report.outcomes["good"] += 1
                report.told(outgoing.tag, outgoing.at)
    finally:
        report.seconds, report.finished = time.perf_counter() - started, True
        report.close()
    return report


def read(export: Export, settings: ProducerSettings, report: Report) -> Iterator[Outgoing]:
    """Yields what would be published: refusals first, then the events by time. `report` counts what is left out."""
    spool = Spool()
    try:
        _fill(spool, export, reader.found_at(export.path), settings, report, Health(), threading.Event())
        yield from spool.in_order()
    finally:
        spool.close()


def _publish(
    spool: Spool, export: Export, sender: Sender, publisher: Publisher, report: Report, stop: threading.Event
) -> None:
    total, done = spool.count(), report.already
    with progress("import", total, lambda: report.taken, done=done) as advance:
        for place, outgoing in enumerate(spool.in_order(done), start=done + 1):
            if stop.is_set():
                return
            future = _submit(publisher, export, outgoing)
            where = f"{outgoing.place} record"
            sender.add(Sent(future, place, outgoing.tag, where, outgoing.record, outgoing.own_id, outgoing.refused))
            if outgoing.tag:
                report.told(outgoing.tag, outgoing.at)
            advance(1)


def _submit(publisher: Publisher, export: Export, outgoing: Outgoing) -> Future[Receipt]:
    origin = f"{outgoing.place}:{outgoing.record}"
    if refused := outgoing.refused:
        return publisher.submit_dead_letter(
            outgoing.value,
            refused,
            given=export.context(publisher.settings.pipeline_clock.now()),
            channel=export.channel,
            producer=export.channel,
            origin=origin,
            total_bytes=outgoing.total_bytes,
        )
    event = codec.decode(outgoing.value)
    assert isinstance(event, Event)
    return publisher.submit(event, producer=export.channel, origin=origin)


# -- reading ------------------------------------------------------------------------------------------------------


def _fill(
    spool: Spool,
    export: Export,
    paths: list[Path],
    settings: ProducerSettings,
    report: Report,
    health: Health,
    stop: threading.Event,
) -> None:
    """Fills the spool with the events and dead letters of the files."""
    filler = _Filler(spool, export, settings, report)
    with progress("read", sum(path.stat().st_size for path in paths), lambda: filler.made) as advance:
        for path in paths:
            records = reader.records(path, max_bytes=settings.max_body_bytes, kind=export.format, advance=advance)
            for record in records:
                health.beat()
                if stop.is_set():
                    return
                filler.take(path.name, record)
    if export.format in _READERS:
        with progress("put in order", spool.count_tickets(), lambda: filler.made) as advance:
            for owner, parts in spool.tickets():
                health.beat()
                if stop.is_set():
                    return
                filler.ticket(owner, parts)
                advance(1)


class _Filler:
    """Turns records into what the spool holds."""

    def __init__(self, spool: Spool, export: Export, settings: ProducerSettings, report: Report) -> None:
        self.spool, self.export, self.settings, self.report = spool, export, settings, report
        self.source = export.source
        self.made = 0
        self._origin = Origin(
            product=export.format, source=self.source, now=settings.pipeline_clock.now(), account=export.account,
            zone=export.zone, tags=export.tags,
        )  # fmt: skip

    def take(self, place: str, record: Record) -> None:
        """Takes one record of a file; one that cannot be used becomes a dead letter."""
        try:
            if record.refused is not None:
                raise record.refused
            if self.export.format in _READERS:
                self._parts(place, record)
            else:
                self._event(place, record.number, self._normalise(record))
        except Refused as error:
            raw = record.raw or msgspec.json.encode(record.value)
            self._refuse(place, record.number, self.report.own_id(raw), error, raw, record.total_bytes)

    def _parts(self, place: str, record: Record) -> None:
        parts, _ = _READERS[self.export.format]
        for found in parts(record.value):
            if isinstance(found, Refusal):
                self._refuse_part(place, record.number, found)
            else:
                kind, owner, body = found
                self.spool.put_part(Part(kind, owner, place, record.number, msgspec.json.encode(body)))

    def _normalise(self, record: Record) -> Event:
        now = self._origin.now
        if self.export.format == "mbox":
            return email.normalise(
                record.raw, now=now, source=self.source, imported=not self.export.live,
                max_bytes=self.settings.max_body_bytes,
            )  # fmt: skip
        return history.normalise(record.raw, now=now, source=self.source, live=self.export.live)

    def ticket(self, owner: str, parts: list[Part]) -> None:
        """Takes one ticket with all its parts, whichever file they were in."""
        last = next((part for part in reversed(parts) if part.kind == "ticket"), None)
        if last is None:
            for part in parts:
                problem = Refused("no_ticket", f"the export has no ticket {owner}, to which this belongs")
                self._refuse(part.place, part.record, owner, problem, part.body)
            return
        whole: dict[str, Any] = {}
        for part in parts:
            body = msgspec.json.decode(part.body)
            if part.kind == "ticket":
                inner = {name: [*whole.get(name, []), *found] for name, found in body.items() if _is_part(name, found)}
                whole.update({**body, **inner})
            else:
                whole[part.kind] = [*_list(whole.get(part.kind)), body]
        _, read_ticket = _READERS[self.export.format]
        try:
            reading = read_ticket(whole, self._people, self._origin)
        except Exception as error:  # a defect of ours must not lose the ticket nor stop its neighbours
            log.exception("reader_failed", format=self.export.format, ticket=owner)
            problem = Refused("defect", f"{type(error).__name__}: {error}")
            self._refuse(last.place, last.record, owner, problem, msgspec.json.encode(whole))
            return
        for event in reading.events:
            self._event(last.place, last.record, event)
        for refusal in reading.refused:
            self._refuse_part(last.place, last.record, refusal)
        self.report.leave_out(reading.left_out)

    def _people(self, own_id: Any) -> Mapping[str, Any] | None:
        return self.spool.person(str(own_id))

    def _event(self, place: str, record: int, event: Event) -> None:
        try:
            value = codec.encode(event)
        except BrokenBody as error:
            raw = msgspec.json.encode({"event": str(event)[:10_000]})
            self._refuse(place, record, event.event_id, Refused("unencodable", str(error)), raw)
            return
        self.made += 1
        self.spool.put(Outgoing(event.occurred_at, event.customer_tag, place, record, "", "", "", 0, value))

    def _refuse_part(self, place: str, record: int, refusal: Refusal) -> None:
        raw = msgspec.json.encode(refusal.body)
        self._refuse(place, record, refusal.id, Refused(refusal.reason, refusal.detail), raw)

    def _refuse(self, place: str, record: int, own_id: str, problem: Refused, raw: bytes, total_bytes: int = 0) -> None:
        total = total_bytes or len(raw)
        self.spool.put(Outgoing(0, "", place, record, own_id, problem.reason, problem.detail, total, raw))


#: Lists of parts inside a ticket; a ticket that the export has twice, in two states, keeps those of both.
_PARTS = ("comments", "audits", "ticket_events", "metric_events", "conversations", "messages", "ratings", "notes")


def _is_part(name: str, found: object) -> bool:
    return name in _PARTS and isinstance(found, list)


def _list(found: object) -> list[Any]:
    return found if isinstance(found, list) else []

"""Checks that every contact is accounted for, from four sources that are read independently.

The sources are the log (Kafka), the tables (ClickHouse), the delivered messages (maildir and outbox files), and the
producers' counters. `check` compares them; it is pure.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from deploy.local.mailbox import messages
from schemas import codec
from schemas.admin import partition_count
from schemas.dead_letter import headers as dead_letter_headers
from schemas.errors import CodecError
from schemas.events import Assigned, CallEnded, Event, MessageReceived, Overflowed, PresenceChanged, RosterChanged, Tick
from schemas.facts import Outbound
from schemas.settings import Settings
from schemas.topics import CONTACT_EVENTS, DEAD_LETTERS, FACT_TOPICS, OUTBOUND, ROUTING, Topic

#: Channels that take their messages from the topic itself (`sinks/delivery/channels/chat.py`): the delivery is the only copy.
HANDED_OVER = ("chat",)
#: Channels whose messages go out as mail; those of the others are lines in outbox files.
MAIL_CHANNELS = ("email", "form")
CUSTOMER_KINDS = (codec.snake(MessageReceived.__name__), codec.snake(CallEnded.__name__))
_OURS = (Tick, Assigned, Overflowed)  # written to the log by the workers, not by producers
SHOWN = 5


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter; `kind` and `event_id` are those of the event in its raw bytes, '' when there is none."""

    topic: str
    reason: str
    error: str
    kind: str = ""
    event_id: str = ""


@dataclass(slots=True)
class Log:
    """Holds what is in `contact-events`, `outbound`, the presences of `routing`, and the dead letters.

    events      kind → event ids, ticks left out; the same thing delivered twice is one
    produced    records that producers wrote: no ticks, no assignments, no forwards
    forwarded   records that a worker wrote again under the sender's own key
    """

    events: dict[str, set[str]] = field(default_factory=dict)
    records: int = 0
    ticks: int = 0
    produced: int = 0
    forwarded: int = 0
    outbound: dict[str, Outbound] = field(default_factory=dict)
    dead_letters: list[DeadLetter] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Holds what is in the tables of ClickHouse.

    contacts         kind → event ids
    without_ticket   customer messages that belong to no ticket
    episodes         ticket id → its episodes so far; without imported history, and without phone calls, where a
                     person has answered already
    decisions        (ticket id, episode, outcome, reason, outbound id) of every acknowledgement
    deliveries       outbound id → outcome
    invitations      (ticket id, episode, outcome, reason, outbound id) of every decision to ask how it was
    solved           (ticket id, episode) of every time that a ticket was solved
    thanked          answers to surveys that were thanked for
    """

    contacts: Mapping[str, set[str]]
    without_ticket: Sequence[str]
    episodes: Mapping[str, int]
    decisions: Sequence[tuple[str, int, str, str, str]]
    deliveries: Mapping[str, str]
    invitations: Sequence[tuple[str, int, str, str, str]] = ()
    solved: Sequence[tuple[str, int]] = ()
    thanked: int = 0


@dataclass(frozen=True, slots=True)
class Received:
    """Counts what customers received: Message-IDs of the maildir, and outbound ids of the outbox files."""

    mails: Counter[str]
    lines: Counter[str]


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement of the balance; `detail` has the counts, and examples when it does not hold."""

    statement: str
    holds: bool
    detail: str


def check(published: int, log: Log, ledger: Ledger, received: Received) -> list[Finding]:
    """Returns every statement of the balance. `published` is the sum of the producers' counters."""
    return [
        _same("what producers published is in the log", published, log.produced),
        _contacts(log, ledger),
        _tickets(ledger),
        _episodes(ledger),
        _reasons(ledger),
        _decided(log, ledger),
        _surveyed(log, ledger),
        _delivered(log, ledger, received),
    ]


def _same(statement: str, expected: int, found: int) -> Finding:
    return Finding(statement, expected == found, f"{found:,}" if expected == found else f"{expected:,} and {found:,}")


def _contacts(log: Log, ledger: Ledger) -> Finding:
    """Compares, per kind, the events of the log that are no dead letters with the rows of contacts."""
    dead = {each.event_id for each in log.dead_letters if each.event_id}
    differences = []
    for kind in sorted(log.events.keys() | ledger.contacts.keys()):
        wanted, found = log.events.get(kind, set()) - dead, ledger.contacts.get(kind, set())
        if wanted != found:
            differences.append(f"{kind}: {len(wanted - found)} missing, {len(found - wanted)} too many")
    rows = sum(map(len, ledger.contacts.values()))
    return Finding(
        "every event of the log is a row of its kind, or a dead letter",
        not differences,
        _detail(f"{rows:,} rows", differences),
    )


def _tickets(ledger: Ledger) -> Finding:
    count = sum(len(ledger.contacts.get(kind, ())) for kind in CUSTOMER_KINDS)
    return Finding(
        "every customer message belongs to a ticket",
        not ledger.without_ticket,
        _detail(f"{count:,} messages", ledger.without_ticket),
    )


def _episodes(ledger: Ledger) -> Finding:
    decided = {(ticket, episode) for ticket, episode, *_ in ledger.decisions}
    missing = [
        f"{ticket} episode {episode}"
        for ticket, episodes in ledger.episodes.items()
        for episode in range(1, episodes + 1)
        if (ticket, episode) not in decided
    ]
    sent = Counter((ticket, episode) for ticket, episode, outcome, *_ in ledger.decisions if outcome == "sent")
    twice = [
        f"{ticket} episode {episode} acknowledged {count} times"
        for (ticket, episode), count in sent.items()
        if count > 1
    ]
    return Finding(
        "every episode of a ticket is acknowledged once, or deliberately not",
        not missing and not twice,
        _detail(f"{sum(ledger.episodes.values()):,} episodes of {len(ledger.episodes):,} tickets", missing + twice),
    )


def _reasons(ledger: Ledger) -> Finding:
    silent = [decision for decision in ledger.decisions if decision[2] != "sent"]
    without = [ticket for ticket, _, outcome, reason, _ in silent if outcome != "suppressed" or not reason]
    return Finding("every silence has a reason", not without, _detail(f"{len(silent):,} silences", without))


def _decided(log: Log, ledger: Ledger) -> Finding:
    sent = {outbound for _, _, outcome, _, outbound in ledger.decisions if outcome == "sent"}
    written = {outbound for outbound, message in log.outbound.items() if message.kind == "acknowledgement"}
    return Finding(
        "every acknowledgement that was decided was written, and no other",
        sent == written,
        _detail(f"{len(sent):,} acknowledgements", sorted(sent ^ written)),
    )


def _surveyed(log: Log, ledger: Ledger) -> Finding:
    """Compares survey decisions and thanks with the messages that were written."""
    asked = [outbound for _, _, outcome, _, outbound in ledger.invitations if outcome == "sent"]
    written = {outbound for outbound, message in log.outbound.items() if message.kind == "survey"}
    problems = sorted(written.symmetric_difference(asked))
    problems += [
        f"{ticket} silent" for ticket, _, outcome, why, _ in ledger.invitations if outcome != "sent" and not why
    ]
    pending = {(ticket, episode) for ticket, episode, *_ in ledger.invitations} - set(ledger.solved)
    thanks = sum(message.kind == "thanks" for message in log.outbound.values())
    if thanks != ledger.thanked:
        problems.append(f"{ledger.thanked:,} thanked and {thanks:,} thanks")
    counts = f"{len(asked):,} of {len(ledger.solved) + len(pending):,} resolutions, {thanks:,} thanks"
    return Finding(
        "every survey and every thanks that was decided was written, and no other",
        not problems,
        _detail(counts, problems),
    )


def _delivered(log: Log, ledger: Ledger, received: Received) -> Finding:
    """Compares deliveries with the copies in the maildir and the outbox files."""
    wrong = []
    for outbound, message in log.outbound.items():
        outcome = ledger.deliveries.get(outbound, "")
        by_mail = message.channel in MAIL_CHANNELS
        copies = received.mails[message.message_id] if by_mail else received.lines[outbound]
        if message.channel in HANDED_OVER:
            copies = int(outcome == "delivered")
        if not outcome or copies != (outcome == "delivered"):
            wrong.append(f"{message.channel} {outbound}: {outcome or 'no delivery'}, {copies} copies")
    strangers = sorted(ledger.deliveries.keys() - log.outbound.keys())
    ours = {message.message_id for message in log.outbound.values()}
    strangers += sorted(received.mails.keys() - ours) + sorted(received.lines.keys() - log.outbound.keys())
    count = received.mails.total() + received.lines.total()
    return Finding(
        "every message to a customer was delivered exactly once",
        not wrong and not strangers,
        _detail(f"{count:,} messages", wrong + [f"unknown {stranger}" for stranger in strangers]),
    )


def _detail(counts: str, problems: Sequence[str]) -> str:
    if not problems:
        return counts
    more = f" and {len(problems) - SHOWN:,} more" if len(problems) > SHOWN else ""
    return f"{counts}; {', '.join(problems[:SHOWN])}{more}"


# -- reading ------------------------------------------------------------------------------------------------------


def read_log(settings: Settings) -> Log:
    """Reads the topics from their beginning to their present end."""
    log = Log()
    for _, value, _ in records(settings, CONTACT_EVENTS):
        log.records += 1
        event = _decoded(value)
        if isinstance(event, Tick):
            log.ticks += 1
        elif isinstance(event, Event):
            log.events.setdefault(codec.snake(type(event).__name__), set()).add(event.event_id)
            if event.causation_depth and isinstance(event, (MessageReceived, CallEnded)):
                log.forwarded += 1
            elif not isinstance(event, _OURS):
                log.produced += 1
    brought = (PresenceChanged, RosterChanged)
    routed = (_decoded(value) for _, value, _ in records(settings, ROUTING))
    log.produced += sum(isinstance(event, brought) and not event.causation_depth for event in routed)
    for _, value, _ in records(settings, OUTBOUND):
        message = _decoded(value)
        if isinstance(message, Outbound):
            log.outbound[message.outbound_id] = message
    for topic in DEAD_LETTERS:
        for name, value, headers in records(settings, topic):
            story, event = dead_letter_headers.read(headers), _decoded(value)
            if "replayed" in story:  # the marker of a replay, not a dead letter
                continue
            known = isinstance(event, Event)
            log.dead_letters.append(
                DeadLetter(
                    name,
                    story.get("reason", ""),
                    story.get("error", ""),
                    codec.snake(type(event).__name__) if known else "",
                    event.event_id if known else "",
                )
            )
    return log


def records(settings: Settings, topic: Topic) -> Iterator[tuple[str, bytes, Any]]:
    """Yields `(topic, value, headers)` of every record of a topic up to its present end."""
    consumer = KafkaConsumer(bootstrap_servers=settings.kafka_bootstrap_servers.split(","), enable_auto_commit=False)
    try:
        places = _places(settings, topic)
        yield from _between(consumer, consumer.beginning_offsets(places), consumer.end_offsets(places))
    finally:
        consumer.close()


def read_ledger(client: Client) -> Ledger:
    """Reads the tables.

    Raises:
        ClickHouseError: a table is missing, or the server does not answer.
    """
    contacts: dict[str, set[str]] = {}
    without = []
    for kind, event, ticket in client.query("SELECT kind, event_id, ticket_id FROM contacts FINAL").result_rows:
        contacts.setdefault(kind, set()).add(event)
        if kind in CUSTOMER_KINDS and not ticket:
            without.append(event)
    tickets = client.query(
        "SELECT ticket_id, episode FROM tickets FINAL WHERE NOT imported AND channel != 'phone'"
    ).result_rows
    decisions = client.query(
        "SELECT ticket_id, episode, outcome, reason, outbound_id FROM acknowledgements FINAL"
    ).result_rows
    deliveries = client.query("SELECT outbound_id, outcome FROM deliveries FINAL").result_rows
    invitations = client.query(
        "SELECT ticket_id, episode, outcome, reason, outbound_id FROM survey_invitations FINAL"
    ).result_rows
    solved = client.query("SELECT ticket_id, episode FROM resolutions FINAL").result_rows
    [(thanked,)] = client.query("SELECT countIf(thanked = 'sent') FROM surveys FINAL").result_rows
    return Ledger(
        contacts,
        without,
        dict(map(tuple, tickets)),
        [tuple(row) for row in decisions],
        dict(map(tuple, deliveries)),
        [tuple(row) for row in invitations],
        [tuple(row) for row in solved],
        int(thanked),
    )


def read_received(maildir: Path, outbox: Path) -> Received:
    """Reads the maildir and the outbox files. Of a mail to several, what any of them received most often counts."""
    copies: Counter[tuple[str, str]] = Counter()
    for path in messages(maildir):
        with path.open("rb") as file:
            headers = BytesHeaderParser().parse(file)
            copies[str(headers.get("Message-ID", "")).strip(), str(headers.get("Delivered-To", ""))] += 1
    mails: Counter[str] = Counter()
    for (message_id, _), count in copies.items():
        mails[message_id] = max(mails[message_id], count)
    lines: Counter[str] = Counter()
    for path in sorted(outbox.glob("*.jsonl")):
        with path.open("rb") as file:
            lines.update(json.loads(line)["outbound_id"] for line in file)
    return Received(mails, lines)


def lag(settings: Settings, app_id: str) -> dict[str, int]:
    """Returns the lag in records of each consumer group: the workers' (`app_id`), and those of the two sinks.

    Ticks do not count: new ones are written while time goes on, after every contact has been processed.
    """
    groups: dict[str, Iterable[Topic]] = {
        app_id: (CONTACT_EVENTS, ROUTING),
        settings.group("clickhouse"): FACT_TOPICS,
        settings.group("delivery"): (OUTBOUND,),
    }
    servers = settings.kafka_bootstrap_servers.split(",")
    consumer = KafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
    admin = KafkaAdminClient(bootstrap_servers=servers)
    try:
        behind = {}
        for group, topics in groups.items():
            places = [place for topic in topics for place in _places(settings, topic)]
            committed = {
                place: max(0, at.offset) for place, at in admin.list_group_offsets({group: places})[group].items()
            }
            starts = {place: committed.get(place, 0) for place in places}
            values = _between(consumer, starts, consumer.end_offsets(places))
            behind[group] = sum(not isinstance(_decoded(value), Tick) for _, value, _ in values)
        return behind
    finally:
        consumer.close()
        admin.close()


def _places(settings: Settings, topic: Topic) -> list[TopicPartition]:
    """Returns the partitions of a topic, some of which have only one."""
    return [TopicPartition(settings.topic(topic), number) for number in range(partition_count(topic, settings))]


def _between(
    consumer: KafkaConsumer, starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> Iterator[tuple[str, bytes, Any]]:
    """Yields `(topic, value, headers)` of every record from `starts` up to `ends`."""
    left = [place for place, start in starts.items() if start < ends[place]]
    consumer.assign(left)
    for place in left:
        consumer.seek(place, starts[place])
    while any(consumer.position(place) < ends[place] for place in left):
        for batch in consumer.poll(timeout_ms=200, max_records=5000).values():
            yield from ((record.topic, record.value or b"", record.headers or []) for record in batch)


def _decoded(value: bytes) -> Any:
    try:
        return codec.decode(value)
    except CodecError:
        return None

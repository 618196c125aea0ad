"""`python -m sinks erase` in the middle of traffic, on the real log, tables, states and files."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from producers.publisher import Publisher
from producers.storage.attachments import AttachmentStore
from schemas import codec, events
from schemas.admin import administrator, describe_configs
from schemas.errors import ConfigurationError, Refused
from schemas.events import Attachment, CustomersMerged, MessageReceived
from schemas.identity import customer_tag, event_id
from schemas.record_key import name_of, record_key
from schemas.settings import ProducerSettings, SinkSettings
from schemas.topics import CONTACT_EVENTS, OUTBOUND, TOPICS
from sinks import kafka
from sinks.clickhouse import connection, migrate
from sinks.erasure import files, log, removal
from sinks.erasure.person import named
from tests.conftest import Deployment
from tests.support.faults.fleet import ROOT, SINK, WORKER, Fleet
from tests.support.faults.recount import read
from tests.support.timeouts import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(480)]
ANN, ALSO_ANN = "tel:+819011112222", "tel:+819033334444"
NAME, SECRET = "Ann Unmistakable", "the parcel with the purple giraffe"
THEIRS = [customer_tag(ANN), customer_tag(ALSO_ANN), *(each[4:] for each in (ANN, ALSO_ANN)), NAME, SECRET]


class Desk:
    """A deployment with a worker, a ClickHouse sink and a delivery sink."""

    def __init__(self, deployment: Deployment, folder: Path) -> None:
        self.deployment, self.folder, self.told = deployment, folder, 0
        store = str(folder / "attachments")
        self.env = {**deployment.env, "DESKSTREAM_ATTACHMENTS_URL": store, "COLUMNS": "200",
                    "DESKSTREAM_DELIVERY_SENT_LOG_DIR": str(folder / "sent")}  # fmt: skip
        self.settings = deployment.settings(SinkSettings)
        self.client = connection.connect(self.settings)
        migrate.migrate(self.client)
        migrate.replace_views(self.client)
        commands = {"worker": WORKER, "clickhouse": SINK, "delivery": ["-m", "sinks", "delivery"]}
        self.fleet = Fleet(self.env, folder, commands)
        self.attachments = AttachmentStore.of(deployment.settings(ProducerSettings, attachments_url=store))
        self.publisher = Publisher(deployment.settings(ProducerSettings))

    def base(self, customer_id: str) -> dict[str, Any]:
        self.told += 1
        now = self.settings.pipeline_clock.now()
        return {"event_id": event_id("desk", str(self.told)), "occurred_at": now, "received_at": now,
                "customer_tag": customer_tag(customer_id), "channel": "sms", "source": "test"}  # fmt: skip

    def writes(self, customer_id: str, text: str, **fields: Any) -> None:
        address = customer_id.partition(":")[2]
        base = self.base(customer_id)
        self.publisher.publish(
            MessageReceived(**base, customer_id=customer_id, address=address, text=text, full_text=text, **fields)
        )

    def run(self, *words: str) -> tuple[int, list[str], str]:
        """Runs a command of the sinks; returns the exit code, what it printed, and what it said meanwhile."""
        command, said = [sys.executable, "-m", "sinks", *words], self.folder / "said.log"
        env = {**self.fleet.env, "PYTHONPATH": str(ROOT)}
        with said.open("w") as log:
            done = subprocess.run(
                command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=log, text=True, timeout=240
            )
        return done.returncode, done.stdout.splitlines(), said.read_text()

    def tickets(self) -> set[str]:
        rows = self.client.query("SELECT DISTINCT customer_tag FROM tickets").result_rows
        return {str(tag) for (tag,) in rows}

    def log_of_others(self) -> dict[tuple[str, int, int], tuple[bytes, bytes]]:
        """Every record that is not Ann's, by its place."""
        own, found = [each.encode() for each in THEIRS], {}
        for topic in TOPICS:
            for record in read(self.settings, topic):
                said = (record.key or b"") + (record.value or b"")
                if record.value is not None and not any(each in said for each in own):
                    found[topic.name, record.partition, record.offset] = record.key, record.value
        return found


@pytest.fixture
def desk(deployment: Deployment, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(deployment, tmp_path)
    yield desk
    desk.fleet.end()
    desk.publisher.close()


@contextmanager
def others_write(desk: Desk) -> Iterator[None]:
    """Lets others write ten times a second, from before the block to its end."""
    traffic, stop = threading.Event(), threading.Event()

    def write_on() -> None:
        while not stop.wait(0.1):
            desk.writes(f"tel:+817000000{desk.told:03}", "And mine?")
            traffic.set()

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        traffic.wait(30)
        yield
    finally:
        stop.set()
        writer.join()


@pytest.mark.soak
def test_who_is_erased_amid_traffic_is_found_nowhere(desk: Desk) -> None:
    file = desk.attachments.put(customer_tag(ANN), SECRET.encode(), name="photo.txt", media_type="text/plain")
    desk.writes(ANN, SECRET, customer_name=NAME, attachments=[Attachment(name="photo.txt", reference=file)])
    desk.writes(ALSO_ANN, f"I say it again: {SECRET}")
    merge = desk.base(ALSO_ANN) | {"channel": ""}
    desk.publisher.publish(CustomersMerged(**merge, from_customer_id=ALSO_ANN, into_customer_id=ANN))
    desk.publisher.submit_dead_letter(
        f"From: {ANN} {SECRET}".encode(), Refused("bad_fields", "no"), channel="sms"
    ).result(30)
    broken = codec.encode(
        events.NoteAdded(**desk.base(ANN), ticket_id=f"{customer_tag(ANN)}-77", agent_id="mei", text="?")
    )
    desk.publisher._connection.connect().send(
        desk.settings.topic(CONTACT_EVENTS), broken, record_key(customer_tag(ANN).encode())
    ).get(30)
    for number in range(20):
        desk.writes(f"tel:+8180000000{number:02}", f"Where is parcel {number}?")
    eventually(lambda: len(desk.tickets()) >= 21, "the tickets are in the tables", seconds=120)
    before = desk.log_of_others()
    archive = desk.folder / "ann.zip"
    assert desk.run("export-customer", ALSO_ANN, "--to", str(archive))[0] == 0
    with zipfile.ZipFile(archive) as given:
        parts = {name: given.read(name).decode() for name in given.namelist()}
    assert {"index.html", "records.json", "tables/contacts.json"} < set(parts)
    assert all(
        SECRET in text for name, text in parts.items() if name in ("index.html", "records.json") or "attach" in name
    )

    with others_write(desk):
        code, printed, said = desk.run(
            "erase", ANN, "--yes", "--remove", "90", "--also", str(desk.folder / "attachments")
        )
    assert (code, printed[-1:]) == (0, ["nothing found"]), "\n".join((said, *printed))

    disks = {path: path.read_bytes() for path in (desk.folder / "state").rglob("*") if path.is_file()}
    words = [each.encode() for each in (ANN[4:], ALSO_ANN[4:], NAME, SECRET)]
    assert [path for path, stored in disks.items() if any(word in stored for word in words)] == []

    after = desk.log_of_others()
    assert {place: after.get(place) for place in before} == before
    assert len(desk.tickets()) >= 20 and not desk.tickets() & {customer_tag(ANN), customer_tag(ALSO_ANN)}
    assert "nothing is stored of them" in desk.run("erase", ALSO_ANN, "--yes")[2]
    [audit] = desk.client.query("SELECT customers, records, rows, files FROM erasures").result_rows
    assert audit[0] == 2 and min(audit) > 0
    desk.writes(ANN, "Hello, I am new here")
    eventually(lambda: customer_tag(ANN) in desk.tickets(), "a customer who writes again has a ticket", seconds=60)

    one = "tel:+818000000001"
    desk.publisher.publish(events.ErasureRequested(**desk.base(one) | {"channel": ""}, requested_by="desk"))
    code, printed, said = desk.run("erase", "--due", "--yes", "--remove", "90")
    assert (code, printed[-1:]) == (0, ["nothing found"]), "\n".join((said, *printed))
    assert customer_tag(one) not in desk.tickets() and customer_tag("tel:+818000000002") in desk.tickets()


def test_what_has_a_tombstone_leaves_kafka_and_nothing_else_does(deployment: Deployment) -> None:
    settings = deployment.settings(SinkSettings)
    ann, bob = (customer_tag(each).encode() for each in (ANN, "tel:+818012345678"))
    person = named(ANN)

    async def erased() -> tuple[int, int]:
        producer = kafka.producer(settings)
        await producer.start()
        topic = settings.topic(OUTBOUND)
        for number in range(10):
            for name in (ann, bob):
                await producer.send_and_wait(topic, b"%d" % number, key=record_key(name), partition=1)
        found = await log.scan(settings, person, topics=[topic])
        await removal.tombstones(producer, found.theirs)
        await removal.compacting(settings, [topic]).__aenter__()  # an erasure that was killed
        assert await asyncio.to_thread(removal.end_interrupted, settings) == [topic]
        eventually(lambda: removal.end_interrupted(settings) == [], "that none is interrupted")
        async with removal.compacting(settings, [topic]):
            left = await removal.removed(settings, producer, found.theirs, seconds=60)
        await producer.stop()
        return len(found.theirs), len(left)

    assert asyncio.run(erased()) == (10, 0)
    kept = [(name_of(each.key), each.value) for each in read(settings, OUTBOUND) if each.value is not None]
    assert kept == [(bob, b"%d" % number) for number in range(10)]
    topic = settings.topic(OUTBOUND)
    with administrator(settings) as admin:
        # a broker shows a change when it has heard of it, not when it is answered
        eventually(
            lambda: describe_configs(admin, [topic])[topic]["cleanup.policy"] == "delete", "the policy of before"
        )


def test_a_person_is_named_by_whatever_they_are_known_by() -> None:
    tag = customer_tag("email:ann@example.org")
    for given in (" Ann@Example.org ", "email:ann@example.org", tag.lower(), f"{tag}-7"):
        assert named(given).tags == {tag}, given
    assert named("+81 90-1111 2222").tags == {customer_tag(ANN)}
    for nobody in ("", "ann", "0901111222", "ann b@example.org", "-", "+"):
        with pytest.raises(ConfigurationError):
            named(nobody)


def test_nobody_with_a_longer_address_or_the_same_name_is_taken_for_somebody() -> None:
    person = named("ann@example.org").also(words=("chat:visitor-5",), names=("Ann Smith",))
    theirs = ("<ann@example.org>", "Ann@Example.org.", "to ann@example.org, bob", '"chat:visitor-5"', *person.tags)
    others = ("joann@example.org", "ann@example.org.uk", "chat:visitor-50", "first.ann@example.org", "Ann Smith")
    for text in theirs:
        assert person.pattern().search(text.encode()), text
    for text in others:
        assert not person.pattern().search(text.encode()), text
    assert person.mention().search(b"Dear ann smith")
    assert all(person.rough().search(text.encode()) for text in (*theirs, *others))


def test_lines_of_a_person_are_blanked_in_place(tmp_path: Path) -> None:
    path, person = tmp_path / "sms.jsonl", named(ANN)
    path.write_bytes(b'{"to": "+819011112222"}\n{"to": "+818012345678"}\n{"to": "+819011112222", "x": 1}')
    assert files.erase_lines([path], person) == 2
    assert path.read_bytes() == b" " * 23 + b'\n{"to": "+818012345678"}\n' + b" " * 31
    assert files.found([tmp_path], person) == (1, 79, ())

"""Input that cannot be used becomes a dead letter or a refusal, while its neighbours are served.

One pipeline serves all tests of this file; each test uses customers of its own.
"""

from __future__ import annotations

import uuid

import pytest
from kafka import KafkaProducer

from deploy.local.pipeline import settings_of
from schemas import codec
from schemas.settings import Settings
from schemas.topics import CONTACT_EVENTS
from tests.support.integration.pipeline_under_test import (
    JSON,
    PipelineUnderTest,
    dead_letters,
    mail,
    message,
    someone,
)
from tests.support.integration.pipeline_under_test import signed as signature_of
from tests.support.timeouts import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(480)]


BAD_MAIL = {
    "undecodable": (b"\x00\x01\x02 this was never a mail \xff\xfe" * 30, "undecodable_mime"),
    "empty": (b"", "empty"),
    "thirty-megabytes": (mail("big@example.org", "Big", "Big\n") + b"x" * 30_000_000, "too_large"),
}


@pytest.mark.parametrize("name", BAD_MAIL)
def test_a_mail_that_cannot_be_read_is_a_dead_letter_and_its_neighbours_are_served(
    pipeline: PipelineUnderTest, name: str
) -> None:
    raw, reason = BAD_MAIL[name]
    before, after = someone(), someone()
    unique = f"{name}-{uuid.uuid4().hex[:6]}"
    pipeline.drop(mail(before, "Before", "Where is my order?"))
    pipeline.drop(raw, unique)
    pipeline.drop(mail(after, "After", "Where is my order?"))
    eventually(lambda: pipeline.answers(before) and pipeline.answers(after))
    [line] = eventually(lambda: [line for line in dead_letters(pipeline).splitlines() if unique in line])
    assert reason in line


def test_a_mail_with_a_wrong_charset_is_read_as_well_as_it_can_be(pipeline: PipelineUnderTest) -> None:
    address = someone()
    raw = (
        f"From: {address}\r\nTo: support@support.example\r\nSubject: Bestellung\r\nMessage-ID: <{uuid.uuid4().hex}@x.example>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=klingon-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    ).encode() + "My parcel für Köln has not arrived. Where is my order?\r\n".encode()
    pipeline.drop(raw)
    eventually(lambda: pipeline.answers(address))
    [row] = eventually(
        lambda: pipeline.rows("SELECT text FROM contacts FINAL WHERE author = {id:String}", id=f"email:{address}")
    )
    assert "Köln" in row["text"]


def test_a_mail_without_text_is_still_a_contact(pipeline: PipelineUnderTest) -> None:
    address = someone()
    pipeline.drop(mail(address, "Where is my order 10023?", ""))
    eventually(lambda: pipeline.answers(address))
    [ticket] = eventually(lambda: pipeline.ticket_of(address))
    assert ticket["subject"] == "Where is my order 10023?"


@pytest.mark.parametrize(
    ("body", "signed", "status", "reason"),
    [
        (b"{nonsense", True, 400, "bad_json"),
        (b'{"type": "message_received"}', False, 401, "bad_signature"),
        (b'{"type": "telepathy_received"}', True, 422, "unknown_type"),
    ],
    ids=["bad json", "bad signature", "unknown type"],
)
def test_a_bad_request_is_refused_where_somebody_reads_it(
    pipeline: PipelineUnderTest, body: bytes, signed: bool, status: int, reason: str
) -> None:
    proof = signature_of(pipeline, "/v1/events", body, secret="" if signed else "guessed")
    got, answer = pipeline.post("/v1/events", body, {**JSON, **proof})
    assert (got, answer["reason"]) == (status, reason)


def test_broken_records_in_the_log_are_dead_letters_and_their_neighbours_are_served(
    pipeline: PipelineUnderTest,
) -> None:
    """All in one partition: a good record before, two broken ones, a good one behind; then the replay."""
    settings = settings_of(Settings, pipeline.pipeline.env)
    topic = settings.topic(CONTACT_EVENTS)
    before, after, cut = someone(), someone(), someone()
    whole = codec.encode(message(cut))
    broken = {"broken_body": whole[: len(whole) // 2], "unknown_fingerprint": b"\xc3\x01" + bytes(8) + whole[10:]}
    producer = KafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers.split(","))
    values = [codec.encode(message(before)), *broken.values(), b"no record of ours", codec.encode(message(after))]
    for value in values:
        producer.send(topic, value=value, key=b"test", partition=0).get(30)
    producer.close()
    eventually(lambda: pipeline.answers(before) and pipeline.answers(after))
    places = {}
    for reason in (*broken, "not_single_object"):
        [line] = eventually(
            lambda reason=reason: [line for line in dead_letters(pipeline).splitlines() if f" {reason} " in line]
        )
        places[reason] = line.split()[0]
        shown = pipeline.run("sinks", "dlq", "show", places[reason])
        assert shown.returncode == 0
        assert f"{topic}/0/" in shown.stdout
    replayed = pipeline.run("sinks", "dlq", "replay", places["broken_body"])
    assert replayed.returncode == 0, replayed.stderr
    assert "1 replayed" in replayed.stdout + replayed.stderr

    def dead_lettered_anew() -> bool:
        """Tells whether the record, which is still broken, is a new dead letter at a new place, and the old one is gone."""
        found = [line.split()[0] for line in dead_letters(pipeline).splitlines() if "broken_body" in line]
        return len(found) == 1 and found[0] != places["broken_body"]

    eventually(dead_lettered_anew)

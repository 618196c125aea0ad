"""Tests what a dead letter of a producer keeps, and which are taken again; without Kafka."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.endpoint import Delivery
from producers.replay.handlers import ELSEWHERE, replay_handlers
from producers.replay.replay_one import replay_one
from producers.security import device
from producers.storage.attachments import AttachmentStore
from schemas.dead_letter import headers as dead_letter_headers
from schemas.dead_letter.headers import InputContext
from schemas.dead_letter.record import DeadLetter
from schemas.errors import Refused
from schemas.events import Event, MessageReceived
from schemas.settings import ProducerSettings
from tests.support.producers.endpoint_case import SECRET, Case, cases
from tests.support.producers.replay_case import (
    ENDPOINTS,
    KEPT,
    MAIL,
    NOW,
    REPLY,
    TYPED_ON_A_KIOSK,
    again,
    delivered,
    found_again,
)

every_case = pytest.mark.parametrize("case", cases().values(), ids=lambda case: case.endpoint)


# -- what a dead letter keeps -------------------------------------------------------------------------------------------


@every_case
def test_an_endpoint_makes_the_same_events_of_its_dead_letter_as_of_the_delivery_itself(case: Case) -> None:
    endpoint, delivery = ENDPOINTS[case.endpoint], delivered(case, case.sign(case.body(1), SECRET, time.time()))
    kept = endpoint.input_context(delivery, NOW, "http:here")
    assert tuple(again(found_again(delivery.body, kept, endpoint.name))) == tuple(
        endpoint.normalise(delivery, NOW, "http:here")
    )


@every_case
def test_a_dead_letter_of_an_endpoint_holds_no_signature_and_nothing_that_the_channel_does_not_read(case: Case) -> None:
    sent = case.sign(case.body(1), SECRET, time.time())
    delivery = delivered(case, sent)
    read = ("content-type", *ENDPOINTS[case.endpoint].reads)
    proofs = [value for name, value in sent.headers.items() if name.lower() not in read]
    written = str(
        found_again(b"", ENDPOINTS[case.endpoint].input_context(delivery, NOW, "here"), case.endpoint).headers
    )
    assert proofs and not [proof for proof in (*proofs, "session=secret") if proof in written]


def test_of_a_devices_token_its_name_is_kept_and_not_the_token() -> None:
    token = device.device_token(device.DeviceToken("dublin-1", "k7q2m4x9aa", 1, 2), [SECRET])
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    kept = ENDPOINTS["kiosk"].input_context(Delivery("POST", "/v1/kiosk", headers, body=TYPED_ON_A_KIOSK), NOW, "here")
    [event] = again(found_again(TYPED_ON_A_KIOSK, kept, "kiosk"))
    assert isinstance(event, MessageReceived) and event.fields == {"place": "dublin-1"}
    assert token not in str(kept) and "Bearer" not in str(kept)


def test_a_sender_cannot_say_what_only_a_proof_says() -> None:
    headers = {"content-type": "application/json", "deskstream-device": "the vault"}
    kept = ENDPOINTS["kiosk"].input_context(Delivery("POST", "/v1/kiosk", headers), NOW, "here")
    assert kept.headers == {"content-type": "application/json", "deskstream-device": ""}


def test_a_header_that_is_longer_than_any_channel_reads_is_cut_for_the_channel_and_its_dead_letter_alike() -> None:
    headers = {"idempotency-key": "k" * 60_000}
    kept = ENDPOINTS["agents-notes"].input_context(Delivery("POST", "/v1/agents/notes", headers), NOW, "here")
    assert kept.headers == {"idempotency-key": "k" * 2_000}


TEXT = st.text(st.characters(codec="utf-8"), max_size=30)


@given(
    raw=st.binary(max_size=200),
    kept=st.builds(
        InputContext,
        received_at=st.integers(0, 2**53),
        source=TEXT,
        imported=st.booleans(),
        headers=st.dictionaries(TEXT, TEXT, max_size=4),
        query=st.dictionaries(TEXT, TEXT, max_size=4),
    ),
)
def test_whatever_a_channel_was_given_is_what_it_is_given_again(raw: bytes, kept: InputContext) -> None:
    seen: list[tuple[bytes, InputContext]] = []

    def take(raw: bytes, given: InputContext) -> Sequence[Event]:
        seen.append((raw, given))
        return ()

    replay_one(found_again(raw, kept, "any"), {"any": take}, named=False)
    assert seen == [(raw, kept)]


@given(
    headers=st.lists(
        st.tuples(
            st.sampled_from(["given", "producer", "replay-topic", "truncated", "masked", "reason", "kept-at"]),
            st.one_of(st.none(), st.binary(max_size=60)),
        )
    ),
    raw=st.binary(max_size=60),
)
def test_no_dead_letter_at_all_is_more_than_a_refusal(headers: list[tuple[str, bytes | None]], raw: bytes) -> None:
    dead_letter = DeadLetter("contact-events.dlq", 0, 0, None, raw, dead_letter_headers.read(headers), 0)
    replayed = replay_one(dead_letter, HANDLERS, named=False)
    assert replayed.refused or replayed.events


HANDLERS = replay_handlers(ProducerSettings(), None)


# -- what cannot be taken again -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dead_letter", "why"),
    [
        (found_again(MAIL % 1, None, "email"), "old_letter: an earlier version wrote it and kept the raw bytes only: "
         "python -m sinks dlq raw contact-events.dlq:0:7 > FILE, and bring in that file"),
        (found_again(b"x", None, "chat"), "no_way_back: chat: the visitor's page was told"),
        (found_again(b"x", None, "zendesk"), "no_way_back: zendesk: run the same import again, with --again"),
        (found_again(b"x", KEPT, "pigeon"), "no_way_back: pigeon: no channel of this build has that name"),
        (found_again(b"x", KEPT, "", replay_topic="contact-events"), "no_input: it is a record of a topic: python -m sinks"),
        (found_again(b"x", KEPT, "email"), "undecodable_mime"),
        (found_again(b"{", KEPT, "generic"), "bad_json"),
        (found_again(b"a=b", KEPT, "form"), "bad_media_type"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_dead_letter_that_cannot_be_taken_says_why(dead_letter: DeadLetter, why: str) -> None:
    with pytest.raises(Refused) as refused:
        again(dead_letter)
    assert str(refused.value).startswith(why)


def test_of_a_dead_letter_that_holds_a_part_only_is_said_where_the_whole_is() -> None:
    dead_letter = found_again(MAIL % 1, KEPT, "email")
    cut = {**dead_letter.headers, "truncated": "9000000", "kept-at": "/refused/1.eml"}
    made = replay_one(DeadLetter(*dead_letter.position, None, dead_letter.value, cut, 0, 80), HANDLERS, named=False)
    assert str(made.refused) == "truncated: it holds the first 80 of 9000000 bytes; the whole is at /refused/1.eml"


def test_what_somebody_may_have_recorded_is_taken_only_by_its_name() -> None:
    body = json.dumps(REPLY).encode()
    dead_letter = found_again(body, KEPT, "generic", reason="stale_delivery")
    with pytest.raises(Refused, match="stale_delivery"):
        again(dead_letter, named=False)
    assert len(again(dead_letter, named=True)) == 1


def test_who_was_there_then_is_not_taken_for_who_is_there_now() -> None:
    dead_letter = found_again(cases()["agents-presence"].body(1), KEPT, "agents-presence")
    with pytest.raises(Refused, match="outdated: who was there then would be taken for who is there now"):
        again(dead_letter, named=False)
    assert len(again(dead_letter, named=True)) == 1


def test_an_id_that_was_masked_as_a_card_number_makes_no_contact_of_a_stranger() -> None:
    told = {"type": "message_received", "id": "m", "channel": "sms", "customer_id": "tel:************1111", "text": "x"}
    dead_letter = found_again(json.dumps(told).encode(), KEPT, "generic")
    assert len(again(dead_letter)) == 1  # stars that somebody wrote
    masked = DeadLetter(*dead_letter.position, None, dead_letter.value, {**dead_letter.headers, "masked": "1"}, 0)
    with pytest.raises(Refused, match="masked: its customer_id looked like a card number"):
        again(masked)
    broken = DeadLetter(
        *dead_letter.position, None, b'{"id": *********9010}', {**dead_letter.headers, "masked": "1"}, 0
    )
    with pytest.raises(Refused, match=r"bad_json: .*\(what looked like card numbers is masked in this dead letter\)"):
        again(broken)


def test_the_attachments_of_a_mail_are_stored_when_it_is_replayed_and_not_before(tmp_path: Path) -> None:
    settings = ProducerSettings(attachments_url=str(tmp_path))  # type: ignore[call-arg]
    raw = (
        b"From: ann@example.org\r\nMessage-ID: <1@example.org>\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee the picture.\r\n--b\r\n"
        b"Content-Type: image/png\r\nContent-Disposition: attachment; filename=a.png\r\n\r\npixels\r\n--b--\r\n"
    )
    dead_letter = found_again(raw, KEPT, "email")
    for store, stored in ((None, 0), (AttachmentStore.of(settings), 1)):
        made = replay_one(dead_letter, replay_handlers(settings, store), named=False)
        [event] = made.events
        assert isinstance(event, MessageReceived)
        assert len([file for file in event.attachments if file.reference]) == stored
        assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == stored


def test_every_channel_takes_its_dead_letters_again_or_says_what_to_do_instead() -> None:
    assert set(HANDLERS) == {*ENDPOINTS, "email", "form", "generic", "history"}
    assert not set(HANDLERS) & set(ELSEWHERE)
    assert all(ELSEWHERE.values())

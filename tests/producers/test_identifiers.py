"""Ids of other systems are often 13 to 19 digits; every tenth of those passes for a card, and must stay what it is."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from producers.channels import agents, generic, helpcentre, orders, phone, sms
from producers.channels.customer import known
from producers.endpoint import Delivery
from producers.text import privacy

NOW = 1772445600_000000  # 2026-03-02T10:00:00Z
#: Each passes the Luhn check and begins like a card: a shop's number, and a Brazilian mobile telephone.
FIRST, SECOND, TELEPHONE = "5123456789010", "5987610049010", "+5511912345676"


def test_the_numbers_of_this_file_would_be_masked_in_prose() -> None:
    assert [privacy.mask(text) for text in (FIRST, SECOND, TELEPHONE)] == [
        "*********9010",
        "*********9010",
        "+*********5676",
    ]


def test_two_orders_whose_numbers_pass_for_cards_are_two() -> None:
    first, second = (
        orders.normalise(
            json.dumps({"id": int(number), "name": f"#{number}", "email": "a@b.example", "total_price": "1"}).encode(),
            "orders/create",
            now=NOW,
        )
        for number in (FIRST, SECOND)
    )
    assert first.event_id != second.event_id
    assert [(each.order_id, each.order_number) for each in (first, second)] == [(FIRST, FIRST), (SECOND, SECOND)]


def test_two_customers_whose_numbers_pass_for_cards_are_two() -> None:
    assert known(other=("shopify", int(FIRST))).customer_id == f"shopify:{FIRST}"
    assert known(other=("shopify", int(SECOND))).customer_id == f"shopify:{SECOND}"


def test_a_telephone_that_passes_for_a_card_can_be_answered() -> None:
    body = {"type": "message", "id": "m-1", "channel": "sms", "customer_id": f"tel:{TELEPHONE}", "text": "Hello"}
    event: Any = generic.normalise(json.dumps(body).encode(), now=NOW)
    assert (event.customer_id, event.address) == (f"tel:{TELEPHONE}", TELEPHONE)
    sent: Any = sms.incoming(form(MessageSid="SM1", From=TELEPHONE, To=TELEPHONE, Body="Hello"), NOW, "")[0]
    assert (sent.address, sent.recipients) == (TELEPHONE, [TELEPHONE])


def test_the_generic_endpoint_keeps_ids_and_masks_words() -> None:
    body = {
        "type": "message",
        "id": "m-1",
        "channel": "email",
        "customer_id": f"ext:{FIRST}",
        "address": "ann@example.org",
        "thread_id": FIRST,
        "message_id": f"<{FIRST}@example.org>",
        "references": [f"<{SECOND}@example.org>"],
        "attachments": [{"name": f"card {FIRST}.txt", "reference": f"https://files.example/{FIRST}"}],
        "subject": f"card {FIRST}",
        "text": f"card {FIRST}",
        "customer_name": f"Ann {FIRST}",
        "order_number": FIRST,
        "fields": {"note": f"card {FIRST}"},
    }
    event: Any = generic.normalise(json.dumps(body).encode(), now=NOW)
    assert (event.customer_id, event.thread_id) == (f"ext:{FIRST}", FIRST)
    assert (event.message_id, event.references) == (f"<{FIRST}@example.org>", [f"<{SECOND}@example.org>"])
    assert event.attachments[0].reference == f"https://files.example/{FIRST}"
    words = (event.subject, event.text, event.customer_name, event.order_number, event.fields["note"])
    assert not [each for each in (*words, event.attachments[0].name) if FIRST in each]


def test_what_the_shop_numbers_is_kept_by_the_generic_endpoint_as_well() -> None:
    body = {"type": "order", "id": "o-1", "customer_id": "ext:1", "order_number": FIRST, "order_id": SECOND}
    event: Any = generic.normalise(json.dumps(body).encode(), now=NOW)
    assert (event.order_number, event.order_id) == (FIRST, SECOND)


def test_a_conversation_of_the_bot_is_answered_under_its_own_id() -> None:
    handed = {
        "type": "hand_over",
        "id": "h-1",
        "conversation_id": FIRST,
        "customer": {"external_id": SECOND},
        "conversation": [{"by": "customer", "text": f"my card {FIRST}"}],
    }
    [event] = helpcentre.normalise(json.dumps(handed).encode(), now=NOW)
    assert (event.thread_id, event.customer_id) == (FIRST, f"external:{SECOND}")  # type: ignore[union-attr]
    assert FIRST not in event.full_text  # type: ignore[union-attr]
    reply = {"id": "r-1", "customer_id": f"external:{SECOND}", "thread_ref": FIRST, "agent_id": "mei", "text": "Hi"}
    [answer] = agents.normalise(json.dumps(reply).encode(), "replies", now=NOW)
    assert answer.thread_ref == FIRST  # type: ignore[union-attr]
    assert answer.customer_tag == event.customer_tag


@pytest.mark.parametrize("url", [f"https://api.example/{FIRST}", "https://api.example/RE4111111111111111"])
def test_a_recording_and_a_picture_are_where_the_service_says(url: str) -> None:
    left: Any = phone.recording(form(CallSid="CA1", From="+15550100", RecordingSid="RE1", RecordingUrl=url), NOW, "")[0]
    assert left.recording == url
    seen: Any = sms.incoming(form(MessageSid="SM1", From="+15550100", NumMedia="1", MediaUrl0=url), NOW, "")[0]
    assert seen.attachments[0].reference == url


def form(**fields: str) -> Delivery:
    return Delivery("POST", "https://hooks.example/", body=urlencode(fields).encode())


# -- in dead letters, which are masked before anything is known of them ---------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        f'{{"sender":{{"id":"{FIRST}"}},"recipient":{{"id": "{SECOND}"}}}}',
        f'{{"id": {FIRST}, "order_id":{SECOND}}}',
        f'{{"id_str":"{FIRST}","sender_id":"{SECOND}"\n}}',
        f'{{"customer_id":"tel:+{FIRST}","address":"+{SECOND}","thread_ref":"{FIRST}"}}',
        f"From=%2B{FIRST}&To=%2B{SECOND}&Body=Hello",
        f"MessageSid=SM1&From=whatsapp%3A%2B{FIRST}&WaId={FIRST}&Called=%2B{SECOND}",
    ],
)
def test_the_ids_in_the_request_of_a_program_stay_in_its_dead_letter(raw: str) -> None:
    assert privacy.mask_bytes(raw.encode(), keep_ids=True) == raw.encode()
    assert b"*********" in privacy.mask_bytes(raw.encode())  # of a mail nobody knows what it is


@pytest.mark.parametrize(
    ("raw", "masked"),
    [
        (f'{{"text":"{FIRST}"}}', '{"text":"*********9010"}'),
        (f'{{"id":"m-1","text":"\\"id\\":\\"{FIRST}\\""}}', '{"id":"m-1","text":"\\"id\\":\\"*********9010\\""}'),
        (f'{{"id":"{FIRST} {SECOND}"}}', '{"id":"*********9010 *********9010"}'),
        (f"Body=From%3D{FIRST}&From=%2B1", "Body=From%3D*********9010&From=%2B1"),
        (f"Body={FIRST}", "Body=*********9010"),
        (f"From={FIRST}+{SECOND}", "From=*********9010+*********9010"),
    ],
)
def test_what_a_customer_writes_is_masked_there_whatever_it_pretends_to_be(raw: str, masked: str) -> None:
    assert privacy.mask_bytes(raw.encode(), keep_ids=True) == masked.encode()

"""The form, the generic endpoint and history, without any server."""

from __future__ import annotations

import importlib
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from producers.channels import form, generic, generic_fields
from producers.imports.formats import history
from producers.mail import event as email
from producers.text import privacy
from producers.text.fields import FieldProblems
from schemas import codec, identity
from schemas.errors import Refused
from schemas.events import (
    AgentReplied,
    CallEnded,
    MessageReceived,
    PresenceChanged,
    SurveyAnswered,
)
from tests.support.producers import json_inputs

NOW = 1772445600_000000  # 2026-03-02T10:00:00Z
MINUTE = 60_000_000
CONTACT = {"email": "ann@example.org", "message": "Where is my parcel?"}
TICKET = "ABCDEFGHIJKL-1"


def event(now: int = NOW, **body: Any) -> Any:
    return generic.normalise(json.dumps(body).encode(), now=now)


def problems(**body: Any) -> dict[str, str]:
    with pytest.raises(FieldProblems) as caught:
        event(**body)
    return caught.value.fields


# whatever strangers send


def test_what_is_remembered_of_strangers_texts_is_bounded() -> None:
    from producers.channels.telephone import e164
    from producers.text.fields import time_zone_problem
    from producers.text.locales import locale_hint, negotiated

    for number in range(3):
        long = f"{'x' * 100_000}{number}"
        assert (locale_hint(f"ja,{long}"), negotiated(f"ja,{long}"), e164(long)) == ("ja", "ja", "")
        assert "is not a time zone" in time_zone_problem(long)
    for remembered in ("producers.text.locales._hint", "producers.text.locales._negotiated"):
        module, _, name = remembered.rpartition(".")
        assert getattr(importlib.import_module(module), name).cache_info().hits >= 2  # the three were cut to one


def test_thousands_of_unknown_fields_are_refused_fifty_reported() -> None:
    unknown = {f"customer_idd_{number}": "x" for number in range(20_000)}
    assert len(problems(type="message", id="1", channel="chat", customer_id="chat:1", text="x", **unknown)) == 50
    with pytest.raises(FieldProblems) as caught:
        form.normalise(CONTACT | unknown, now=NOW)
    assert len(caught.value.fields) == 50


# the form


def test_a_form_becomes_a_message_to_be_answered_by_mail() -> None:
    made = form.normalise(
        CONTACT | {"name": "Ann", "language": "zh-TW", "time_zone": "Asia/Taipei", "order_number": 10023}, now=NOW
    )
    assert (made.channel, made.address, made.customer_id) == ("form", "ann@example.org", "email:ann@example.org")
    assert (made.text, made.full_text) == ("Where is my parcel?", "Where is my parcel?")
    assert (made.language, made.time_zone, made.order_number) == ("zh-Hant", "Asia/Taipei", "10023")
    assert made.customer_tag == identity.customer_tag("email:ann@example.org")
    assert codec.decode(codec.encode(made)) == made


def test_what_a_form_does_not_say_is_empty() -> None:
    made = form.normalise(CONTACT | {"name": None, "order_number": None}, now=NOW)
    said = (
        made.source,
        made.customer_name,
        made.subject,
        made.language,
        made.time_zone,
        made.order_number,
        made.ticket_ref,
    )
    assert said == ("",) * 7
    assert made.fields == {}


def test_every_problem_of_a_form_is_reported_at_once() -> None:
    with pytest.raises(FieldProblems) as caught:
        form.normalise({"email": "ann at home", "message": " ", "time_zone": "Mars/Olympus", "age": "9"}, now=NOW)
    assert set(caught.value.fields) == {"email", "message", "time_zone", "age"}


@pytest.mark.parametrize(
    "values",
    [{"email": 3.5, "message": "x"}, {"email": ["a@b.c"], "message": "x"}, {"email": "a@b.c", "message": "x" * 20_001}],
)
def test_a_form_field_of_the_wrong_kind_or_size_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(FieldProblems):
        form.normalise(values, now=NOW)


def test_the_honeypot_catches_programs() -> None:
    with pytest.raises(Refused) as caught:
        form.normalise(CONTACT | {form.HONEYPOT: "http://spam.example"}, now=NOW)
    assert caught.value.reason == "honeypot"


def test_a_double_click_is_one_contact_an_hour_later_two() -> None:
    first = form.normalise(CONTACT, now=NOW).event_id
    assert form.normalise(CONTACT, now=NOW + 5_000_000).event_id == first
    assert form.normalise(CONTACT, now=NOW + 60 * MINUTE).event_id != first


def test_a_submission_id_makes_a_late_retry_the_same_contact() -> None:
    values = CONTACT | {"submission_id": "s1"}
    assert form.normalise(values, now=NOW).event_id == form.normalise(values, now=NOW + 60 * MINUTE).event_id


def test_a_form_about_a_ticket_goes_to_that_ticket() -> None:
    made = form.normalise(CONTACT | {"subject": f"[#{TICKET}] more"}, now=NOW)
    assert (made.ticket_ref, made.customer_tag) == (TICKET, "ABCDEFGHIJKL")


# the generic endpoint


def test_a_chat_message_becomes_a_message() -> None:
    made = event(type="message_received", id="m1", channel="chat", customer_id="chat:v5", text="Hi", thread_id="c1")
    assert isinstance(made, MessageReceived)
    assert (made.channel, made.customer_id, made.address, made.thread_id) == ("chat", "chat:v5", "v5", "c1")
    assert (made.occurred_at, made.received_at, made.imported) == (NOW, NOW, False)


def test_an_agents_reply_has_the_key_of_its_ticket() -> None:
    made = event(type="reply", id="r1", ticket_id=TICKET.lower(), agent_id="mei", text="Here it is")
    assert isinstance(made, AgentReplied)
    assert (made.ticket_id, made.customer_tag, made.public) == (TICKET, "ABCDEFGHIJKL", True)


def test_a_reply_may_name_customer_and_conversation() -> None:
    made = event(type="reply", id="r1", customer_id="email:Ann@example.org", thread_ref="c-1", agent_id="mei", text="x")
    assert isinstance(made, AgentReplied)
    assert (made.ticket_id, made.thread_ref) == ("", "c-1")
    assert made.customer_tag == identity.customer_tag("email:ann@example.org")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({}, {"ticket_id": "is needed, or thread_ref and customer_id"}),
        ({"thread_ref": "c-1"}, {"customer_id": "is needed beside thread_ref"}),
        ({"thread_ref": "", "customer_id": "chat:v5"}, {"ticket_id": "is needed, or thread_ref and customer_id"}),
        ({"thread_ref": "c-1", "customer_id": "Ann"}, {"customer_id": "'Ann' is not kind:value"}),
    ],
)
def test_a_conversation_needs_its_customer(body: dict[str, str], problem: dict[str, str]) -> None:
    found = problems(type="status", id="s1", status="solved", **body)
    assert {name: text[: len(problem.get(name, ""))] for name, text in found.items()} == problem


def test_presence_belongs_to_no_customer() -> None:
    made = event(type="presence", id="p1", agent_id="mei", team="support", status="online", capacity={"chat": 2})
    assert isinstance(made, PresenceChanged)
    assert (made.customer_tag, made.capacity) == ("", {"chat": 2})


def test_a_call_is_a_phone_call_unless_it_says_voicemail() -> None:
    call: dict[str, Any] = {"type": "call_ended", "customer_id": "tel:+15550100", "outcome": "answered"}
    assert event(**call, id="c1").channel == "phone"
    made = event(**call, id="c2", channel="voicemail")
    assert isinstance(made, CallEnded)
    assert (made.channel, made.address) == ("voicemail", "+15550100")


@pytest.mark.parametrize("name", generic_fields.KINDS)
def test_the_example_of_every_type_in_the_api_page_is_accepted(name: str) -> None:
    from producers.sources.http import openapi

    example = openapi.EVENTS["requestBody"]["content"]["application/json"]["examples"][name]["value"]
    made = event(**example)
    assert isinstance(made, generic_fields.KINDS[name])
    assert codec.decode(codec.encode(made)) == made


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"type": "reply", "id": 1, "ticket_id": "x", "agent_id": "mei", "text": "x"}, {"ticket_id"}),
        ({"type": "reply", "id": 1, "ticket_id": TICKET, "agent_id": " ", "text": 5}, {"agent_id", "text"}),
        ({"type": "reply", "ticket_id": TICKET, "agent_id": "mei", "text": "x"}, {"id"}),
        ({"type": "reply", "id": [], "ticket_id": TICKET, "agent_id": "mei", "text": "x"}, {"id"}),
        ({"type": "status", "id": 1, "ticket_id": TICKET, "status": "done"}, {"status"}),
        ({"type": "presence", "id": 1, "agent_id": "mei", "team": "support", "status": "open"}, {"status"}),
        ({"type": "survey", "id": 1, "ticket_id": TICKET, "survey_id": "s", "csat": 6}, {"csat"}),
        ({"type": "survey", "id": 1, "ticket_id": TICKET, "survey_id": "s"}, {"csat"}),
        ({"type": "tag_corrected", "id": 1, "ticket_id": TICKET, "agent_id": "mei"}, {"add"}),
        ({"type": "message", "id": 1, "channel": "fax", "customer_id": "tel:1"}, {"channel"}),
        ({"type": "message", "id": 1, "customer_id": "chat:1"}, {"channel"}),
        ({"type": "message", "id": 1, "channel": "chat", "customer_id": "nobody"}, {"customer_id"}),
        ({"type": "message", "id": 1, "channel": "chat", "customer_id": "chat:1", "txt": "x"}, {"txt"}),
        ({"type": "message", "id": 1, "channel": "chat", "customer_id": "chat:1", "event_id": "x"}, {"event_id"}),
        ({"type": "message", "id": 1, "channel": "chat", "customer_id": "chat:1", "time_zone": "Mars"}, {"time_zone"}),
        ({"type": "message", "id": 1, "channel": "chat", "customer_id": "chat:1", "headers": {"a": 1}}, {"headers"}),
        ({"type": "message", "id": 1, "channel": "chat", "customer_id": "chat:1", "occurred_at": "now"}, {"occurred_at"}),
        ({"type": "message", "id": 1, "channel": "chat", "customer_id": "chat:1", "occurred_at": "2026-03-02T10:00"}, {"occurred_at"}),
        ({"type": "message", "id": 1, "channel": "chat", "customer_id": "chat:1", "occurred_at": "2027-03-02T10:00Z"}, {"occurred_at"}),
        ({"type": "message", "id": 1, "channel": "chat", "customer_id": "chat:1", "causation_depth": -1}, {"causation_depth"}),
        ({"type": "order", "id": 1, "customer_id": "chat:1"}, {"order_number"}),
        ({"type": "order", "id": 1, "customer_id": "chat:1", "order_number": "1", "amount": 2**70}, {"amount"}),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(body: dict[str, Any], wrong: set[str]) -> None:
    assert set(problems(**body)) == wrong


def test_a_misspelt_field_gets_a_hint() -> None:
    body = {"type": "reply", "id": 1, "ticket_id": TICKET, "agent": "mei", "text": "x"}
    assert "did you mean 'agent_id'?" in problems(**body)["agent"]


def test_an_unknown_type_names_the_known_ones() -> None:
    with pytest.raises(Refused) as caught:
        event(type="tick", id="1")
    assert caught.value.reason == "unknown_type"
    assert all(name in str(caught.value) for name in generic_fields.KINDS)


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"3", b'{"a": NaN}', b"\xff", b'{"type": "\xed\xa0\x80"}', b"[" * 5000]
)
def test_what_is_no_json_object_is_bad_json(raw: bytes) -> None:
    with pytest.raises(Refused) as caught:
        generic.normalise(raw, now=NOW)
    assert caught.value.reason == "bad_json"


def test_the_same_id_on_another_channel_is_another_event() -> None:
    body: dict[str, Any] = {"type": "message", "customer_id": "chat:1", "text": "x"}
    first = event(**body, id="7", channel="chat").event_id
    assert event(**body, id="7", channel="chat", now=NOW + MINUTE).event_id == first
    assert event(**body, id="7", channel="sms").event_id != first
    assert event(**body, id="8", channel="chat").event_id != first


def test_a_mail_from_an_export_is_the_same_event_as_the_mail() -> None:
    line = {
        "type": "message",
        "occurred_at": "2026-03-01T10:00:00Z",
        "channel": "email",
        "customer_id": "email:Ann@example.org",
    }
    exported = event(**line, message_id="<1@example.org>")
    itself = email.normalise(b"From: ann@example.org\nMessage-ID: <1@example.org>\n\nHello", now=NOW)
    assert exported.event_id == itself.event_id


def test_card_numbers_are_masked_in_every_text_of_every_type() -> None:
    card = "4111 1111 1111 1111"
    message = event(
        type="message", id=1, channel="chat", customer_id="chat:1", text=card, subject=card, fields={"note": card}
    )
    note = event(type="note", id=1, ticket_id=TICKET, agent_id="mei", text=card)
    survey = event(type="survey", id=1, ticket_id=TICKET, survey_id="s", ces=1, comment=card)
    for made in (message, note, survey):
        assert b"4111 1111" not in codec.encode(made)
        assert b"**** **** **** 1111" in codec.encode(made)


def test_a_late_reply_keeps_the_time_at_which_it_happened() -> None:
    made = event(
        type="reply", id=1, ticket_id=TICKET, agent_id="mei", text="x", occurred_at="2026-03-02T18:00:00+09:00"
    )
    assert (made.occurred_at, made.received_at) == (NOW - 60 * MINUTE, NOW)


def test_a_valid_json_object_is_an_event_a_broken_one_refused() -> None:
    outcomes: Counter[str] = Counter()

    @settings(max_examples=400, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(json_inputs.generic_objects())
    def each(body: dict[str, Any]) -> None:
        try:
            made = event(**body)
        except Refused as refused:
            outcomes[refused.reason] += 1
            return
        outcomes["event"] += 1
        assert codec.decode(codec.encode(made)) == made
        assert isinstance(made, generic_fields.kind_of(body))
        assert made.received_at == NOW and made.occurred_at <= NOW
        words = [getattr(made, name, "") for name in ("text", "subject", "comment", "question", "answer")]
        assert all(privacy.mask(each) == each for each in words)

    each()
    assert set(outcomes) <= {"event", "bad_fields", "unknown_type", "bad_json"}
    assert outcomes["event"] >= 150 and outcomes["bad_fields"] >= 40, outcomes


def test_a_valid_form_is_an_event_and_a_broken_one_is_refused() -> None:
    outcomes: Counter[str] = Counter()

    @settings(max_examples=400, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(json_inputs.forms())
    def each(values: dict[str, Any]) -> None:
        try:
            made = form.normalise(values, now=NOW)
        except Refused as refused:
            outcomes[refused.reason] += 1
            return
        outcomes["event"] += 1
        assert codec.decode(codec.encode(made)) == made
        assert made.address == str(values["email"]).strip() and made.text == made.full_text
        assert all(privacy.mask(each) == each for each in (made.text, made.subject, made.customer_name))

    each()
    assert set(outcomes) <= {"event", "bad_fields", "honeypot"}
    assert outcomes["event"] >= 150 and outcomes["bad_fields"] >= 40, outcomes


# history


def test_history_has_its_own_time_and_disturbs_nothing_live() -> None:
    line = b'{"type": "survey", "occurred_at": "2025-11-03T09:12:00+08:00", "ticket_id": "ABCDEFGHIJKL-1", "survey_id": "s", "csat": 4}'
    made = history.normalise(b"\xef\xbb\xbf" + line + b"\r\n", now=NOW)
    assert isinstance(made, SurveyAnswered)
    assert (made.occurred_at, made.imported) == (1762132320_000000, True)
    assert history.normalise(line, now=NOW, live=True).imported is False
    assert history.normalise(line, now=NOW + MINUTE).event_id == made.event_id


def test_history_without_a_time_is_refused() -> None:
    with pytest.raises(FieldProblems) as caught:
        history.normalise(
            b'{"type": "note", "id": 1, "ticket_id": "ABCDEFGHIJKL-1", "agent_id": "mei", "text": ""}', now=NOW
        )
    assert set(caught.value.fields) == {"occurred_at"}


def test_when_a_message_was_sent_may_lie_before_it_arrived() -> None:
    message = {
        "type": "message",
        "id": 1,
        "channel": "email",
        "customer_id": "email:ann@example.org",
        "address": "ann@example.org",
    }
    told = event(**message, text="x", sent_at="2026-03-02T09:00:00Z")
    assert told.sent_at == NOW - 60 * MINUTE


def test_so_many_unknown_fields_are_named() -> None:
    strange = {f"strange_{number}": 1 for number in range(60)}
    found = problems(type="reply", ticket_id=TICKET, agent_id="mei", text="x", id=1, **strange)
    assert list(found) == [f"strange_{number}" for number in range(50)]

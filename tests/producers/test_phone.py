"""Calls and voicemail: which callback becomes which event, by hand."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.channels import phone
from producers.endpoint import Delivery
from producers.endpoints.phone import ENDPOINTS
from schemas.errors import Refused
from schemas.events import CallAnswered, CallEnded, CallStarted, Event
from schemas.identity import customer_tag, event_id

SECOND = 1_000_000
T0 = 1_772_442_000_000_000  # 2026-03-02T09:00:00Z
NOW = T0 + 60 * SECOND
ANN = "+442079460000"


def callback(fields: Mapping[str, str], query: Mapping[str, str] | None = None) -> Delivery:
    given = {"CallSid": "CA1", "From": ANN, "To": "+442079460999", "Direction": "inbound"} | fields
    return Delivery("POST", "https://hooks.example/v1/phone/status", query=query or {}, body=urlencode(given).encode())


def told(query: Mapping[str, str] | None = None, **fields: str) -> list[Event]:
    return phone.status(callback(fields, query), NOW, "http:here")


def one(query: Mapping[str, str] | None = None, **fields: str) -> Event:
    [event] = told(query, **fields)
    return event


def left(query: Mapping[str, str] | None = None, **fields: str) -> list[Event]:
    recorded = {"RecordingSid": "RE1", "RecordingUrl": "https://recordings.example/RE1", "RecordingDuration": "12"}
    return phone.recording(callback(recorded | fields, query), NOW, "http:here")


BASE: dict[str, Any] = {
    "received_at": NOW,
    "customer_tag": customer_tag(f"tel:{ANN}"),
    "source": "http:here",
    "customer_id": f"tel:{ANN}",
    "address": ANN,
    "verified": "carrier",
    "brand": "+442079460999",  # the number says it
}


def test_ringing_starts_a_call() -> None:
    assert one(CallStatus="ringing", Timestamp="Mon, 02 Mar 2026 09:00:30 +0000") == CallStarted(
        **BASE, event_id=event_id("phone", "started", "CA1"), occurred_at=T0 + 30 * SECOND, channel="phone", call_id="CA1",
        language="en",
    )  # fmt: skip


@pytest.mark.parametrize("status", ["queued", "initiated", "ringing", "Ringing"])
def test_a_call_starts_once_whatever_its_first_steps_are_called(status: str) -> None:
    assert one(CallStatus=status).event_id == event_id("phone", "started", "CA1")


def test_in_progress_is_a_person_who_takes_the_call() -> None:
    assert one({"agent": "mei"}, CallStatus="in-progress", QueueTime="18") == CallAnswered(
        **BASE, event_id=event_id("phone", "answered", "CA1"), occurred_at=NOW, channel="phone", call_id="CA1",
        agent_id="mei", wait_seconds=18.0,
    )  # fmt: skip


def test_completed_is_an_answered_call_with_its_talk() -> None:
    assert one(CallStatus="completed", CallDuration="75") == CallEnded(
        **BASE, event_id=event_id("phone", "ended", "CA1"), occurred_at=NOW, channel="phone", outcome="answered",
        talk_seconds=75.0, language="en", call_id="CA1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("no-answer", "missed"), ("busy", "missed"), ("failed", "missed"), ("canceled", "abandoned")],
)
def test_a_call_that_nobody_took_waited_for_all_of_its_time(status: str, outcome: str) -> None:
    event = one(CallStatus=status, CallDuration="21")
    assert isinstance(event, CallEnded)
    assert (event.outcome, event.wait_seconds, event.talk_seconds, event.agent_id) == (outcome, 21.0, 0.0, "")


def test_a_recorded_call_names_its_recording_and_is_no_voicemail() -> None:
    event = one(CallStatus="completed", CallDuration="9", RecordingUrl="https://recordings.example/RE5")
    assert isinstance(event, CallEnded)
    assert (event.outcome, event.channel, event.recording) == ("answered", "phone", "https://recordings.example/RE5")


# -- dialling agents ------------------------------------------------------------------------------------------------


def test_the_leg_to_an_agent_tells_of_the_customers_call() -> None:
    leg = {"CallSid": "CA2", "ParentCallSid": "CA1", "Direction": "outbound-dial", "To": "client:mei"}
    answered, ended = one(**leg, CallStatus="in-progress"), one(**leg, CallStatus="completed", CallDuration="40")
    assert isinstance(answered, CallAnswered) and isinstance(ended, CallEnded)
    assert (answered.call_id, answered.agent_id) == (ended.call_id, ended.agent_id) == ("CA1", "mei")
    assert answered.event_id == event_id("phone", "answered", "CA1")
    assert (ended.event_id, ended.talk_seconds) == (event_id("phone", "ended", "CA1"), 40.0)


@pytest.mark.parametrize("status", ["no-answer", "busy", "failed", "canceled"])
def test_an_agent_who_does_not_pick_up_is_no_end_of_the_call(status: str) -> None:
    assert told(CallSid="CA2", ParentCallSid="CA1", CallStatus=status) == []


def test_an_agents_answering_machine_is_no_answer() -> None:
    leg = {"CallSid": "CA2", "ParentCallSid": "CA1", "AnsweredBy": "machine_start"}
    assert told(**leg, CallStatus="in-progress") == told(**leg, CallStatus="completed") == []


@pytest.mark.parametrize(
    ("status", "outcome", "wait", "talk"),
    [
        ("completed", "answered", 15.0, 85.0),
        ("answered", "answered", 15.0, 85.0),
        ("no-answer", "missed", 100.0, 0.0),
        ("busy", "missed", 100.0, 0.0),
        ("canceled", "abandoned", 100.0, 0.0),
    ],
)
def test_the_action_of_a_dial_says_how_it_ended(status: str, outcome: str, wait: float, talk: float) -> None:
    event = one(CallStatus="in-progress", DialCallStatus=status, DialCallDuration="85", CallDuration="100")
    assert isinstance(event, CallEnded)
    assert (event.outcome, event.wait_seconds, event.talk_seconds) == (outcome, wait, talk)
    assert event.event_id == event_id("phone", "ended", "CA1")


@pytest.mark.parametrize(
    ("result", "outcome"),
    [("hangup", "abandoned"), ("queue-full", "missed"), ("bridged", "answered"), ("error", "missed")],
)
def test_the_action_of_a_queue_has_its_outcome_and_wait(result: str, outcome: str) -> None:
    event = one(CallStatus="in-progress", QueueResult=result, QueueTime="33")
    assert isinstance(event, CallEnded)
    assert (event.outcome, event.wait_seconds) == (outcome, 33.0)


def test_a_call_that_leaves_a_queue_for_something_else_goes_on() -> None:
    assert told(CallStatus="in-progress", QueueResult="leave", QueueTime="33") == []


def test_behind_a_menu_only_people_answer() -> None:
    menu = {"menu": "1"}
    assert told(menu, CallStatus="in-progress") == told(menu, CallStatus="completed", CallDuration="60") == []
    assert isinstance(one(menu, CallStatus="ringing"), CallStarted)
    assert isinstance(one(menu, CallStatus="no-answer"), CallEnded)
    assert isinstance(one(menu, CallSid="CA2", ParentCallSid="CA1", CallStatus="in-progress"), CallAnswered)


def test_our_own_calls_are_no_contacts() -> None:
    for status in ("ringing", "in-progress", "completed", "no-answer"):
        assert told(CallStatus=status, Direction="outbound-api") == []


# -- voicemail ------------------------------------------------------------------------------------------------------


def test_a_recording_is_a_voicemail_at_once() -> None:
    assert left(RecordingStatus="completed") == [
        CallEnded(
            **BASE, event_id=event_id("phone", "voicemail", "RE1"), occurred_at=NOW, channel="voicemail",
            outcome="voicemail", talk_seconds=12.0, recording="https://recordings.example/RE1", language="en", call_id="CA1",
        )
    ]  # fmt: skip


def test_a_transcript_follows_its_recording_with_cards_masked() -> None:
    [event] = left(TranscriptionStatus="completed", TranscriptionText=" My card is 4111111111111111. ")
    assert isinstance(event, CallEnded)
    assert event.transcript == "My card is ************1111."
    assert event.event_id == event_id("phone", "transcript", "RE1")
    assert (event.outcome, event.recording) == ("voicemail", "https://recordings.example/RE1")


def test_a_failed_transcription_keeps_the_recording() -> None:
    assert left(TranscriptionStatus="failed", TranscriptionText="") == left(RecordingStatus="completed")


@pytest.mark.parametrize("status", ["in-progress", "absent", "failed"])
def test_a_recording_that_is_not_there_is_nothing(status: str) -> None:
    assert left(RecordingStatus=status) == []


def test_a_recording_without_caller_takes_it_from_its_address() -> None:
    [event] = left({"caller": "+819012345678"}, From="")
    assert isinstance(event, CallEnded)
    assert (event.customer_id, event.language) == ("tel:+819012345678", "ja")


# -- callers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["anonymous", "Restricted", "+266696687", "unknown", ""])
def test_anonymous_callers_are_distinct_and_cannot_be_answered(number: str) -> None:
    first, second = one(From=number, CallStatus="no-answer"), one(From=number, CallStatus="no-answer", CallSid="CA9")
    assert isinstance(first, CallEnded) and isinstance(second, CallEnded)
    assert (first.customer_id, first.address, first.language) == ("call:CA1", "", "")
    assert second.customer_id == "call:CA9"
    assert first.customer_tag == customer_tag("call:CA1")


def test_who_calls_from_a_browser_or_by_sip_is_known() -> None:
    assert one(From="client:ann", CallStatus="ringing").customer_id == "client:ann"  # type: ignore[attr-defined]
    assert one(From="sip:+819012345678@pbx.example", CallStatus="ringing").customer_id == "tel:+819012345678"  # type: ignore[attr-defined]


# -- whatever comes -------------------------------------------------------------------------------------------------


def test_repeated_callbacks_in_any_order_are_three_events() -> None:
    story = [{"CallStatus": "ringing"}, {"CallStatus": "in-progress"}, {"CallStatus": "completed", "CallDuration": "5"}]
    for order in permutations(story):
        ids = {one(**fields).event_id for fields in (*order, *order)}
        assert ids == {event_id("phone", kind, "CA1") for kind in ("started", "answered", "ended")}


@pytest.mark.parametrize("at", ["", "yesterday", "Mon, 02 Mar 2099 09:00:00 +0000", "Mon, 99 Mar 2026 09:00:00 +0000"])
def test_a_time_that_is_none_or_in_the_future_is_now(at: str) -> None:
    assert one(CallStatus="ringing", Timestamp=at).occurred_at == NOW


def test_a_callback_is_as_old_as_it_says() -> None:
    def told(**fields: str) -> int:
        return phone.signed_at(Delivery("POST", "", body=urlencode(fields).encode()))

    assert told(Timestamp="Mon, 02 Mar 2026 09:00:00 +0000") == 1_772_442_000_000_000
    assert (told(Timestamp="yesterday"), told(CallSid="CA1")) == (0, 0)
    assert phone.signed_at(Delivery("POST", "", body=b"\xff=1")) == 0


@pytest.mark.parametrize("duration", ["", "-5", "soon", "1e9", "99999999999", "²"])
def test_a_duration_that_is_none_is_zero(duration: str) -> None:
    event = one(CallStatus="completed", CallDuration=duration)
    assert isinstance(event, CallEnded)
    assert event.talk_seconds == 0.0


@pytest.mark.parametrize("fields", [{"CallSid": ""}, {"CallStatus": ""}, {"CallStatus": "levitating"}])
def test_a_callback_without_call_or_status_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(Refused, match="bad_fields"):
        told(**{"CallStatus": "ringing"} | fields)


def test_a_voicemail_without_a_recording_is_refused() -> None:
    with pytest.raises(Refused, match="RecordingUrl"):
        left(RecordingUrl="")


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "CallSid",
                "From",
                "CallStatus",
                "Timestamp",
                "CallDuration",
                "DialCallStatus",
                "RecordingUrl",
                "ParentCallSid",
            ]
        ),
        st.text(max_size=30),
    )
)
def test_no_callback_breaks_it(fields: dict[str, str]) -> None:
    for normalise in (phone.status, phone.recording):
        try:
            events = normalise(callback(fields), NOW, "")
        except Refused as refused:
            assert refused.reason == "bad_fields"
        else:
            assert len(events) <= 1


def test_the_examples_of_the_endpoints_are_events() -> None:
    assert [len(endpoint.normalise(endpoint.example, NOW, "docs")) for endpoint in ENDPOINTS] == [1, 1]

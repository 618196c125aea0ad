"""Turns Twilio's form fields into events: calls and voicemail.

A call is known by the id of the customer's leg (`ParentCallSid`, else `CallSid`). A call has at most one of each:

| callback                                            | event                                                    |
|-----------------------------------------------------|----------------------------------------------------------|
| queued, initiated, ringing                          | CallStarted                                              |
| in-progress, answered                               | CallAnswered                                             |
| completed                                           | CallEnded `answered`                                     |
| no-answer, busy, failed                             | CallEnded `missed`                                       |
| canceled                                            | CallEnded `abandoned`: the customer hung up              |
| DialCallStatus (the `action` of a Dial)             | CallEnded, as these words say                            |
| QueueResult (the `action` of an Enqueue)            | CallEnded: `hangup` is abandoned, `bridged` answered     |
| at the voicemail: RecordingUrl                      | CallEnded `voicemail`, at once                           |
| ... and TranscriptionText                           | CallEnded `voicemail` with its words, on the same ticket |

Of a leg to an agent (it has a `ParentCallSid`) only callbacks about the customer's call are taken: an agent who does
not pick up does not end it. Ids are made of the call's id and the event, so callbacks may come twice and in any order.
Facts that only the telephone system's settings know go into the callback's address:

`?menu=1`       the number is answered by a menu or machine: `in-progress` and `completed` of the customer's own leg say
                nothing of a person, the legs to agents and the actions do
`?caller=+...`  the customer's number, where a leg shows ours instead, or where a recording's callback shows none
`?agent=mei`    who takes the call; otherwise the number or client that was called on the leg to an agent
"""

from __future__ import annotations

from typing import Any

from producers.channels.telephone import CARRIER, caller, language_of
from producers.channels.twilio import fields, moment, seconds, written
from producers.endpoint import Delivery
from producers.text.fields import identifier, prose
from schemas.errors import Refused
from schemas.events import UNVERIFIED, CallAnswered, CallEnded, CallStarted, Event
from schemas.identity import canonical_customer_id, customer_tag, event_id

__all__ = ["ASKS", "CHANNEL", "recording", "signed_at", "status"]

CHANNEL = "phone"
#: Fields of the callback's address.
ASKS = ("menu", "caller", "agent", "brand")
VOICEMAIL = "voicemail"
_RINGING = frozenset(("queued", "initiated", "ringing"))
_TAKEN = frozenset(("in-progress", "answered"))
_OUTCOMES = {
    "completed": "answered",
    "no-answer": "missed",
    "busy": "missed",
    "failed": "missed",
    "canceled": "abandoned",
}
_DIAL_OUTCOMES = {**_OUTCOMES, "answered": "answered"}
_QUEUE_OUTCOMES = {
    "bridged": "answered",
    "hangup": "abandoned",
    "queue-full": "missed",
    "system-error": "missed",
    "error": "missed",
}


def status(delivery: Delivery, now: int, source: str) -> list[Event]:
    """Returns the events of one callback about a call; none when it says nothing of the customer's call.

    Raises:
        Refused: `bad_encoding`; `bad_fields`, it names no call or no status that is known.
    """
    form = fields(delivery)
    call_id, base = _base(form, now, source)
    state = form.get("CallStatus", "").strip().lower()
    if form.get("DialCallStatus"):
        return _ended(form, base, _DIAL_OUTCOMES.get(form["DialCallStatus"].strip().lower(), ""))
    if form.get("QueueResult"):
        return _ended(form, base, _QUEUE_OUTCOMES.get(form["QueueResult"].strip().lower(), ""))
    if state not in _RINGING and state not in _TAKEN and state not in _OUTCOMES:
        raise Refused("bad_fields", f"CallStatus {state[:40]!r} is not known")
    to_agent = bool(form.get("ParentCallSid"))
    if form.get("Direction", "").strip().lower() == "outbound-api" and not to_agent:
        return []  # we called them
    if state in _RINGING:
        return [CallStarted(**base, event_id=event_id(CHANNEL, "started", call_id))]
    if (state in _TAKEN or state == "completed") and _answered_by_machine(form, to_agent):
        return []
    if state in _TAKEN:
        wait = seconds(form.get("QueueTime", ""))
        return [
            CallAnswered(
                **_without(base, "language"),
                event_id=event_id(CHANNEL, "answered", call_id),
                agent_id=_agent(form),
                wait_seconds=wait,
            )
        ]
    if to_agent and state != "completed":
        return []
    return _ended(form, base, _OUTCOMES[state])


def recording(delivery: Delivery, now: int, source: str) -> list[Event]:
    """Returns the event of a voicemail's recording or transcript; none while it is being made.

    Raises:
        Refused: `bad_encoding`; `bad_fields`, it names no call or no recording.
    """
    form = fields(delivery)
    if form.get("RecordingStatus", "completed").strip().lower() != "completed":
        return []
    call_id, base = _base(form, now, source)
    url = identifier(form.get("RecordingUrl", ""))
    if not url:
        raise Refused("bad_fields", "RecordingUrl is missing or empty")
    transcript = prose(form.get("TranscriptionText", "").strip())
    own_id = form.get("RecordingSid") or call_id
    return [
        CallEnded(
            **base | {"channel": VOICEMAIL},
            event_id=event_id(CHANNEL, "transcript" if transcript else "voicemail", own_id),
            outcome="voicemail",
            talk_seconds=seconds(form.get("RecordingDuration", "")),
            recording=url,
            transcript=transcript,
        )
    ]


def signed_at(delivery: Delivery) -> int:
    """Returns the time that a callback names, wall micros; 0 for none."""
    try:
        return max(0, written(fields(delivery).get("Timestamp", "")) or 0)
    except Refused:
        return 0


def _base(form: dict[str, str], now: int, source: str) -> tuple[str, dict[str, Any]]:
    """Returns the call's id, and the fields of every event of it."""
    call_id = identifier(form.get("ParentCallSid") or form.get("CallSid", ""), 100)
    if not call_id:
        raise Refused("bad_fields", "CallSid is missing or empty")
    who = caller(form.get("caller") or form.get("From") or form.get("Caller", ""), form.get("FromCountry", ""))
    kind, _, value = (who.customer or f"call:{call_id}").partition(":")
    customer_id = canonical_customer_id(kind, value)
    return call_id, {
        "occurred_at": moment(form.get("Timestamp", ""), now),
        "received_at": now,
        "customer_tag": customer_tag(customer_id),
        "channel": CHANNEL,
        "source": source,
        "verified": _verified(form, who.address),
        "customer_id": customer_id,
        "address": who.address,
        "call_id": call_id,
        "language": language_of(who.address),
        "brand": identifier(form.get("brand") or ("" if form.get("ParentCallSid") else form.get("To", "")), 100),
    }


def _ended(form: dict[str, str], base: dict[str, Any], outcome: str) -> list[Event]:
    if not outcome:
        return []  # it goes on: in a queue, with the next agent
    whole, talk = seconds(form.get("CallDuration", "")), seconds(form.get("DialCallDuration", ""))
    waited = seconds(form.get("QueueTime", ""))
    if outcome != "answered":
        talk, waited = 0.0, waited or whole
    elif talk:
        waited = waited or max(0.0, whole - talk)
    else:
        talk = max(0.0, whole - waited)
    return [
        CallEnded(
            **base,
            event_id=event_id(CHANNEL, "ended", base["call_id"]),
            outcome=outcome,
            agent_id=_agent(form) if outcome == "answered" else "",
            wait_seconds=waited,
            talk_seconds=talk,
            recording=identifier(form.get("RecordingUrl", "")) if outcome == "answered" else "",
        )
    ]


def _agent(form: dict[str, str]) -> str:
    called = form.get("To", "") if form.get("ParentCallSid") else ""
    return identifier(form.get("agent") or called.removeprefix("client:"), 100)


def _answered_by_machine(form: dict[str, str], to_agent: bool) -> bool:
    """Says if no person took this leg: a menu on our side, or an agent's own answering machine."""
    if to_agent:
        return form.get("AnsweredBy", "").startswith(("machine", "fax"))
    return form.get("menu", "") not in ("", "0")


def _verified(form: dict[str, str], address: str) -> str:
    """Returns how the caller's number is verified; not at all when the networks found that somebody else calls with it."""
    forged = form.get("StirVerstat", "").strip().lower().startswith("tn-validation-failed")
    return CARRIER if address and not forged else UNVERIFIED


def _without(base: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in base.items() if key != name}

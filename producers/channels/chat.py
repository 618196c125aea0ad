"""Folds a chat conversation: frames of the visitor and records of the log become events and frames. Pure.

    form ──start──▶ queued ──first answer of a person──▶ answered ──▶ ended (closed | timed_out)
                      └──────────────────────────────────────────────▶ ended (abandoned | timed_out)

`fold` takes the inputs of the visitor's side (a frame, a lost connection, time that passed). The new state and the
frames are valid only once Kafka has the events. `observe` takes the records of the conversation in the log, our own
lines included. All state is in these records: a process that starts observes them and continues.

Every line has one event id, made of the conversation and the client's line id, so a line that is sent again is the same
event. Our lines are numbered by their offset on `outbound` plus one: a conversation is one customer, one customer is
one partition, so the numbers rise, and every process counts alike without remembering anything.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from msgspec.structs import replace

from producers.channels import chat_events, form
from producers.channels import chat_protocol as frames
from producers.channels.chat_state import (
    CHANNEL,
    LINE_FIELD,
    PAGE_FIELD,
    VISITOR_FIELD,
    ChatConversation,
    Gone,
    Outcome,
    Passed,
    Phase,
    Rules,
    Step,
    Written,
    conversation_id,
)
from producers.channels.chat_token import sign
from producers.security import signed_user
from producers.text.fields import FieldProblems, address_problem, prose, time_zone_problem
from producers.text.locales import locale_hint
from schemas import identity
from schemas.errors import Refused
from schemas.events import ChatEnded, Event, MessageReceived, StatusChanged, TranscriptRequested
from schemas.facts import Outbound

__all__ = [
    "CHANNEL",
    "LINE_FIELD",
    "ChatConversation",
    "Gone",
    "Passed",
    "Rules",
    "Step",
    "conversation_id",
    "fold",
    "observe",
]

#: Characters of a name, of an order number.
_NAME, _ORDER = 200, 64


# -- inputs of the visitor's side -------------------------------------------------------------------------------------


def fold(state: ChatConversation, frame: frames.VisitorFrame | Gone | Passed, now: int, rules: Rules) -> Step:
    """Folds one input of the visitor's side, at `now` micros. `Start` and `Leave` may meet the empty state.

    Raises:
        FieldProblems: `bad_fields`, a form is not complete; every problem by field.
        Refused: `bad_line`, `too_long`, `too_many_lines`, `ended`, `not_started`, `not_ended`, `no_email`,
            `not_answered`.
    """
    match frame:
        case frames.Start():
            return _start(state, frame, now, rules)
        case frames.Leave():
            return _leave(state, frame, now, rules)
        case frames.Ping():
            return Step(state, frames=(frames.Pong(),))
    if state.phase == "form":
        if isinstance(frame, Gone | Passed):
            return Step(state)
        raise Refused("not_started", "start or resume a conversation first")
    return _in_conversation(state, frame, now, rules)


def _in_conversation(
    state: ChatConversation, frame: frames.VisitorFrame | Gone | Passed, now: int, rules: Rules
) -> Step:
    match frame:
        case frames.Line():
            return _line(state, frame.line, frame.text, now, rules)
        case frames.Resume():
            return _resume(state, frame.after, rules)
        case Gone():
            return Step(replace(state, gone_since=now) if state.gone_since is None else state)
        case Passed():
            return _passed(state, frame, now, rules)
        case frames.End():
            return _end(state, "abandoned" if state.answered_at is None else "closed", now, rules)
        case frames.Survey():
            return _survey(state, frame, now, rules)
        case frames.Transcript():
            return _transcript(state, now, rules)
        case _:
            return Step(state)  # typing is not remembered


def _start(state: ChatConversation, frame: frames.Start, now: int, rules: Rules) -> Step:
    if state.phase != "form":  # sent again: its welcome was lost on the way
        again = _line(state, frame.line, frame.text, now, rules)
        resumed = _resume(again.state, 0, rules)
        return Step(resumed.state, again.events, (*resumed.frames[:1], *again.frames, *resumed.frames[1:]))
    email, zone = frame.email.strip(), frame.time_zone.strip()
    problems = {
        name: problem
        for name, problem in (
            ("text", _text_problem(frame.text, rules)),
            ("email", address_problem(email) if email else ""),
            ("time_zone", time_zone_problem(zone)),
            ("user_hash", signed_user.problem(email, frame.user_hash, rules.user_secrets)),
            ("name", _too_long(frame.name, _NAME)),
            ("order_number", _too_long(frame.order_number, _ORDER)),
        )
        if problem
    }
    if problems:
        raise FieldProblems(problems)
    kind, value = ("email", email) if email else (CHANNEL, frame.visitor)
    opened = ChatConversation(
        phase="queued",
        thread_id=conversation_id(frame),
        visitor=frame.visitor,
        customer_id=identity.canonical_customer_id(kind, value),
        name=prose(frame.name.strip(), _NAME),
        language=locale_hint(frame.locale),
        time_zone=zone,
        order_number=prose(frame.order_number.strip(), _ORDER),
        page_url=_page(frame.page_url),
        started_at=now,
        touched_at=now,
        verified=signed_user.verified(email, frame.user_hash, rules.user_secrets),
    )
    first = _line(opened, frame.line, frame.text, now, rules)
    shown = (_welcome(opened, rules, resumed=False), *first.frames, frames.StateNow(phase="queued"))
    return Step(first.state, first.events, shown)


def _line(state: ChatConversation, line: str, text: str, now: int, rules: Rules) -> Step:
    """Takes a line. One that Kafka has already is published and acknowledged again: the publisher counts the duplicate."""
    known = next((written for written in state.written if written.line == line), None)
    if known is not None:
        return Step(state, (chat_events.message(state, known, rules),), (_ack(known),))
    if state.phase == "ended":
        raise Refused("ended", "this conversation is over; start another one")
    if problem := _text_problem(text, rules):
        raise Refused("too_long" if len(text) > rules.line_characters else "bad_line", problem)
    if len(state.written) >= rules.most_lines:
        raise Refused("too_many_lines", f"a conversation has at most {rules.most_lines} lines")
    written = Written(line, prose(text, rules.line_characters), now)
    after = replace(state, written=(*state.written, written), touched_at=now)
    return Step(after, (chat_events.message(state, written, rules),), (_ack(written),))


def _resume(state: ChatConversation, after: int, rules: Rules) -> Step:
    back = replace(state, gone_since=None)
    missed = tuple(said for said in state.said if said.number > after)
    return Step(back, frames=(_welcome(back, rules, resumed=True), *missed, _state(back), *_over(back)))


def _passed(state: ChatConversation, frame: Passed, now: int, rules: Rules) -> Step:
    if state.phase == "ended":
        return Step(state)
    answered = state.answered_at is not None
    if state.solved:
        return _end(state, "closed", now, rules)
    if state.gone_since is not None and now - state.gone_since >= rules.grace:
        return _end(state, "timed_out" if answered else "abandoned", now, rules)
    if (answered and now - state.touched_at >= rules.idle) or now - state.started_at >= rules.longest:
        return _end(state, "timed_out", now, rules)
    if state.phase == "queued" and frame.position != state.position:
        moved = replace(state, position=frame.position)
        return Step(moved, frames=(_state(moved),))
    return Step(state)


def _end(state: ChatConversation, outcome: Outcome, now: int, rules: Rules) -> Step:
    if state.phase == "ended":
        return Step(state, frames=_over(state))
    unseen = state.gone_since is not None and any(said.at * 1000 > state.gone_since for said in state.said)
    ended = replace(state, phase="ended", ended_at=now, outcome=outcome, position=0)
    events: tuple[Event, ...] = (chat_events.ended(ended, rules),)
    # Unseen lines must still reach the visitor. A person has answered, so nobody can have mail sent to a stranger.
    if _can_be_mailed(ended) and (ended.transcript or unseen):
        ended = replace(ended, mailed=True, transcript=True)
        events = (*events, chat_events.transcript_request(ended, now, rules))
    return Step(ended, events, _over(ended))


def _survey(state: ChatConversation, frame: frames.Survey, now: int, rules: Rules) -> Step:
    if state.phase != "ended":
        raise Refused("not_ended", "the conversation is not over")
    survey = chat_events.survey_answer(state, frame, now, rules)
    return Step(state, (survey,), (frames.Done(what="survey"),))


def _transcript(state: ChatConversation, now: int, rules: Rules) -> Step:
    if not state.email:
        raise Refused("no_email", "no e-mail address was given, so there is nowhere to send it")
    if state.mailed:
        return Step(state, frames=(frames.Done(what="transcript"),))
    if state.phase != "ended":
        wanted = replace(state, transcript=True)
        return Step(wanted, frames=(_state(wanted),))
    if not _can_be_mailed(state):
        raise Refused("not_answered", "nobody answered, so there is nothing to send")
    mailed = replace(state, transcript=True, mailed=True)
    return Step(mailed, (chat_events.transcript_request(mailed, now, rules),), (frames.Done(what="transcript"),))


def _leave(state: ChatConversation, frame: frames.Leave, now: int, rules: Rules) -> Step:
    """Takes the contact form that is shown while chat is not on offer: with its fields, checks and channel."""
    values = {
        "name": frame.name,
        "email": frame.email,
        "order_number": frame.order_number,
        "message": frame.text,
        "language": frame.locale,
        "time_zone": frame.time_zone,
        "submission_id": frame.message,
        "user_hash": frame.user_hash,
    }
    try:
        left = form.normalise(values, now=now, source=rules.source, user_secrets=rules.user_secrets)
    except FieldProblems as problems:
        named = {"text" if name == "message" else name: problem for name, problem in problems.fields.items()}
        raise FieldProblems(named) from problems
    return Step(state, (left,), (frames.Done(what="leave", message=frame.message),))


# -- records of the log ---------------------------------------------------------------------------------------------------


def observe(state: ChatConversation, record: object, number: int = 0) -> Step:
    """Folds one record of the log, in the order of its partition; a record may come twice. Returns no events.

    `number` is the offset on `outbound` plus one, for an `Outbound`.
    """
    if isinstance(record, Outbound):
        return _said(state, record, number)
    if isinstance(record, MessageReceived):
        return Step(_remembered(state, record))
    if isinstance(record, StatusChanged):
        return Step(replace(state, solved=record.status in ("solved", "closed")))
    if isinstance(record, TranscriptRequested):
        return Step(replace(state, transcript=True, mailed=True))
    if isinstance(record, ChatEnded) and state.phase != "ended":
        outcome: Outcome = record.outcome if record.outcome in ("abandoned", "timed_out") else "closed"  # type: ignore[assignment]
        ended = replace(state, phase="ended", ended_at=record.occurred_at, outcome=outcome, position=0)
        return Step(ended, frames=_over(ended))
    return Step(state)


def _said(state: ChatConversation, record: Outbound, number: int) -> Step:
    """Takes an answer from `outbound`, in the form in which it is delivered: every public `AgentReplied` is there once."""
    state = replace(state, ticket_id=record.ticket_id or state.ticket_id)
    if state.said and number <= state.said[-1].number:
        return Step(state)
    person = record.kind == "reply"
    said = frames.Said(number=number, author="agent" if person else "desk", text=record.text, at=record.at // 1000)
    state = replace(state, said=(*state.said, said), touched_at=max(state.touched_at, record.at))
    if not person or state.answered_at is not None:
        return Step(state, frames=(said,))
    phase: Phase = "answered" if state.phase == "queued" else state.phase
    answered = replace(state, phase=phase, answered_at=record.at, position=0)
    return Step(answered, frames=(said, _state(answered)) if phase == "answered" else (said,))


def _remembered(state: ChatConversation, record: MessageReceived) -> ChatConversation:
    line = record.fields.get(LINE_FIELD, "")
    if not line or state.wrote(line):
        return state
    if not state.started_at:  # an answer may have been read before the question: they are on two topics
        state = replace(
            state,
            phase=("queued" if state.answered_at is None else "answered") if state.phase == "form" else state.phase,
            thread_id=record.thread_id,
            visitor=record.fields.get(VISITOR_FIELD, ""),
            customer_id=record.customer_id,
            name="" if "customer_name" in record.directory else record.customer_name,
            language=record.language,
            time_zone=record.time_zone,
            order_number=record.order_number,
            page_url=record.fields.get(PAGE_FIELD, ""),
            started_at=record.occurred_at,
            verified=record.verified,
        )
    written = Written(line, record.text, record.occurred_at)
    return replace(state, written=(*state.written, written), touched_at=max(state.touched_at, record.occurred_at))


# -- frames and checks ------------------------------------------------------------------------------------------------


def _welcome(state: ChatConversation, rules: Rules, *, resumed: bool) -> frames.Welcome:
    token = sign(state.thread_id, rules.secrets[0])
    return frames.Welcome(conversation=state.thread_id, token=token, resumed=resumed)


def _ack(written: Written) -> frames.Ack:
    return frames.Ack(line=written.line, at=written.at // 1000)


def _state(state: ChatConversation) -> frames.StateNow:
    phase = "queued" if state.phase == "form" else state.phase
    return frames.StateNow(phase=phase, position=state.position, transcript=state.transcript)


def _over(state: ChatConversation) -> tuple[frames.ServerFrame, ...]:
    if state.phase != "ended":
        return ()
    return (frames.Ended(outcome=state.outcome, transcript=_can_be_mailed(state)),)


def _can_be_mailed(state: ChatConversation) -> bool:
    return bool(state.email) and not state.mailed and state.answered_at is not None


def _text_problem(text: str, rules: Rules) -> str:
    if not text.strip():
        return "is needed"
    if not prose(text.strip(), rules.line_characters).strip():
        return "holds nothing that can be read"
    return _too_long(text, rules.line_characters)


def _too_long(text: str, most: int) -> str:
    return f"is too long: {len(text)} characters, at most {most}" if len(text) > most else ""


def _page(url: str) -> str:
    """Returns the address of the page without its query, which may hold anything."""
    try:
        parts = urlsplit(url.strip()[:2_000])
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return prose(f"{parts.scheme}://{host}{parts.path}", 500)

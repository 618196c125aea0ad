"""A chat conversation: from what a visitor does and what the log says, to events and frames. Pure.

    form ──start──▶ queued ──first answer of a person──▶ answered ──▶ ended (closed | timed_out)
                      └──────────────────────────────────────────────▶ ended (abandoned | timed_out)

`fold` takes what the visitor's side does (a frame, going away, time passing): the new state and the frames hold only
once Kafka has the events. `observe` takes what the log says of the conversation, our own lines among it. A conversation
is nothing but its records in the log: a process that starts observes them and stands where the last one stopped.

Every line has one event id, made of the conversation and the client's line id, so a line that is sent again is the same
event. Our lines are numbered by their offset on `outbound` plus one: a conversation is one customer, one customer is
one partition, so the numbers rise, and every process counts alike without remembering anything.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import Literal, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from producers.channels import chat_protocol as frames
from producers.channels import form
from producers.text.fields import FieldProblems, address_problem, prose, time_zone_problem
from producers.text.locales import locale_hint
from schemas import identity
from schemas.clock import MICROS, from_micros
from schemas.errors import Refused
from schemas.events import ChatEnded, Event, MessageReceived, StatusChanged, SurveyAnswered, TranscriptRequested
from schemas.facts import Outbound

__all__ = [
    "CHANNEL",
    "Conversation",
    "Gone",
    "Passed",
    "Rules",
    "Step",
    "conversation_id",
    "fold",
    "observe",
    "opened_by",
    "sign",
]

CHANNEL = "chat"
#: Characters of a comment, of a name, of an order number.
_COMMENT, _NAME, _ORDER = 2_000, 200, 64
#: Fields of a MessageReceived that say what only chat knows.
LINE_FIELD, VISITOR_FIELD, PAGE_FIELD = "line", "visitor", "page_url"

Outcome = Literal["closed", "abandoned", "timed_out"]
Phase = Literal["form", "queued", "answered", "ended"]


class Rules(Struct, frozen=True, kw_only=True):
    """What the settings say. Durations in micros of the pipeline clock.

    grace    a visitor may be away for so long
    idle     nobody writes for so long, after a person answered
    longest  a conversation may last for so long
    """

    source: str = "chat"
    secrets: tuple[str, ...] = ("",)
    line_characters: int = 4_000
    most_lines: int = 500
    grace: int = 120 * MICROS
    idle: int = 900 * MICROS
    longest: int = 7_200 * MICROS


class Written(Struct, frozen=True):
    """A line of the visitor; `line` is the client's id."""

    line: str
    text: str
    at: int


class Conversation(Struct, frozen=True, kw_only=True):
    """One conversation. Times are micros.

    ticket_id   '' until the log tells it
    gone_since  when the visitor's connection was lost; None while there is one
    solved      an agent solved or closed the ticket: the next step ends the conversation
    transcript  is asked for; `mailed` once it was requested from the stream processors
    """

    phase: Phase = "form"
    thread_id: str = ""
    visitor: str = ""
    customer_id: str = ""
    name: str = ""
    language: str = ""
    time_zone: str = ""
    order_number: str = ""
    page_url: str = ""
    ticket_id: str = ""
    started_at: int = 0
    answered_at: int | None = None
    touched_at: int = 0
    gone_since: int | None = None
    ended_at: int | None = None
    outcome: Outcome = "closed"
    solved: bool = False
    written: tuple[Written, ...] = ()
    said: tuple[frames.Said, ...] = ()
    position: int = 0
    transcript: bool = False
    mailed: bool = False

    @property
    def customer_tag(self) -> str:
        return identity.customer_tag(self.customer_id)

    @property
    def email(self) -> str:
        """The address of the form, '' when none was given."""
        return self.customer_id.removeprefix("email:") if self.customer_id.startswith("email:") else ""

    @property
    def lines(self) -> int:
        return len(self.written) + len(self.said)

    def wrote(self, line: str) -> bool:
        """Whether Kafka has this line."""
        return any(written.line == line for written in self.written)


class Gone(Struct, frozen=True):
    """The visitor's connection is lost."""


class Passed(Struct, frozen=True):
    """Time passed, or the place in the queue is another. `position` 0 when it is not known."""

    position: int = 0


class Step(NamedTuple):
    """What an input comes to: the state and the frames hold once Kafka has the events."""

    state: Conversation
    events: tuple[Event, ...] = ()
    frames: tuple[frames.ServerFrame, ...] = ()


def conversation_id(start: frames.Start) -> str:
    """The thread id: the same form sent again is the same conversation."""
    return identity.event_id("chat-conversation", start.visitor, start.conversation)


def sign(thread_id: str, secret: str) -> str:
    """The token that resumes a conversation; whoever has it has the conversation."""
    digest = hmac.new(secret.encode(), b"chat-resume\0" + thread_id.encode(), sha256).digest()
    return f"{thread_id}.{base64.b32encode(digest[:20]).decode().lower()}"


def opened_by(token: str, secrets: Sequence[str]) -> str:
    """The thread id that a token opens.

    Raises:
        Refused: `bad_token`.
    """
    thread_id = token.partition(".")[0]
    signed = [sign(thread_id, secret) for secret in secrets] if token.isascii() else []
    if not any(hmac.compare_digest(each, token) for each in signed):
        raise Refused("bad_token", "this token opens no conversation")
    return thread_id


# -- what the visitor's side does -------------------------------------------------------------------------------------


def fold(state: Conversation, frame: frames.VisitorFrame | Gone | Passed, now: int, rules: Rules) -> Step:
    """One input of the visitor's side, at `now` micros. `Start` and `Leave` may meet the empty state.

    Raises:
        FieldProblems: `bad_fields`, a form is not complete; every problem by field.
        Refused: `bad_line`, `too_long`, `too_many_lines`, `ended`, `not_started`, `not_ended`, `no_email`,
            `not_answered`.
    """
    if isinstance(frame, frames.Start):
        return _start(state, frame, now, rules)
    if isinstance(frame, frames.Leave):
        return _leave(state, frame, now, rules)
    if isinstance(frame, frames.Ping):
        return Step(state, frames=(frames.Pong(),))
    if state.phase == "form":
        if isinstance(frame, Gone | Passed):
            return Step(state)
        raise Refused("not_started", "start or resume a conversation first")
    if isinstance(frame, frames.Line):
        return _line(state, frame.line, frame.text, now, rules)
    if isinstance(frame, frames.Resume):
        return _resume(state, frame.after, rules)
    if isinstance(frame, Gone):
        return Step(replace(state, gone_since=now) if state.gone_since is None else state)
    if isinstance(frame, Passed):
        return _passed(state, frame, now, rules)
    if isinstance(frame, frames.End):
        return _end(state, "abandoned" if state.answered_at is None else "closed", now, rules)
    if isinstance(frame, frames.Survey):
        return _survey(state, frame, now, rules)
    if isinstance(frame, frames.Transcript):
        return _transcript(state, now, rules)
    return Step(state)  # typing is not remembered


def _start(state: Conversation, frame: frames.Start, now: int, rules: Rules) -> Step:
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
            ("name", _too_long(frame.name, _NAME)),
            ("order_number", _too_long(frame.order_number, _ORDER)),
        )
        if problem
    }
    if problems:
        raise FieldProblems(problems)
    kind, value = ("email", email) if email else (CHANNEL, frame.visitor)
    opened = Conversation(
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
    )
    first = _line(opened, frame.line, frame.text, now, rules)
    shown = (_welcome(opened, rules, resumed=False), *first.frames, frames.StateNow(phase="queued"))
    return Step(first.state, first.events, shown)


def _line(state: Conversation, line: str, text: str, now: int, rules: Rules) -> Step:
    """A line that Kafka has already is published and acknowledged again: the publisher counts the duplicate."""
    known = next((written for written in state.written if written.line == line), None)
    if known is not None:
        return Step(state, (_message(state, known, rules),), (_ack(known),))
    if state.phase == "ended":
        raise Refused("ended", "this conversation is over; start another one")
    if problem := _text_problem(text, rules):
        raise Refused("too_long" if len(text) > rules.line_characters else "bad_line", problem)
    if len(state.written) >= rules.most_lines:
        raise Refused("too_many_lines", f"a conversation has at most {rules.most_lines} lines")
    written = Written(line, prose(text, rules.line_characters), now)
    after = replace(state, written=(*state.written, written), touched_at=now)
    return Step(after, (_message(state, written, rules),), (_ack(written),))


def _resume(state: Conversation, after: int, rules: Rules) -> Step:
    back = replace(state, gone_since=None)
    missed = tuple(said for said in state.said if said.number > after)
    return Step(back, frames=(_welcome(back, rules, resumed=True), *missed, _state(back), *_over(back)))


def _passed(state: Conversation, frame: Passed, now: int, rules: Rules) -> Step:
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


def _end(state: Conversation, outcome: Outcome, now: int, rules: Rules) -> Step:
    if state.phase == "ended":
        return Step(state, frames=_over(state))
    unseen = state.gone_since is not None and any(said.at * 1000 > state.gone_since for said in state.said)
    ended = replace(state, phase="ended", ended_at=now, outcome=outcome, position=0)
    events: tuple[Event, ...] = (_ended(ended, rules),)
    # What they never saw must still reach them. Nobody can have mail sent to a stranger: a person has answered.
    if _can_be_mailed(ended) and (ended.transcript or unseen):
        ended = replace(ended, mailed=True, transcript=True)
        events = (*events, _request(ended, now, rules))
    return Step(ended, events, _over(ended))


def _survey(state: Conversation, frame: frames.Survey, now: int, rules: Rules) -> Step:
    if state.phase != "ended":
        raise Refused("not_ended", "the conversation is not over")
    survey = SurveyAnswered(
        event_id=identity.event_id("chat-survey", state.thread_id),
        occurred_at=now,
        received_at=now,
        customer_tag=state.customer_tag,
        channel=CHANNEL,
        source=rules.source,
        ticket_id=state.ticket_id,
        thread_ref="" if state.ticket_id else state.thread_id,
        survey_id=state.thread_id,
        csat=frame.csat,
        comment=prose(frame.comment.strip(), _COMMENT),
        language=state.language,
    )
    return Step(state, (survey,), (frames.Done(what="survey"),))


def _transcript(state: Conversation, now: int, rules: Rules) -> Step:
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
    return Step(mailed, (_request(mailed, now, rules),), (frames.Done(what="transcript"),))


def _leave(state: Conversation, frame: frames.Leave, now: int, rules: Rules) -> Step:
    """The contact form, for when chat is not on offer: its fields, its checks, its channel."""
    values = {
        "name": frame.name,
        "email": frame.email,
        "order_number": frame.order_number,
        "message": frame.text,
        "language": frame.locale,
        "time_zone": frame.time_zone,
        "submission_id": frame.message,
    }
    try:
        left = form.normalise(values, now=now, source=rules.source)
    except FieldProblems as problems:
        named = {"text" if name == "message" else name: problem for name, problem in problems.fields.items()}
        raise FieldProblems(named) from problems
    return Step(state, (left,), (frames.Done(what="leave", message=frame.message),))


# -- what the log says ------------------------------------------------------------------------------------------------


def observe(state: Conversation, record: object, number: int = 0) -> Step:
    """One record of the conversation, in the order of its partition; a record may come twice. No events.

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


def _said(state: Conversation, record: Outbound, number: int) -> Step:
    """Answers are taken from `outbound`, as they are to be delivered: every public `AgentReplied` is there once."""
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


def _remembered(state: Conversation, record: MessageReceived) -> Conversation:
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
            name=record.customer_name,
            language=record.language,
            time_zone=record.time_zone,
            order_number=record.order_number,
            page_url=record.fields.get(PAGE_FIELD, ""),
            started_at=record.occurred_at,
        )
    written = Written(line, record.text, record.occurred_at)
    return replace(state, written=(*state.written, written), touched_at=max(state.touched_at, record.occurred_at))


# -- events and frames ------------------------------------------------------------------------------------------------


def _message(state: Conversation, written: Written, rules: Rules) -> MessageReceived:
    """The address is the visitor's browser: an e-mail address that somebody typed must not lead into others' chats."""
    fields = {LINE_FIELD: written.line, VISITOR_FIELD: state.visitor, PAGE_FIELD: state.page_url}
    return MessageReceived(
        event_id=identity.event_id(CHANNEL, state.thread_id, written.line),
        occurred_at=written.at,
        received_at=written.at,
        customer_tag=state.customer_tag,
        channel=CHANNEL,
        source=rules.source,
        customer_id=state.customer_id,
        address=state.visitor,
        customer_name=state.name,
        text=written.text,
        full_text=written.text,
        thread_id=state.thread_id,
        language=state.language,
        time_zone=state.time_zone,
        order_number=state.order_number,
        fields={name: value for name, value in fields.items() if value},
    )


def _ended(state: Conversation, rules: Rules) -> ChatEnded:
    assert state.ended_at is not None
    waited_until = state.ended_at if state.answered_at is None else state.answered_at
    return ChatEnded(
        event_id=identity.event_id("chat-ended", state.thread_id),
        occurred_at=state.ended_at,
        received_at=state.ended_at,
        customer_tag=state.customer_tag,
        channel=CHANNEL,
        source=rules.source,
        customer_id=state.customer_id,
        address=state.visitor,
        thread_id=state.thread_id,
        outcome=state.outcome,
        wait_seconds=max(0, waited_until - state.started_at) / MICROS,
        lines=state.lines,
    )


def _request(state: Conversation, now: int, rules: Rules) -> TranscriptRequested:
    return TranscriptRequested(
        event_id=identity.event_id("chat-transcript", state.thread_id),
        occurred_at=now,
        received_at=now,
        customer_tag=state.customer_tag,
        channel=CHANNEL,
        source=rules.source,
        customer_id=state.customer_id,
        address=state.email,
        customer_name=state.name,
        thread_id=state.thread_id,
        transcript=_as_text(state),
        language=state.language,
    )


def _as_text(state: Conversation) -> str:
    """`10:02 Ann: text`, a line each, in the visitor's time zone; who we are is for the template to say."""
    zone = ZoneInfo(state.time_zone or "UTC")
    spoken = [(written.at // 1000, 0, state.name or state.email, written.text) for written in state.written]
    spoken += [(said.at, said.number, "", said.text) for said in state.said]
    lines = []
    for at, _, name, text in sorted(spoken, key=lambda line: line[:2]):
        clock = from_micros(at * 1000).astimezone(zone).strftime("%H:%M")
        lines.append(f"{clock} {name}: {text}" if name else f"{clock} > {text}")
    return "\n".join(lines)


def _welcome(state: Conversation, rules: Rules, *, resumed: bool) -> frames.Welcome:
    token = sign(state.thread_id, rules.secrets[0])
    return frames.Welcome(conversation=state.thread_id, token=token, resumed=resumed)


def _ack(written: Written) -> frames.Ack:
    return frames.Ack(line=written.line, at=written.at // 1000)


def _state(state: Conversation) -> frames.StateNow:
    phase = "queued" if state.phase == "form" else state.phase
    return frames.StateNow(phase=phase, position=state.position, transcript=state.transcript)


def _over(state: Conversation) -> tuple[frames.ServerFrame, ...]:
    if state.phase != "ended":
        return ()
    return (frames.Ended(outcome=state.outcome, transcript=_can_be_mailed(state)),)


def _can_be_mailed(state: Conversation) -> bool:
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
    """The page without its query, which may hold anything."""
    try:
        parts = urlsplit(url.strip()[:2_000])
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return prose(f"{parts.scheme}://{host}{parts.path}", 500)

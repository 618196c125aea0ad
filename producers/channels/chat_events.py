"""Makes the events of a chat conversation: lines, its end, the survey, the transcript. Pure.

Every event has one id, made of the conversation and the client's line id: a line that is sent again is the same event.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from producers.channels import chat_protocol as frames
from producers.channels.chat_state import (
    CHANNEL,
    LINE_FIELD,
    PAGE_FIELD,
    VISITOR_FIELD,
    ChatConversation,
    Rules,
    Written,
)
from producers.text.fields import prose
from schemas import identity
from schemas.clock import MICROS, from_micros
from schemas.events import ChatEnded, MessageReceived, SurveyAnswered, TranscriptRequested

__all__ = ["ended", "message", "survey_answer", "transcript_request"]

#: Characters of a comment.
_COMMENT = 2_000


def message(state: ChatConversation, written: Written, rules: Rules) -> MessageReceived:
    """Returns the event of a line of the visitor.

    Its address is the visitor's browser: an e-mail address that somebody typed must not lead into others' chats.
    """
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
        verified=state.verified,
    )


def ended(state: ChatConversation, rules: Rules) -> ChatEnded:
    """Returns the event of the end of a conversation."""
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
        verified=state.verified,
    )


def survey_answer(state: ChatConversation, frame: frames.Survey, now: int, rules: Rules) -> SurveyAnswered:
    """Returns the score and comment of a visitor; one conversation has one.

    The conversation and the browser say whose ticket it is. The ticket is a hint: it may be another one of the customer.
    """
    return SurveyAnswered(
        event_id=identity.event_id("chat-survey", state.thread_id),
        occurred_at=now,
        received_at=now,
        customer_tag=state.customer_tag,
        channel=CHANNEL,
        source=rules.source,
        ticket_id=state.ticket_id,
        thread_ref=state.thread_id,
        survey_id=state.thread_id,
        csat=frame.csat,
        comment=prose(frame.comment.strip(), _COMMENT),
        language=state.language,
        address=state.visitor,
        verified=state.verified,
    )


def transcript_request(state: ChatConversation, now: int, rules: Rules) -> TranscriptRequested:
    """Returns the request that the stream processors mail the transcript."""
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
        verified=state.verified,
    )


def _as_text(state: ChatConversation) -> str:
    """Returns the transcript: `10:02 Ann: text` per line, in the visitor's time zone. The template names our side."""
    zone = ZoneInfo(state.time_zone or "UTC")
    spoken = [(written.at // 1000, 0, state.name or state.email, written.text) for written in state.written]
    spoken += [(said.at, said.number, "", said.text) for said in state.said]
    lines = []
    for at, _, name, text in sorted(spoken, key=lambda line: line[:2]):
        clock = from_micros(at * 1000).astimezone(zone).strftime("%H:%M")
        lines.append(f"{clock} {name}: {text}" if name else f"{clock} > {text}")
    return "\n".join(lines)

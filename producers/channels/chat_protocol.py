"""The frames of live chat, between a visitor's browser and the chat process, and their AsyncAPI document.

One JSON object per WebSocket text message, told apart by `type`. The structs below decode and encode the frames, and
`asyncapi()` describes them from the same structs, so that code and document cannot differ.

A conversation, as the visitor's side sees it:

    ◀ offer                       at once after connecting: whether chat is on offer, and the fields of the form
    ▶ start                       the form, and the first line
    ◀ welcome, ack, state         the resume token; Kafka has the line; the place in the queue
    ◀ said                        our lines, numbered upwards (with gaps); ▶ line, ◀ ack for theirs
    ▶ resume                      on a new connection: the token and the number of the last line seen
    ◀ welcome, said ..., state    everything after that number
    ▶ end, or an agent ends it    ◀ ended; then ▶ survey, ▶ transcript
    ▶ leave                       instead of start, when chat is not on offer: a message that is answered by e-mail

A line counts as received when its `ack` came, and only then: the client keeps it until then and sends it again, with
the same id, after a `problem` with `retry_after` and after every `resume`. The same id again is the same line.
"""

from __future__ import annotations

import typing
from typing import Annotated, Any, Literal

import msgspec

from schemas.errors import Refused

__all__ = [
    "CLOSE_CODES",
    "FROM_SERVER",
    "FROM_VISITOR",
    "Ack",
    "Done",
    "End",
    "Ended",
    "Leave",
    "Line",
    "Offer",
    "Ping",
    "Pong",
    "Problem",
    "Resume",
    "Said",
    "ServerFrame",
    "Start",
    "StateNow",
    "Survey",
    "Transcript",
    "Typing",
    "VisitorFrame",
    "Welcome",
    "asyncapi",
    "decode",
    "encode",
]

#: Ids made by a client that open something: unguessable, so long enough for 128 random bits.
Secret = Annotated[str, msgspec.Meta(min_length=16, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
LineId = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="the client's own id of this line; the same id again is the same line",
    ),
]
Number = Annotated[
    int,
    msgspec.Meta(ge=0, le=2**53 - 1, description="of a line of ours: rises within a conversation, with gaps"),
]
Millis = Annotated[int, msgspec.Meta(description="milliseconds since 1970 UTC")]
Fields = Annotated[dict[str, str], msgspec.Meta(description="field of the form → what is wrong with it")]


class Frame(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True):
    """The base of every frame."""


# -- from the visitor -------------------------------------------------------------------------------------------------


class Start(Frame, frozen=True, tag="start", kw_only=True):
    """Begin a conversation: the pre-chat form with the first line. The same `conversation` again resumes it.

    Every field is checked, and `problem` says what is wrong field by field. `email` may be empty: then the answer can
    only come here, and there is no transcript. `user_hash` is the shop's signature of the address of a user who is signed
    in there; without it nobody knows whose address it is.
    """

    visitor: Secret
    conversation: Secret
    line: LineId
    text: str
    name: str = ""
    email: str = ""
    order_number: str = ""
    locale: str = ""
    time_zone: str = ""
    page_url: str = ""
    user_hash: Annotated[str, msgspec.Meta(max_length=128)] = ""


class Resume(Frame, frozen=True, tag="resume", kw_only=True):
    """Go on with a conversation on a new connection. An older connection of it is closed with 4001."""

    token: Annotated[str, msgspec.Meta(max_length=200)]
    after: Number = 0


class Line(Frame, frozen=True, tag="line", kw_only=True):
    """The visitor wrote a line."""

    line: LineId
    text: str


class Typing(Frame, frozen=True, tag="typing"):
    """Says that the visitor (or, from the server, the agent) is writing or has stopped."""

    on: bool = True


class End(Frame, frozen=True, tag="end"):
    """The visitor ends the conversation."""


class Transcript(Frame, frozen=True, tag="transcript"):
    """Send the conversation by e-mail to the address of the form: at its end, or at once if it has ended."""


class Survey(Frame, frozen=True, tag="survey", kw_only=True):
    """The visitor's score, 1 (bad) to 5 (good), once the conversation has ended."""

    csat: Annotated[int, msgspec.Meta(ge=1, le=5)]
    comment: str = ""


class Leave(Frame, frozen=True, tag="leave", kw_only=True):
    """Leave a message that is answered by e-mail: the contact form. `done` follows once Kafka has it."""

    message: LineId
    text: str
    name: str = ""
    email: str = ""
    order_number: str = ""
    locale: str = ""
    time_zone: str = ""
    user_hash: Annotated[str, msgspec.Meta(max_length=128)] = ""


class Ping(Frame, frozen=True, tag="ping"):
    """Asks for a `pong`. Browsers do not show scripts the pings of WebSocket itself."""


# -- from the server --------------------------------------------------------------------------------------------------


class Offer(Frame, frozen=True, tag="offer", kw_only=True):
    """Says if a conversation can be started now.

    `reason` is `` when it can, else `closed` outside business hours, `busy` while no agent is free, or `starting`.

    `brand` is the name of whose page it is, with its `colours` (`colour`, `text_colour`) and, by language, the window's `titles`
    and `greetings`; all are left out where no brand is configured.

    `hours` are our hours by language, `reply_times` within which time most are answered (`3 hours`): in the chat while it is on
    offer, else by e-mail. Both are left out where they are not known.
    """

    available: bool
    reason: Literal["", "closed", "busy", "starting"] = ""
    opens_at: Millis | None = None
    brand: str = ""
    colours: dict[str, str] = {}
    titles: dict[str, str] = {}
    greetings: dict[str, str] = {}
    hours: dict[str, str] = {}
    reply_times: dict[str, str] = {}


class Welcome(Frame, frozen=True, tag="welcome", kw_only=True):
    """The conversation is open on this connection. `token` resumes it: whoever has the token has the conversation."""

    conversation: str
    token: str
    resumed: bool = False


class Ack(Frame, frozen=True, tag="ack", kw_only=True):
    """The line of this id is durable in Kafka; its client may forget it."""

    line: str
    at: Millis


class Said(Frame, frozen=True, tag="said", kw_only=True):
    """A line of ours. `author` is `agent` for a person, `desk` for an automatic message."""

    number: Number
    author: Literal["agent", "desk"]
    text: str
    at: Millis


class StateNow(Frame, frozen=True, tag="state", kw_only=True):
    """The state of the conversation. `position` counts from 1 while `queued`, 0 when it is not known."""

    phase: Literal["queued", "answered", "ended"]
    position: int = 0
    transcript: Annotated[bool, msgspec.Meta(description="a transcript is asked for")] = False


class Ended(Frame, frozen=True, tag="ended", kw_only=True):
    """The conversation is over. `survey` and `transcript` say what can still be sent."""

    outcome: Literal["closed", "abandoned", "timed_out"]
    survey: bool = True
    transcript: bool = False


class Done(Frame, frozen=True, tag="done", kw_only=True):
    """Kafka has what was asked for."""

    what: Literal["survey", "transcript", "leave"]
    message: str = ""


class Problem(Frame, frozen=True, tag="problem", kw_only=True):
    """A frame was not taken.

    `reason` is one word for programs, `detail` a sentence for people. With `retry_after` (seconds) the same frame will
    be taken later; without, never. `line` is the id of the line that it is about.
    """

    reason: str
    detail: str = ""
    line: str = ""
    fields: Fields = {}
    retry_after: float | None = None


class Pong(Frame, frozen=True, tag="pong"):
    """The answer to `ping`."""


VisitorFrame = Start | Resume | Line | Typing | End | Transcript | Survey | Leave | Ping
ServerFrame = Offer | Welcome | Ack | Said | StateNow | Typing | Ended | Done | Problem | Pong
FROM_VISITOR: tuple[type[Frame], ...] = typing.get_args(VisitorFrame)
FROM_SERVER: tuple[type[Frame], ...] = typing.get_args(ServerFrame)

#: Why the server closes a connection. After 4001 and 1008 the client must not connect again by itself.
CLOSE_CODES = {
    1001: "the server goes away: connect again and resume",
    1007: "a text message that is not UTF-8",
    1008: "too many frames that could not be read, or far too many frames",
    1009: "a message longer than the server takes",
    4001: "the conversation was resumed on another connection",
    4002: "the client does not read what it is sent: connect again and resume",
}

_decoder: msgspec.json.Decoder[VisitorFrame] = msgspec.json.Decoder(VisitorFrame)
_encoder = msgspec.json.Encoder()


def decode(message: str | bytes) -> VisitorFrame:
    """Returns the frame of one WebSocket message.

    Raises:
        Refused: `bad_frame`, it is not JSON, of no known type, or a field is of the wrong kind; the detail says which.
    """
    try:
        return _decoder.decode(message)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Refused("bad_frame", str(error)[:300]) from error


def encode(frame: ServerFrame | VisitorFrame) -> str:
    """Returns one WebSocket text message. Text never holds lone surrogates: it came through `fields.prose`."""
    return _encoder.encode(frame).decode()


def asyncapi() -> dict[str, Any]:
    """Returns the AsyncAPI 3.0 document of the protocol."""
    kinds = tuple(dict.fromkeys((*FROM_VISITOR, *FROM_SERVER)))
    _, schemas = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    messages = {
        _tag(kind): {
            "name": _tag(kind),
            "summary": _summary(kind),
            "contentType": "application/json",
            "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
        }
        for kind in kinds
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Deskstream: live chat", "version": "1", "description": _description()},
        "defaultContentType": "application/json",
        "channels": {
            "chat": {
                "address": "/chat",
                "description": "One WebSocket per visitor; a browser's Origin must be on the allow list.",
                "messages": {_tag(kind): {"$ref": f"#/components/messages/{_tag(kind)}"} for kind in kinds},
                "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
            }
        },
        "operations": {
            "fromVisitor": _operation("receive", FROM_VISITOR, "What the visitor's side sends."),
            "toVisitor": _operation("send", FROM_SERVER, "What the server sends."),
        },
        "components": {"messages": messages, "schemas": {name: schemas[name] for name in sorted(schemas)}},
    }


def _operation(action: str, kinds: tuple[type[Frame], ...], summary: str) -> dict[str, Any]:
    channel = "#/channels/chat"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "summary": summary,
        "messages": [{"$ref": f"{channel}/messages/{_tag(kind)}"} for kind in kinds],
    }


def _tag(kind: type[Frame]) -> str:
    return str(kind.__struct_config__.tag)


def _summary(kind: type[Frame]) -> str:
    return (kind.__doc__ or "").strip().split("\n")[0]


def _description() -> str:
    codes = "\n".join(f"- {code}: {meaning}" for code, meaning in CLOSE_CODES.items())
    return f"{(__doc__ or '').strip()}\n\nClose codes:\n\n{codes}\n"

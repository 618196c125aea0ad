"""Turns reports of a help centre and its bot, JSON objects with a `type`, into events of self-service.

| type             | event                                                                                     |
|------------------|-------------------------------------------------------------------------------------------|
| `article_viewed` | ArticleViewed                                                                             |
| `searched`       | ArticleViewed with the `query` and how many `results` it had                              |
| `article_rated`  | ArticleViewed with the `reaction` `helped` or `not_helped`                                |
| `person_wanted`  | ArticleViewed with the `reaction` `contacted` or `chat`: self-service ended with a person |
| `bot_turn`       | BotAnswered; when it is the second that `failed` in its conversation, a hand-over as well |
| `hand_over`      | MessageReceived on channel `bot`: the customer wants a person, or the bot gave up         |

A hand-over carries the whole conversation, so that the customer repeats nothing: `full_text` is all of it, `text` the
customer's last question. Each `bot_turn` carries the lines before it (`conversation`), so the request alone shows that
the bot failed twice. A conversation is handed over once for that, and once more for every `hand_over` of the customer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from producers.channels.customer import Known, known
from producers.text.fields import MAX_SHORT, FieldProblems, identifier, moment, prose, time_zone_problem
from producers.text.locales import locale_hint
from schemas import identity
from schemas.errors import Refused
from schemas.events import UNVERIFIED, ArticleViewed, BotAnswered, Event, MessageReceived
from schemas.text import one_line

__all__ = [
    "BOT",
    "CHANNEL",
    "FAILURES",
    "Customer",
    "Rated",
    "Searched",
    "Viewed",
    "Wanted",
    "article_event",
    "json_schema",
    "normalise",
]

CHANNEL, BOT = "help_centre", "bot"
#: A bot that has failed so often in a conversation hands it over.
FAILURES = 2
_SUBJECT = 120
_WHOLE = 3_000_000

_Id = Annotated[str, Meta(min_length=1, max_length=300)]
_Short = Annotated[str, Meta(max_length=MAX_SHORT)]
_Text = Annotated[str, Meta(max_length=20_000)]
_Said = Annotated[str, Meta(min_length=1, max_length=20_000)]
_WHO = {"customer": "Customer", "bot": "Bot", "agent": "Agent"}


class Customer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A customer, named by at least one of the first four. `visitor_id` is the browser's, as in the chat.

    `signed_in`: they are signed in with you, so you know that this is them; what somebody typed proves nothing.
    """

    email: _Short = ""
    phone: _Short = ""
    external_id: _Short = ""
    visitor_id: _Short = ""
    name: _Short = ""
    time_zone: _Short = ""
    signed_in: bool = False


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing said; `failed`: the bot had no answer, or the customer said that it did not help."""

    by: Literal["customer", "bot", "agent"]
    text: _Text
    failed: bool = False


_Lines = Annotated[list[Line], Meta(max_length=1_000)]


class _Report(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True):
    """`id` is your own of this event: the same again is the same event. `occurred_at` is now when left out, `brand` a slug."""

    id: _Id
    customer: Customer
    occurred_at: _Short = ""
    language: Annotated[str, Meta(max_length=35)] = ""
    brand: Annotated[str, Meta(max_length=40)] = ""


class Viewed(_Report, frozen=True, kw_only=True, tag="article_viewed"):
    """An article was read; `query` is the search that led to it."""

    article_id: _Id
    query: _Short = ""


class Searched(_Report, frozen=True, kw_only=True, tag="searched"):
    """Somebody searched; no `results` means that self-service had nothing for them."""

    query: Annotated[str, Meta(min_length=1, max_length=MAX_SHORT)]
    results: Annotated[int, Meta(ge=0, le=1_000_000_000)]


class Rated(_Report, frozen=True, kw_only=True, tag="article_rated"):
    """Somebody said whether an article helped."""

    article_id: _Id
    helped: bool
    query: _Short = ""


class Wanted(_Report, frozen=True, kw_only=True, tag="person_wanted"):
    """Somebody went on to a person, from an article or a search: sent the `form`, or was led to the `chat`."""

    by: Literal["form", "chat"]
    article_id: _Short = ""
    query: _Short = ""


class BotTurn(_Report, frozen=True, kw_only=True, tag="bot_turn"):
    """The bot answered. `conversation` is what was said before; `resolved` when the customer said that it helped."""

    conversation_id: _Id
    question: _Said
    answer: _Text = ""
    article_id: _Short = ""
    resolved: bool = False
    failed: bool = False
    conversation: _Lines = []


class HandOver(_Report, frozen=True, kw_only=True, tag="hand_over"):
    """A person is wanted. `conversation` is all that was said; `question` what it is about, if the bot knows."""

    conversation_id: _Id
    conversation: Annotated[list[Line], Meta(min_length=1, max_length=1_000)]
    reason: Literal["asked", "failed", "rule"] = "asked"
    question: _Text = ""
    subject: Annotated[str, Meta(max_length=300)] = ""
    order_number: Annotated[str, Meta(max_length=64)] = ""


_Article = Viewed | Searched | Rated | Wanted
_DECODER: msgspec.json.Decoder[_Article | BotTurn | HandOver] = msgspec.json.Decoder(
    Viewed | Searched | Rated | Wanted | BotTurn | HandOver
)
_WANTED = {"form": "contacted", "chat": "chat"}


def normalise(body: bytes, *, now: int, source: str = "") -> Sequence[Event]:
    """Returns the events of one report: one, or two when a bot gives up. `now` is pipeline microseconds.

    Raises:
        FieldProblems: `bad_fields`, by the path of the field.
        Refused: `bad_json`.
    """
    report = _decoded(body)
    who, common = _common(report, now, source)
    if isinstance(report, _Article):
        return [_viewed(report, common)]
    if isinstance(report, HandOver):
        key = identity.event_id("help-hand-over", report.conversation_id, report.id)
        return [_handed_over(report, report.conversation, key, who, common)]
    lines = [*report.conversation, Line("customer", report.question), Line("bot", report.answer, report.failed)]
    events: list[Event] = [_bot_answered(report, common)]
    if report.failed and sum(line.failed for line in lines if line.by == "bot") >= FAILURES:
        wanted = HandOver(
            id=report.id, customer=report.customer, occurred_at=report.occurred_at, language=report.language,
            conversation_id=report.conversation_id, conversation=lines, reason="failed",
        )  # fmt: skip
        key = identity.event_id("help-gave-up", report.conversation_id)
        events.append(_handed_over(wanted, lines, key, who, common))
    return events


def article_event(report: Viewed | Searched | Rated | Wanted, *, now: int, source: str = "") -> ArticleViewed:
    """Returns the event of what a visitor of our help pages did.

    Raises:
        FieldProblems: `bad_fields`, by the path of the field.
    """
    return _viewed(report, _common(report, now, source)[1])


def json_schema() -> dict[str, Any]:
    """Returns the JSON schema of a report, without references to elsewhere."""
    kinds = (Viewed, Searched, Rated, Wanted, BotTurn, HandOver)
    schemas, components = msgspec.json.schema_components(kinds, ref_template="#/{name}")
    return {"oneOf": [_resolved(schema, components) for schema in schemas]}


def _resolved(schema: Any, components: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_resolved(each, components) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _resolved(components[schema["$ref"].removeprefix("#/")], components)
    return {name: _resolved(value, components) for name, value in schema.items()}


def _decoded(body: bytes) -> _Article | BotTurn | HandOver:
    try:
        return _DECODER.decode(body)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        raise FieldProblems({path.rstrip("`").lstrip(".") or "type": problem}) from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Refused("bad_json", str(error)[:300]) from error


def _common(report: _Report, now: int, source: str) -> tuple[Known, dict[str, Any]]:
    """Returns the customer, and the fields of every event of a report."""
    problems: dict[str, str] = {}
    person = report.customer
    who = known(person.email, person.phone, other=("external", person.external_id))
    if not who.customer_id:
        who = known(other=("chat", person.visitor_id))
    if not who.customer_id:
        problems["customer"] = "needs a usable email, phone (as +81...), external_id or visitor_id"
    if problem := time_zone_problem(person.time_zone):
        problems["customer.time_zone"] = problem
    occurred_at = now
    if report.occurred_at:
        try:
            occurred_at = min(moment(report.occurred_at, now=now), now)
        except ValueError as error:
            problems["occurred_at"] = str(error)
    if problems:
        raise FieldProblems(problems)
    return who, {
        "occurred_at": occurred_at,
        "received_at": now,
        "customer_tag": identity.customer_tag(who.customer_id),
        "customer_id": who.customer_id,
        "source": source,
        "language": locale_hint(report.language),
        "verified": "platform" if person.signed_in else UNVERIFIED,
        "brand": report.brand,
    }


def _viewed(report: _Article, common: dict[str, Any]) -> ArticleViewed:
    reaction = ""
    if isinstance(report, Rated):
        reaction = "helped" if report.helped else "not_helped"
    elif isinstance(report, Wanted):
        reaction = _WANTED[report.by]
    return ArticleViewed(
        event_id=identity.event_id("help-centre", report.id),
        channel=CHANNEL,
        article_id="" if isinstance(report, Searched) else identifier(report.article_id, 300),
        query=prose(report.query, MAX_SHORT),
        results=report.results if isinstance(report, Searched) else None,
        reaction=reaction,
        **common,
    )


def _bot_answered(report: BotTurn, common: dict[str, Any]) -> BotAnswered:
    return BotAnswered(
        event_id=identity.event_id("help-bot", report.conversation_id, report.id),
        channel=BOT,
        thread_id=identifier(report.conversation_id, 300),
        question=prose(report.question),
        answer=prose(report.answer),
        article_id=identifier(report.article_id),
        resolved=report.resolved,
        **common,
    )


def _handed_over(
    report: HandOver, lines: Sequence[Line], event_id: str, who: Known, common: dict[str, Any]
) -> MessageReceived:
    said = [prose(line.text.strip()) for line in lines if line.by == "customer" and line.text.strip()]
    text = prose(report.question.strip()) or (said[-1] if said else prose(lines[-1].text))
    subject = prose(report.subject.strip(), 300) or _subject(said[0] if said else text)
    return MessageReceived(
        event_id=event_id,
        channel=BOT,
        address=who.address,
        customer_name=prose(report.customer.name.strip(), 200),
        subject=subject,
        text=text,
        full_text=prose("\n".join(f"{_WHO[line.by]}: {line.text.strip()}" for line in lines), _WHOLE),
        thread_id=identifier(report.conversation_id, 300),
        time_zone=report.customer.time_zone,
        order_number=prose(report.order_number.strip(), 64),
        fields={"hand_over": report.reason},
        **common,
    )


def _subject(text: str) -> str:
    """Returns how a conversation began, on one line: what it is about, for people."""
    line = one_line(text)
    return line if len(line) <= _SUBJECT else f"{line[: _SUBJECT - 1]}…"

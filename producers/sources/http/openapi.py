"""Describes the two endpoints for /docs, from the tables that also check the input."""

from __future__ import annotations

import inspect
import re
from typing import Any

import msgspec

from producers.channels import form, generic_fields
from producers.sources.http.requests import JSON_PROBLEM
from schemas import events, signature

__all__ = ["EVENTS", "EVENT_RESPONSES", "FORM", "FORM_RESPONSES", "SIGNED_HEADERS"]

_TICKET = "ABCDEFGHIJKL-1"
_EXAMPLES: dict[str, dict[str, Any]] = {
    "message_received": {
        "id": "m-17",
        "channel": "chat",
        "customer_id": "chat:visitor-5",
        "thread_id": "c-3",
        "text": "Hello?",
    },
    "agent_replied": {
        "id": "r-9",
        "ticket_id": _TICKET,
        "agent_id": "mei",
        "agent_name": "Mei",
        "html": "<p>Here is <b>the label</b>.</p>",
        "public": True,
        "cc": ["bob@example.org"],
        "quoted": [{"author": "Ann Lee", "at": "2026-03-02T10:00:00+00:00", "text": "Where is my label?"}],
    },
    "note_added": {"id": "n-1", "ticket_id": _TICKET, "agent_id": "mei", "text": "Asked the warehouse."},
    "status_changed": {"id": "s-1", "ticket_id": _TICKET, "agent_id": "mei", "status": "solved"},
    "transferred": {"id": "t-1", "ticket_id": _TICKET, "agent_id": "mei", "to_team": "delivery", "reason": "lost"},
    "tag_corrected": {"id": "g-1", "ticket_id": _TICKET, "agent_id": "mei", "add": ["payment.card_declined"]},
    "assignment_changed": {"id": "a-3", "ticket_id": _TICKET, "agent_id": "mei", "to_agent": "tom"},
    "priority_changed": {"id": "u-6", "ticket_id": _TICKET, "agent_id": "mei", "priority": "high"},
    "follow_changed": {"id": "f-7", "ticket_id": _TICKET, "agent_id": "mei", "on": True},
    "offer_answered": {"id": "o-9", "ticket_id": _TICKET, "agent_id": "mei", "outcome": "accepted"},
    "roster_changed": {
        "id": "e-2",
        "agent_id": "mei",
        "team": "support",
        "skills": ["refunds", "refunds.2"],
        "weights": {"chat": 0.5},
    },
    "presence_changed": {
        "id": "p-1",
        "agent_id": "mei",
        "team": "support",
        "status": "online",
        "capacity": {"chat": 2, "default": 4},
        "languages": ["en", "zh-Hans"],
    },
    "survey_answered": {
        "id": "a-1",
        "ticket_id": _TICKET,
        "survey_id": "sv-1",
        "csat": 5,
        "ces": 6,
        "comment": "Fast!",
    },
    "call_ended": {
        "id": "call-4",
        "channel": "voicemail",
        "customer_id": "tel:+15550100",
        "outcome": "voicemail",
        "wait_seconds": 41,
        "transcript": "Please call me back.",
    },
    "article_viewed": {"id": "v-1", "customer_id": "email:ann@example.org", "article_id": "returns"},
    "order_placed": {
        "id": "o-1",
        "customer_id": "email:ann@example.org",
        "order_number": "10023",
        "amount": 4990,
        "currency": "EUR",
    },
    "order_changed": {
        "id": "o-2",
        "customer_id": "email:ann@example.org",
        "order_number": "10023",
        "change": "refunded",
        "amount": 4990,
        "currency": "EUR",
    },
    "customers_merged": {
        "id": "mg-1",
        "from_customer_id": "email:ann@example.org",
        "into_customer_id": "ext:4711",
        "agent_id": "mei",
        "reason": "Same person, told me on the phone.",
    },
    "customers_split": {
        "id": "sp-1",
        "customer_id": "ext:4711",
        "to_customer_id": "email:ann@example.org",
        "ticket_ids": [_TICKET],
        "agent_id": "mei",
    },
    "erasure_requested": {"id": "er-1", "customer_id": "email:ann@example.org", "requested_by": "dpo"},
    "call_started": {"id": "call-5", "channel": "phone", "customer_id": "tel:+15550100", "call_id": "c-5"},
    "call_answered": {
        "id": "call-5-taken",
        "channel": "phone",
        "customer_id": "tel:+15550100",
        "call_id": "c-5",
        "agent_id": "mei",
        "wait_seconds": 12,
    },
    "consent_changed": {
        "id": "stop-1",
        "channel": "sms",
        "customer_id": "tel:+15550100",
        "wish": "stop",
        "keyword": "STOP",
    },
    "bot_answered": {
        "id": "b-1",
        "channel": "bot",
        "customer_id": "chat:visitor-5",
        "thread_id": "c-4",
        "question": "How do I return this?",
        "answer": "Print the label in your account.",
        "article_id": "returns",
        "resolved": True,
    },
}


#: A line of a record's docstring that describes a field, or several: names, two spaces or more, what they are.
_FIELD = re.compile(r"([a-z_]+(?:, [a-z_]+)*) {2,}(\S.*)")
_NOT_NEEDED = {"occurred_at", "address"}


def _schema(name: str, kind: type[events.Event]) -> dict[str, Any]:
    about, own = _told(kind)
    fields = _told(events.Event)[1] | own
    properties: dict[str, Any] = {
        "type": {"const": name},
        "id": {"type": "string", "description": "your own id of this event; the same id again is the same event"},
        "occurred_at": {"type": "string", "format": "date-time", "description": "now when left out"},
        "channel": {"enum": list(events.CHANNELS)},
    }
    for field in msgspec.structs.fields(kind):
        if field.name in generic_fields.fields_of(kind):
            schemas, _ = msgspec.json.schema_components([field.type])
            told = {"description": fields[field.name]} if field.name in fields else {}
            properties[field.name] = _plain(schemas[0], field.type) | told
    if "verified" in properties:
        properties["verified"] = {
            "enum": list(events.VERIFICATIONS),
            "description": "how you know that the customer did this; none when left out: then they are told nothing stored",
        }
    named: dict[str, Any] = {}
    left_out = _NOT_NEEDED | ({"ticket_id"} if kind in generic_fields.BY_THREAD else set())
    if kind in generic_fields.BY_THREAD:
        properties["customer_id"] = {"type": "string", "description": "whose conversation thread_ref names"}
        named = {"anyOf": [{"required": ["ticket_id"]}, {"required": ["thread_ref", "customer_id"]}]}
    if kind in generic_fields.BY_CUSTOMER:
        properties["customer_id"] = {"type": "string", "description": "who is to be forgotten"}
        named = {"required": ["type", "customer_id"]}
    if kind is events.AgentReplied:
        left_out = left_out | {"text"}
        named = {"allOf": [named, {"oneOf": [{"required": ["text"]}, {"required": ["html"]}]}]}
    needed = [field.name for field in msgspec.structs.fields(kind) if field.required and field.name in properties]
    return {
        "title": name,
        "description": about,
        "type": "object",
        "properties": properties,
        "required": ["type", *(name for name in needed if name not in left_out)],
        **named,
        "additionalProperties": False,
    }


def _told(kind: type[events.Event]) -> tuple[str, dict[str, str]]:
    """Returns `(what the record is, field → what it is)` of its docstring, where a field's line is `name    what it is`."""
    about: list[str] = []
    fields: dict[str, str] = {}
    names: list[str] = []
    for line in inspect.cleandoc(kind.__doc__ or "").splitlines():
        if told := _FIELD.fullmatch(line):
            names = told[1].split(", ")
            fields |= dict.fromkeys(names, told[2])
        elif names and line.startswith("  "):
            fields |= {name: f"{fields[name]} {line.strip()}" for name in names}
        else:
            about.append(line)
    return "\n".join(about).strip(), fields


def _plain(schema: dict[str, Any], kind: Any) -> dict[str, Any]:
    """Returns the schema without references: the nested records are attachments and quoted messages."""
    if schema.get("items", {}).get("$ref"):
        names = [field.name for field in msgspec.structs.fields(kind.__args__[0])]
        return {"type": "array", "items": {"type": "object", "properties": {name: {} for name in names}}}
    return schema


_FORM_SCHEMA = form.json_schema(form.FIELDS)
_FORM_EXAMPLE = {
    "name": "Ann Lee",
    "email": "ann@example.org",
    "subject": "Where is my parcel?",
    "message": "Order 10023 was to arrive on Friday.",
    "order_number": "10023",
    "language": "en",
    "time_zone": "Europe/Dublin",
}

FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {"schema": _FORM_SCHEMA, "example": _FORM_EXAMPLE},
            "application/json": {"schema": _FORM_SCHEMA, "example": _FORM_EXAMPLE},
        },
    }
}
#: The headers of every endpoint that keys are for.
SIGNED_HEADERS: list[dict[str, Any]] = [
    {
        "name": signature.HEADER,
        "in": "header",
        "required": True,
        "schema": {"type": "string"},
        "description": "t=<unix seconds>,k=<key id>,sha256=<hex SHA-256 of the body>,v2=<hex HMAC-SHA256>, keyed with the "
        "key's secret over the lines deskstream-v2, t, k, method, path with query, Idempotency-Key (or an empty line) and "
        "sha256, joined by line feeds. Valid for five minutes",
    },
    {
        "name": signature.KEY_HEADER,
        "in": "header",
        "required": False,
        "schema": {"type": "string", "pattern": "^[!-~]([ -~]*[!-~])?$", "maxLength": signature.MOST_IDEMPOTENCY_KEY},
        "description": "signed with the rest; /v1/agents/... takes it as the id of an object that has none",
    },
]
EVENTS: dict[str, Any] = {
    "parameters": SIGNED_HEADERS,
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"oneOf": [_schema(name, kind) for name, kind in generic_fields.KINDS.items()]},
                "examples": {
                    name: {"summary": name, "value": {"type": name, **value}} for name, value in _EXAMPLES.items()
                },
            }
        },
    },
}
_ACCEPTED = {
    "type": "object",
    "properties": {
        "event_id": {"type": "string"},
        "duplicate": {"type": "boolean"},
        "customer_tag": {"type": "string"},
        "ticket_hint": {"type": "string"},
    },
    "required": ["event_id", "duplicate", "customer_tag", "ticket_hint"],
}
_WHY = {
    400: "not readable",
    401: "not signed, wrongly signed, or more than five minutes ago",
    403: "switched off, or the key lacks a scope or may not speak for that agent",
    408: "the body came too slowly",
    413: "the body is too large",
    429: "more than your share: send the same again after Retry-After seconds",
    415: "wrong type",
    422: "fields are wrong; `problems` names each with what is wrong",
    503: "Kafka does not answer; send the same again after Retry-After seconds",
}
_PAGE = {"text/html": {"schema": {"type": "string"}}}


def _responses(*codes: int, page: bool) -> dict[int | str, dict[str, Any]]:
    """Returns 202 and what else may be answered; `page`: as a web page to who asks for one."""
    other = _PAGE if page else {}
    example = {
        "event_id": "GIMTKYVM6JUZM5LDA2UU7NEWYQ",
        "duplicate": False,
        "customer_tag": "ABCDEFGHIJKL",
        "ticket_hint": "ABCDEFGHIJKL-*",
    }
    told = {"application/json": {"schema": _ACCEPTED, "example": example}, **other}
    return {
        202: {"description": "Kafka has it", "content": told},
        **{code: {"description": _WHY[code], "content": {**JSON_PROBLEM, **other}} for code in codes},
    }


FORM_RESPONSES = _responses(400, 408, 413, 415, 422, 429, 503, page=True)
EVENT_RESPONSES = _responses(400, 401, 403, 408, 413, 422, 429, 503, page=False)

"""Inputs for the JSON channels: built from the schema of the API page, some of them broken in a few fields."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from producers.channels import form, generic_fields
from producers.sources.http import openapi

_CONTENT = openapi.EVENTS["requestBody"]["content"]["application/json"]
#: Texts that a schema allows and that are hard: cards, controls, other scripts, half a pair of a surrogate's place.
texts = st.text(max_size=20) | st.sampled_from(
    ["4111 1111 1111 1111", "\x00", "\u202etxt", "お世話になります", "a" * 999]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
#: Values of fields whose schema is text and whose meaning is narrower.
_KNOWN: dict[str, st.SearchStrategy[Any]] = {
    "ticket_id": st.sampled_from(["ABCDEFGHIJKL-1", "abcdefghijkl-77"]),
    "ticket_ref": st.sampled_from(["", "ABCDEFGHIJKL-1"]),
    "ticket_ids": st.lists(st.just("ABCDEFGHIJKL-1"), max_size=3),
    "time_zone": st.sampled_from(["", "Asia/Tokyo", "Europe/Dublin"]),
    "occurred_at": st.sampled_from(["2026-03-01T10:00:00Z", "2026-03-02T10:00:00+09:00"]),
    "sent_at": st.sampled_from([None, "2026-03-01T10:00:00Z"]),
    "customer_id": st.sampled_from(["email:Ann@example.org", "tel:+15550100", "chat:v-5"]),
    "from_customer_id": st.just("email:ann@example.org"),
    "into_customer_id": st.just("email:lee@example.org"),
    "to_customer_id": st.just("email:lee@example.org"),
    "priority": st.sampled_from(["", "low", "urgent"]),
    "csat": st.integers(1, 5),
    "ces": st.integers(1, 7),
    "causation_depth": st.integers(0, 9),
    "amount": st.integers(0, 10**6),
}


def _of_schema(name: str, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if name in _KNOWN:
        return _KNOWN[name]
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([_of_schema("", each) for each in schema["anyOf"]])
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "string": texts,
        "integer": st.integers(0, 1000),
        "number": st.floats(0, 1000),
        "boolean": st.booleans(),
        "null": st.none(),
        "array": st.lists(texts, max_size=3) if "properties" not in schema.get("items", {}) else st.just([]),
        "object": st.dictionaries(texts, st.integers(0, 9) if name in ("capacity", "weights") else texts, max_size=3),
    }
    return kinds[schema["type"]]


@st.composite
def generic_objects(draw: st.DrawFn) -> dict[str, Any]:
    """An object for the generic endpoint: the example of a type, more fields by the schema, up to two of them broken."""
    schema = draw(st.sampled_from(_CONTENT["schema"]["oneOf"]))
    name, properties = schema["title"], schema["properties"]
    body = dict(_CONTENT["examples"][name]["value"])
    optional = sorted(set(properties) - {"type", "status", "wish", "outcome", "channel", *body})
    for field in draw(st.lists(st.sampled_from(optional), max_size=5, unique=True)) if optional else ():
        body[field] = draw(_of_schema(field, properties[field]))
    return draw(broken(body, sorted(properties)))


@st.composite
def forms(draw: st.DrawFn) -> dict[str, Any]:
    """A submitted form: the needed fields, some of the others, up to two of them broken."""
    properties = form.json_schema(form.FIELDS)["properties"]
    body: dict[str, Any] = {"email": draw(st.sampled_from(["ann@example.org", "o'neill+x@Example.ORG"]))}
    body["message"] = draw(texts.filter(lambda text: text.strip() != ""))
    optional = sorted(set(properties) - {*body, form.HONEYPOT})
    for field in draw(st.lists(st.sampled_from(optional), max_size=4, unique=True)):
        body[field] = draw(_of_schema(field, properties[field]))
    return draw(broken(body, sorted(properties)))


@st.composite
def broken(draw: st.DrawFn, body: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """The object as it is (half of the time), or with one or two fields added, exchanged or removed."""
    if draw(st.booleans()):
        return body
    for _ in range(draw(st.integers(1, 2))):
        field = draw(st.sampled_from(names) | st.text(max_size=8))
        if draw(st.integers(0, 3)) == 0:
            body.pop(field, None)
        else:
            body[field] = draw(json_values)
    return body


__all__ = ["broken", "forms", "generic_objects", "json_values", "texts"]
assert set(_CONTENT["examples"]) == set(generic_fields.KINDS)

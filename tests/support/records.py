"""Hypothesis strategies for every record of the contract, built from the structs themselves."""

from __future__ import annotations

import types
import typing
from typing import Any

import msgspec
from hypothesis import strategies as st

from schemas.events import Micros

LONG = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    Micros: LONG,
    int: LONG,
    str: TEXT,
    bool: st.booleans(),
    bytes: st.binary(max_size=20),
    float: st.floats(allow_nan=False),
}


def records(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Any record of this kind: required fields always, the others sometimes left to their defaults."""
    hints = typing.get_type_hints(kind, include_extras=True)
    fields = {field.name: (field.required, _values(hints[field.name])) for field in msgspec.structs.fields(kind)}
    return st.fixed_dictionaries(
        {name: values for name, (required, values) in fields.items() if required},
        optional={name: values for name, (required, values) in fields.items() if not required},
    ).map(lambda chosen: kind(**chosen))


def example(kind: type[msgspec.Struct], **fields: Any) -> Any:
    """One record of this kind: required fields get a plain value of their type, unless given."""
    hints = typing.get_type_hints(kind, include_extras=True)
    plain: dict[Any, Any] = {
        Micros: 1_700_000_000_000_000,
        int: 7,
        str: "text",
        bool: True,
        bytes: b"bytes",
        float: 0.5,
        dict[str, bytes]: {"word": b"bytes"},
    }
    required = {field.name: plain[hints[field.name]] for field in msgspec.structs.fields(kind) if field.required}
    return kind(**(required | fields))


def _values(hint: Any) -> st.SearchStrategy[Any]:
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        return st.lists(_values(arguments[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(TEXT, _values(arguments[1]), max_size=3)
    if origin in (types.UnionType, typing.Union):
        return st.none() | _values(next(argument for argument in arguments if argument is not types.NoneType))
    return records(hint)

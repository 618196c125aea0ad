"""Keeps `avro/` and the structs in step, and refuses a change that an older version could not live with.

`python -m schemas.evolution` checks; `--write` publishes what is new as the next version. Compatibility is *full
transitive*: every version reads every other, both ways. A published version is never edited: `avro/published.txt`
holds its fingerprint.
"""

from __future__ import annotations

import json
import sys
import types
import typing
from collections.abc import Iterator
from typing import Any

import avro.compatibility
import avro.schema
import msgspec

from schemas.codec import AVRO, RECORDS, fingerprint, snake, versions
from schemas.events import Micros

PUBLISHED = AVRO / "published.txt"
_PRIMITIVE = {str: "string", int: "long", float: "double", bool: "boolean", bytes: "bytes"}


def derive(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Returns the Avro schema of a struct."""
    hints = typing.get_type_hints(kind, include_extras=True)
    fields = []
    for field in msgspec.structs.fields(kind):
        entry: dict[str, Any] = {"name": field.name, "type": _avro_type(hints[field.name])}
        if not field.required:
            default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
            entry["default"] = default.decode("latin-1") if isinstance(default, bytes) else default
        fields.append(entry)
    doc = (kind.__doc__ or "").strip().splitlines()[0]
    return {"type": "record", "name": kind.__name__, "namespace": "deskstream", "doc": doc, "fields": fields}


def _avro_type(hint: Any) -> Any:
    if hint is Micros:
        return {"type": "long", "logicalType": "timestamp-micros"}
    if hint in _PRIMITIVE:
        return _PRIMITIVE[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        return {"type": "array", "items": _avro_type(arguments[0])}
    if origin is dict:
        return {"type": "map", "values": _avro_type(arguments[1])}
    if origin in (types.UnionType, typing.Union):
        inner = next(argument for argument in arguments if argument is not types.NoneType)
        return ["null", _avro_type(inner)]
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return derive(hint)
    raise TypeError(f"{hint!r} has no Avro type here")


def incompatibilities(older: dict[str, Any], newer: dict[str, Any]) -> list[str]:
    """Returns why two schemas cannot read each other; empty when both directions work."""
    first, second = (avro.schema.parse(json.dumps(schema)) for schema in (older, newer))
    problems = []
    for reader, writer, way in ((second, first, "new reads old"), (first, second, "old reads new")):
        result = avro.compatibility.ReaderWriterCompatibilityChecker().get_compatibility(reader, writer)
        if result.compatibility is not avro.compatibility.SchemaCompatibilityType.compatible:
            problems += [f"{way}: {message}" for message in sorted(result.messages)]
    return problems


def losses(older: Any, newer: Any, place: str = "") -> Iterator[str]:
    """Yields what Avro would let pass and we do not: a field taken away, and a type or unit that means something else.

    Avro reads a removed field as its default, bytes as text, and knows nothing of microseconds becoming a count.
    """
    if isinstance(older, dict) and isinstance(newer, dict) and older["type"] == newer["type"] == "record":
        types = {field["name"]: field["type"] for field in newer["fields"]}
        for field in older["fields"]:
            if field["name"] in types:
                yield from losses(field["type"], types[field["name"]], f"{place}{field['name']}.")
            else:
                yield f"{place}{field['name']} was removed"
    elif isinstance(older, dict) and isinstance(newer, dict) and older["type"] == newer["type"] == "array":
        yield from losses(older["items"], newer["items"], place)
    elif older != newer:
        yield f"{place.rstrip('.')} was {_type_name(older)} and is now {_type_name(newer)}"


def _type_name(kind: Any) -> str:
    if isinstance(kind, list):
        return " or ".join(map(_type_name, kind))
    return str(kind.get("logicalType") or kind["type"]) if isinstance(kind, dict) else str(kind)


def problems() -> Iterator[str]:
    """Yields everything that is wrong, one line each."""
    present = _lines()
    for kind in RECORDS:
        known = versions(kind)
        wanted = derive(kind)
        if not known or known[max(known)] != wanted:
            yield f"{kind.__name__}: its struct differs from its newest schema; run `make generate`"
        yield from conflicts(kind.__name__, wanted, known)
    for line in sorted(present - _published()):
        yield f"{line.split('=')[0]}: not in {PUBLISHED.name} as it stands; run `make generate`"
    yield from _edited(present)


def _published() -> set[str]:
    return set(PUBLISHED.read_text("utf-8").split()) if PUBLISHED.exists() else set()


def _edited(present: set[str]) -> list[str]:
    """Returns a line for each published schema that was changed or removed."""
    return [
        f"{line.split('=')[0]}: a published schema was changed or removed; restore it and add a new version"
        for line in sorted(_published() - present)
    ]


def conflicts(name: str, wanted: dict[str, Any], known: dict[int, dict[str, Any]]) -> Iterator[str]:
    """Yields the conflicts of a schema with every earlier version, one line each."""
    for number, schema in known.items():
        for reason in dict.fromkeys([*losses(schema, wanted), *incompatibilities(schema, wanted)]):
            yield f"{name}: not compatible with version {number}: {reason}; give every new field a default, remove or retype none"


def write() -> list[str]:
    """Publishes every struct that differs from its newest schema as the next version; returns the new file names.

    Raises:
        SystemExit: a change is not compatible, or a published schema was edited; nothing was written.
    """
    wanted = {kind: derive(kind) for kind in RECORDS}
    known = {kind: versions(kind) for kind in RECORDS}
    changed = [kind for kind in RECORDS if not known[kind] or known[kind][max(known[kind])] != wanted[kind]]
    clashes = [line for kind in changed for line in conflicts(kind.__name__, wanted[kind], known[kind])]
    clashes += _edited(_lines())
    if clashes:
        raise SystemExit("\n".join(clashes))
    new = []
    for kind in changed:
        path = AVRO / f"{snake(kind.__name__)}.v{max(known[kind], default=0) + 1}.avsc"
        path.write_text(json.dumps(wanted[kind], indent=1) + "\n", "utf-8")
        new.append(path.name)
    PUBLISHED.write_text("\n".join(sorted(_lines())) + "\n", "utf-8")
    return new


def _lines() -> set[str]:
    """Returns `name.vN=fingerprint` of every schema in `avro/`."""
    return {
        f"{snake(kind.__name__)}.v{number}={fingerprint(schema).hex()}"
        for kind in RECORDS
        for number, schema in versions(kind).items()
    }


def main(arguments: list[str]) -> int:
    """Checks, or writes with `--write`; returns the exit code."""
    if arguments == ["--write"]:
        for name in write():
            print(f"new: schemas/avro/{name}")
        return 0
    if arguments:
        print(__doc__)
        return 2
    found = list(problems())
    print("\n".join(found) if found else f"{len(RECORDS)} record types, every version fully compatible")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

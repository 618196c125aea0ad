"""A schema may only grow: what an older version could not live with is refused, by name."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from schemas import codec, evolution
from schemas.events import Attachment, MessageReceived, Micros, NoteAdded, RoutingUpdate, Tick
from tests.schemas.conftest import Registry, forget


def field(schema: dict[str, Any], name: str) -> dict[str, Any]:
    return next(entry for entry in schema["fields"] if entry["name"] == name)


def drop(schema: dict[str, Any], name: str) -> None:
    schema["fields"].remove(field(schema, name))


def test_the_published_schemas_are_in_step_with_the_structs() -> None:
    assert list(evolution.problems()) == []


def test_the_command_says_so_and_exits_0() -> None:
    done = subprocess.run([sys.executable, "-m", "schemas.evolution"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{len(codec.RECORDS)} record types, every version fully compatible\n"


def test_an_unknown_argument_is_wrong_usage() -> None:
    assert evolution.main(["--wrong"]) == 2


# -- what a struct's annotations become ---------------------------------------------------------------------------


class Everything(msgspec.Struct):
    """One of each.

    Not part of the doc."""

    text: str
    number: int
    ratio: float
    flag: bool
    raw: bytes
    moment: Micros
    perhaps: int | None = None
    when: Micros | None = None
    words: list[str] = []
    amounts: dict[str, int] = {}
    files: list[Attachment] = []
    key: bytes = b"\xff"
    name: str = "x"


def test_every_type_that_a_field_can_have_maps_to_avro() -> None:
    derived = evolution.derive(Everything)
    assert {name: derived[name] for name in ("type", "name", "namespace", "doc")} == {
        "type": "record",
        "name": "Everything",
        "namespace": "deskstream",
        "doc": "One of each.",
    }
    micros = {"type": "long", "logicalType": "timestamp-micros"}
    types = {entry["name"]: entry["type"] for entry in derived["fields"]}
    assert types == {
        "text": "string",
        "number": "long",
        "ratio": "double",
        "flag": "boolean",
        "raw": "bytes",
        "moment": micros,
        "perhaps": ["null", "long"],
        "when": ["null", micros],
        "words": {"type": "array", "items": "string"},
        "amounts": {"type": "map", "values": "long"},
        "files": {"type": "array", "items": evolution.derive(Attachment)},
        "key": "bytes",
        "name": "string",
    }
    defaults = {entry["name"]: entry["default"] for entry in derived["fields"] if "default" in entry}
    assert defaults == {
        "perhaps": None,
        "when": None,
        "words": [],
        "amounts": {},
        "files": [],
        "key": "ÿ",  # bytes stand in a JSON default as the code points 0 to 255
        "name": "x",
    }


def test_a_type_without_a_mapping_is_a_defect_that_shows_at_once() -> None:
    class Odd(msgspec.Struct):
        """A struct that the contract cannot hold."""

        what: complex

    with pytest.raises(TypeError, match=r"complex.* has no Avro type here"):
        evolution.derive(Odd)


# -- what is refused ----------------------------------------------------------------------------------------------


def with_colour(schema: dict[str, Any]) -> None:
    schema["fields"].append({"name": "colour", "type": "string", "default": ""})


def with_colour_in_attachments(schema: dict[str, Any]) -> None:
    with_colour(field(schema, "attachments")["type"]["items"])


def retype(name: str, kind: Any) -> Any:
    return lambda schema: field(schema, name).update(type=kind)


MICROS = {"type": "long", "logicalType": "timestamp-micros"}


@pytest.mark.parametrize(
    ("kind", "older", "complaint"),
    [
        (NoteAdded, with_colour, "colour was removed"),
        (MessageReceived, with_colour_in_attachments, "attachments.colour was removed"),
        (NoteAdded, retype("text", "long"), "text was long and is now string"),
        (NoteAdded, retype("text", "bytes"), "text was bytes and is now string"),
        (NoteAdded, retype("occurred_at", "long"), "occurred_at was long and is now timestamp-micros"),
        (NoteAdded, retype("causation_depth", MICROS), "causation_depth was timestamp-micros and is now long"),
        (MessageReceived, retype("sent_at", ["null", "long"]), "sent_at was null or long and is now null or timestamp"),
        (MessageReceived, retype("sent_at", "null"), "sent_at was null and is now null or timestamp"),
        (MessageReceived, retype("headers", {"type": "map", "values": "long"}), "headers was map and is now map"),
        (NoteAdded, lambda schema: drop(schema, "text"), "new reads old: .*text"),
        (NoteAdded, lambda schema: schema.update(name="Note"), "new reads old: .*"),
    ],
)
def test_a_change_that_old_versions_could_not_live_with_is_refused(
    registry: Registry, kind: type[msgspec.Struct], older: Any, complaint: str
) -> None:
    registry.rewrite(kind, older)
    found = list(evolution.problems())
    assert found
    assert all(problem.startswith(f"{kind.__name__}: not compatible with version 1: ") for problem in found)
    assert any(re.search(complaint, problem) for problem in found), found


def test_every_earlier_version_counts_not_only_the_one_before(registry: Registry) -> None:
    versions = codec.versions(NoteAdded)
    newest = versions[max(versions)]
    oldest = json.loads(json.dumps(newest))
    with_colour(oldest)
    registry.publish(NoteAdded, 1, oldest)
    registry.publish(NoteAdded, 2, newest)
    registry.publish(NoteAdded, 3, newest)
    assert [problem.split(": ")[1] for problem in evolution.problems()] == ["not compatible with version 1"]


def test_an_edited_published_file_is_noticed(registry: Registry) -> None:
    path = registry.path(NoteAdded, 1)
    path.write_text(path.read_text("utf-8").replace('"agent_id"', '"agent"'), "utf-8")
    assert "note_added.v1: a published schema was changed or removed; restore it and add a new version" in set(
        evolution.problems()
    )


def test_writing_does_not_make_an_edited_published_file_right(registry: Registry) -> None:
    path = registry.path(NoteAdded, 1)
    path.write_text(path.read_text("utf-8").replace('"agent_id"', '"agent"'), "utf-8")
    with pytest.raises(SystemExit, match=r"note_added\.v1: a published schema was changed or removed"):
        evolution.write()


def test_a_removed_published_file_is_noticed(registry: Registry) -> None:
    assert max(codec.versions(NoteAdded)) > 1  # the newest is still there
    registry.path(NoteAdded, 1).unlink()
    assert list(evolution.problems()) == [
        "note_added.v1: a published schema was changed or removed; restore it and add a new version"
    ]


def test_a_version_that_is_not_listed_as_published_is_noticed(registry: Registry) -> None:
    (registry.directory / "published.txt").unlink()
    assert len(list(evolution.problems())) == len(list(registry.directory.glob("*.avsc")))


def test_the_command_prints_the_problems_and_exits_1(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    registry.rewrite(NoteAdded, with_colour)
    assert evolution.main([]) == 1
    assert "NoteAdded: not compatible with version 1: colour was removed; give every new" in capsys.readouterr().out


# -- what is published --------------------------------------------------------------------------------------------


def test_a_field_with_a_default_becomes_the_next_version(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    *_, (newest, wanted) = codec.versions(RoutingUpdate).items()
    older = json.loads(json.dumps(wanted))
    drop(older, "preferred_agent")
    registry.publish(RoutingUpdate, newest, older)
    assert [problem.split(";")[0] for problem in evolution.problems()] == [
        "RoutingUpdate: its struct differs from its newest schema"
    ]
    assert evolution.main(["--write"]) == 0
    assert capsys.readouterr().out == f"new: schemas/avro/routing_update.v{newest + 1}.avsc\n"
    forget()
    assert list(codec.versions(RoutingUpdate).items())[-2:] == [(newest, older), (newest + 1, wanted)]
    assert list(evolution.problems()) == []


def test_writing_again_writes_nothing(registry: Registry) -> None:
    before = {path.name: path.read_bytes() for path in registry.directory.iterdir()}
    assert evolution.write() == []
    assert {path.name: path.read_bytes() for path in registry.directory.iterdir()} == before


def test_nothing_is_published_when_one_record_cannot_be(registry: Registry) -> None:
    for kind, change in ((Tick, with_colour), (MessageReceived, lambda schema: drop(schema, "tier"))):
        schema = json.loads(json.dumps(codec.versions(kind)[1]))
        change(schema)
        registry.publish(kind, 1, schema)
    before = {path.name: path.read_bytes() for path in registry.directory.iterdir()}
    with pytest.raises(SystemExit, match="Tick: not compatible with version 1: colour was removed"):
        evolution.write()
    assert {path.name: path.read_bytes() for path in registry.directory.iterdir()} == before

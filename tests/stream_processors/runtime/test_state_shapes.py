"""A state's shape never changes under the same version: an older build would silently drop the fields it does not know."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stream_processors.routing.processor import RoutingProcessor
from stream_processors.rules import ruleset
from stream_processors.runtime.processor import State
from stream_processors.spikes.processor import SpikesProcessor
from stream_processors.tickets.processor import TicketsProcessor

PINNED = Path(__file__).parents[2] / "examples" / "state_shapes.txt"


def kinds() -> list[type[State]]:
    rules = ruleset.load()
    processors = TicketsProcessor(rules), RoutingProcessor(), SpikesProcessor(rules)
    found = [kind for processor in processors for kind in processor.kinds.values()]
    return sorted(found, key=lambda kind: kind.__name__)


def shape(kind: type[State]) -> str:
    """A digest of the types of all fields in their order, of nested structs as well; names and texts do not matter."""
    schema = json.dumps(_bare(msgspec.json.schema(kind)), sort_keys=True)
    return hashlib.blake2b(schema.encode(), digest_size=8).hexdigest()


def _bare(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {name: _bare(value) for name, value in schema.items() if name not in ("description", "title", "default")}
    return [_bare(item) for item in schema] if isinstance(schema, list) else schema


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_a_changed_shape_has_a_version_of_its_own(kind: type[State]) -> None:
    version = getattr(kind, "VERSION", 1)
    line = f"{kind.__name__}.v{version}={shape(kind)}"
    assert line in PINNED.read_text("utf-8").splitlines(), (
        f"the fields of {kind.__name__}, or of what it holds, are others than those of version {version}: "
        f"raise its VERSION and add `{kind.__name__}.v{version + 1}={shape(kind)}` to {PINNED.name}"
    )


def test_a_version_has_one_shape() -> None:
    versions = [line.partition("=")[0] for line in PINNED.read_text("utf-8").splitlines()]
    assert versions == sorted(set(versions))

"""A directory of schemas that a test may change."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import msgspec
import pytest

from schemas import codec, evolution


class Registry:
    """A copy of `schemas/avro`, in force while the test runs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, kind: type[msgspec.Struct], version: int) -> Path:
        return self.directory / f"{codec.snake(kind.__name__)}.v{version}.avsc"

    def publish(self, kind: type[msgspec.Struct], version: int, schema: dict[str, Any]) -> None:
        """Put a version into the directory, and its fingerprint into the list, as if it had been published."""
        self.path(kind, version).write_text(json.dumps(schema), "utf-8")
        name = f"{codec.snake(kind.__name__)}.v{version}="
        listed = self.directory / "published.txt"
        others = [line for line in listed.read_text("utf-8").split() if not line.startswith(name)]
        listed.write_text("\n".join([*others, name + codec.fingerprint(schema).hex()]), "utf-8")
        forget()

    def rewrite(self, kind: type[msgspec.Struct], change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Make version 1 differ from the struct in one way; today's schema stays the newest version."""
        newest = codec.versions(kind)
        older = json.loads(json.dumps(newest[max(newest)]))
        change(older)
        self.publish(kind, max(newest) + 1, newest[max(newest)])
        self.publish(kind, 1, older)
        return older


def forget() -> None:
    codec._readers.cache_clear()
    codec._writers.cache_clear()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    directory = copytree(codec.AVRO, tmp_path / "avro")
    monkeypatch.setattr(codec, "AVRO", directory)
    monkeypatch.setattr(evolution, "AVRO", directory)
    monkeypatch.setattr(evolution, "PUBLISHED", directory / "published.txt")
    forget()
    yield Registry(directory)
    forget()

"""Reads YAML with line numbers, so that every complaint about a configuration file names file and line.

`read(path)` gives the data, its content version (12 hex characters of SHA-256) and `line(*keys)`, the line on
which a value stands.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

import yaml

from schemas.errors import ConfigurationError

#: A file that stands for more, because its parts repeat each other, would take minutes to read.
_MOST_NODES = 1_000_000


@dataclass(frozen=True)
class Document:
    """Holds one file: `data` as plain Python, `version` by content."""

    path: Path
    data: Any
    version: str
    _root: yaml.Node | None

    def line(self, *keys: str | int) -> int:
        """Returns the line (from 1) of the value at `keys`, or of its nearest parent that exists."""
        node, line = self._root, 1
        for key in keys:
            child = _child(node, key)
            if child is None:
                break
            node, line = child, child.start_mark.line + 1
        return line

    def refuse(self, problem: str, *keys: str | int, fix: str = "") -> NoReturn:
        """Raises a `ConfigurationError` that names this file and the line of `keys`."""
        raise ConfigurationError(problem, where=f"{self.path}:{self.line(*keys)}", fix=fix)

    def known(self, fields: dict[Any, Any], names: Iterable[str], *keys: str | int) -> None:
        """Refuses what the mapping at `keys` holds beside these names."""
        for name in fields:
            if name not in names:
                self.refuse(f"{name!r} is not known here", *keys, str(name), fix=f"use {', '.join(names)}")


def _child(node: yaml.Node | None, key: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key]  # type: ignore[no-any-return]
    if isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == str(key)), None)
    return None


def read(path: Path) -> Document:
    """Reads one YAML file.

    Raises:
        ConfigurationError: the file is missing, is not UTF-8, is not YAML, or gives a key twice.
    """
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8")
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
        if _size(root, {}) > _MOST_NODES:
            raise ConfigurationError("repeats its parts too often with *", where=str(path), fix="write them out")
        data = yaml.load(text, Loader=yaml.CSafeLoader)
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError("is not UTF-8", where=str(path)) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ConfigurationError(f"is not YAML: {getattr(error, 'problem', error)}", where=where) from error
    except ValueError as error:  # a number of thousands of digits, a day that does not exist
        raise ConfigurationError(f"holds a value that cannot be read: {error}", where=str(path)) from error
    except RecursionError as error:
        reason = "refers to itself with *, or has brackets within brackets too often"
        raise ConfigurationError(reason, where=str(path), fix="write it out") from error
    if twice := _key_given_twice(root):
        raise ConfigurationError(f"{twice.value!r} is given twice", where=f"{path}:{twice.start_mark.line + 1}")
    return Document(path, data, sha256(raw).hexdigest()[:12], root)


def _size(node: yaml.Node | None, known: dict[int, int]) -> int:
    """Returns how many values a node stands for, with what each `*` repeats.

    Raises:
        RecursionError: it holds itself.
    """
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if (size := known.get(id(node))) is None:
        parts = (part for pair in node.value for part in pair) if isinstance(node, yaml.MappingNode) else node.value
        size = known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return size


def _key_given_twice(node: yaml.Node | None) -> yaml.ScalarNode | None:
    """Returns the first key that a mapping has twice: YAML parsers keep the last of two equal keys silently."""
    if isinstance(node, yaml.SequenceNode):
        return next((twice for child in node.value if (twice := _key_given_twice(child))), None)
    if not isinstance(node, yaml.MappingNode):
        return None
    seen: set[str] = set()
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
            if key.value in seen:
                return key
            seen.add(key.value)
        if twice := _key_given_twice(value):
            return twice
    return None

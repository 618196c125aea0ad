"""A YAML file with its line numbers, so that every complaint about it names file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import yaml

from schemas.errors import ConfigurationError

__all__ = ["Document", "read"]


class Document:
    """One file: `data` as plain Python."""

    def __init__(self, path: Path, data: Any, root: yaml.Node | None) -> None:
        self.path, self.data, self._root = path, data, root

    def line(self, *keys: str | int) -> int:
        """The line, from 1, of the value at `keys`, or of the nearest parent that is there."""
        node, line = self._root, 1
        for key in keys:
            node = _child(node, key)
            if node is None:
                break
            line = node.start_mark.line + 1
        return line

    def refuse(self, problem: str, *keys: str | int, fix: str = "") -> NoReturn:
        """Raise a `ConfigurationError` about the value at `keys`."""
        raise ConfigurationError(problem, where=f"{self.path}:{self.line(*keys)}", fix=fix)


def read(path: Path) -> Document:
    """Read one file.

    Raises:
        ConfigurationError: it cannot be read, is not UTF-8 or not YAML, or gives a key twice.
    """
    try:
        text = path.read_bytes().decode("utf-8")
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
        document = Document(path, yaml.load(text, Loader=yaml.CSafeLoader), root)
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError("is not UTF-8", where=str(path)) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ConfigurationError(f"is not YAML: {getattr(error, 'problem', error)}", where=where) from error
    _refuse_twins(path, root)
    return document


def _child(node: yaml.Node | None, key: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int):
        return node.value[key] if key < len(node.value) else None
    if isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == key), None)
    return None


def _refuse_twins(path: Path, node: yaml.Node | None) -> None:
    """Parsers keep the last of two equal keys and say nothing; here it is a mistake."""
    if isinstance(node, yaml.SequenceNode):
        for each in node.value:
            _refuse_twins(path, each)
    if not isinstance(node, yaml.MappingNode):
        return
    seen = set()
    for key, value in node.value:
        if key.value in seen and isinstance(key, yaml.ScalarNode):
            raise ConfigurationError(f"{key.value!r} is given twice", where=f"{path}:{key.start_mark.line + 1}")
        seen.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
        _refuse_twins(path, value)

"""Discovery of plug-ins: every module of a package declares something under an agreed name.

A new webhook endpoint, delivery channel, table or dashboard is one new file; no list has to be edited.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

from schemas.errors import ConfigurationError

__all__ = ["Owners", "declarations", "modules"]


def modules(package: str, prefix: str = "") -> list[ModuleType]:
    """Imports every module of the package whose name begins with `prefix`; returns them sorted by name."""
    found = pkgutil.iter_modules(importlib.import_module(package).__path__)
    names = sorted(module.name for module in found if module.name.startswith(prefix))
    return [importlib.import_module(f"{package}.{name}") for name in names]


def declarations(name: str, found: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Yields each module with what it declares under this name.

    Raises:
        ConfigurationError: a module declares nothing under it.
    """
    for module in found:
        declared = getattr(module, name, None)
        if not declared:
            raise ConfigurationError(f"it declares no {name}", where=module.__name__)
        yield module, declared


class Owners:
    """Holds which module claimed which name, so that no two modules claim the same."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}

    def claim(self, claimed: str, module: Any) -> None:
        """Notes that the name belongs to the module.

        Raises:
            ConfigurationError: another module has claimed it.
        """
        if claimed in self._owners:
            raise ConfigurationError(f"{claimed} already belongs to {self._owners[claimed]}", where=module.__name__)
        self._owners[claimed] = module.__name__

"""Every channel: what its own module `channels_<name>.py` measures, each with `figures(bench) -> list[Figure]`."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import tests.benchmarks
from tests.benchmarks.figures import Figure
from tests.benchmarks.harness import Bench, console

DESCRIPTION = "what the channels can take: mails normalised per second, and the figures of every other channel"


def run(bench: Bench) -> list[Figure]:
    figures: list[Figure] = []
    for module in _modules():
        console.print(f"[dim]{module.__name__.rpartition('.')[2]} …[/]")
        figures += module.figures(bench)
    return figures


def _modules() -> list[ModuleType]:
    names = sorted(module.name for module in pkgutil.iter_modules(tests.benchmarks.__path__))
    return [importlib.import_module(f"tests.benchmarks.{name}") for name in names if name.startswith("channels_")]

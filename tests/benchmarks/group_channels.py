"""Every channel: what its own module `channels_<name>.py` measures, each with `figures(bench) -> list[Figure]`."""

from __future__ import annotations

from schemas import plugins
from tests.benchmarks.figures import Figure
from tests.benchmarks.harness import Bench, console

DESCRIPTION = "what the channels can take: mails normalised per second, and the figures of every other channel"


def run(bench: Bench) -> list[Figure]:
    figures: list[Figure] = []
    for module in plugins.modules("tests.benchmarks", "channels_"):
        console.print(f"[dim]{module.__name__.rpartition('.')[2]} …[/]")
        figures += module.figures(bench)
    return figures

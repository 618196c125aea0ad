"""Defines a target of the fuzz: where inputs come from, how they are broken, and what must hold for each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from schemas import plugins

__all__ = ["EXAMPLES", "Mutator", "Target", "input_of", "targets"]

EXAMPLES = Path(__file__).parents[1] / "examples"

#: Rows of rows grow beyond all bounds.
_MOST_BYTES = 4_000_000
#: Breaks an input; the third argument holds the seeds, for parts of another one.
Mutator = Callable[[Random, bytes, Sequence[bytes]], bytes]
#: Takes one input and returns its outcome in a bounded word. Whatever it raises is a crash, `AssertionError` included.
Take = Callable[[bytes], str]


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that takes bytes of strangers.

    seeds     examples; each input begins as one of them
    mutators  each input goes through one to four of these
    open      prepares what is needed, once in each process, and returns what takes an input. An input leaves nothing
              behind that changes the outcome of another one
    weight    the share of inputs that it gets, beside 1 for others
    """

    name: str
    seeds: Callable[[], Sequence[bytes]]
    mutators: Sequence[Mutator]
    open: Callable[[], Take]
    weight: float = 1.0


def input_of(target: Target, seeds: Sequence[bytes], seed: int, number: int) -> bytes:
    """Returns the input of this number: the same for the same seed, on each machine."""
    chance = Random(f"{seed}:{target.name}:{number}")
    raw = chance.choice(seeds)
    for _ in range(chance.choice((1, 1, 2, 3, 4))):
        raw = chance.choice(target.mutators)(chance, raw, seeds)[:_MOST_BYTES]
    return raw


def targets() -> dict[str, Target]:
    """Returns all targets by name: each module in `targets/` declares `TARGETS`."""
    modules = plugins.modules("tests.fuzz.targets")
    found = {target.name: target for module in modules for target in module.TARGETS}
    return dict(sorted(found.items()))

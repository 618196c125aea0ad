"""`python -m tests.benchmarks [GROUP]`: our figures beside those of our peers, from one run on one broker.

Prints a table and merges the figures into `.bench/results.json` (a flat map). A group is a module in
`tests/benchmarks/` with `DESCRIPTION` and `run(bench) -> list[Figure]`.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from pathlib import Path
from types import ModuleType

from rich.console import Console
from rich.table import Table

import tests.benchmarks
from tests.benchmarks.figures import Figure
from tests.benchmarks.harness import ROOT, running

RESULTS = ROOT / ".bench" / "results.json"


def groups() -> dict[str, ModuleType]:
    """Every module of this package that declares a group, by name, sorted."""
    found = {}
    for module in sorted(pkgutil.iter_modules(tests.benchmarks.__path__), key=lambda each: each.name):
        if module.name.startswith("group_"):
            found[module.name.removeprefix("group_")] = importlib.import_module(f"tests.benchmarks.{module.name}")
    return found


def main(arguments: list[str]) -> int:
    known = groups()
    if arguments and (arguments[0] in ("-h", "--help") or arguments[0] not in known):
        print(__doc__)
        for name, module in known.items():
            print(f"  {name:10} {module.DESCRIPTION}")
        return 0 if arguments[0] in ("-h", "--help") else 2
    chosen = {name: known[name] for name in arguments} or known
    figures: list[Figure] = []
    with running() as bench:
        for module in chosen.values():
            figures += module.run(bench)
        figures += [Figure(f"rss_{name}_mb", round(value), "MB") for name, value in sorted(bench.memory.items())]
    report(figures)
    return 1 if any(figure.missed for figure in figures) else 0


def report(figures: list[Figure]) -> None:
    """The table for people, the flat map for machines."""
    RESULTS.parent.mkdir(exist_ok=True)
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps(before | {figure.key: figure.value for figure in figures}, indent=1, sort_keys=True))
    table = Table("figure", "value", "unit", "required", "", title="Deskstream benchmarks")
    for figure in figures:
        table.add_row(
            figure.key, f"{figure.value:,.4g}", figure.unit, figure.requirement, "missed" if figure.missed else ""
        )
    Console().print(table)
    print(f"written to {Path(RESULTS).relative_to(ROOT)}")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

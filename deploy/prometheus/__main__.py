"""Checks that `rules/` is what `slos.yaml` says, or writes it with `--write`: `python -m deploy.prometheus`.

`--to DIRECTORY --speed N` writes rules for a pipeline whose clock runs N times as fast, with every window N times shorter.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from deploy.prometheus import pipeline_rules, rule, service_rules, slo_rules, slos
from schemas.errors import ConfigurationError
from schemas.process import guarded

HERE = Path(__file__).parent
SOURCE = "deploy/prometheus/"


def files(plan: slos.Plan) -> dict[str, str]:
    """Returns the text of every file of rules, by its name in `rules/`."""
    made = {"pipeline.yaml": pipeline_rules, "service.yaml": service_rules, "slo.yaml": slo_rules}
    return {
        name: rule.text(
            rule.document(module.groups(plan), plan.runbooks, plan.dashboards),
            f"{SOURCE}slos.yaml and {module.__name__.rpartition('.')[2]}.py",
        )
        for name, module in made.items()
    }


def main() -> int:
    """Runs the command line; returns 1 when a file differs."""
    parser = argparse.ArgumentParser(prog="python -m deploy.prometheus", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the rules")
    parser.add_argument("--to", type=Path, default=HERE / "rules", help="where they are (default: rules/)")
    parser.add_argument("--speed", type=float, default=1.0, help="divide every window, offset and wait by this")
    parser.add_argument("--slos", type=Path, default=slos.FILE, help="another slos.yaml")
    chosen = parser.parse_args()
    made = files(slos.load(chosen.slos))
    if chosen.speed != 1.0:
        made = {name: rule.speeded(text, chosen.speed) for name, text in made.items()}
    if chosen.write:
        chosen.to.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            (chosen.to / name).write_text(text, "utf-8")
        return 0
    for path in sorted(chosen.to.glob("*.yaml")):
        if path.name not in made:
            raise ConfigurationError("is not made by the generator", where=str(path), fix="remove it")
    for name, text in made.items():
        path = chosen.to / name
        if not path.exists() or path.read_text("utf-8") != text:
            raise ConfigurationError("is not what slos.yaml makes", where=str(path), fix="run make generate")
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))

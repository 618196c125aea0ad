"""`python -m tests.fuzz`: fuzzes all targets or some, repeatable by the seed; takes kept inputs again."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from pathlib import Path

from tests.fuzz.runner import balanced, replayed, run, shares, table
from tests.fuzz.target import targets


def main() -> int:
    """Returns 0 when nothing offends."""
    logging.disable(logging.CRITICAL)
    reader = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    reader.add_argument("--inputs", type=int, default=20_000, help="of all targets together")
    reader.add_argument("--seed", type=int, default=1, help="another seed, other inputs")
    reader.add_argument("--only", default="", help="targets with one of these words in their names, comma-separated")
    reader.add_argument("--keep-in", type=Path, default=Path(".fuzz"), help="the folder of inputs that offend")
    reader.add_argument("--replay", type=Path, help="take this kept input, or all of a folder, again")
    reader.add_argument("--show", type=int, default=3, help="offences of each target that are printed")
    reader.add_argument("--outcomes", action="store_true", help="print what became of the inputs of each target")
    chosen = reader.parse_args()
    known = targets()
    if chosen.replay is not None:
        for line in replayed(chosen.replay, known):
            print(line, flush=True)
        return 0
    words = [word for word in chosen.only.split(",") if word]
    wanted = [target for target in known.values() if not words or any(word in target.name for word in words)]
    results, began = {}, time.monotonic()
    for target in wanted:
        inputs = shares(wanted, chosen.inputs)[target.name]
        started = time.monotonic()
        result = results[target.name] = run(target, inputs, chosen.seed, chosen.keep_in)
        if sys.stderr.isatty() or chosen.outcomes:
            print(f"{target.name}: {inputs} in {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
        for offence in result.offences[: chosen.show]:
            print(f"{offence.target} {offence.number}: {offence.what}: {offence.detail[-2500:]}", flush=True)
        if chosen.outcomes:
            print(json.dumps(dict(result.outcomes.most_common(12)), ensure_ascii=False), flush=True)
    print(table(results))
    print(f"seed {chosen.seed}, {time.monotonic() - began:.0f} s, offending inputs in {chosen.keep_in}")
    unbalanced = [name for name, result in results.items() if not balanced(result)]
    if unbalanced:
        print(f"received is not published + duplicates + dead-lettered: {', '.join(unbalanced)}")
    return int(bool(unbalanced) or any(result.offences for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())

"""`python -m tests.fuzz.guided TARGET`: fuzzes one target guided by coverage, with atheris where it is installed.

Atheris (the group `guided` of pyproject.toml; Linux on x86-64) keeps inputs that reach new code, and so finds what lies
behind checks that blind mutation does not pass. Each target of the fuzz works unchanged. What offends is written to
`.fuzz/guided/TARGET/`, and `python -m tests.fuzz --replay` takes it again when it is moved to `.fuzz/TARGET/X.input`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main() -> None:
    """Fuzzes until something offends or all runs are done; the process ends with atheris's own code."""
    reader = argparse.ArgumentParser(prog="python -m tests.fuzz.guided", description=__doc__)
    reader.add_argument("target")
    reader.add_argument("--runs", type=int, default=100_000)
    reader.add_argument("--seed", type=int, default=1)
    chosen = reader.parse_args()
    try:
        import atheris
    except ImportError:
        sys.exit("atheris is not installed: python -m pip install atheris (Linux on x86-64)")
    with atheris.instrument_imports(include=["producers", "schemas", "stream_processors"]):
        from tests.fuzz.measured import MOST_CPU_MS, MOST_MEGABYTES, quiet
        from tests.fuzz.target import targets

        target = targets()[chosen.target]  # which imports what all targets use
    quiet()
    take = target.open()

    def one(data: bytes) -> None:
        began = time.process_time()
        take(data)
        ms = (time.process_time() - began) * 1000
        if ms > 4 * MOST_CPU_MS:  # instrumented code is slower
            raise AssertionError(f"{ms:.0f} ms")

    kept = Path(".fuzz", "guided", target.name)
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-seeds-") as seeds:
        for number, raw in enumerate(target.seeds()):
            Path(seeds, str(number)).write_bytes(raw)
        limits: list[Any] = [f"-runs={chosen.runs}", f"-seed={chosen.seed}", "-timeout=10", "-max_len=100000"]
        limits += [f"-rss_limit_mb={2048 + MOST_MEGABYTES:.0f}", f"-artifact_prefix={kept}/", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *limits, seeds], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()

"""Java's ahead-of-time cache for Kafka: made once per download, it halves the time until the broker answers.

A short-lived broker in a scratch directory shows Java which classes to keep. Java checks by itself that the cache
belongs to these jars and to this Java, and does without it otherwise. So do we: no failure here stops a start.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy.local.jars import alone


def options(jars: Sequence[Path], java: Path, train: Callable[[Path, str], None]) -> list[str]:
    """Java's options to use the cache, which is made first if it is not there.

    `train(directory, option)` runs a broker in `directory` with this one more Java option, from start to stop.
    """
    release = java.parents[1] / "release"
    mark = hashlib.sha256(release.read_bytes() if release.exists() else os.fsencode(java)).hexdigest()[:8]
    home = next(parent for parent in jars[0].parents if parent.name.startswith("kafka-"))
    cache = home / f"java-{mark}.aot"
    with alone(home / "aot.lock"):
        if not cache.exists():
            _make(cache, train)
    return [f"-XX:AOTCache={cache}"] if cache.stat().st_size else []


def _make(cache: Path, train: Callable[[Path, str], None]) -> None:
    print("preparing Apache Kafka once, so that it starts quickly from now on", file=sys.stderr, flush=True)
    draft = cache.with_suffix(".draft")
    with tempfile.TemporaryDirectory(prefix="deskstream-kafka-") as scratch:
        try:
            train(Path(scratch), f"-XX:AOTCacheOutput={scratch}/kafka.aot")
            shutil.move(Path(scratch, "kafka.aot"), draft)
        except Exception as error:  # an optimisation: whatever it is, Kafka runs without
            print(f"that failed, Kafka will start more slowly: {error}", file=sys.stderr, flush=True)
            draft.write_bytes(b"")  # an empty file says: do not try again
    draft.rename(cache)

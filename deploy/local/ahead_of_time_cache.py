"""Makes Java's ahead-of-time cache for Kafka, once per download; it halves the time until the broker answers.

A short-lived broker in a scratch directory shows Java which classes to keep. Java checks that the cache belongs to these
jars and to this Java, and starts without it otherwise. No failure here stops a start.
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
    """Returns Java's options to use the cache, which is made first if it is missing.

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
        except Exception as error:  # Kafka runs without the cache, only slower
            print(f"that failed, Kafka will start more slowly: {error}", file=sys.stderr, flush=True)
            draft.write_bytes(b"")  # an empty file means: do not try again
    draft.rename(cache)

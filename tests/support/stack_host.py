"""Holds the servers of one test run: `python -m tests.support.stack_host MODE DIRECTORY PID BORN`.

The tests of all xdist workers share one Kafka and one ClickHouse. Whichever worker needs them first starts this
process, which writes `DIRECTORY/endpoints.json` (or `error.txt`, one line) and stops everything when the pytest process
`PID` (born at `BORN`, so that no stranger with the same pid is meant) is gone, or at SIGTERM.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NoReturn, Protocol

import psutil

from deploy.local.stack import Stack
from schemas.errors import DeskstreamError

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Endpoints(Protocol):
    kafka_bootstrap_servers: str
    clickhouse_url: str


def open_stack(mode: str, directory: Path) -> AbstractContextManager[Endpoints]:
    if mode == "containers":
        from tests.support.containers import Containers

        return Containers()
    return Stack(directory / "data", environ={})


def is_alive(pid: int, born: float) -> bool:
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - born) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def main(mode: str, directory: Path, pid: int, born: float) -> int:
    for number in _SIGNALS:
        signal.signal(number, leave)
    try:
        with open_stack(mode, directory) as stack:
            answer = {"kafka_bootstrap_servers": stack.kafka_bootstrap_servers, "clickhouse_url": stack.clickhouse_url}
            publish(directory / "endpoints.json", json.dumps(answer))
            while is_alive(pid, born):
                time.sleep(0.5)
    except DeskstreamError as error:
        publish(directory / "error.txt", str(error))
        return 1
    except Exception as error:
        publish(directory / "error.txt", " ".join(f"{type(error).__name__}: {error}".split()))
        raise
    shutil.rmtree(directory, ignore_errors=True)  # pytest was killed, and cannot tidy up any more
    return 0


def leave(*_: object) -> NoReturn:
    """Leave from wherever we are, also from the middle of a start, through every `with`; once."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise SystemExit(0)


def publish(path: Path, text: str) -> None:
    """Write so that a reader sees all of it or nothing."""
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.rename(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))

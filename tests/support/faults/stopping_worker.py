"""A worker that stops itself (SIGSTOP) at the worst moments: `python -m tests.support.faults.stopping_worker`.

It does so once when the file `<state directory>/<worker>.stop` is there: `outputs` in it stops the worker when a batch
is folded and nothing of it is written, `states` when its outputs are durable and its states are next.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stream_processors.__main__ import cli
from stream_processors.runtime.batch_writer import BatchWriter

ORDER = Path(os.environ["DESKSTREAM_STATE_DIR"]) / f"{os.environ['DESKSTREAM_WORKER_ID']}.stop"


def stopping(method: Callable[..., Any], moment: str) -> Callable[..., Any]:
    def stop_first(self: BatchWriter, *arguments: Any) -> Any:
        if ORDER.exists() and ORDER.read_text() == moment:
            ORDER.unlink()
            os.kill(os.getpid(), signal.SIGSTOP)
        return method(self, *arguments)

    return stop_first


if __name__ == "__main__":
    BatchWriter.add_dead_letters = stopping(BatchWriter.add_dead_letters, "outputs")  # type: ignore[method-assign]
    BatchWriter.write_changelog = stopping(BatchWriter.write_changelog, "states")  # type: ignore[method-assign]
    cli()

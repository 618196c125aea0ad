"""Takes costly mails in child processes of their own, within a budget of CPU and memory: `python -m ... NAME...`.

Prints a JSON object a line: the mail's name, its outcome, the CPU seconds and the megabytes that it took beside itself.
The outcome is `event`, the reason of a refusal, `memory` beyond the budget, `killed` after `CPU_SECONDS`.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

from producers.mail import event as email
from producers.mail.parse import parse
from producers.mail.reports import delivery_report
from schemas.errors import Refused
from tests.support.producers import mail_bombs

MEGABYTES = 200
CPU_SECONDS = 3
NOW = 1772445600_000000  # 2026-03-02T10:00:00Z


def taken(raw: bytes) -> str:
    """Does with a mail what its intake does; returns the outcome."""
    mail = parse(raw)
    delivery_report(mail, now=NOW)
    try:
        email.message_received(mail, now=NOW)
    except Refused as refused:
        return refused.reason
    for file in mail.files:
        file.content()
    return "event"


def measured(raw: bytes) -> dict[str, object]:
    """Takes a mail within the budget."""
    Path("/proc/self/clear_refs").write_text("5", "ascii")  # the peak begins again
    before, began = _megabytes("VmHWM"), time.process_time()
    address_space = int((_megabytes("VmSize") + MEGABYTES) * 2**20)
    resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
    seconds = int(began) + CPU_SECONDS + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    try:
        outcome = taken(raw)
    except MemoryError:
        outcome = "memory"
    return {"outcome": outcome, "seconds": time.process_time() - began, "megabytes": _megabytes("VmHWM") - before}


def _megabytes(name: str) -> float:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def main(names: list[str]) -> None:
    """Takes the mails of these names, each in a child."""
    warm_up = (
        mail_bombs.plain(b"5"),
        mail_bombs.html(b"<p style='display:none'>x"),
        mail_bombs.rtf_in_tnef(b"{\\rtf1 x}"),
    )
    for raw in warm_up:
        taken(raw)
    for name in names:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writing, json.dumps(measured(mail_bombs.BOMBS[name]())).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            answer = json.loads(pipe.read() or b'{"outcome": "killed"}')
        os.waitpid(child, 0)
        print(json.dumps({"name": name, **answer}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

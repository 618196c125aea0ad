"""`python -m tests.support.proof.record WHAT...` writes files of the proof again.

log          plays the nine days anew; all the others must then be written, too
facts        digests of what the log folds to: only when facts were to change, and the changelog says so
states       digests of the states: after a state's shape got a new version
old-states   the log, and the states in its middle as this build stores them, for builds to come
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from schemas import codec
from schemas.clock import MICROS
from schemas.events import Event
from stream_processors.tickets.state import Customer
from tests.support.month.rules import month_files, month_rules
from tests.support.month.shop import Shop
from tests.support.proof.log import FACTS, HALVES, HERE, LOG, STATES, Log, fold, log_digests, pack, read

#: The nine days of `tests/month`: Friday 27 March 2026, and British summer time begins on the Sunday after it.
FRIDAY, DAYS, CONTACTS_PER_DAY = 1_774_569_600 * MICROS, 9, 110
#: Every so many records one comes twice, and every so many there is one that cannot be decoded.
TWICE_EVERY, BROKEN_EVERY = 211, 1999


class RecordedShop(Shop):
    """The simulator's shop, which keeps the log of each partition as a broker would."""

    def __init__(self, **how: int) -> None:
        super().__init__(month_rules(), lambda fact: None, lambda row: None, **how)
        self.records: dict[str, list[tuple[bytes, bytes]]] = {}

    def _fold(self, partition: Any, event: Event) -> list[Any]:
        name = f"{partition.processor.name}/{partition.number}"
        self.records.setdefault(name, []).append((_key(event), codec.encode(event)))
        return super()._fold(partition, event)


def play() -> Log:
    """Plays the nine days. Some records come twice, as they do after a producer's crash, and some are broken."""
    shop = RecordedShop(start=FRIDAY, days=DAYS, contacts=CONTACTS_PER_DAY)
    shop.play()
    return Log(month_files(), {name: _troubled(records) for name, records in sorted(shop.records.items())})


def _key(event: Event) -> bytes:
    key: str | bytes = getattr(event, "team", "") if event.customer_tag == "" else event.customer_tag
    return key.encode() or getattr(event, "state_key", b"")


def _troubled(records: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    troubled = []
    for number, (key, value) in enumerate(records, 1):
        troubled += [(key, value)] * (1 if number % TWICE_EVERY else 2)
        if not number % BROKEN_EVERY:
            troubled.append((key, value[:-1]))
    return troubled


def write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n")


def main(arguments: list[str]) -> int:
    if not arguments or not {*arguments} <= {"log", "facts", "states", "old-states"}:
        print(__doc__)
        return 2
    if "log" in arguments:
        pack(LOG, play())
    log = read()
    first = fold(log, HALVES[0])
    second = fold(log, HALVES[1], first.stores)
    if "facts" in arguments:
        write(FACTS, {"log": log_digests(log), HALVES[0]: first.facts, HALVES[1]: second.facts})
    if "states" in arguments:
        write(STATES, {HALVES[0]: first.states, HALVES[1]: second.states})
    if "old-states" in arguments:
        pack(HERE / f"log_v{Customer.VERSION}.zst", log)
        pack(HERE / f"states_v{Customer.VERSION}.zst", first.stores)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

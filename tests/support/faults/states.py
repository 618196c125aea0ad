"""What the changelogs hold, and what an offline fold of the logs says that they should."""

from __future__ import annotations

from typing import Any

from schemas.settings import Settings
from schemas.topics import changelog
from stream_processors.runtime.processor import Processor
from stream_processors.runtime.state_codec import stored_offset
from tests.support.faults.recount import Facts, folded_offline, read
from tests.support.memory_worker import IDS

#: Processor, partition and key of a state -> its stored value.
States = dict[tuple[str, int, bytes], bytes]


def restored(settings: Settings, *processors: Processor) -> tuple[States, list[tuple[str, int, int, bytes]]]:
    """Returns the last record of each state in the changelogs, which a compacted log keeps, and the late ones.

    A record is late when an earlier one of its key has a higher offset: its writer was no longer the owner.
    """
    states: States = {}
    late: list[tuple[str, int, int, bytes]] = []
    highest: dict[tuple[str, int, bytes], int] = {}
    for processor in processors:
        for record in read(settings, changelog("deskstream", processor.name)):
            place = processor.name, record.partition, record.key
            if record.key[:1] not in processor.kinds:
                continue
            if record.value is None:
                states.pop(place, None)
                continue
            offset = stored_offset(record.value)
            if offset < highest.get(place, -1):
                late.append((processor.name, record.partition, record.offset, record.key))
            highest[place] = max(offset, highest.get(place, -1))
            states[place] = record.value
    return states, late


def offline(settings: Settings, *processors: Processor) -> tuple[States, Facts]:
    """Returns states and facts of the logs, folded from offset 0 into empty states without any fault."""
    states: States = {}
    facts: Facts = {}
    kinds = {kind.__name__ for kind in IDS}
    for worker in folded_offline(settings, *processors):
        assert worker.dead_letters == []
        states |= {(worker.processor.name, worker.partition, key): value for key, value in worker.store.items()}
        facts |= {identity: value for identity, value in worker.facts().items() if identity[0] in kinds}
    return states, facts


def compare_states(found: States, wanted: States) -> dict[str, Any]:
    """Returns the states that only one side has or that differ: counts, and one example of each. Empty: equal."""
    differing = [place for place in found.keys() & wanted.keys() if found[place] != wanted[place]]
    sides = {
        "only in the changelog": found.keys() - wanted.keys(),
        "only offline": wanted.keys() - found.keys(),
        "different": differing,
    }
    return {name: (len(places), min(places)) for name, places in sides.items() if places}

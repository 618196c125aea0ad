"""What workers read: records as bytes, states as bytes, and sequences of events that no producer of ours would write.

An input of a fold is an event a line, as JSON with its type in `record`. All go to the real batch folder with a store in
memory, then time passes. A record may be refused; a defect is a crash.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from schemas import codec
from schemas.errors import BrokenBody, CodecError, StateFromTheFuture
from schemas.events import EVENTS, Event, Tick
from stream_processors.routing.processor import RoutingProcessor
from stream_processors.rules import ruleset
from stream_processors.rules.surveys import Signing
from stream_processors.runtime.processor import Processor
from stream_processors.runtime.state_codec import StateCodec
from stream_processors.tickets.processor import TicketsProcessor
from tests.fuzz import mutators, structured
from tests.fuzz.target import Target
from tests.support.memory_worker import MemoryWorker
from tests.support.proof import log

_KINDS = {kind.__name__: kind for kind in EVENTS}
_MOST_EVENTS, _STORY = 60, 12
_DAY = 86_400_000_000
_PROCESSORS: dict[str, Callable[[], Processor]] = {
    "tickets": lambda: TicketsProcessor(ruleset.load(), signing=Signing("https://shop.example", ("secret",))),
    "routing": RoutingProcessor,
}


def _recorded(processor: str) -> Iterator[tuple[bytes, bytes]]:
    for name, records in log.read().records.items():
        if name.startswith(processor):
            yield from records


def _stories(processor: str) -> Callable[[], Sequence[bytes]]:
    """Returns the first events of some customers of the recorded log, and one of each kind of event."""

    def seeds() -> Sequence[bytes]:
        by_key: dict[bytes, list[bytes]] = {}
        kinds: dict[bytes, bytes] = {}
        for key, value in _recorded(processor):
            try:
                event = codec.decode(value)
            except CodecError:
                continue
            if isinstance(event, Tick):
                continue
            line = _line(event)
            kinds.setdefault(value[: codec.HEADER_BYTES], line)
            by_key.setdefault(key, []).append(line)
        longest = sorted(by_key.values(), key=len, reverse=True)[:200:3]
        return [b"\n".join(lines[:_STORY]) for lines in longest] + list(kinds.values())

    return seeds


def _line(event: Event) -> bytes:
    return msgspec.json.encode({"record": type(event).__name__, **msgspec.structs.asdict(event)})


def _event(line: bytes) -> bytes | None:
    """Returns the event of a line as it is in Kafka; None for a line that is none."""
    try:
        fields = msgspec.json.decode(line)
        event = msgspec.convert(
            {k: v for k, v in fields.items() if k != "record"}, _KINDS[fields["record"]], strict=False
        )
        return codec.encode(event)
    except (msgspec.MsgspecError, BrokenBody, AttributeError, KeyError, TypeError, UnicodeError, RecursionError):
        return None


def _fold(name: str) -> Callable[[], Callable[[bytes], str]]:
    def opened() -> Callable[[bytes], str]:
        processor = _PROCESSORS[name]()

        def take(raw: bytes) -> str:
            worker = MemoryWorker(processor)
            events = [event for line in raw.split(b"\n")[:_MOST_EVENTS] if (event := _event(line)) is not None]
            for value in events:
                event = codec.decode(value)
                worker.append_raw((event.customer_tag or "x").encode(), value)
            worker.run()
            last = max((codec.decode(value).received_at for value in events), default=0)
            for _ in range(3):  # a tick for what is due now, then for what that makes due
                ticks = worker.ticks(min(last + 400 * _DAY, 2**62))
                worker.append(ticks[:50])
                worker.run()
            defects = [failed for failed in worker.dead_letters if failed[2] == "defect"]
            assert not defects, defects[0]
            for written in worker.outputs:
                codec.decode(written.value)
            reasons = {reason for _, _, reason, _ in worker.dead_letters}
            return " ".join(sorted(reasons)) or f"{min(len(events), 3)} events"

        return take

    return opened


def _decode() -> Callable[[bytes], str]:
    """Decodes a record; what was decoded is encoded, and decoded to the same again."""

    def take(raw: bytes) -> str:
        try:
            record = codec.decode(raw)
        except CodecError as error:
            return error.reason
        again = codec.decode(codec.encode(record))
        assert again == record or any(isinstance(value, float) and math.isnan(value) for value in _values(record))
        return type(record).__name__

    return take


def _values(record: msgspec.Struct) -> Iterator[Any]:
    for value in msgspec.structs.astuple(record):
        yield from value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]


def _records() -> Sequence[bytes]:
    """Returns some records of each kind in the recorded log."""
    found: dict[bytes, list[bytes]] = {}
    for processor in ("tickets", "routing"):
        for _, value in _recorded(processor):
            same = found.setdefault(value[: codec.HEADER_BYTES], [])
            if len(same) < 5 and len(value) < 10_000:
                same.append(value)
    return [value for same in found.values() for value in same]


def _states() -> Callable[[bytes], str]:
    """Loads a stored state of either processor: its first byte says of which kind."""
    codecs = {
        prefix: StateCodec(processor.kinds, processor.deadline)
        for processor in (make() for make in _PROCESSORS.values())
        for prefix in processor.kinds
    }

    def take(raw: bytes) -> str:
        prefix, value = raw[:1], raw[1:]
        if prefix not in codecs or not value:
            return "no kind"
        states = codecs[prefix]
        try:
            state = states.load(prefix, value)
        except StateFromTheFuture:
            return "future"
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return "broken"
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            if value[0] & 0x7F >= states._decoders[prefix[0]][0]:
                raise
            return "broken older"
        states.dump(prefix, state)
        return type(state).__name__

    return take


def _stored() -> Sequence[bytes]:
    found: list[bytes] = []
    for name, make in _PROCESSORS.items():
        worker = MemoryWorker(make())
        for key, value in list(_recorded(name))[:1500]:
            worker.append_raw(key, value)
        worker.run()
        found += [key[:1] + value for key, value in sorted(worker.store.items(), key=lambda item: len(item[1]))[::40]]
    return found


_LINES = (*[structured.line_of(*structured.JSON)] * 3, *[structured.line_of(structured.json_value)] * 8)

TARGETS = [
    Target("avro_records", _records, mutators.BINARY, _decode, 4.0),
    Target("fold_tickets", _stories("tickets"), _LINES, _fold("tickets"), 0.4),
    Target("fold_routing", _stories("routing"), _LINES, _fold("routing"), 0.4),
    Target("states", _stored, mutators.BINARY, _states, 2.0),
]

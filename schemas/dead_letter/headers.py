"""How a dead letter looks, on every dead-letter topic: the raw bytes as value, the story in the headers.

Headers (all UTF-8 text): `reason` (a short bounded word), `error` (one line), `stage` (which step failed),
`origin` (`topic/partition/offset` or the source's own name), `replay-topic` (where `dlq replay` sends it; empty when
the raw bytes must be normalised again by the producer named in `producer`), `at` (pipeline micros), `traceback`.

A producer's letter also has `given` (JSON, `InputContext`): with it and the raw bytes `python -m producers replay` takes the
input again. `truncated` (bytes of the whole) and `kept-at` (where that is) say that the raw bytes are only the first
part, `masked` that digits of card numbers, or of what looks like one, are stars in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

Headers = list[tuple[str, bytes]]
#: The longest header or query value that a channel is given; no channel has a use for a longer one.
LONGEST_GIVEN = 2_000


class InputContext(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a channel is given of an input beside its raw bytes, and all that it may read of it. Never a proof or secret.

    received_at  when it was received, pipeline micros
    source       which producer instance received it
    imported     it is history
    headers      those that the channel reads, names in lower case
    query        those fields of the address that the channel reads

    New fields go to the end and have defaults: letters live for 90 days, and longer than the build that wrote them.
    """

    received_at: int
    source: str = ""
    imported: bool = False
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}


def chosen(values: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """Those of the values that have these names, each at most `LONGEST_GIVEN` characters."""
    return {name: values[name][:LONGEST_GIVEN] for name in names if name in values}


def headers(
    *,
    reason: str,
    error: str,
    stage: str,
    origin: str,
    at: int,
    replay_topic: str = "",
    producer: str = "",
    traceback: str = "",
    given: InputContext | None = None,
) -> Headers:
    """The headers of a dead letter, in the order in which people read them."""
    fields = {
        "reason": reason,
        "error": error.splitlines()[0][:500] if error else "",
        "stage": stage,
        "origin": origin,
        "replay-topic": replay_topic,
        "producer": producer,
        "at": str(at),
        "traceback": traceback[-8000:],
    }
    written = [(name, value.encode("utf-8", "replace")) for name, value in fields.items()]
    return written if given is None else [*written, ("given", _encoded(given))]


def given(story: Mapping[str, str]) -> InputContext | None:
    """What the channel was given; None in a letter of an earlier version, or of who keeps nothing, or that is broken."""
    try:
        return msgspec.json.decode(story["given"], type=InputContext)
    except (KeyError, msgspec.DecodeError):
        return None


def _encoded(given: InputContext) -> bytes:
    try:
        return msgspec.json.encode(given)
    except UnicodeEncodeError:  # half a character, from a name of a file; nothing that a channel would read
        whole = msgspec.structs.replace(given, source=given.source.encode("utf-8", "replace").decode())
        return msgspec.json.encode(whole)


def read(headers: Sequence[tuple[str, bytes | None]]) -> dict[str, str]:
    """The headers as text; unknown ones are kept, and one without a value (Kafka allows it) is empty."""
    return {name: (value or b"").decode("utf-8", "replace") for name, value in headers}

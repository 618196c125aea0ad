"""The headers of a dead letter, the same on every dead-letter topic; its value is the raw bytes.

| header         | holds (UTF-8 text)                                                                                 |
|----------------|----------------------------------------------------------------------------------------------------|
| `reason`       | a short bounded word                                                                               |
| `error`        | one line                                                                                           |
| `stage`        | the step that failed                                                                               |
| `origin`       | `topic/partition/offset`, or the source's own name                                                 |
| `replay-topic` | where `dlq replay` sends it; empty when only the process in `producer` can take the raw bytes again |
| `producer`     | that process                                                                                       |
| `at`           | pipeline microseconds                                                                              |
| `traceback`    | its last 8,000 characters                                                                          |
| `given`        | of a producer's input: `InputContext` as JSON, from which `python -m producers replay` takes it again |
| `masked`       | `1`: digits of card numbers, or of what looks like one, are stars in the raw bytes                 |
| `truncated`    | bytes of the whole input: the raw bytes are its first part                                         |
| `kept-at`      | where the source keeps the whole input                                                             |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

Headers = list[tuple[str, bytes]]
#: The longest header or query value that a channel is given; no channel has a use for a longer one.
LONGEST_GIVEN = 2_000


class InputContext(msgspec.Struct, frozen=True, omit_defaults=True):
    """Holds all that a channel may read of an input beside its raw bytes. Never a proof or a secret.

    received_at  when it was received, pipeline microseconds
    source       the producer instance that received it
    imported     it is history
    headers      those that the channel reads, names in lower case
    query        those fields of the address that the channel reads

    New fields go to the end and have defaults: dead letters live for 90 days, and longer than the build that wrote them.
    """

    received_at: int
    source: str = ""
    imported: bool = False
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}


def chosen(values: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """Returns those of the values that have these names, each at most `LONGEST_GIVEN` characters."""
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
    """Returns the headers of a dead letter, in the order in which people read them."""
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


def input_context(story: Mapping[str, str]) -> InputContext | None:
    """Returns what the channel was given. None when the dead letter holds none that can be read.

    An earlier version of ours wrote none, and a source whose inputs are no whole ones writes none.
    """
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
    """Returns the headers as text. Unknown ones are kept; one without a value, which Kafka allows, is empty."""
    return {name: (value or b"").decode("utf-8", "replace") for name, value in headers}

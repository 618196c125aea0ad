"""Encodes a state as it is stored: one version byte, eight bytes of offset, eight bytes of deadline, MessagePack.

Offset and deadline stand outside the body, so that a recovery keeps the higher of two values and knows when each of a
million states is next due without decoding them. The first bit of the version byte says that a deadline is there;
values from before there were deadlines go on being read.

Each state class may define `VERSION` (default 1), which every change of its shape raises: an older build would drop the
fields that it does not know, so it refuses a version from the future. Older values whose fields are the first of today's
are read as they are; others need `upgrade(version, fields) -> fields` in their class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct as Layout
from typing import Any

import msgspec

from schemas.errors import StateFromTheFuture
from stream_processors.runtime.processor import State

_HEAD, _OLD_HEAD, _OFFSET = Layout(">Bqq"), Layout(">Bq"), Layout(">xq")
_HAS_DEADLINE, _NEVER, _LATEST = 0x80, -(1 << 63), (1 << 63) - 1

#: When (micros) a tick is next due for a state, or None.
DeadlineOf = Callable[[bytes, Any], int | None]


def _never(key: bytes, state: Any) -> None:
    return None


class StateCodec:
    """Encodes and decodes the states of one aggregate; the first byte of a key tells the class."""

    def __init__(self, kinds: Mapping[bytes, type[State]], deadline: DeadlineOf = _never) -> None:
        self._deadline = deadline
        self._encode = msgspec.msgpack.Encoder().encode
        self._decoders: dict[int, tuple[int, Callable[[bytes], Any], type[State]]] = {
            prefix[0]: (getattr(kind, "VERSION", 1), msgspec.msgpack.Decoder(kind).decode, kind)
            for prefix, kind in kinds.items()
        }

    def dump(self, key: bytes, state: State) -> bytes:
        """Returns a state as it is stored, with the deadline of its next tick."""
        due = self._deadline(key, state)
        version = self._decoders[key[0]][0] | _HAS_DEADLINE
        return _HEAD.pack(version, state.offset, _NEVER if due is None or due > _LATEST else due) + self._encode(state)

    def load(self, key: bytes, value: bytes) -> Any:
        """Returns the decoded state.

        Raises:
            StateFromTheFuture: a newer build wrote it.
        """
        current, decode, kind = self._decoders[key[0]]
        version, body = value[0] & ~_HAS_DEADLINE, value[_body_at(value) :]
        if version == current:
            return decode(body)
        if version > current:
            raise StateFromTheFuture(
                f"{kind.__name__} {key!r} has version {version}, this build reads up to {current}: deploy the newer build"
            )
        upgrade = getattr(kind, "upgrade", None)
        return (
            decode(body) if upgrade is None else msgspec.convert(upgrade(version, msgspec.msgpack.decode(body)), kind)
        )

    def deadline(self, key: bytes, value: bytes) -> int | None:
        """Returns when (pipeline micros) a tick is next due for a stored state, or None.

        Without decoding it, unless a build wrote it whose states were of another version or had no deadlines yet.
        """
        if value[0] != self._decoders[key[0]][0] | _HAS_DEADLINE:
            return self._deadline(key, self.load(key, value))
        due: int = _HEAD.unpack_from(value)[2]
        return None if due == _NEVER else due


def stored_offset(value: bytes) -> int:
    """Returns the offset of a stored value, without decoding its body."""
    return int(_OFFSET.unpack_from(value)[0])


def _body_at(value: bytes) -> int:
    return _HEAD.size if value[0] & _HAS_DEADLINE else _OLD_HEAD.size

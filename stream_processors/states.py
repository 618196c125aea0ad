"""How a state is stored: one version byte, eight bytes of offset, MessagePack.

The offset stands outside the body so that a recovery can keep the higher of two values without decoding them.
Each state class may define `VERSION` (default 1) and `upgrade(version, fields) -> fields` for older values; a
version from the future is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct as Layout
from typing import Any

import msgspec

from schemas.errors import StateFromTheFuture
from stream_processors.processor import State

_HEAD = Layout(">Bq")
HEAD_BYTES = _HEAD.size


class StateCodec:
    """Encodes and decodes the states of one aggregate; the first byte of a key tells the class."""

    def __init__(self, kinds: Mapping[bytes, type[State]]) -> None:
        self._encode = msgspec.msgpack.Encoder().encode
        self._decoders: dict[int, tuple[int, Callable[[bytes], Any], type[State]]] = {
            prefix[0]: (getattr(kind, "VERSION", 1), msgspec.msgpack.Decoder(kind).decode, kind)
            for prefix, kind in kinds.items()
        }

    def dump(self, key: bytes, state: State) -> bytes:
        return _HEAD.pack(self._decoders[key[0]][0], state.offset) + self._encode(state)

    def load(self, key: bytes, value: bytes) -> Any:
        """The state.

        Raises:
            StateFromTheFuture: a newer build wrote it.
        """
        current, decode, kind = self._decoders[key[0]]
        version = value[0]
        if version == current:
            return decode(value[HEAD_BYTES:])
        if version > current:
            raise StateFromTheFuture(
                f"{kind.__name__} {key!r} has version {version}, this build reads up to {current}: deploy the newer build"
            )
        fields = kind.upgrade(version, msgspec.msgpack.decode(value[HEAD_BYTES:]))  # type: ignore[attr-defined]
        return msgspec.convert(fields, kind)


def stored_offset(value: bytes) -> int:
    """The offset of a stored value, without decoding its body."""
    return int(_HEAD.unpack_from(value)[1])

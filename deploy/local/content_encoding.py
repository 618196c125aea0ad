"""Decompresses request bodies by their `Content-Encoding`."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any

from deploy.local.engine_errors import BAD_ARGUMENTS, CANNOT_DECOMPRESS, NOT_IMPLEMENTED, EngineError

__all__ = ["MAX_BODY_BYTES", "decompress"]

MB = 1024 * 1024
MAX_BODY_BYTES = 256 * MB


def decompress(body: bytes, encoding: str) -> bytes:
    """Decompresses every frame of a body; clickhouse-connect sends one frame per block.

    Raises:
        EngineError: the encoding is unknown, or the body is not of that encoding, too large, or ends too early.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in _DECOMPRESSORS:
        raise EngineError(f"Content-Encoding {encoding} is not supported", NOT_IMPLEMENTED)
    try:
        return b"".join(_frames(body, _DECOMPRESSORS[encoding]))
    except EngineError:
        raise
    except Exception as error:  # each codec has exceptions of its own
        raise EngineError(f"cannot decompress the body as {encoding}: {error}", CANNOT_DECOMPRESS) from error


def _frames(body: bytes, decompressor: Callable[[], Any]) -> Iterator[bytes]:
    """Yields the content of each frame; feeds slices, so that the end of a frame does not copy the rest of the body."""
    at, size, current = 0, 0, decompressor()
    while at < len(body):
        piece = memoryview(body)[at : at + MB]
        content = current.decompress(piece)
        at += len(piece)
        size += len(content)
        if size > MAX_BODY_BYTES:
            raise EngineError(f"the body is larger than {MAX_BODY_BYTES} bytes", BAD_ARGUMENTS)
        yield content
        if current.eof:
            at -= len(current.unused_data or b"")
            current = decompressor() if at < len(body) else current
    if not current.eof:
        raise EngineError("the compressed body ends inside a frame", CANNOT_DECOMPRESS)


def _lz4() -> Any:
    import lz4.frame  # type: ignore[import-untyped]

    return lz4.frame.LZ4FrameDecompressor()


def _zstd() -> Any:
    from backports import zstd

    return zstd.ZstdDecompressor()


_DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(31),
    "x-gzip": lambda: zlib.decompressobj(31),
    "deflate": zlib.decompressobj,
    "lz4": _lz4,
    "zstd": _zstd,
}

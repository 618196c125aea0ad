"""Records in earlier published versions of their schemas, as a build before them wrote and writes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import msgspec

from schemas import codec
from schemas.codec import HEADER_BYTES, MARKER
from schemas.compiled import compile_encoder


@cache
def encoder(kind: type[msgspec.Struct], version: int) -> Callable[[msgspec.Struct], bytes]:
    """What encodes records of this kind with this version of its schema."""
    schema = codec.versions(kind)[version]
    return compile_encoder(schema, MARKER + codec.fingerprint(schema))


def version_of(value: bytes) -> int:
    """Which version of its schema a record was written with."""
    return _by_header()[value[:HEADER_BYTES]]


@cache
def _by_header() -> dict[bytes, int]:
    return {
        MARKER + codec.fingerprint(schema): version
        for kind in codec.RECORDS
        for version, schema in codec.versions(kind).items()
    }


def write_earlier(*kinds: type[msgspec.Struct]) -> None:
    """Let this process write the version before the newest of these records, as a build that is one release behind."""
    for kind in kinds:
        newest = max(codec.versions(kind))
        assert newest > 1, f"{kind.__name__} has one version only"
        writer = codec._writers()[kind]
        writer.encode = encoder(kind, newest - 1)
        writer.header = MARKER + codec.fingerprint(codec.versions(kind)[newest - 1])

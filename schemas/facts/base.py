"""The fields that every fact has."""

from __future__ import annotations

import msgspec

from schemas.events import Micros


class Fact(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`customer_tag` is the key, `version` the source offset, `partition` the source partition, `at` event time."""

    customer_tag: str
    version: int
    partition: int
    at: Micros

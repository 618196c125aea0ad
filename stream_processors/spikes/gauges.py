"""Gauges of the spikes that are on, kept from the states of tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from schemas.service_metrics import ServiceMetric
from stream_processors.runtime.gauges import Labels, Sample, StateGauges
from stream_processors.spikes.state import Spike, TagState, place_of

__all__ = ["SpikeGauges"]


class SpikeGauges(StateGauges):
    """Keeps the gauges of one partition of `tag-counts`: key → the spike that is on. Without a spike there is no value."""

    prefixes: ClassVar[bytes] = b"x"

    def __init__(self) -> None:
        super().__init__()
        self.spikes: dict[bytes, Spike] = {}

    @classmethod
    def samples(cls, partitions: Sequence[Self], now: int) -> list[Sample]:
        """Returns contacts of each spike, and how many were expected in its time."""
        contacts: dict[Labels, float] = {}
        expected: dict[Labels, float] = {}
        for each in partitions:
            for key, spike in each.spikes.items():
                labels = (*place_of(key), spike.quadrant, spike.team)
                contacts[labels], expected[labels] = spike.count, spike.expected
        return [(ServiceMetric.TAG_SPIKE_CONTACTS, contacts), (ServiceMetric.TAG_SPIKE_EXPECTED, expected)]

    def _change(self, key: bytes, before: TagState | None, after: TagState | None) -> None:
        if after is not None and after.spike is not None:
            self.spikes[key] = after.spike
        else:
            self.spikes.pop(key, None)

"""However many strangers' addresses somebody types into forms, so many acknowledgements go out and no more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.facts import Outbound
from schemas.metrics import FIRST_TIME_RECIPIENTS
from schemas.settings import SinkSettings
from sinks.delivery.first_time import BURST_MINUTES, FirstTimeCap

MINUTE = 60_000_000
T0 = 1_772_442_000_000_000


def message(number: int = 0, *, first_time: bool = True) -> Outbound:
    return Outbound(
        customer_tag="A" * 12, version=1, partition=0, at=T0, outbound_id=str(number), ticket_id="", kind="acknowledgement",
        channel="email", address=f"{number}@example.org", first_time=first_time,
    )  # fmt: skip


def cap(per_minute: float = 10) -> FirstTimeCap:
    return FirstTimeCap(SinkSettings(delivery_first_time_per_minute=per_minute, partitions=4))


def test_a_flood_of_strangers_is_held_back_at_the_cap() -> None:
    taken = cap()
    before = FIRST_TIME_RECIPIENTS.labels("email", "held_back")._value.get()
    refused = [taken.refusal(message(number), 4, T0) for number in range(500)]
    assert [each is None for each in refused] == [True] * 100 + [False] * 400
    assert {(each.outcome, each.reason) for each in refused if each} == {("refused", "first_time_cap")}
    assert FIRST_TIME_RECIPIENTS.labels("email", "held_back")._value.get() == before + 400


def test_who_proved_themselves_or_was_written_to_before_is_never_held_back() -> None:
    taken = cap(1)
    assert all(taken.refusal(message(number, first_time=False), 4, T0) is None for number in range(1_000))


@given(st.lists(st.integers(0, 3 * MINUTE), max_size=200), st.integers(1, 4))
def test_no_stretch_of_time_lets_more_through_than_the_share_allows(pauses: list[int], assigned: int) -> None:
    taken, now, through = cap(), T0, 0
    for number, pause in enumerate(pauses):
        now += pause
        through += taken.refusal(message(number), assigned, now) is None
    rate = 10 * assigned / 4
    assert through <= max(1.0, rate * BURST_MINUTES) + rate * (now - T0) / MINUTE + 1


@pytest.mark.parametrize("assigned", [0, 1, 2, 4, 9])
def test_each_sink_has_the_share_of_its_partitions(assigned: int) -> None:
    taken = cap()
    through = sum(taken.refusal(message(number), assigned, T0) is None for number in range(500))
    assert through == 100 * max(1, min(4, assigned)) // 4


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    taken = cap(1)
    assert sum(taken.refusal(message(number), 4, T0 - number * MINUTE) is None for number in range(50)) == 10


def test_a_flood_of_new_accounts_holds_back_nobody_elsewhere() -> None:
    taken = FirstTimeCap(
        SinkSettings(delivery_first_time_accounts_per_minute=5, delivery_first_time_per_minute=10, partitions=4)
    )
    kinds = ("social", "sms", "email", "form")
    messages = [replace(message(number), channel=channel) for channel in kinds for number in range(300)]
    held = [taken.refusal(each, 4, T0) for each in messages]
    through = [sum(each is None for each in held[start : start + 300]) for start in range(0, 1200, 300)]
    assert through == [50, 50, 100, 0]  # forms are answered by mail
    assert {str(each) for each in held[:300] if each and "(social)" in str(each)}

"""How what a process has once is divided between clients."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.security.shares import Shares

CLIENTS = st.sampled_from(["a", "b", "c", "d", "e", "f"])


@given(st.lists(st.tuples(CLIENTS, st.integers(1, 30), st.booleans(), st.booleans()), max_size=80))
def test_nobody_has_more_than_their_most_and_all_together_neither(
    steps: list[tuple[str, int, bool, bool]],
) -> None:
    shares = Shares(100, 40)
    held: Counter[str] = Counter()
    for client, units, little, back in steps:
        if back and held[client]:
            units = min(units, held[client])
            shares.give_back(client, units)
            held[client] -= units
        elif not shares.take(client, units, little=little):
            held[client] += units
            assert little or held[client] <= 40
        assert shares.used == sum(held.values()) <= 100
        assert {name: shares.held(name) for name in held} == dict(held)


@given(st.integers(4, 1_000), st.integers(1, 1_000))
def test_who_takes_all_that_one_may_leaves_the_reserve_to_others(most: int, own: int) -> None:
    shares = Shares(most, own)
    for client in range(most):
        while not shares.take(f"stranger {client}"):
            pass
    assert shares.used == shares.open_to_all < most
    assert shares.take("honest", little=True) == ""


def test_a_client_that_is_refused_is_not_remembered() -> None:
    shares = Shares(10, 2)
    assert shares.take("a", 3) == "client"
    assert [shares.take(client, 2) for client in "bcde"] == [""] * 4
    assert shares.take("f", 2) == "all"
    assert set(shares._of) == set("bcde")


def test_what_a_client_does_not_have_it_cannot_give_back() -> None:
    shares = Shares(10, 5)
    shares.take("a", 2)
    with pytest.raises(ValueError, match="has 2 units and gives back 3"):
        shares.give_back("a", 3)


def test_a_proxy_of_ours_may_have_all_but_the_reserve() -> None:
    shares = Shares(100, 10)
    assert shares.take("proxy", 75, most=shares.open_to_all) == ""
    assert shares.take("proxy", 1, most=shares.open_to_all) == "client"
    assert shares.take("honest", 1, little=True) == ""

"""Days of a help desk: at every step nobody is overloaded, overtaken, forgotten or waits in vain."""

from __future__ import annotations

import pytest

from tests.support.routing.simulation import Desk


def test_every_step_of_two_days_keeps_the_rules_of_routing() -> None:
    desk = Desk(seed=1, teams=2, agents=8)
    found = desk.play(days=2, contacts_per_day=220)
    assert desk.steps > 1_000
    for what in ("least_open", "agent_silent", "agent_offline", "overflowed"):
        assert found.counts.get(what), f"the days hold no {what}"


@pytest.mark.soak
def test_every_step_of_a_month_keeps_the_rules_of_routing() -> None:
    desk = Desk(seed=2, teams=6, agents=40)
    found = desk.play(days=30, contacts_per_day=500)
    assert found.counts["least_open"] > 10_000

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


def test_offers_and_agents_who_miss_them_keep_the_rules_of_routing() -> None:
    desk = Desk(seed=5, teams=2, agents=8, accept={"default": 120})
    found = desk.play(days=1, contacts_per_day=350)
    for what in ("accepted", "declined", "missed", "withdrawn", "set away", "least_open", "overflowed"):
        assert found.counts.get(what), f"the day holds no {what}"


@pytest.mark.soak
def test_every_step_of_a_month_keeps_the_rules_of_routing() -> None:
    desk = Desk(seed=2, teams=6, agents=40)
    found = desk.play(days=30, contacts_per_day=500)
    assert found.counts["least_open"] > 10_000


@pytest.mark.soak
def test_every_step_of_a_month_with_offers_keeps_the_rules_of_routing() -> None:
    desk = Desk(seed=4, teams=6, agents=40, accept={"chat": 20, "sms": 60})
    found = desk.play(days=30, contacts_per_day=500)
    assert found.counts["accepted"] > 3_000 and found.counts["missed"] > 300

"""The value-irritant matrix: the view against figures by hand, and its picture."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from schemas import facts
from schemas.clock import MICROS
from schemas.errors import ConfigurationError
from sinks.clickhouse import migrate
from sinks.matrix import cli as matrix_cli
from sinks.matrix.picture import Reason, svg
from sinks.staffing import cli as staffing_cli
from sinks.staffing.plan import Demand
from tests.support.sinks.examples import example

MINUTE = 60 * MICROS
MONDAY = 1_772_409_600 * MICROS  # 2026-03-02T00:00:00Z
ANN, BOB, OLD = "ABCDEFGHIJKL-1", "ABCDEFGHIJKM-1", "ABCDEFGHIJKN-1"
DECLINED, LATE = "payment.card_declined", "delivery.carrier_delay"


def tag(ticket, slug, quadrant, **fields):
    named = {"ticket_id": ticket, "tag": slug, "quadrant": quadrant, "at": MONDAY, "active": True, "brand": ""}
    return example(facts.TagFact, **(named | {"customer_tag": ticket[:12]} | fields))


def ticket(name, **fields):
    named = {"ticket_id": name, "customer_tag": name[:12], "created_at": MONDAY, "brand": "", "imported": False}
    return example(facts.TicketFact, **(named | {"csat": None} | fields))


def call(name, seconds, **fields):
    named = {"ticket_id": name, "customer_tag": name[:12], "kind": "call", "outcome": "answered", "imported": False}
    return example(
        facts.ConversationFact, event_id=f"call {name}", at=MONDAY, handle_seconds=seconds, **(named | fields)
    )


@pytest.mark.stack
def test_matrix_is_what_is_reckoned_by_hand(insert, ask, clickhouse):
    """Ann's call of an hour has two tags; Bob has one of them, was scored 2 and came back; history costs nothing."""
    insert(
        *(ticket(ANN), ticket(BOB, csat=2), ticket(OLD, imported=True)),
        *(tag(ANN, DECLINED, "eliminate"), tag(ANN, LATE, "simplify"), tag(BOB, DECLINED, "eliminate")),
        *(tag(BOB, LATE, "simplify", active=False), tag(OLD, DECLINED, "eliminate")),
        *(call(ANN, 3600.0), call(BOB, 1800.0)),
        example(facts.RepeatFact, event_id="again", tag=DECLINED, ticket_id=BOB, at=MONDAY, brand="", imported=False),
    )
    migrate.replace_views(clickhouse, cost_per_hour=40.0)
    names = "tag, quadrant, tickets, customers, handle_seconds, cost, cost_per_ticket, csat_average, csat_answers, repeat_rate"
    found = ask(f"SELECT toString(week) AS monday, {names} FROM value_irritant_matrix")
    assert [tuple(row.values()) for row in found] == [
        ("2026-03-02", DECLINED, "eliminate", 2, 2, 3600.0, 40.0, 20.0, 2.0, 1, 0.5),
        ("2026-03-02", LATE, "simplify", 1, 1, 1800.0, 20.0, 20.0, None, 0, 0.0),
    ]
    migrate.replace_views(clickhouse)


def test_picture_shows_each_quadrant_and_every_figure():
    reasons = [
        Reason("payment.card_declined", "eliminate", 1200, 4800.0, 576_000.0, 2.1, 0.31),
        Reason('product.<praise> & "more"', "leverage", 3, 0.0, 0.0, None, 0.0),
        *(Reason(f"order.reason_{number}", "automate", 5, 10.0, 900.0, 4.0, 0.0) for number in range(13)),
        Reason("former.tag", "", 1, 1.0, 1.0, None, 0.0),
    ]
    picture = svg(reasons, "What 4 weeks cost")
    ElementTree.fromstring(picture)  # well-formed, whatever tags are called
    for text in (
        "eliminate",
        "automate",
        "simplify",
        "leverage",
        "1,200 tickets, cost 4,800",
        "31% again",
        "and 3 more, cost 30",
    ):
        assert text in picture
    assert "prefers-color-scheme:dark" in picture and "former.tag" not in picture
    ElementTree.fromstring(svg([], "nothing"))


def test_a_long_tag_leaves_its_figures_legible():
    reason = Reason("subscription.unexpected_renewal", "eliminate", 17_502, 585_074.0, 576_000.0, None, 0.3)
    texts = ElementTree.fromstring(svg([reason], "")).iter("{http://www.w3.org/2000/svg}text")
    name, numbers = next(
        (a, b) for a, b in pairwise([each.text for each in texts]) if a and a.startswith("subscription")
    )
    assert len(name) + len(numbers) <= 56, "6.1 of 366 px for each character"


@pytest.mark.parametrize("command", ["matrix", "staffing"])
def test_a_picture_that_cannot_be_written_is_said_in_one_line(command, monkeypatch, tmp_path, capsys):
    cli = {"matrix": matrix_cli, "staffing": staffing_cli}[command]
    row = (datetime(2026, 3, 2, tzinfo=UTC), "support", "phone", True, 1, 1, 0, 0, 1, 60)
    monkeypatch.setattr(cli.connection, "connect", lambda settings: None)
    monkeypatch.setattr(matrix_cli, "_reasons", lambda *_: [Reason("a.b", "eliminate", 1, 1.0, 1.0, None, 0.0)])
    monkeypatch.setattr(staffing_cli, "_demand", lambda *_: [Demand(*row)])
    with pytest.raises(ConfigurationError, match="not written: No such file"):
        getattr(cli, command)(picture=tmp_path / "none" / "x.svg")

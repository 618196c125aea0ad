"""The router beside the best that anybody could do, on cases small enough to try every plan."""

from __future__ import annotations

from pathlib import Path

from tests.support.routing.small_cases import Contact, cases, optimum, played
from tests.support.routing.world import ORDER

PAGE = Path(__file__).parents[3] / "deploy/docs/channels.md"
ORDERS = {"as shipped": ORDER, "first come, first served": ("eligible_at",)}
COSTS = (Contact.wait, Contact.late, Contact.chat_wait)


def test_no_order_beats_the_optimum_and_the_page_says_by_how_much() -> None:
    made = cases(number=40, contacts=7, seed=1)
    contacts = sum(map(len, made))
    least = [[optimum(case, cost) for cost in COSTS] for case in made]
    means = {"the least that is possible": [sum(each) / contacts for each in zip(*least, strict=True)]}
    for name, order in ORDERS.items():
        sums = [0] * len(COSTS)
        for case, bounds in zip(made, least, strict=True):
            began = played(case, order)
            for number, cost in enumerate(COSTS):
                spent = sum(cost(each, at) for each, at in zip(case, began, strict=True))
                assert spent >= bounds[number]
                sums[number] += spent
        means[name] = [each / contacts for each in sums]
    wait, late, chat = range(len(COSTS))
    ours, first_come = means["as shipped"], means["first come, first served"]
    assert ours[late] < first_come[late] and ours[chat] < first_come[chat]
    assert ours[wait] < first_come[wait] * 1.1
    rows = [f"| {name} | {' | '.join(f'{each:.2f}' for each in values)} |" for name, values in means.items()]
    page = PAGE.read_text("utf-8")
    assert [row for row in rows if row not in page] == []

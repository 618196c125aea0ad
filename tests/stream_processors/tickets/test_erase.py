"""An erasure takes a customer, and everybody who is the same person by a merge, out of the worker's state."""

from __future__ import annotations

from msgspec.structs import replace

from schemas import events
from schemas.identity import customer_tag
from stream_processors.tickets.state import customer_key
from tests.support.tickets.town import ANN, BOB, CAT, Town, first


def stored(town: Town, *people: str) -> list[str]:
    """Returns those of the people of whom any worker has a state."""
    keys = {customer_key(customer_tag(who)): who for who in people}
    return sorted(keys[key] for worker in town.cluster.workers for key in worker.store if key in keys)


def erase(town: Town, seconds: float, who: str) -> None:
    town.tell(events.ErasureRequested(**town.base(seconds, customer_tag(who)), requested_by="dpo"))
    town.settle()


def test_an_erased_customer_has_no_state_and_the_router_lets_go_of_the_tickets(merged: Town) -> None:
    merged.message(5, CAT, subject="Mine")
    merged.settle()
    before = merged.customer(CAT)
    for who in (ANN, BOB):  # either name of the person will do, and once more does nothing
        erase(merged, 60, who)
        assert stored(merged, ANN, BOB, CAT) == [CAT]
    assert merged.customer(CAT) == before
    told = sorted(merged.facts(events.RoutingUpdate), key=lambda each: each.occurred_at)
    updates = {each.ticket_id: each.action for each in told}
    assert {action for ticket, action in updates.items() if not ticket.startswith(customer_tag(CAT))} == {"done"}
    assert merged.cluster.dead_letters() == []


def test_who_writes_after_their_erasure_starts_anew(merged: Town) -> None:
    erase(merged, 60, ANN)
    merged.message(120, ANN, subject="Hello again")
    assert list(merged.settle().tickets(ANN)) == [first(ANN)]
    assert merged.customer(ANN).merge_history is None


def test_what_comes_between_the_two_parts_of_an_erasure_stays(merged: Town) -> None:
    request = events.ErasureRequested(**merged.base(60, customer_tag(CAT)), requested_by="dpo")
    merged.message(5, CAT, subject="Old")
    merged.settle()
    last = replace(request, event_id="last", below=merged.customer(CAT).next_number)
    merged.status(50, first(CAT), "closed")
    merged.message(70, CAT, subject="New", thread_id="other")
    merged.settle()
    merged.tell(last)
    merged.settle()
    assert [each.request.subject for each in merged.tickets(CAT).values()] == ["New"]

"""Tickets go from team to team while the workers that hold both teams are killed, added and taken away."""

from __future__ import annotations

from schemas import codec
from schemas.facts import AssignmentFact
from tests.support.faults.fleet import WORKER
from tests.support.faults.moves import moved, stored, wrong_assignments, wrong_owners
from tests.support.faults.ownership import await_holders
from tests.support.faults.recount import facts_in_kafka
from tests.support.faults.row import Scene, Size, row


@row(soak=Size(contacts=6_000, faults=30, per_second=80.0))
def test_a_ticket_has_one_owner_through_moves_and_kills(scene: Scene, size: Size) -> None:
    scene.sink = False
    with scene.under_load(size, mix=moved(0.4)):
        for number in range(size.faults):
            scene.wait(0.5, 2.5)
            if number % 3 == 1:
                scene.fleet.start("worker-2", WORKER)  # partitions go to it
            elif number % 3 == 2:
                scene.fleet.remove("worker-2", kill=bool(number % 2))  # and come back
            else:
                scene.fleet.kill(scene.dice.choice(sorted(scene.fleet.running)))
            scene.faults += 1
        await_holders(scene.settings, {"worker-0": 2, "worker-1": 2})
    told, entries = stored(scene.settings)
    assert wrong_owners(told, entries) == {}
    facts, _ = facts_in_kafka(scene.settings)
    assert wrong_assignments(facts) == []
    kept = [codec.decode(value) for identity, value in facts.items() if identity[0] == AssignmentFact.__name__]
    moves = [fact for fact in kept if fact.reason not in ("least_open", "previous_agent")]
    assert len(moves) > size.contacts / 4 and len(kept) - len(moves) > size.contacts / 4

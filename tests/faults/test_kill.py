"""Rows of the fault matrix: processes are killed, asked to end, or lose their disk, at random moments under load."""

from __future__ import annotations

import shutil

from tests.support.faults.fleet import SINK, WORKER
from tests.support.faults.row import Scene, Size, row
from tests.support.timeouts import eventually


@row(short=Size(contacts=1_200, faults=3, per_second=250.0), soak=Size(contacts=15_000, faults=100, per_second=80.0))
def test_a_killed_worker_or_sink_costs_and_doubles_nothing(scene: Scene, size: Size) -> None:
    with scene.under_load(size):
        for _ in range(size.faults):
            scene.wait(1.0, 3.0)
            scene.fleet.kill(scene.dice.choice(sorted(scene.fleet.running)))
            scene.faults += 1


@row(soak=Size(contacts=6_000, faults=40, per_second=60.0))
def test_sigterm_amid_a_batch_costs_and_doubles_nothing(scene: Scene, size: Size) -> None:
    commands = {"sink": SINK, "worker-0": WORKER, "worker-1": WORKER}
    with scene.under_load(size):
        for _ in range(size.faults):
            scene.wait(0.5, 3.0)
            name = scene.dice.choice(sorted(commands))
            scene.fleet.remove(name, kill=False)
            scene.fleet.start(name, commands[name])
            scene.faults += 1


@row(short=Size(contacts=600, faults=1, per_second=200.0), soak=Size(contacts=4_000, faults=10, per_second=80.0))
def test_a_lost_volume_is_restored_from_the_changelog(scene: Scene, size: Size) -> None:
    """A worker is killed, and its states are gone when it comes back."""
    with scene.under_load(size):
        for _ in range(size.faults):
            scene.wait(1.0, 3.0)
            name = scene.dice.choice(["worker-0", "worker-1"])
            volume = scene.folder / "state" / name
            eventually(volume.exists, "its volume")
            scene.fleet.kill(name, lambda volume=volume: shutil.rmtree(volume))  # type: ignore[misc]
            scene.faults += 1

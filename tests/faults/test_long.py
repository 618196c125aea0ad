"""Rows of the fault matrix that only time shows: a storm of rebalances, and hours without a leak."""

from __future__ import annotations

import statistics
import time

import psutil
import pytest

from schemas.topics import CONTACT_EVENTS
from tests.support.faults.fleet import WORKER, behind
from tests.support.faults.load import Load, stamped
from tests.support.faults.row import Scene, Size, row

SPEED = 60.0
SAMPLE_SECONDS = 5.0
MOST_WORKERS = 5


@row(soak=Size(contacts=6_000, faults=30, per_second=40.0))
def test_thirty_membership_changes_in_three_minutes_cost_nothing(scene: Scene, size: Size) -> None:
    """Every six seconds a worker comes, leaves in order, or is killed and stays away."""
    with scene.under_load(size):
        began = time.monotonic()
        for number in range(size.faults):
            time.sleep(max(0.0, began + 6 * number - time.monotonic()))
            running = [name for name in scene.fleet.running if name.startswith("worker")]
            away = [f"worker-{n}" for n in range(MOST_WORKERS) if f"worker-{n}" not in running]
            if away and (len(running) < 2 or scene.dice.random() < 0.5):
                scene.fleet.start(scene.dice.choice(away), WORKER)
            else:
                scene.fleet.remove(scene.dice.choice(running), kill=scene.dice.random() < 0.5)
            scene.faults += 1


class Samples:
    """Memory, open files and threads of every process of a scene, and the lag, over time."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.taken = scene, dict[str, list[float]]()

    def take(self) -> None:
        for name, running in self.scene.fleet.running.items():
            process = psutil.Process(running.pid)
            with process.oneshot():
                self._add(f"{name} memory MB", process.memory_info().rss / 1e6)
                self._add(f"{name} files", process.num_fds())
                self._add(f"{name} threads", process.num_threads())
        settings = self.scene.settings
        self._add("lag", behind(settings, f"{settings.namespace}deskstream", (CONTACT_EVENTS,)))

    def _add(self, what: str, value: float) -> None:
        self.taken.setdefault(what, []).append(value)

    def growth(self) -> dict[str, tuple[float, float]]:
        """Returns medians of the second and of the last quarter; the first quarter is the start."""
        found = {}
        for what, values in self.taken.items():
            quarter = len(values) // 4
            found[what] = statistics.median(values[quarter : 2 * quarter]), statistics.median(values[-quarter:])
        return found


#: What may be added between the second and the last quarter of the time, as a share and as a number.
ROOM = {"memory MB": (0.15, 15.0), "files": (0.1, 10.0), "threads": (0.0, 2.0), "lag": (0.5, 100.0)}


@row(soak=Size(contacts=0, faults=0, per_second=10.0))
def test_memory_files_and_lag_stay_flat_at_sixty_times_speed(
    scene: Scene, size: Size, pytestconfig: pytest.Config
) -> None:
    minutes = float(pytestconfig.getoption("--soak-minutes"))
    now = time.time_ns() // 1000
    scene.deployment.env["DESKSTREAM_CLOCK"] = f"origin={now},wall={now},speed={SPEED}"
    clock = scene.settings.pipeline_clock
    count = int(minutes * 60 * size.per_second / 1.2)  # a fifth are answers of agents
    load = Load(scene.settings, count, size.per_second, mix=stamped(clock))
    samples, scene.goes_on = Samples(scene), True
    with scene.under_load(size, load=load):
        while load.is_alive():
            time.sleep(SAMPLE_SECONDS)
            samples.take()
        growth = samples.growth()
        print(
            "\n".join(f"{what}: {early:.0f} {late:.0f}" for what, (early, late) in sorted(growth.items())), flush=True
        )
    for what, (early, late) in growth.items():
        share, number = next(room for name, room in ROOM.items() if what.endswith(name))
        assert late <= early * (1 + share) + number, f"{what}: {early:.0f}, then {late:.0f}"
    assert not scene.fleet.ended, f"ended by themselves: {scene.fleet.ended}"

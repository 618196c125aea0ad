"""The supervisor with real processes: small Python programs that die, hang or refuse as told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.supervisor import ProcessSpec, Supervisor, last_line
from schemas.errors import ConfigurationError
from tests.support.timeouts import eventually

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: None); print('up', flush=True)\nwhile True: time.sleep(600)"
NOTES_END = """
import signal, sys, time
def end(*_):
    with open({path!r}, "a") as notes: notes.write({name!r} + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
while True: time.sleep(600)
"""


def process_spec(name: str, program: str, **options: object) -> ProcessSpec:
    return ProcessSpec(name, [sys.executable, "-c", program], **{"drain": 60.0, **options})  # type: ignore[arg-type]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Supervisor]]:
    started: list[Supervisor] = []

    def start(*specs: ProcessSpec) -> Supervisor:
        supervisor = Supervisor(specs, tmp_path / "logs")
        started.append(supervisor)
        supervisor.start()
        for spec in specs:
            eventually(lambda spec=spec: supervisor.log_path(spec.name).stat().st_size > 0)
        return supervisor

    yield start
    for supervisor in started:
        supervisor.stop(1.0)


def test_a_process_that_is_killed_is_started_again_and_shown(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(process_spec("worker", SLEEPER))
    first = supervisor.status()[0]
    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: supervisor.poll() or supervisor.status()[0].state == "restarting")
    assert supervisor.status()[0].exit_code == -signal.SIGKILL
    eventually(lambda: supervisor.poll() or supervisor.status()[0].state == "running")
    again = supervisor.status()[0]
    assert again.restarts == 1
    assert again.pid != first.pid
    assert again.rss > 0


def test_the_pause_before_a_restart_doubles(tmp_path: Path) -> None:
    clock = [0.0]
    supervisor = Supervisor([process_spec("worker", "raise SystemExit(1)")], tmp_path, monotonic=lambda: clock[0])
    supervisor.start()
    try:
        for pause in (0.5, 1.0, 2.0):
            eventually(lambda: supervisor.poll() or supervisor.status()[0].state == "restarting")
            clock[0] += pause - 0.01
            supervisor.poll()
            assert supervisor.status()[0].state == "restarting"
            clock[0] += 0.02
            supervisor.poll()
            assert supervisor.status()[0].state == "running"
    finally:
        supervisor.stop(1.0)


def test_a_misconfigured_process_stops_everything_with_its_last_line(supervise: Callable[..., Supervisor]) -> None:
    program = "import sys; print('deskstream: policies.yaml:7: no such clock'); sys.exit(2)"
    supervisor = supervise(process_spec("worker", program), process_spec("sink", SLEEPER))
    with pytest.raises(ConfigurationError, match=r"worker cannot run: deskstream: policies.yaml:7: no such clock"):
        eventually(lambda: supervisor.poll() is not None)


def test_a_process_that_ends_on_purpose_is_not_started_again(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(process_spec("simulator", "print('the day is over')", ends=True))
    eventually(lambda: supervisor.poll() or supervisor.finished("simulator"))
    supervisor.poll()
    assert supervisor.status()[0].state == "finished"
    assert supervisor.status()[0].restarts == 0


def test_processes_stop_stage_by_stage(supervise: Callable[..., Supervisor], tmp_path: Path) -> None:
    notes = tmp_path / "notes"

    def noting(name: str, stage: int) -> ProcessSpec:
        return process_spec(name, NOTES_END.format(path=str(notes), name=name), stage=stage)

    supervisor = supervise(noting("sink", 2), noting("producer", 0), noting("worker", 1))
    assert supervisor.stop(60.0) == []
    assert notes.read_text().split() == ["producer", "worker", "sink"]


def test_a_process_that_does_not_stop_is_killed_in_time(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(process_spec("deaf", STUBBORN, drain=0.2), process_spec("fine", SLEEPER, stage=1))
    began = time.monotonic()
    assert supervisor.stop(600.0) == ["deaf"]
    assert time.monotonic() - began < 50.0, "its own time counts, not what there is for all"
    supervisor.poll()
    assert all(status.state == "finished" for status in supervisor.status())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PR_SET_PDEATHSIG is Linux's")
def test_processes_die_with_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    program = f"""
import pathlib, sys, time
from deploy.local.supervisor import ProcessSpec, Supervisor
supervisor = Supervisor([ProcessSpec("process", [sys.executable, "-c", {SLEEPER!r}])], pathlib.Path({str(tmp_path)!r}))
supervisor.start()
print(supervisor.status()[0].pid, flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert psutil.pid_exists(pid)
    parent.kill()
    parent.wait()
    eventually(lambda: is_gone(pid))


def is_gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_the_last_line_of_a_log_skips_what_is_empty(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("Traceback\n  something\ndeskstream: port 80 is taken\n\n")
    assert last_line(log) == "deskstream: port 80 is taken"
    assert last_line(tmp_path / "none.log") == "it said nothing"

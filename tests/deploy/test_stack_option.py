"""`--stack` says in one line what it lacks, before the first test runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

from tests.conftest import ROOT
from tests.support.stack_host import is_alive


def pytest_with(option: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", option, "tests/deploy/test_stack_fixtures.py", "-q"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DESKSTREAM_", "PYTEST_"))}
    return subprocess.run(
        command, cwd=ROOT, env=inherited | env, capture_output=True, text=True, check=False, timeout=240
    )


def test_containers_without_a_docker_daemon_are_wrong_usage(tmp_path: Path) -> None:
    done = pytest_with("--stack=containers", DOCKER_HOST=f"unix://{tmp_path}/docker.sock")
    assert done.returncode == 4
    assert "--stack=containers needs a running Docker daemon" in done.stderr
    assert done.stderr.strip().count("\n") == 0


def test_external_without_the_addresses_is_wrong_usage() -> None:
    done = pytest_with("--stack=external", DESKSTREAM_CLICKHOUSE_URL="http://127.0.0.1:1")
    assert done.returncode == 4
    assert "--stack=external needs DESKSTREAM_KAFKA_BOOTSTRAP_SERVERS" in done.stderr
    assert done.stderr.strip().count("\n") == 0


def test_the_host_of_the_servers_knows_whether_the_run_still_lives() -> None:
    me = psutil.Process()
    assert is_alive(me.pid, me.create_time())
    assert not is_alive(me.pid, me.create_time() - 100)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    born = psutil.Process(ended.pid).create_time()
    ended.wait()
    assert not is_alive(ended.pid, born)

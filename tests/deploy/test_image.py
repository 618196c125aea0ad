"""The image, built for real where a Docker daemon answers, and run as Kubernetes runs it against the stack's servers.

The base is DESKSTREAM_TEST_PYTHON_IMAGE, or a stand-in made of this Python, so that no registry of images is needed.
What pip needs to know of this machine (PIP_*) is passed on as build arguments.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import httpx
import pytest

from deploy.local.process import free_ports
from schemas.settings import SinkSettings
from sinks.clickhouse import connection
from tests.conftest import ROOT, Deployment
from tests.support.containers import require_docker

NO_DOCKER = require_docker()
pytestmark = [
    pytest.mark.skipif(bool(NO_DOCKER), reason="no Docker daemon answers here: the image is not built"),
    pytest.mark.timeout(900),
]
IMAGE = "deskstream:under-test"
RESTRICTED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


def docker(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False, timeout=800)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def image() -> str:
    base = os.environ.get("DESKSTREAM_TEST_PYTHON_IMAGE", "")
    if not base:
        script = str(ROOT / "deploy" / "docker" / "stand_in_images.py")
        base = subprocess.run(
            [sys.executable, script, "python"], capture_output=True, text=True, check=True
        ).stdout.strip()
    arguments = {"PYTHON_IMAGE": base, "REVISION": "under-test"}
    arguments |= {name: os.environ[name] for name in ("PIP_INDEX_URL", "PIP_CERT") if name in os.environ}
    words = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    docker("build", "--network", "host", "-f", str(ROOT / "deploy/docker/Dockerfile"), "-t", IMAGE, *words, str(ROOT))
    return IMAGE


@pytest.mark.parametrize(
    "command",
    ["stream_processors --check", "sinks clickhouse --check", "sinks delivery --check", "sinks migrate --check",
     "producers http --check", "producers chat --check", "producers smtp --check", "schemas.admin --help"],
)  # fmt: skip
def test_every_process_starts_without_root_without_rights_and_without_a_root_to_write(image: str, command: str) -> None:
    docker("run", "--rm", "--network", "none", *RESTRICTED, image, *command.split())


def test_the_image_says_what_it_is_and_carries_its_bill_of_materials(image: str) -> None:
    config = json.loads(docker("inspect", image).stdout)[0]["Config"]
    assert config["User"] == "65532:65532"
    assert config["Labels"]["org.opencontainers.image.revision"] == "under-test"
    assert config["Healthcheck"]["Test"][:2] == ["CMD", "python"]
    place = config["Labels"]["example.deskstream.sbom"]
    script = (
        "import importlib.metadata as m, json, sys; bill = json.load(open(sys.argv[1]));"
        "print(json.dumps([{c['name']: c['version'] for c in bill['components'] if not any(p['name'].endswith('marker')"
        " for p in c['properties'])}, {d.name.lower().replace('_', '-').replace('.', '-'): d.version for d in m.distributions()}]))"
    )
    printed = docker("run", "--rm", "--network", "none", "--entrypoint", "python", image, "-c", script, place).stdout
    billed, installed = json.loads(printed)
    assert installed.pop("deskstream") == "0.1.0"
    assert billed == installed


def eventually(what: Callable[[], bool], seconds: float) -> None:
    """Until it is so; a server that does not answer yet is not so yet."""
    deadline = time.monotonic() + seconds
    while True:
        with suppress(httpx.TransportError):
            if what():
                return
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
        time.sleep(0.2)


def ready(port: int) -> Callable[[], bool]:
    return lambda: httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200


@pytest.fixture
def started(image: str, deployment: Deployment) -> Iterator[tuple[int, dict[str, int]]]:
    """The port of the web form, and container -> its metrics port of a worker, the form and the sink, all on this machine's network."""
    http, *metrics = free_ports(4)
    given = {name: value for name, value in deployment.env.items() if not name.endswith("_DIR")}
    flags = [word for name, value in given.items() for word in ("-e", f"{name}={value}")]
    common = ("--network", "host", *RESTRICTED, *flags)
    docker("run", "--rm", *common, image, "schemas.admin", "create", "--wait", "60")
    docker("run", "--rm", *common, image, "sinks", "migrate", "--wait", "60")
    docker("run", "--rm", *common, image, "sinks", "migrate", "--verify")
    names: dict[str, int] = {}
    try:
        for port, command in zip(
            metrics, (["stream_processors"], ["producers", "http"], ["sinks", "clickhouse"]), strict=True
        ):
            own = ("-e", f"DESKSTREAM_METRICS_PORT={port}", "-e", f"DESKSTREAM_HTTP_PORT={http}")
            names[docker("run", "-d", *common, *own, image, *command).stdout.strip()] = port
        yield http, names
    finally:
        for name in names:
            docker("rm", "--force", "--volumes", name, check=False)


def test_a_contact_that_the_containers_take_is_acknowledged(
    started: tuple[int, dict[str, int]], deployment: Deployment
) -> None:
    http, containers = started
    for container, port in containers.items():
        eventually(ready(port), 90)
        docker("exec", container, "python", "/opt/deskstream/healthcheck.py", "/readyz")
    form = {"name": "Ann", "email": "ann@example.org", "subject": "Card", "message": "My card was declined."}
    assert httpx.post(f"http://127.0.0.1:{http}/v1/form", data=form).status_code == 202
    client = connection.connect(deployment.settings(SinkSettings))
    eventually(lambda: client.query("SELECT count() FROM acknowledgements").result_rows == [(1,)], 60)
    for container in containers:
        docker("stop", "--time", "30", container)
        assert json.loads(docker("inspect", container).stdout)[0]["State"]["ExitCode"] == 0

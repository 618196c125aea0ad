"""Images of a production overlay are named by their digests, or refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deploy.kubernetes.pinned import images, unpinned
from tests.conftest import ROOT
from tests.support.deploy.manifests import kustomize

DIGEST = "sha256:" + "0123456789abcdef" * 4
PROD = ROOT / "deploy/kubernetes/overlays/prod"


def pod(image: str, init: str = f"a@{DIGEST}") -> dict[str, object]:
    containers = {
        "containers": [{"name": "main", "image": image}],
        "initContainers": [{"name": "first", "image": init}],
    }
    return {"kind": "Deployment", "spec": {"template": {"spec": containers}}}


@pytest.mark.parametrize(
    "image",
    [
        "a",
        "a:1.2.3",
        "a:latest",
        f"a@{DIGEST[:-1]}",
        f"a@{DIGEST}0",
        f"a@{DIGEST.upper()}",
        f"@{DIGEST}",
        f"a@sha512:{DIGEST[7:]}",
    ],
)
def test_what_is_no_digest_is_refused(image: str) -> None:
    assert unpinned([pod(image)]) == [image]
    assert unpinned([pod(f"a@{DIGEST}", init=image)]) == [image]


@pytest.mark.parametrize("image", [f"a@{DIGEST}", f"registry.example:5000/a/b:1.2@{DIGEST}"])
def test_a_digest_is_accepted_with_and_without_a_tag(image: str) -> None:
    assert unpinned([pod(image)]) == []


def check(manifests: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.kubernetes.pinned"]
    return subprocess.run(command, input=manifests, cwd=ROOT, capture_output=True, text=True)


def test_the_overlay_that_ships_is_refused_until_it_has_digests(tmp_path: Path) -> None:
    """Every image that it builds is one that `images` of the overlay names: nothing else has to be patched."""
    built = kustomize(PROD)
    refused = check(yaml.safe_dump_all(built))
    assert refused.returncode == 2
    assert "docker buildx imagetools inspect" in refused.stderr
    names = {image.partition(":")[0] for image in images(built)}
    listed = yaml.safe_load((PROD / "kustomization.yaml").read_text("utf-8"))["images"]
    assert names == {each.get("newName", each["name"]) for each in listed}
    mine = {
        "resources": ["../prod"],
        "images": [{"name": name, "digest": DIGEST} for name in sorted(names)],
    }
    _copy(ROOT / "deploy", tmp_path)
    folder = tmp_path / "deploy/kubernetes/overlays/mine"
    folder.mkdir()
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(mine))
    accepted = check(yaml.safe_dump_all(kustomize(folder)))
    assert (accepted.returncode, accepted.stderr) == (0, "")


def _copy(deploy: Path, target: Path) -> None:

    for part in ("kubernetes", "grafana/json", "prometheus/rules"):
        shutil.copytree(deploy / part, target / "deploy" / part)
    shutil.copytree(ROOT / "stream_processors/config", target / "stream_processors/config")


def test_nothing_to_check_is_refused() -> None:
    assert check("").returncode == 2

"""The real Prometheus and Alertmanager: fetched once, found offline afterwards, and a readable reason where neither works."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deploy.tools import HOME, PACKAGES, Tools, install
from schemas.errors import Unavailable


@pytest.mark.parametrize("program", ["prometheus", "promtool", "alertmanager", "amtool"])
def test_every_program_runs_and_tells_its_version(program: str, tools: Tools) -> None:
    done = subprocess.run([getattr(tools, program), "--version"], capture_output=True, text=True, check=True)
    assert "version 2." in done.stdout or "version 0." in done.stdout


def test_once_fetched_neither_apt_nor_a_network_is_needed(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    if not tools.promtool.is_relative_to(HOME):
        pytest.skip("the tools are those on PATH")
    monkeypatch.setenv("PATH", "/nowhere")
    assert install() == tools


def test_without_apt_and_without_tools_on_the_path_the_reason_names_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        Unavailable, match=r"apt-get is not here.*prometheus, promtool, alertmanager, amtool not on PATH"
    ):
        install(tmp_path / "tools")


def test_without_apt_the_tools_on_the_path_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("prometheus", "promtool", "alertmanager", "amtool"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert install(tmp_path / "tools").amtool == tmp_path / "amtool"


def test_an_archive_that_knows_no_such_package_is_told_apart_from_a_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("apt-get", "apt-cache", "dpkg-deb"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(Unavailable, match=f"apt knows no package {PACKAGES[0].name}"):
        install(tmp_path / "tools")


def test_another_pin_makes_what_was_unpacked_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in PACKAGES:
        (tmp_path / package.name).mkdir()
        (tmp_path / package.name / "version").write_text("an-older-pin 1.0 2\n")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unavailable):
        install(tmp_path)

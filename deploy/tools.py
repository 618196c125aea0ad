"""Fetches Prometheus, promtool, Alertmanager and amtool: Debian's packages, unpacked without root into `.tools/`.

`python -m deploy.tools` (`make tools`) fetches missing tools (30 MB) and prints their paths; afterwards no network is
needed. Nothing is installed into the system: `apt-get download`, which checks Debian's signatures, then `dpkg-deb -x`.
The pinned version is taken where apt offers it, otherwise its candidate. Without apt, tools on PATH are used. Without
these, `Unavailable` is raised, and tests that need them are skipped with that reason.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.jars import alone
from schemas.errors import Unavailable

__all__ = ["HOME", "PACKAGES", "Package", "Tools", "install"]

HOME = Path(__file__).parents[1] / ".tools"
_SECONDS = 180
#: Changes with what is done to the packages, so that an earlier `.tools` is made anew.
_RECIPE = "2"
#: Debian's Alertmanager reads its templates from this place of the system, whatever it is told.
_TEMPLATES = b"/usr/share/prometheus/alertmanager"
_DESCRIPTOR = 9
_WRAPPER = f"""#!/bin/sh
# Gives Alertmanager its own templates as an open directory: see deploy/tools.py.
here=$(dirname "$(readlink -f "$0")")
exec {_DESCRIPTOR}< "$here/../share/prometheus/alertmanager"
exec "$here/prometheus-alertmanager.real" "$@"
"""


@dataclass(frozen=True, slots=True)
class Package:
    """A Debian package. `pinned` is the version that our rules were tested with, `oldest` the first that can read them."""

    name: str
    pinned: str
    oldest: tuple[int, int]
    programs: tuple[str, ...]


PACKAGES = (
    Package("prometheus", "2.42.0+ds-5+deb12u1", (2, 42), ("prometheus", "promtool")),
    Package("prometheus-alertmanager", "0.25.0-1+b4", (0, 25), ("prometheus-alertmanager", "amtool")),
)


@dataclass(frozen=True, slots=True)
class Tools:
    """Holds the paths of the four programs, and their versions by package."""

    prometheus: Path
    promtool: Path
    alertmanager: Path
    amtool: Path
    versions: dict[str, str]


def install(home: Path = HOME) -> Tools:
    """Returns the tools, fetched first if they are missing; several processes may call it at once.

    Raises:
        Unavailable: there is no apt and nothing on PATH, apt reaches no archive, or what it has is too old.
    """
    if not all(_unpacked(package, home) for package in PACKAGES):
        missing = [name for name in ("apt-get", "apt-cache", "dpkg-deb") if shutil.which(name) is None]
        if missing:
            return _on_path(f"{missing[0]} is not here (only Debian and its kin have it)")
        home.mkdir(parents=True, exist_ok=True)
        with alone(home / "lock"):
            for package in PACKAGES:
                if not _unpacked(package, home):
                    _fetch(package, home)
    programs = {name: home / package.name / "usr/bin" / name for package in PACKAGES for name in package.programs}
    versions = {package.name: _version_file(package, home).read_text().split()[1] for package in PACKAGES}
    return Tools(
        programs["prometheus"],
        programs["promtool"],
        programs["prometheus-alertmanager"],
        programs["amtool"],
        versions,
    )


def _version_file(package: Package, home: Path) -> Path:
    """Returns the file with `<pinned> <unpacked> <recipe>`; another pin or recipe in this module makes it stale."""
    return home / package.name / "version"


def _unpacked(package: Package, home: Path) -> bool:
    try:
        pinned, _, recipe = _version_file(package, home).read_text().split()
    except (OSError, ValueError):
        return False
    return (pinned, recipe) == (package.pinned, _RECIPE)


def _on_path(why: str) -> Tools:
    found = {name: shutil.which(name) for name in ("prometheus", "promtool", "alertmanager", "amtool")}
    found["alertmanager"] = found["alertmanager"] or shutil.which("prometheus-alertmanager")
    absent = [name for name, path in found.items() if path is None]
    if absent:
        raise Unavailable(f"{why}, and {', '.join(absent)} not on PATH; install Prometheus and Alertmanager")
    paths = {name: Path(path) for name, path in found.items() if path}
    return Tools(**paths, versions={"prometheus": "on PATH", "prometheus-alertmanager": "on PATH"})


def _fetch(package: Package, home: Path) -> None:
    print(f"fetching {package.name} from this Debian's archive, once", file=sys.stderr, flush=True)
    try:
        deb, version = _download(package, home, ())
    except Unavailable:  # the system's lists are empty or out of date: lists of our own, which need no root
        deb, version = _download(package, home, _own_lists(home))
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if numbers < package.oldest:
        wanted = ".".join(map(str, package.oldest))
        raise Unavailable(f"this Debian has {package.name} {version}; our rules need {wanted} or later")
    partial = home / f"{package.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    _run(["dpkg-deb", "-x", str(deb), str(partial)])
    deb.unlink()
    _point_at_own_templates(partial / "usr/bin/prometheus-alertmanager")
    (partial / "version").write_text(f"{package.pinned} {version} {_RECIPE}\n")
    shutil.rmtree(home / package.name, ignore_errors=True)
    partial.rename(home / package.name)  # complete, or not there


def _point_at_own_templates(program: Path) -> None:
    """Replaces the compiled-in directory by one of the same length that the wrapper opens, so that no root is needed."""
    if not program.exists():
        return
    own = f"/proc/self/fd/{_DESCRIPTOR}".encode().ljust(len(_TEMPLATES), b"/")
    program.with_name(f"{program.name}.real").write_bytes(program.read_bytes().replace(_TEMPLATES, own))
    program.with_name(f"{program.name}.real").chmod(0o755)
    program.write_text(_WRAPPER)


def _download(package: Package, home: Path, options: Sequence[str]) -> tuple[Path, str]:
    listed = _run(["apt-cache", *options, "madison", package.name])
    offered = [columns[1].strip() for line in listed.splitlines() if len(columns := line.split("|")) == 3]
    if not offered:
        raise Unavailable(f"apt knows no package {package.name}")
    version = package.pinned if package.pinned in offered else offered[0]
    with tempfile.TemporaryDirectory(dir=home) as directory:
        quiet = ("-qq", "-o", "APT::Sandbox::User=root", "-o", "Acquire::http::Timeout=20", "-o", "Acquire::Retries=2")
        _run(["apt-get", *options, *quiet, "download", f"{package.name}={version}"], cwd=Path(directory))
        deb = next(Path(directory).glob("*.deb")).rename(home / f"{package.name}.deb")
    return deb, version


def _own_lists(home: Path) -> tuple[str, ...]:
    """Returns options that make apt keep its lists below `home`, after one `apt-get update` there."""
    state, cache = home / "apt" / "state", home / "apt" / "cache"
    for directory in (state / "lists" / "partial", cache / "archives" / "partial"):
        directory.mkdir(parents=True, exist_ok=True)
    options = (
        "-o",
        f"Dir::State={state}",
        "-o",
        "Dir::State::status=/var/lib/dpkg/status",
        "-o",
        f"Dir::Cache={cache}",
    )
    _run(["apt-get", *options, "-qq", "-o", "APT::Sandbox::User=root", "-o", "Acquire::http::Timeout=20", "update"])
    return options


def _run(command: Sequence[str], cwd: Path | None = None) -> str:
    """Returns the command's standard output.

    Raises:
        Unavailable: the command failed; the message is the last line of its output.
    """
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{command[0]} took longer than {_SECONDS} s") from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if not line.startswith("W:")] or [f"exit {done.returncode}"]
        raise Unavailable(f"{command[0]}: {said[-1].removeprefix('E: ')}")
    return done.stdout


def main() -> int:
    argparse.ArgumentParser(
        prog="python -m deploy.tools",
        description="Fetches Prometheus, promtool, Alertmanager and amtool (30 MB, once) and prints their paths.",
    ).parse_args()
    tools = install()
    for package, version in tools.versions.items():
        print(f"{package} {version}")
    for path in (tools.prometheus, tools.promtool, tools.alertmanager, tools.amtool):
        print(f"  {path}")
    return 0


if __name__ == "__main__":
    from schemas.process import guarded

    sys.exit(guarded(main))

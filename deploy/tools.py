"""Fetches the servers of others that tests use: Prometheus, Alertmanager, dovecot and exim, Debian's packages, into `.tools/`.

`python -m deploy.tools` (`make tools`) fetches missing tools (45 MB) and prints their paths; afterwards no network is
needed. Nothing is installed into the system (`deploy.debian`). Without apt, Prometheus and Alertmanager on PATH are used.
Without these, `Unavailable` is raised, and tests that need them are skipped with that reason.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.debian import Package, is_unpacked, unpack, unpacked_version
from schemas.errors import Unavailable

__all__ = ["HOME", "MAIL_PACKAGES", "PACKAGES", "MailServers", "Package", "Tools", "install", "install_mail_servers"]

HOME = Path(__file__).parents[1] / ".tools"
#: Debian's Alertmanager reads its templates from this place of the system, whatever it is told.
_TEMPLATES = b"/usr/share/prometheus/alertmanager"
_DESCRIPTOR = 9
_WRAPPER = f"""#!/bin/sh
# Gives Alertmanager its own templates as an open directory: see deploy/tools.py.
here=$(dirname "$(readlink -f "$0")")
exec {_DESCRIPTOR}< "$here/../share/prometheus/alertmanager"
exec "$here/prometheus-alertmanager.real" "$@"
"""
#: Where Debian's dovecot looks for its modules, TLS among them, whatever it is told.
_MODULES = b"/usr/lib/dovecot/modules"


def _point_at_own_templates(unpacked: Path) -> None:
    """Replaces the compiled-in directory by one of the same length that the wrapper opens, so that no root is needed."""
    program = unpacked / "usr/bin/prometheus-alertmanager"
    own = f"/proc/self/fd/{_DESCRIPTOR}".encode().ljust(len(_TEMPLATES), b"/")
    program.with_name(f"{program.name}.real").write_bytes(program.read_bytes().replace(_TEMPLATES, own))
    program.with_name(f"{program.name}.real").chmod(0o755)
    program.write_text(_WRAPPER)


def _point_at_own_modules(unpacked: Path) -> None:
    """Replaces the compiled-in directory by `modules` below dovecot's base directory, which is where it works."""
    own = b"modules".rjust(len(_MODULES) - 1, b"/").rjust(len(_MODULES), b".")
    for file in (*(unpacked / "usr/lib/dovecot").rglob("*"), *(unpacked / "usr/bin").iterdir()):
        if file.is_file() and not file.is_symlink() and _MODULES in (content := file.read_bytes()):
            file.write_bytes(content.replace(_MODULES, own))


def _run_as_anybody(unpacked: Path) -> None:
    """Takes exim its set-user-id bit, with which no library beside it would be loaded."""
    (unpacked / "usr/sbin/exim4").chmod(0o755)


PACKAGES = (
    Package("prometheus", "2.42.0+ds-5+deb12u1", (2, 42), ("prometheus", "promtool")),
    Package(
        "prometheus-alertmanager",
        "0.25.0-1+b4",
        (0, 25),
        ("prometheus-alertmanager", "amtool"),
        prepare=_point_at_own_templates,
    ),
)
MAIL_PACKAGES = (
    Package(
        "dovecot-imapd",
        "1:2.3.19.1+dfsg1-2.1+deb12u7",
        (2, 3),
        ("dovecot",),
        below=(2, 4),  # whose configuration is another language
        beside=("dovecot-core",),
        closed=True,
        prepare=_point_at_own_modules,
        recipe="1",
    ),
    Package(
        "exim4-daemon-light",
        "4.96-15+deb12u11",
        (4, 94),
        ("exim4",),
        beside=(
            "libnss-wrapper",
            "libresolv-wrapper",
        ),  # a user of its own, on which exim insists, and a DNS of the test's own
        closed=True,
        prepare=_run_as_anybody,
        recipe="2",
    ),
)


@dataclass(frozen=True, slots=True)
class Tools:
    """Holds the paths of the four programs, and their versions by package."""

    prometheus: Path
    promtool: Path
    alertmanager: Path
    amtool: Path
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class MailServers:
    """Holds the directories in which dovecot and exim are unpacked, each with `usr/sbin`, and their versions by package."""

    dovecot: Path
    exim: Path
    versions: dict[str, str]


def install(home: Path = HOME) -> Tools:
    """Returns the tools, fetched first if they are missing; several processes may call it at once.

    Raises:
        Unavailable: there is no apt and nothing on PATH, apt reaches no archive, or what it has is too old.
    """
    if shutil.which("apt-get") is None and not all(is_unpacked(package, home) for package in PACKAGES):
        return _on_path("apt-get is not here (only Debian and its kin have it)")
    unpack(PACKAGES, home)
    programs = {name: home / package.name / "usr/bin" / name for package in PACKAGES for name in package.programs}
    return Tools(
        programs["prometheus"],
        programs["promtool"],
        programs["prometheus-alertmanager"],
        programs["amtool"],
        {package.name: unpacked_version(package, home) for package in PACKAGES},
    )


def install_mail_servers(home: Path = HOME) -> MailServers:
    """Returns the mail servers, fetched first if they are missing; several processes may call it at once.

    Raises:
        Unavailable: there is no apt, it reaches no archive, or what it has is too old or too new.
    """
    unpack(MAIL_PACKAGES, home)
    dovecot, exim = (home / package.name for package in MAIL_PACKAGES)
    return MailServers(dovecot, exim, {package.name: unpacked_version(package, home) for package in MAIL_PACKAGES})


def _on_path(why: str) -> Tools:
    found = {name: shutil.which(name) for name in ("prometheus", "promtool", "alertmanager", "amtool")}
    found["alertmanager"] = found["alertmanager"] or shutil.which("prometheus-alertmanager")
    absent = [name for name, path in found.items() if path is None]
    if absent:
        raise Unavailable(f"{why}, and {', '.join(absent)} not on PATH; install Prometheus and Alertmanager")
    paths = {name: Path(path) for name, path in found.items() if path}
    return Tools(**paths, versions={"prometheus": "on PATH", "prometheus-alertmanager": "on PATH"})


def main() -> int:
    argparse.ArgumentParser(
        prog="python -m deploy.tools",
        description="Fetches Prometheus, promtool, Alertmanager, amtool, dovecot and exim (45 MB, once) and prints their paths.",
    ).parse_args()
    tools, servers = install(), install_mail_servers()
    for package, version in (tools.versions | servers.versions).items():
        print(f"{package} {version}")
    for path in (tools.prometheus, tools.promtool, tools.alertmanager, tools.amtool, servers.dovecot, servers.exim):
        print(f"  {path}")
    return 0


if __name__ == "__main__":
    from schemas.process import guarded

    sys.exit(guarded(main))

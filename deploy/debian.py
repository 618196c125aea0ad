"""Unpacks Debian's packages without root: `apt-get download`, which checks Debian's signatures, then `dpkg-deb -x`.

Nothing is installed into the system. The pinned version is taken where apt offers it, otherwise its candidate.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.jars import alone
from schemas.errors import Unavailable

__all__ = ["Package", "is_unpacked", "unpack", "unpacked_version"]

_SECONDS = 180
_SANDBOX = ("-o", "APT::Sandbox::User=root", "-o", "Acquire::http::Timeout=20")


def _as_it_is(_: Path) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Package:
    """A Debian package, and what is unpacked beside it.

    pinned    the version that our rules and tests were written with
    oldest    the first version that they can do with
    below     the first version that they cannot do with any more; () for none
    programs  what is wanted of it
    beside    packages whose content is needed, too
    closed    fetch the libraries that it needs and this machine lacks as well
    prepare   what is done to the unpacked files
    recipe    changes with `prepare`, so that what was unpacked earlier is made anew
    """

    name: str
    pinned: str
    oldest: tuple[int, int]
    programs: tuple[str, ...]
    below: tuple[int, ...] = ()
    beside: tuple[str, ...] = ()
    closed: bool = False
    prepare: Callable[[Path], None] = _as_it_is
    recipe: str = "2"


def is_unpacked(package: Package, home: Path) -> bool:
    """Returns true when the package lies below `home` as this module would unpack it now."""
    try:
        pinned, _, recipe = _version_file(package, home).read_text().split()
    except (OSError, ValueError):
        return False
    return (pinned, recipe) == (package.pinned, package.recipe)


def unpacked_version(package: Package, home: Path) -> str:
    """Returns the version that lies below `home`."""
    return _version_file(package, home).read_text().split()[1]


def unpack(packages: Sequence[Package], home: Path) -> None:
    """Unpacks those that are missing into `home/<name>`; several processes may call it at once.

    Raises:
        Unavailable: there is no apt, it reaches no archive, or what it has is too old or too new.
    """
    if all(is_unpacked(package, home) for package in packages):
        return
    missing = [name for name in ("apt-get", "apt-cache", "dpkg-deb") if shutil.which(name) is None]
    if missing:
        raise Unavailable(f"{missing[0]} is not here (only Debian and its kin have it)")
    home.mkdir(parents=True, exist_ok=True)
    with alone(home / "lock"):
        for package in packages:
            if not is_unpacked(package, home):
                _fetch(package, home)


def _version_file(package: Package, home: Path) -> Path:
    """Returns the file with `<pinned> <unpacked> <recipe>`; another pin or recipe makes it stale."""
    return home / package.name / "version"


def _fetch(package: Package, home: Path) -> None:
    print(f"fetching {package.name} from this Debian's archive, once", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=home) as directory:
        try:
            version = _download(package, Path(directory), ())
        except Unavailable:  # the system's lists are empty or out of date: lists of our own, which need no root
            version = _download(package, Path(directory), _own_lists(home))
        _check(package, version)
        partial = home / f"{package.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        for deb in sorted(Path(directory).glob("*.deb")):
            _run(["dpkg-deb", "-x", str(deb), str(partial)])
    package.prepare(partial)
    (partial / "version").write_text(f"{package.pinned} {version} {package.recipe}\n")
    shutil.rmtree(home / package.name, ignore_errors=True)
    partial.rename(home / package.name)  # complete, or not there


def _check(package: Package, version: str) -> None:
    upstream = version.partition(":")[2] or version
    numbers = tuple(int(number) for number in re.findall(r"\d+", upstream)[:2])
    if numbers < package.oldest:
        wanted = ".".join(map(str, package.oldest))
        raise Unavailable(f"this Debian has {package.name} {version}; we need {wanted} or later")
    if package.below and numbers >= package.below:
        unknown = ".".join(map(str, package.below))
        raise Unavailable(f"this Debian has {package.name} {version}; we know it below {unknown}")


def _download(package: Package, directory: Path, options: Sequence[str]) -> str:
    listed = _run(["apt-cache", *options, "madison", package.name])
    offered = [columns[1].strip() for line in listed.splitlines() if len(columns := line.split("|")) == 3]
    if not offered:
        raise Unavailable(f"apt knows no package {package.name}")
    version = package.pinned if package.pinned in offered else offered[0]
    wanted = dict.fromkeys((f"{package.name}={version}", *package.beside))
    if package.closed:
        wanted = dict.fromkeys((*wanted, *_missing_libraries(wanted, options)))
    _run(["apt-get", *options, "-qq", *_SANDBOX, "-o", "Acquire::Retries=2", "download", *wanted], cwd=directory)
    return version


def _missing_libraries(wanted: Iterable[str], options: Sequence[str]) -> list[str]:
    """Returns the libraries that apt would install with these packages; it only plans, which needs no root."""
    plan = _run(["apt-get", *options, "-qq", "-s", "--no-install-recommends", "install", *wanted])
    return re.findall(r"(?m)^Inst (lib\S+)", plan)


def _own_lists(home: Path) -> tuple[str, ...]:
    """Returns options that make apt keep its lists below `home`, after one `apt-get update` there."""
    state, cache = home / "apt" / "state", home / "apt" / "cache"
    for directory in (state / "lists" / "partial", cache / "archives" / "partial"):
        directory.mkdir(parents=True, exist_ok=True)
    status = ("-o", "Dir::State::status=/var/lib/dpkg/status")
    options = ("-o", f"Dir::State={state}", *status, "-o", f"Dir::Cache={cache}")
    _run(["apt-get", *options, "-qq", *_SANDBOX, "update"])
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

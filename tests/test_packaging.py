"""The wheel works away from the source tree, and holds what the code reads beside itself."""

from __future__ import annotations

import email
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("schemas", "producers", "stream_processors", "sinks")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built with what is installed: no isolation, and so no download."""
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(directory), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = directory.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel is a zip file whose layout is that of site-packages: unpacking it is installing it."""
    target = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def elsewhere(program: str, installed: Path) -> str:
    """Run a program in the directory of the installed wheel; the source tree is not on its path."""
    guard = f"import sys; sys.path[:] = [{str(installed)!r}] + [p for p in sys.path if p != {str(ROOT)!r}]\n"
    done = subprocess.run(
        [sys.executable, "-P", "-c", guard + program], cwd=installed, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_the_four_packages_and_nothing_else(contents: dict[str, bytes]) -> None:
    assert {name.split("/")[0] for name in contents if ".dist-info/" not in name} == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_of_a_package_that_is_not_a_left_over_is_in_the_wheel(
    package: str, contents: dict[str, bytes]
) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", package],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    present = {name for name in listed if name and (ROOT / name).is_file()}
    assert present
    assert present - set(contents) == set()


@pytest.mark.parametrize(
    ("folder", "suffix"),
    [
        ("schemas/avro", ".avsc"),
        ("stream_processors/config", ".yaml"),
        ("producers/sources/http/templates", ".html"),
        ("producers/sources/http/locales", ".po"),
        ("sinks/clickhouse/migrations", ".sql"),
        ("sinks/clickhouse/views", ".sql"),
    ],
)
def test_the_data_files_are_inside(folder: str, suffix: str, contents: dict[str, bytes]) -> None:
    wanted = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob(f"*{suffix}")}
    assert wanted
    assert wanted <= set(contents)


def test_the_metadata_forbid_an_upload_and_name_the_pythons(contents: dict[str, bytes]) -> None:
    (metadata,) = (text for name, text in contents.items() if name.endswith(".dist-info/METADATA"))
    fields = email.message_from_bytes(metadata)
    assert fields["Name"] == "deskstream"
    assert "Private :: Do Not Upload" in fields.get_all("Classifier", [])
    assert fields["Requires-Python"] == "<3.14,>=3.11"


def test_faust_finds_our_transport_and_store_by_entry_point(contents: dict[str, bytes]) -> None:
    (text,) = (text for name, text in contents.items() if name.endswith(".dist-info/entry_points.txt"))
    points = ConfigParser()
    points.read_string(text.decode())
    assert points["faust.transports"]["deskstream"] == "stream_processors.runtime.transport:Transport"
    assert points["faust.stores"]["deskstream"] == "stream_processors.runtime.store:Store"


def test_the_packages_are_imported_from_the_wheel(installed: Path) -> None:
    program = f"""
import importlib
for name in {PACKAGES!r}:
    print(importlib.import_module(name).__file__)
"""
    assert elsewhere(program, installed).split() == [str(installed / name / "__init__.py") for name in PACKAGES]


def test_records_are_encoded_with_the_schemas_of_the_wheel(installed: Path) -> None:
    program = """
from schemas import codec
from schemas.events import NoteAdded
note = NoteAdded(event_id="e", occurred_at=1, received_at=1, customer_tag="T", ticket_id="T-1", agent_id="mei", text="x")
assert codec.decode(codec.encode(note)) == note
print(codec.AVRO)
"""
    assert elsewhere(program, installed).strip() == str(installed / "schemas" / "avro")


def test_the_rules_that_ship_with_the_wheel_are_valid(installed: Path) -> None:
    program = """
from stream_processors.rules import ruleset
print(ruleset.__file__)
ruleset.load(None, "shop.example")
"""
    assert elsewhere(program, installed).strip() == str(installed / "stream_processors" / "rules" / "ruleset.py")


@pytest.mark.parametrize(("folder", "glob"), [("sinks/clickhouse/tables", "*.py"), ("producers/channels", "*.py")])
def test_every_part_that_is_found_by_scanning_is_imported_from_the_wheel(
    folder: str, glob: str, installed: Path
) -> None:
    names = [path.stem for path in (ROOT / folder).glob(glob) if path.stem != "__init__"]
    package = folder.replace("/", ".")
    program = f"""
import importlib
for name in {names!r}:
    importlib.import_module({package!r} + "." + name)
"""
    elsewhere(program, installed)

"""Rules about the project itself that no other tool checks: where things are, what imports what, what the lock holds."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.support.each import each

ROOT = Path(__file__).parents[1]
PACKAGES = ("schemas", "producers", "stream_processors", "sinks")
ENTRY_POINTS = ("__main__.py", "app.py")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PURE_CONTRACT = "Pure folders reach no broker, no database and no metric"

#: Modules in a pure folder that do I/O: the topic of rules, what keeps a worker up to date with it, and its command line.
IO_IN_PURE_FOLDERS = (
    "stream_processors/rules/cli.py",
    "stream_processors/rules/incident_cli.py",
    "stream_processors/rules/preview.py",
    "stream_processors/rules/reloader.py",
    "stream_processors/rules/topic.py",
)

#: The most lines of a Python file, a function (decorators included) and a class.
FILE_LINES, FUNCTION_LINES, CLASS_LINES = 400, 60, 250

#: Package → the modules and folders that stand in it (`__init__` aside).
ROOMS = {
    "stream_processors": {
        *("__main__", "app", "rekey"),
        *("config", "recompute", "replies", "routing", "rules", "runtime", "spikes", "tagging", "text", "tickets"),
    },
    "producers": {
        *("__main__", "endpoint", "intake", "publisher"),
        *(
            "channels",
            "customers",
            "endpoints",
            "help_centre",
            "imports",
            "mail",
            "publishing",
            "replay",
            "security",
            "simulation",
        ),
        *("sources", "storage", "text"),
    },
    "sinks": {
        "__main__",
        "kafka",
        "signals",
        "clickhouse",
        "dead_letters",
        "delivery",
        "erasure",
        "matrix",
        "staffing",
        "webhooks",
    },
}


def modules(*places: str) -> list[Path]:
    found = [path for place in places for path in (ROOT / place).rglob("*.py")]
    return sorted(path.relative_to(ROOT) for path in found)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text("utf-8"))


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """`(module, name)` of every import, `name` is '' for a plain `import module`."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def attributes(path: Path) -> set[str]:
    """Every `name.attribute` that the module mentions."""
    return {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }


def contract(name: str) -> dict[str, list[str]]:
    return next(entry for entry in PROJECT["tool"]["importlinter"]["contracts"] if entry["name"] == name)


def pure_modules() -> list[Path]:
    pure = [name.replace(".", "/") for name in contract(PURE_CONTRACT)["source_modules"]]
    found = [path for path in modules(*PACKAGES) if any(path.with_suffix("").is_relative_to(name) for name in pure)]
    return [path for path in found if str(path) not in IO_IN_PURE_FOLDERS]


def lines(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    """Returns the lines of a definition, decorators included."""
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return (node.end_lineno or first) - first + 1


def too_long(path: Path) -> Iterator[str]:
    """Yields the module, its functions and its classes that are longer than they may be."""
    length = len((ROOT / path).read_text("utf-8").splitlines())
    if length > FILE_LINES:
        yield f"{path}: {length} lines"
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            most = CLASS_LINES if isinstance(node, ast.ClassDef) else FUNCTION_LINES
            if lines(node) > most:
                yield f"{path}:{node.lineno}: {node.name}: {lines(node)} lines"


every_module = each("path", modules(*PACKAGES, "deploy"))
every_pure_module = each("path", pure_modules())


# -- modules ------------------------------------------------------------------------------------------------------


def test_the_contract_package_runs_nothing_when_it_is_imported() -> None:
    assert (ROOT / "schemas" / "__init__.py").read_text("utf-8") == ""


@every_module
def test_a_module_says_what_it_is_for(path: Path) -> None:
    assert not tree(path).body or ast.get_docstring(tree(path))


@pytest.mark.parametrize("package", ROOMS)
def test_a_package_holds_these_files_and_folders(package: str) -> None:
    present = {path.stem for path in (ROOT / package).iterdir() if path.suffix == ".py" or path.is_dir()}
    assert present - {"__init__", "__pycache__"} == ROOMS[package]


def test_no_helper_lies_beside_a_test() -> None:
    """Helpers stand in `tests/support/`; benchmarks, fuzz and mutants are programs of their own."""
    programs = ("benchmarks", "fuzz", "mutants", "support")
    files = [path for path in modules("tests") if path.parts[1] not in programs]
    strangers = [str(path) for path in files if not re.fullmatch(r"test_.*|conftest|__init__", path.stem)]
    assert strangers == []


def test_no_file_function_or_class_is_too_long() -> None:
    assert [found for path in modules(*PACKAGES, "deploy", "tests") for found in too_long(path)] == []


@every_pure_module
def test_a_pure_module_knows_the_time_only_from_its_arguments(path: Path) -> None:
    wanted = set(imports(path)) - {("random", "Random")}  # which takes a seed
    assert {module for module, _ in wanted} & {"time", "random", "secrets", "uuid", "asyncio", "threading"} == set()
    assert attributes(path) & {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "os.urandom"} == set()


@every_module
def test_only_entry_points_read_the_environment(path: Path) -> None:
    if path.name in ENTRY_POINTS or path.parts[0] == "deploy":
        return
    assert attributes(path) & {"os.environ", "os.getenv", "os.environb"} == set()


@every_module
def test_every_kafka_client_is_given_the_security_settings(path: Path) -> None:
    """`**security(settings)`: a client without it works on a laptop and nowhere else."""
    if path.parts[0] == "deploy":
        return
    clients = {
        "AIOKafkaAdminClient",
        "AIOKafkaConsumer",
        "AIOKafkaProducer",
        "KafkaAdminClient",
        "KafkaConsumer",
        "KafkaProducer",
    }
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in clients:
            spread = [keyword.value for keyword in node.keywords if keyword.arg is None]
            assert any(ast.unparse(value).startswith("security(") for value in spread), f"line {node.lineno}"


@every_module
def test_what_a_module_imports_is_a_declared_dependency(path: Path) -> None:
    entries = list(PROJECT["project"]["dependencies"])
    if path.is_relative_to("deploy/grafana"):  # run by `make generate` only: its files are committed
        entries += PROJECT["project"]["optional-dependencies"]["dev"]
    if path.is_relative_to(
        "stream_processors/tagging"
    ):  # imported where they are used: who does without need not have them
        entries += [
            *PROJECT["project"]["optional-dependencies"]["suggester"],
            *PROJECT["project"]["optional-dependencies"]["train"],
        ]
    declared = {normal(re.split(r"[<>=\[ ;]", entry)[0]) for entry in entries}
    for module, _ in imports(path):
        top = module.split(".")[0]
        if top in sys.stdlib_module_names or top in (*PACKAGES, "deploy", ""):
            continue
        assert {normal(name) for name in provides().get(top, [])} & declared, f"{top} is not declared"


@cache
def provides() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_import_contracts_name_modules_that_exist() -> None:
    named = [
        module
        for entry in PROJECT["tool"]["importlinter"]["contracts"]
        for module in (*entry.get("source_modules", ()), *entry.get("modules", ()))
    ]
    paths = [ROOT / name.replace(".", "/") for name in named]
    assert [str(path) for path in paths if not path.is_dir() and not path.with_suffix(".py").is_file()] == []


# -- the lock -----------------------------------------------------------------------------------------------------

LOCK = (ROOT / "requirements.lock").read_text("utf-8")


def locked() -> dict[str, str]:
    """Requirement line → the text that follows it, hashes and comments."""
    parts = re.split(r"^(?=[A-Za-z0-9])", LOCK, flags=re.MULTILINE)[1:]
    return {part.splitlines()[0]: part for part in parts}


def test_every_locked_package_has_one_version_and_hashes() -> None:
    for line, entry in locked().items():
        assert re.match(r"[a-z0-9._-]+==[^ ]+( ; .+)? \\$", line), line
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), line


def test_the_lock_holds_every_dependency_that_the_project_declares() -> None:
    extras = PROJECT["project"]["optional-dependencies"].values()
    declared = [*PROJECT["project"]["dependencies"], *(entry for extra in extras for entry in extra)]
    names = {line.split("==")[0] for line in locked()}
    assert {normal(re.split(r"[<>=\[ ;]", entry)[0]) for entry in declared} <= names


def test_the_lock_names_no_host_and_no_directory() -> None:
    assert re.findall(r"https?://|--index-url|--find-links|--extra-index|file:|/", re.sub(r"# +via .*", "", LOCK)) == []


# -- make ---------------------------------------------------------------------------------------------------------

TARGETS = (
    *("run", "demo", "fmt", "check", "test", "bench", "recompute", "train", "soak", "fuzz", "mutants"),
    *("generate", "tools", "clean", "lock"),
)


def test_make_alone_lists_every_target_with_a_line_about_it() -> None:
    done = subprocess.run(["make", "-C", ROOT], capture_output=True, text=True, check=True)
    listed = dict(re.findall(r"^  make ([a-z]+) +(\S.+)$", done.stdout, flags=re.MULTILINE))
    assert set(listed) == {"help", *TARGETS}


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_sets_up_what_it_needs(target: str, tmp_path: Path) -> None:
    """Without an environment, `make -n TARGET` would create one first; only these two need none."""
    plan = subprocess.run(
        ["make", "-n", "-C", ROOT, target, f"VENV={tmp_path / 'none'}"], capture_output=True, text=True, check=True
    ).stdout
    assert ("--require-hashes" in plan) == (target not in ("clean", "lock"))


def test_the_ci_script_is_sound_and_can_be_executed() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", script], check=True)


def test_every_file_that_is_to_run_first_is_there() -> None:
    listed = (ROOT / "tests" / "longest.txt").read_text("utf-8").split()
    assert [name for name in listed if not (ROOT / name).is_file()] == []
    assert len(set(listed)) == len(listed)


def test_each_decision_has_a_number_of_its_own_and_what_refers_to_one_finds_it() -> None:
    numbers = [path.name[:4] for path in sorted((ROOT / "deploy" / "adr").glob("*.md"))]
    assert len(numbers) == len(set(numbers))
    folders = (*PACKAGES, "deploy", "tests")
    written = [
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".md", ".sql", ".yaml")
    ]
    named = {
        int(number)
        for path in (ROOT / "README.md", *written)
        for number in re.findall(r"\bADR (\d+)\b", path.read_text("utf-8"))
    }
    assert named - {int(number) for number in numbers} == set()

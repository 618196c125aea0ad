"""The pages of deploy/operations: every command, option, setting, resource, file and query in them is one that exists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from schemas.settings import SinkSettings
from sinks.clickhouse import connection, migrate
from tests.conftest import ROOT
from tests.support.deploy.setting_policies import every_variable
from tests.support.each import each

PAGES = ROOT / "deploy" / "operations"
EVERY = sorted(PAGES.glob("*.md"))
COMMAND_LINES = {
    "schemas.admin": ("schemas.admin", "app"),
    "stream_processors": ("stream_processors.__main__", "cli"),
    "sinks": ("sinks.__main__", "app"),
    "producers": ("producers.__main__", "app"),
    "deploy.local": ("deploy.local.__main__", "app"),
}
KUBECTL = {"annotate", "apply", "delete", "exec", "get", "patch", "rollout", "scale", "wait"}
#: What a cluster has beside our manifests: claims by their template, Secrets, and pods of the StatefulSets.
NOT_OURS = {"deskstream-doors", "deskstream-keys", "deskstream-worker", "state-worker-0", "worker-0", "clickhouse-0"}
every_page = each("path", EVERY)


def lines(path: Path) -> list[str]:
    """Every command of a page: those in its blocks, and those of ours that a sentence names."""
    text = path.read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)
    found = [line for block in blocks for line in block.replace("\\\n", "").splitlines()]
    return found + re.findall(r"`((?:python -m|make) [^`]+)`", text)


ALL = [(path.stem, line) for path in EVERY for line in lines(path)]


@each(("page", "line"), ALL)
def test_a_command_exists_with_the_options_that_it_is_given(page: str, line: str) -> None:
    words = shlex.split(line)
    while (match := re.fullmatch(r"(DESKSTREAM_\w+)=.+", words[0])) is not None:
        assert match[1] in every_variable()
        words.pop(0)
    check(words)


def check(words: list[str]) -> None:
    if words[:2] == ["python", "-m"]:
        ours(words[2], words[3:])
    elif words[0] == "make":
        assert re.search(rf"^([a-z ]+ )?{words[1]}( [a-z ]+)?:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    elif words[0] == "kubectl":
        kubernetes(words[1:])
    else:
        assert words == [".", ".data/env"], f"nobody looks at {words[0]}"


def ours(module: str, words: list[str]) -> None:
    """Follow the words through the command line's own tree."""
    name, attribute = COMMAND_LINES[module]
    command: Any = typer.main.get_command(getattr(import_module(name), attribute))
    taken, options = 0, set[str]()
    value_follows = False
    while words:
        word = words.pop(0)
        options = {name for parameter in command.params for name in parameter.opts if name.startswith("--")}
        if value_follows:
            value_follows = False
        elif word.startswith("--"):
            assert word in options, f"{word} is none of {sorted(options)}"
            (parameter,) = [each for each in command.params if word in each.opts]
            value_follows = not parameter.is_flag
        elif word in getattr(command, "commands", {}):
            command = command.commands[word]
        else:
            taken += 1
            arguments = [each for each in command.params if each.param_type_name == "argument"]
            assert taken <= len(arguments), f"{command.name} takes no {word!r}"
    assert not value_follows


def kubernetes(words: list[str]) -> None:
    if words[0] == "--namespace":
        words = words[2:]
    assert words[0] in KUBECTL
    for flag, value in pairwise(words):
        if flag == "-k":
            assert (ROOT / value / "kustomization.yaml").is_file()
        if flag == "-l":
            assert chosen(value), f"{value} chooses nothing"
    plain = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    for kind, _, name in (word.partition("/") for word in plain if re.fullmatch(r"[a-z]+/[a-z-]+", word)):
        assert name in manifests().get(kind, set()) | NOT_OURS, f"no {kind} {name}"
    if words[0] in ("delete", "patch"):
        kind = plain[0]
        names = [word for word in plain[1:] if word not in ("merge", "endpoints.yaml", "keys-patch.yaml")]
        assert set(names) <= manifests().get(kind, set()) | NOT_OURS


def chosen(selector: str) -> set[str]:
    """The components that a selector of the upgrade chooses; every one that it names has to exist."""
    match = re.fullmatch(r"app\.kubernetes\.io/component(?: (in|notin) \(([\w,-]+)\)|=([\w-]+))", selector)
    assert match is not None, selector
    named = set((match[2] or match[3]).split(","))
    assert named <= components(), f"no component {named - components()}"
    return components() - named if match[1] == "notin" else named


@cache
def components() -> set[str]:
    texts = (path.read_text("utf-8") for path in (ROOT / "deploy" / "kubernetes").rglob("*.yaml"))
    return {
        name for text in texts for name in re.findall(r"app\.kubernetes\.io/component: ([\w-]+)$", text, re.MULTILINE)
    }


def test_the_upgrade_in_order_leaves_out_no_process_and_takes_the_writers_last() -> None:
    """Readers before writers: first what is no process, then sinks, workers, and in the end everything."""
    applied = [line for page, line in ALL if page == "upgrade" and " apply " in line]
    some = [number for number, line in enumerate(applied) if " -l " in line]
    first, *others = (chosen(shlex.split(applied[number])[-1]) for number in some)
    assert not first & processes()
    assert others == [{each for each in processes() if each.startswith("sink-")}, {"worker"}]
    assert " -l " not in applied[some[-1] + 1]


def processes() -> set[str]:
    """The components that run our image: those of base and of the components that add a process."""
    kinds = {"Deployment", "StatefulSet"}
    texts = (path.read_text("utf-8") for path in (ROOT / "deploy" / "kubernetes").rglob("*.yaml"))
    documents = [document for text in texts for document in yaml.safe_load_all(text) if isinstance(document, dict)]
    found = [each for each in documents if each.get("kind") in kinds and "template" in each["spec"]]
    pods = [(each["metadata"]["name"], each["spec"]["template"].get("spec", {})) for each in found]
    return {name for name, pod in pods if any("args" in container for container in pod.get("containers", ()))}


@cache
def manifests() -> dict[str, set[str]]:
    """Kind, in small letters -> names, in everything below deploy/kubernetes."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "deploy" / "kubernetes").rglob("*.yaml"):
        for document in yaml.safe_load_all(path.read_text("utf-8")):
            if isinstance(document, dict) and "kind" in document and "name" in document.get("metadata", {}):
                found.setdefault(document["kind"].lower(), set()).add(document["metadata"]["name"])
    return found


def test_the_manifests_hold_what_the_first_contact_names() -> None:
    text = (ROOT / "deploy" / "kubernetes" / "README.md").read_text("utf-8")
    named = set(re.findall(r"\b(deployment|statefulset|service|job)/([a-z-]+)", text))
    assert ("deployment", "http") in named or ("service", "http") in named
    assert not [f"{kind}/{name}" for kind, name in named if name not in manifests()[kind]]
    overlays = set(re.findall(r"apply --server-side -k (\S+)", text))
    assert len(overlays) == 2
    assert all((ROOT / overlay.rstrip("`.")).is_dir() for overlay in overlays)


@every_page
def test_a_setting_that_a_page_names_exists(path: Path) -> None:
    named = set(re.findall(r"\bDESKSTREAM_[A-Z_]+\b", path.read_text("utf-8")))
    assert named <= every_variable()


@every_page
def test_a_file_or_a_page_that_a_page_names_exists(path: Path) -> None:
    text = path.read_text("utf-8")
    assert all((PAGES / target).exists() for target in re.findall(r"\]\(([^)#:]+)\)", text))
    assert all((ROOT / name).exists() for name in re.findall(r"`((?:tests|deploy|schemas)/[\w./-]+)`", text))


@every_page
def test_an_alert_that_a_page_names_has_a_runbook(path: Path) -> None:
    alerts = {each.stem for each in (ROOT / "deploy" / "runbooks").glob("*.md")}
    named = set(re.findall(r"`((?:[A-Z][a-z]+){2,})`", path.read_text("utf-8")))
    assert named <= alerts


def test_the_table_of_contents_has_every_page() -> None:
    listed = re.findall(r"\]\((\w[\w-]*\.md)\)", (PAGES / "README.md").read_text("utf-8"))
    assert sorted(listed) == [path.name for path in EVERY if path.name != "README.md"]


#: Page, what it says, and the row of deploy/docs/benchmarks.md that this comes from.
MEASURED = (
    ("capacity", r"One worker folds ([\d,]+) contacts/s", "contacts/s, whole tickets agent, one process"),
    ("capacity", r"and ([\d,]+)/s through one worker", "contacts/s, whole tickets agent, one process"),
    ("scaling", r"\(([\d,]+) per worker\)", "contacts/s, whole tickets agent, one process"),
    ("capacity", r"p99 of the acknowledgement (\d+) ms", "produced → acknowledged at 500 contacts/s, p99"),
    ("capacity", r"A sink pod writes ([\d,]+) rows/s", "rows/s of the ClickHouse sink"),
    ("backup-and-restore", r"([\d,]+) rows/s", "rows/s of the ClickHouse sink"),
    ("capacity", r"100,000 open tickets \| (\d+) MB", "resident memory of a worker with 100,000 open tickets"),
    ("capacity", r"\(([\d,]+) mails/s and core\)", "plain e-mails normalised per second and core"),
)


def number(text: str) -> float:
    return float(text.replace(",", ""))


def measured(row: str) -> float:
    page = (ROOT / "deploy" / "docs" / "benchmarks.md").read_text("utf-8")
    [value] = re.findall(rf"^\| {re.escape(row)} \| ([\d,.]+)", page, re.MULTILINE)
    return number(value)


@pytest.mark.parametrize(("page", "said", "row"), MEASURED)
def test_a_number_is_what_the_benchmarks_measured(page: str, said: str, row: str) -> None:
    """Within a third: by so much the machine's speed varies."""
    [value] = re.findall(said, (PAGES / f"{page}.md").read_text("utf-8"))
    assert number(value) == pytest.approx(measured(row), rel=1 / 3)


def test_the_capacity_table_leaves_half_of_every_worker_and_sink_free_and_has_no_idle_ones() -> None:
    text = (PAGES / "capacity.md").read_text("utf-8")
    rows = re.findall(r"^\| ([\d,]+) \| [^|]+ \| (\d+) \| (\d+)[^|]*\| [\d.]+ \| (\d+) \|", text, re.MULTILINE)
    assert len(rows) == 5
    [a_worker], [a_sink], [rows_of_one] = (
        re.findall(said, text)
        for said in (r"folds ([\d,]+) contacts/s", r"writes ([\d,]+) rows/s", r"about\s+(\d+) rows")
    )
    for contacts, partitions, workers, sinks in rows:
        assert number(workers) <= number(partitions)
        assert number(contacts) <= 1.1 * number(workers) * number(a_worker) / 2
        assert number(contacts) <= 1.1 * number(sinks) * number(a_sink) / number(rows_of_one) / 2


@pytest.fixture
def clickhouse(deployment: Any) -> Iterator[Any]:
    client = connection.connect(deployment.settings(SinkSettings))
    migrate.migrate(client)
    migrate.replace_views(client)
    yield client
    client.close()


@pytest.mark.stack
def test_clickhouse_can_run_every_query(clickhouse: Any) -> None:
    words = [shlex.split(line) for _, line in ALL if line.startswith("python -m sinks query ")]
    assert words
    for line in words:
        clickhouse.query(line[-1])

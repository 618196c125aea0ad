"""The README, the pages of deploy/ and the ADRs: links, paths, modules and commands that they name exist."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.each import each

DEPLOY = ROOT / "deploy"
README = ROOT / "README.md"
ADRS = sorted((DEPLOY / "adr").glob("*.md"))
PAGES = sorted((DEPLOY / "docs").glob("*.md"))
DOCUMENTS = [README, *sorted(DEPLOY.rglob("*.md"))]
TOP = "|".join(("schemas", "producers", "stream_processors", "sinks", "deploy", "tests"))
every_document = each("path", DOCUMENTS)


def test_the_readme_has_at_most_150_lines() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_the_readme_links_each_page_once(page: Path) -> None:
    assert README.read_text("utf-8").count(f"({page.relative_to(ROOT)})") == 1


@every_document
def test_every_link_leads_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[\w-]+)?\)", path.read_text("utf-8"))
    assert [target for target in targets if not (path.parent / target).exists()] == []


@every_document
def test_every_path_in_a_document_exists(path: Path) -> None:
    """A path that begins with one of our folders, alternatives such as `{a,b}` and placeholders such as `<noun>` aside."""
    text = re.sub(r"\s+", " ", path.read_text("utf-8"))
    named = re.findall(rf"(?<![\w./-])((?:{TOP})/[\w./-]*\w/?)(?![\w{{<*])", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


@every_document
def test_every_module_that_a_document_runs_exists(path: Path) -> None:
    modules = set(re.findall(rf"python -m ((?:{TOP})[\w.]*\w)", path.read_text("utf-8")))
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []


@every_document
def test_every_make_target_of_a_document_exists(path: Path) -> None:
    targets = set(re.findall(r"`make ([a-z-]+)", path.read_text("utf-8")))
    targets |= set(re.findall(r"^make ([a-z-]+)", path.read_text("utf-8"), re.MULTILINE))
    written = (ROOT / "Makefile").read_text("utf-8")
    assert [
        each for each in targets if not re.search(rf"^([a-z -]+ )?{each}( [a-z -]+)?:", written, re.MULTILINE)
    ] == []


@pytest.mark.parametrize("path", ADRS, ids=lambda path: path.stem)
def test_an_adr_names_its_decision_and_has_its_sections(path: Path) -> None:
    text = path.read_text("utf-8")
    assert re.match(rf"# {path.name[:4]} [A-Z`][^\n]{{8,90}}\n\n## Context\n", text)
    sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert [each for each in sections if each != "Rejected"] == ["Context", "Decision", "Consequences"]

"""Finds replaced words in names of Python code, in paths, in documents and in the help of the commands."""

from __future__ import annotations

import argparse
import ast
import importlib
import io
import re
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.glossary.words import ALLOWED, WORDS, Word

ROOT = Path(__file__).parents[3]

#: The table itself names every word that it refuses.
ITSELF = "tests/support/glossary"
#: History of the project: an entry says what was true in its day.
HISTORY = ("CHANGELOG.md",)

#: Modules with a command line, and the Typer application in each.
TYPER_COMMANDS = (
    ("deploy.local.__main__", "app"),
    ("producers.__main__", "app"),
    ("schemas.admin", "app"),
    ("sinks.__main__", "app"),
    ("stream_processors.__main__", "cli"),
)
#: Modules whose `--help` argparse writes.
ARGPARSE_COMMANDS = (
    "deploy.docker.locked",
    "deploy.kubernetes.generate",
    "deploy.local.clickhouse_front",
    "deploy.prometheus",
    "deploy.tools",
)


@dataclass(frozen=True, order=True)
class Offence:
    """One use of a replaced word: where, the name or the text, the word and its replacement."""

    path: str
    line: int
    kind: str
    found: str
    old: str
    say: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.kind} {self.found}: not {self.old}, say {self.say}"


def snake(name: str) -> str:
    """Returns the name in snake case, without leading and trailing underscores."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return spaced.lower().strip("_")


@cache
def _pattern(word: Word, form: str) -> re.Pattern[str] | None:
    written: str = getattr(word, form)
    if not written:
        return None
    if form == "prose":
        return re.compile(written, re.IGNORECASE)
    if form == "parts":
        return re.compile(f"(?:^|_)(?:{written})(?:_|$)")
    return re.compile(f"^(?:{written})$")


@cache
def _matching(name: str, forms: tuple[str, ...]) -> tuple[Word, ...]:
    """Returns the rows that refuse `name` in one of the forms, wherever it stands."""
    written = snake(name)
    patterns = {word: [_pattern(word, form) for form in forms] for word in WORDS}
    return tuple(word for word in WORDS if any(pattern and pattern.search(written) for pattern in patterns[word]))


def _applies(word: Word, path: str) -> bool:
    inside = not word.under or any(path == folder or path.startswith(folder + "/") for folder in word.under)
    return inside and not any(path.startswith(folder + "/") for folder in word.outside)


def _allowed(found: str, path: str) -> bool:
    return any(
        (not entry.where or path == entry.where or path.startswith(entry.where.rstrip("/") + "/"))
        and re.fullmatch(entry.name, found)
        for entry in ALLOWED
    )


def check_name(name: str, forms: tuple[str, ...], path: str, line: int, kind: str) -> Iterator[Offence]:
    """Yields an offence per replaced word in `name`, matched in each of the `forms` of `Word`."""
    for word in _matching(name, forms):
        if _applies(word, path) and not _allowed(name, path):
            yield Offence(path, line, kind, name, word.old, word.say)


def check_prose(text: str, path: str, line: int, kind: str) -> Iterator[Offence]:
    """Yields an offence per replaced word in running text, allowed names aside."""
    for entry in ALLOWED:
        if not entry.where or path == entry.where or path.startswith(entry.where.rstrip("/") + "/"):
            text = re.sub(rf"\b(?:{entry.name})\b", lambda match: "·" * len(match[0]), text)
    for word in WORDS:
        pattern = _pattern(word, "prose")
        if not pattern or not _applies(word, path):
            continue
        for match in pattern.finditer(text):
            around = text[max(0, match.start() - 25) : match.end() + 25].replace("\n", " ").strip()
            yield Offence(path, line + text[: match.start()].count("\n"), kind, f"'{around}'", word.old, word.say)


# -- Python ----------------------------------------------------------------------------------------------------------

_NAME = ("parts", "names")


def _class_like(name: str) -> bool:
    return bool(re.match(r"_*[A-Z]", name)) and not name.isupper()


def _names(node: ast.AST) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Yields `(name, forms, kind)` for what the node names."""
    if isinstance(node, ast.ClassDef):
        yield node.name, (*_NAME, "classes"), "class"
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                yield statement.target.id, ("fields",), "field"
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name, (*_NAME, "functions"), "function"
    elif isinstance(node, ast.arg):
        yield node.arg, _NAME, "argument"
    elif isinstance(node, ast.keyword) and node.arg:
        yield node.arg, (*_NAME, "fields"), "keyword"
    elif isinstance(node, ast.Name):
        yield node.id, (*_NAME, "classes") if _class_like(node.id) else _NAME, "name"
    elif isinstance(node, ast.Attribute):
        forms = (*_NAME, "fields", "classes") if _class_like(node.attr) else (*_NAME, "fields")
        yield node.attr, forms, "attribute"
    elif isinstance(node, ast.alias):
        for part in (node.asname or node.name).split("."):
            yield part, (*_NAME, "classes") if _class_like(part) else _NAME, "import"
    elif isinstance(node, ast.ImportFrom) and node.module:
        for part in node.module.split("."):
            yield part, (*_NAME, "files"), "import"
    elif isinstance(node, ast.Call):
        called = node.func
        if isinstance(called, ast.Name):
            yield called.id, ("functions",), "call"
        elif isinstance(called, ast.Attribute):
            yield called.attr, ("functions",), "call"


def in_python(path: str, source: str) -> Iterator[Offence]:
    """Yields the offences in the names of a module; a test function's name is read as a sentence."""
    for node in ast.walk(ast.parse(source)):
        line = getattr(node, "lineno", 0)
        for name, forms, kind in _names(node):
            if name.startswith("test_"):
                if kind == "function":
                    for offence in check_prose(name.replace("_", " "), path, line, "test"):
                        yield Offence(path, line, "test", name, offence.old, offence.say)
            else:
                yield from check_name(name, forms, path, line, kind)


def in_comments(path: str, source: str) -> Iterator[Offence]:
    """Yields the offences in docstrings and comments."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node, clean=False)
            if text:
                yield from check_prose(text, path, node.body[0].lineno, "docstring")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield from check_prose(token.string, path, token.start[0], "comment")


# -- paths, documents, help -------------------------------------------------------------------------------------------


def files() -> list[str]:
    """Returns every file of the work tree that git knows or would add, from the root of the repository."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return sorted(path for path in set(listed) if (ROOT / path).is_file() and not path.startswith(ITSELF))


def in_path(path: str) -> Iterator[Offence]:
    """Yields the offences in the names of the file and of its folders."""
    for part in Path(path).parts:
        name = part.split(".")[0].removeprefix("test_").replace("-", "_")
        yield from check_name(name, ("parts", "names", "files"), path, 0, "path")


_CODE_WORD = re.compile(r"\b[A-Za-z]\w*(?:_|[a-z](?=[A-Z]))\w*\b")


def in_document(path: str, text: str) -> Iterator[Offence]:
    """Yields the offences in a document: its text, and the names of code and settings that it mentions."""
    yield from check_prose(text, path, 1, "text")
    for number, line in enumerate(text.splitlines(), 1):
        for match in _CODE_WORD.finditer(line):
            yield from check_name(match[0], _NAME, path, number, "text")


def _invocations(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yields the words of a click command and of each visible command below it."""
    yield words
    for name, below in sorted(getattr(command, "commands", {}).items()):
        if not below.hidden:
            yield from _invocations(below, (*words, name))


def help_texts() -> Iterator[tuple[str, str]]:
    """Yields `(invocation, text)` for the `--help` of every command."""
    import typer.main
    from typer.testing import CliRunner

    for module, attribute in TYPER_COMMANDS:
        application = getattr(importlib.import_module(module), attribute)
        name = f"python -m {module.removesuffix('.__main__')}"
        for words in _invocations(typer.main.get_command(application)):
            shown = CliRunner().invoke(application, [*words, "--help"], env={"COLUMNS": "200"})
            yield " ".join((name, *words)), shown.stdout
    for module in ARGPARSE_COMMANDS:
        done = subprocess.run(
            [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        yield f"python -m {module}", done.stdout


def in_help() -> Iterator[Offence]:
    """Yields the offences in the `--help` of every command."""
    for invocation, text in help_texts():
        yield from in_document(f"{invocation} --help", re.sub(r"[\s│╭╰─╮╯]+", " ", text))


def offences(folder: str = "", comments: bool = False) -> Iterator[Offence]:
    """Yields every offence at or below `folder` (empty: the whole repository)."""
    for path in files():
        if folder and not (path == folder or path.startswith(folder.rstrip("/") + "/")):
            continue
        yield from in_path(path)
        if path.endswith(".py"):
            source = (ROOT / path).read_text("utf-8")
            yield from in_python(path, source)
            if comments:
                yield from in_comments(path, source)
        elif path.endswith(".md") and path not in HISTORY and (path == "README.md" or path.startswith("deploy/")):
            yield from in_document(path, (ROOT / path).read_text("utf-8"))
    if not folder:
        yield from in_help()


def package(path: str) -> str:
    """Returns the folder that the counts of the report are grouped by."""
    parts = Path(path).parts
    return "/".join(parts[:2]) if parts[0] in ("tests", "deploy") else parts[0]


def report(arguments: list[str] | None = None) -> int:
    """Prints the offences and a count per package; returns 1 if there is one."""
    parser = argparse.ArgumentParser(
        description="Lists the replaced words that are still in use, with their replacements."
    )
    parser.add_argument("folder", nargs="?", default="", help="folder or file, from the root of the repository")
    parser.add_argument("--comments", action="store_true", help="also docstrings and comments")
    parser.add_argument("--summary", action="store_true", help="only the counts")
    options = parser.parse_args(arguments)
    found = sorted(set(offences(options.folder, options.comments)))
    if not options.summary:
        for offence in found:
            print(offence)
    for (folder, old), number in sorted(Counter((package(each.path), each.old) for each in found).items()):
        print(f"{number:6} {folder}: {old}")
    print(f"{len(found):6} in all")
    return 1 if found else 0

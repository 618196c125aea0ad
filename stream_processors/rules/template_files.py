"""Finds and checks the files of templates: which there are, what each is made of, and which one stands for which words.

    templates/<locale>/<kind>.txt              all that is said on a kind of channel: `ja/email.txt`
    templates/<locale>/<situation>.txt         the words of a situation, on every kind: it extends `channel`
    templates/<locale>/<kind>.<situation>.txt  the words of a situation on one kind, where they need their own
    templates/email.html                       how the blocks of a mail become HTML, in all languages

A brand's folder may hold any of them and needs none: what it has comes first. `{% extends "email.txt" %}` in a file of that
name extends the next one in that order: a brand's `en/email.txt` extends the common one. The layout of earlier rules,
`<kind>.<locale>.txt`, stands for `<locale>/<kind>.txt`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.loaders import FunctionLoader
from jinja2.sandbox import ImmutableSandboxedEnvironment

from schemas.errors import ConfigurationError
from schemas.events import LOCALES

__all__ = ["CHANNEL", "KINDS", "LAYOUT", "File", "View", "read"]

KINDS = ("email", "chat", "sms", "call", "social")
#: In a situation's file, the name of the template of the kind of channel that it is written for.
CHANNEL = "channel"
LAYOUT = ".html"
_TEXT = ".txt"
#: What a template may be made of: nothing that depends on more of a variable than whether it is empty.
_PLAIN = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.If, nodes.For, nodes.Tuple, nodes.Not,
    nodes.And, nodes.Or, nodes.Getattr, nodes.Const, nodes.Block, nodes.Extends,
)  # fmt: skip
_LOOP, _ARTICLES = nodes.Name("loop", "load"), nodes.Name("articles", "load")
_SUPER = nodes.Call(nodes.Name("super", "load"), [], [], None, None)
_LIKE_A_LOCALE = re.compile(r"(?:en|zh|ja)(?:[-_].*)?", re.IGNORECASE)


class File(NamedTuple):
    """Holds a file of templates. `extends` names what it extends, '' for nothing; `uses` its variables with their lines."""

    path: Path
    source: str
    extends: str
    extends_line: int
    blocks: frozenset[str]
    uses: Mapping[str, int]

    def where(self, line: int = 0) -> str:
        """Returns the file, and the line where there is one."""
        return f"{self.path}:{line}" if line else str(self.path)


def read(directory: Path, situations: Sequence[str], variables: Sequence[str]) -> dict[str, File]:
    """Reads the files of one folder, by `<locale>/<name>` or, for all languages, `<name>`. Each is parsed and checked.

    Raises:
        ConfigurationError: a file is not Jinja, has what is not possible here, or is not named as one of ours; with line.
    """
    files: dict[str, File] = {}
    for path, locale, name in _found(directory):
        if name.endswith(_TEXT) and not locale:
            stem, _, locale = path.stem.partition(".")
            name = f"{stem}{_TEXT}"
            if stem not in KINDS or locale not in LOCALES:
                raise ConfigurationError(
                    "is not the template of a kind and a locale",
                    where=str(path),
                    fix=f"name it <locale>/<kind>.txt with a kind of {', '.join(KINDS)}",
                )
        _check_name(path, name, situations)
        key = f"{locale}/{name}" if locale else name
        if (other := files.get(key)) is not None:
            raise ConfigurationError("is there twice", where=str(path), fix=f"remove it or {other.path}")
        files[key] = _parsed(path, variables)
    return files


class View(ImmutableSandboxedEnvironment):
    """Finds and compiles the templates of one language: of a brand first, then the common ones.

    Names are `<layer>/<locale>/<name>` and `<layer>/<name>`.
    """

    def __init__(self, locale: str, layers: Sequence[Mapping[str, File]]) -> None:
        self.locale = locale
        self.files = {f"{number}/{name}": file for number, layer in enumerate(layers) for name, file in layer.items()}
        self._layers = range(len(layers))
        super().__init__(
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=lambda name: name is not None and name.endswith(LAYOUT),
            cache_size=-1,
            loader=FunctionLoader(lambda name: self.files[name].source),
        )
        self.globals.clear()

    def named(self, name: str) -> list[str]:
        """Returns every file of this name in the order in which they are looked for."""
        of_locale = [f"{layer}/{self.locale}/{name}" for layer in self._layers]
        return [each for each in (*of_locale, *(f"{layer}/{name}" for layer in self._layers)) if each in self.files]

    def join_path(self, template: str, parent: str) -> str:
        """Returns the file that `parent` extends by this name."""
        found = self.named(template)
        return found[found.index(parent) + 1 if parent in found else 0]

    def chain(self, name: str, kind: str) -> tuple[str, ...]:
        """Returns a file and all that it extends, one after another.

        Raises:
            ConfigurationError: it extends what is not there, or itself.
        """
        names = [name]
        while wanted := self.files[names[-1]].extends:
            file = self.files[names[-1]]
            try:
                parent = self.join_path(f"{kind}{_TEXT}" if wanted == CHANNEL else wanted, names[-1])
            except IndexError:
                raise ConfigurationError(
                    f"extends {wanted!r}, which is not there", where=file.where(file.extends_line)
                ) from None
            if parent in names:
                raise ConfigurationError("extends itself", where=file.where(file.extends_line))
            names.append(parent)
        return tuple(names)

    def compiled(self, name: str) -> Template:
        """Returns a template, compiled once."""
        return self.get_template(name)


def _found(directory: Path) -> Iterator[tuple[Path, str, str]]:
    """Yields each file with its locale, '' for all languages. Other folders are those of brands."""
    for path in sorted(directory.iterdir()) if directory.is_dir() else ():
        if path.is_file() and path.suffix in (_TEXT, LAYOUT):
            yield path, "", path.name
        elif path.is_dir() and path.name in LOCALES:
            yield from ((each, path.name, each.name) for each in sorted(path.iterdir()) if each.is_file())
        elif path.is_dir() and _LIKE_A_LOCALE.fullmatch(path.name):
            raise ConfigurationError("is not a locale", where=str(path), fix=f"one of {', '.join(LOCALES)}")


def _check_name(path: Path, name: str, situations: Sequence[str]) -> None:
    if not name.endswith((_TEXT, LAYOUT)):
        raise ConfigurationError("is not a template", where=str(path), fix="name it .txt or .html")
    first, _, rest = path.stem.partition(".") if name == path.name else (name.removesuffix(_TEXT), "", "")
    if name.endswith(LAYOUT) and first != "email":
        raise ConfigurationError("only mails have HTML", where=str(path), fix="name it email.html")
    situation = rest if first in KINDS else path.stem
    if situation and situation not in situations:
        known = ", ".join(situations) or "none"
        raise ConfigurationError(
            f"is not a template: {situation!r} is neither a kind of channel nor a situation",
            where=str(path),
            fix=f"kinds: {', '.join(KINDS)}; situations of situations.yaml: {known}",
        )


def _parsed(path: Path, variables: Sequence[str]) -> File:
    try:
        source = path.read_text("utf-8")
        tree = _PARSER.parse(source)
        undeclared = meta.find_undeclared_variables(tree) - {"super"}
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError("is not UTF-8", where=str(path)) from error
    except TemplateSyntaxError as error:
        raise ConfigurationError(f"is not a template: {error.message}", where=f"{path}:{error.lineno}") from error
    except (TemplateError, RecursionError) as error:
        raise ConfigurationError(f"is not a template: {error}", where=str(path)) from error
    extends, line = _check(path, tree)
    uses = {node.name: node.lineno for node in tree.find_all(nodes.Name) if node.name in undeclared}
    unknown = {name: at for name, at in uses.items() if name not in variables and name != CHANNEL}
    if path.suffix == _TEXT and unknown:
        name, at = min(unknown.items(), key=lambda each: each[1])
        raise ConfigurationError(
            f"unknown variable {name!r}", where=f"{path}:{at}", fix=f"one of {', '.join(variables)}"
        )
    blocks = frozenset(block.name for block in tree.find_all(nodes.Block))
    return File(path, source, extends, line, blocks, uses)


def _check(path: Path, tree: nodes.Template) -> tuple[str, int]:
    """Returns what a template extends, and in which line; refuses what it may not be made of."""
    extends, line = "", 0
    within = {id(part) for call in tree.find_all(nodes.Call) if call == _SUPER for part in call.find_all(nodes.Node)}
    for part in tree.find_all(nodes.Node):
        if id(part) in within or part == _SUPER:
            continue
        if not isinstance(part, _PLAIN) or (isinstance(part, nodes.Getattr) and part.node != _LOOP):
            raise ConfigurationError(
                f"{type(part).__name__.lower()} is not possible here",
                where=f"{path}:{part.lineno or 1}",
                fix="use {{ variable }}, {{ super() }}, if, for, block and extends only",
            )
        if isinstance(part, nodes.For) and part.iter != _ARTICLES:
            raise ConfigurationError("`for` goes through articles only", where=f"{path}:{part.lineno}")
        if isinstance(part, nodes.Extends):
            named = part.template
            if not any(part is each for each in tree.body):
                raise ConfigurationError("extends must stand at the beginning", where=f"{path}:{part.lineno}")
            if not (isinstance(named, nodes.Const) and isinstance(named.value, str)) and named != _CHANNEL:
                raise ConfigurationError(
                    "extends what is no name of a file", where=f"{path}:{part.lineno}", fix="name a file, or `channel`"
                )
            extends, line = named.value if isinstance(named, nodes.Const) else CHANNEL, part.lineno
    return extends, line


_CHANNEL = nodes.Name(CHANNEL, "load")
_PARSER = ImmutableSandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
_PARSER.globals.clear()

"""The small changes that mutation testing makes to a source file, one at a time.

    for mutant in mutants(source):
        mutant.source    # the module's text with one change
        mutant.says      # `business_micros: first < last → first <= last`

A mutant is told by its function and by the expression before and after, not by its line, so that `accepted.yaml` survives
edits elsewhere in the file. Texts of errors, of logs and of help, docstrings and annotations are left alone: they change
no result.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
}
_CALLED = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "bisect_left": "bisect_right",
    "bisect_right": "bisect_left",
}
_NAMES_LEFT_ALONE = ("__all__", "__slots__")
_FIELDS_LEFT_ALONE = ("annotation", "returns", "decorator_list", "type_params", "bases")
#: What people read, how a class is made, a check of what is so by construction: none of them changes a result.
_KEYWORDS_LEFT_ALONE = (
    "help",
    "rich_markup_mode",
    "description",
    "summary",
    "frozen",
    "gc",
    "kw_only",
    "slots",
    "strict",
)
_METRICS = ("Counter", "Gauge", "Histogram", "Summary")
_LOGS = ("debug", "info", "warning", "error", "exception")


class Mutant(NamedTuple):
    where: str  #: the function or class, or `module`
    name: str  #: what a statement outside of functions gives a value to, or ''
    line: int
    before: str
    after: str
    source: str

    @property
    def says(self) -> str:
        return f"{self.where}: {self.before} → {self.after}"


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its nodes; of two that say the same the second is numbered."""
    lines = source.encode().splitlines(keepends=True)
    said: dict[str, int] = {}
    for node, where, name in _places(ast.parse(source), "module", ""):
        for old, new in _changed(node):
            before, after = _shown(old), _shown(new)
            key = f"{where}: {before} → {after}"
            said[key] = said.get(key, 0) + 1
            number = f" ({said[key]})" if said[key] > 1 else ""
            yield Mutant(where, name, node.lineno, before, after + number, _put(lines, old, new))


# -- where ------------------------------------------------------------------------------------------------------------


def _places(node: ast.AST, where: str, name: str) -> Iterator[tuple[Any, str, str]]:
    """Every node that may be changed, with the function that it is in and what its statement gives a value to."""
    for field, value in ast.iter_fields(node):
        if field in _FIELDS_LEFT_ALONE:
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _is_left_alone(child):
                continue
            inside, given = where, name
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inside = child.name if where == "module" else f"{where}.{child.name}"
            if isinstance(child, ast.Assign | ast.AnnAssign):
                target = child.targets[0] if isinstance(child, ast.Assign) else child.target
                given = target.id if isinstance(target, ast.Name) else ""
            if hasattr(child, "lineno"):
                yield child, inside, given
            child = _without_text(child)
            yield from _places(child, inside, given)


def _is_left_alone(node: ast.AST) -> bool:
    match node:
        case ast.Raise() | ast.Import() | ast.ImportFrom() | ast.Assert() | ast.JoinedStr():
            return True
        case ast.Expr(value=ast.Constant()):  # a docstring
            return True
        case ast.Constant(
            value="utf-8" | "utf-8-sig" | "ascii"
        ):  # a codec is found by a name with a question mark as well
            return True
        case ast.Call(func=ast.Name(id="TypeVar") | ast.Attribute(attr="get_logger")):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=name))):
            return name in _LOGS
        case ast.keyword(arg=name):
            return name in _KEYWORDS_LEFT_ALONE
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in _NAMES_LEFT_ALONE
    return False


def _without_text(node: ast.AST) -> ast.AST:
    """A call without what it says to people: the help of a metric, and why a document is refused."""
    match node:
        case ast.Call(func=ast.Name(id=name), args=[first, _, *others]) if name in _METRICS:
            return ast.Tuple([first, *others])
        case ast.Call(func=ast.Attribute(attr="refuse"), args=[ast.Constant(), *others], keywords=keywords):
            return ast.Call(ast.Name(""), others, [each for each in keywords if each.arg != "fix"])
    return node


def _put(lines: list[bytes], old: Any, new: ast.AST) -> str:
    """The source with the text of one node exchanged for the text of another."""
    text = ast.unparse(new)
    if isinstance(new, ast.expr) and not isinstance(new, ast.Constant | ast.Name | ast.Call):
        text = f"({text})"
    before = b"".join(lines[: old.lineno - 1]) + lines[old.lineno - 1][: old.col_offset]
    behind = lines[old.end_lineno - 1][old.end_col_offset :] + b"".join(lines[old.end_lineno :])
    return (before + text.encode() + behind).decode()


# -- what -------------------------------------------------------------------------------------------------------------


def _shown(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())


def _but(node: Any, **fields: Any) -> Any:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _changed(node: Any) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Pairs of a node, or a part of it, and what can stand in its place."""
    match node:
        case ast.Compare(ops=ops):
            for place, op in enumerate(ops):
                if type(op) in _COMPARED:
                    yield node, _but(node, ops=[*ops[:place], _COMPARED[type(op)](), *ops[place + 1 :]])
        case ast.BoolOp(op=op):
            yield node, _but(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield node, operand
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in _COMPUTED:
            yield node, _but(node, op=_COMPUTED[type(op)]())
        case ast.Constant(value=bool() as value):
            yield node, _but(node, value=not value)
        case ast.Constant(value=int() | float() as value):
            yield node, _but(node, value=value + 1)
        case ast.Constant(value=str() as value):
            yield node, _but(node, value=value + "?")
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) if not isinstance(test, ast.Compare):
            yield test, ast.UnaryOp(ast.Not(), test)
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield value, ast.Constant(None)
        case ast.Call(func=ast.Name(id=name)) if name in _CALLED:
            yield node, _but(node, func=ast.Name(_CALLED[name], ast.Load()))
        case ast.Expr(value=ast.Call()) | ast.Continue() | ast.Break():
            yield node, ast.Pass()

"""The small changes that mutation testing makes to a source file, one at a time.

    for mutant in mutants(source):
        mutant.tree      # the module's syntax tree with one change
        mutant.says      # `business_micros: first < last → first <= last`

A mutant is told by its function and by the expression before and after, not by its line, so that `accepted.yaml` survives
edits elsewhere in the file. Texts of errors, docstrings and annotations are left alone: they change no result.
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
_LEFT_ALONE = ("__all__", "__slots__")


class Mutant(NamedTuple):
    where: str  #: the function, or `module`
    line: int
    before: str
    after: str
    tree: ast.Module

    @property
    def says(self) -> str:
        return f"{self.where}: {self.before} → {self.after}"


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its lines; of two that say the same the second is numbered."""
    tree = ast.parse(source)
    said: dict[str, int] = {}
    for path, where in _places(tree, (), "module"):
        for before, after, changed in _changes(_at(tree, path)):
            mutated = copy.deepcopy(tree)
            _put(mutated, path, changed)
            ast.fix_missing_locations(mutated)
            key = f"{where}: {before} → {after}"
            said[key] = said.get(key, 0) + 1
            number = f" ({said[key]})" if said[key] > 1 else ""
            yield Mutant(where, getattr(_at(tree, path), "lineno", 0), before, after + number, mutated)


# -- where ------------------------------------------------------------------------------------------------------------

Path = tuple[tuple[str, int | None], ...]


def _places(node: ast.AST, path: Path, where: str) -> Iterator[tuple[Path, str]]:
    """The path of every node that may be changed, with the function that it is in."""
    if path:
        yield path, where
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params", "bases") or isinstance(node, ast.Raise):
            continue
        for place, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or _is_docstring(child) or _is_left_alone(child):
                continue
            inside = where
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                inside = child.name if where == "module" else f"{where}.{child.name}"
            yield from _places(child, (*path, (name, place)), inside)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_left_alone(node: ast.AST) -> bool:
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return True
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Assert | ast.JoinedStr):
        return True
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in _LEFT_ALONE


def _at(tree: ast.AST, path: Path) -> Any:
    node: Any = tree
    for name, place in path:
        node = getattr(node, name) if place is None else getattr(node, name)[place]
    return node


def _put(tree: ast.AST, path: Path, changed: ast.AST) -> None:
    *parents, (name, place) = path
    parent = _at(tree, tuple(parents))
    if place is None:
        setattr(parent, name, changed)
    else:
        getattr(parent, name)[place] = changed


# -- what -------------------------------------------------------------------------------------------------------------


def _changes(node: ast.AST) -> Iterator[tuple[str, str, ast.AST]]:
    """(before, after, changed node) of each change that can be made to one node itself."""
    for changed in _changed(node):
        shown = node.test if isinstance(node, ast.If | ast.While | ast.IfExp) else node
        after = changed.test if isinstance(changed, ast.If | ast.While | ast.IfExp) else changed
        yield _shown(shown), _shown(after), changed


def _shown(node: ast.AST) -> str:
    text = ast.unparse(node)
    return " ".join(text.split())


def _but(node: Any, **fields: Any) -> Any:
    changed = copy.deepcopy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _changed(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(ops=ops):
            for place, op in enumerate(ops):
                if type(op) in _COMPARED:
                    yield _but(node, ops=[*ops[:place], _COMPARED[type(op)](), *ops[place + 1 :]])
        case ast.BoolOp(op=op):
            yield _but(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield copy.deepcopy(operand)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            yield copy.deepcopy(operand)
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in _COMPUTED:
            yield _but(node, op=_COMPUTED[type(op)]())
        case ast.Constant(value=bool() as value):
            yield _but(node, value=not value)
        case ast.Constant(value=int() | float() as value):
            yield _but(node, value=value + 1)
        case ast.Constant(value=str() as value):
            yield _but(node, value=value + "?")
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) if not isinstance(test, ast.Compare):
            yield _but(node, test=ast.UnaryOp(ast.Not(), copy.deepcopy(test)))
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield _but(node, value=ast.Constant(None))
        case ast.Call(func=ast.Name(id=name)) if name in _CALLED:
            yield _but(node, func=ast.Name(_CALLED[name], ast.Load()))
        case ast.Expr(value=ast.Call()) | ast.Continue():
            yield ast.Pass()
        case ast.Break():
            yield ast.Pass()

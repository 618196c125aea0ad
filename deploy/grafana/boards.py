"""Which dashboards there are (every module of `dashboards/`), and their files in `json/`."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from deploy.grafana import dashboards
from deploy.grafana.panels import Board, build

__all__ = ["JSON", "boards", "stale", "write"]

JSON = Path(__file__).parent / "json"


def boards() -> list[Board]:
    """Every dashboard, sorted by its module's name."""
    names = sorted(module.name for module in pkgutil.iter_modules(dashboards.__path__))
    return [importlib.import_module(f"{dashboards.__name__}.{name}").BOARD for name in names]


def files() -> dict[str, str]:
    """File name → what it must hold."""
    return {f"{board.uid}.json": build(board) for board in boards()}


def stale() -> list[str]:
    """The files that are missing, different, or of no dashboard any more."""
    wanted = files()
    present = {path.name: path.read_text("utf-8") for path in JSON.glob("*.json")}
    return sorted(name for name in wanted | present if wanted.get(name) != present.get(name))


def write() -> list[str]:
    """Make `json/` current; returns the files that changed."""
    changed = stale()
    JSON.mkdir(exist_ok=True)
    wanted = files()
    for name in changed:
        if name in wanted:
            (JSON / name).write_text(wanted[name], "utf-8")
        else:
            (JSON / name).unlink()
    return changed

"""Collects the dashboards (every module of `dashboards/`), and writes their files in `json/`."""

from __future__ import annotations

from pathlib import Path

from deploy.grafana.panels import Board, build
from schemas import plugins

__all__ = ["JSON", "boards", "stale", "write"]

JSON = Path(__file__).parent / "json"


def boards() -> list[Board]:
    """Returns every dashboard, sorted by its module's name."""
    return [board for _, board in plugins.declarations("BOARD", plugins.modules("deploy.grafana.dashboards"))]


def files() -> dict[str, str]:
    """Returns the content of every file of `json/`, by name."""
    return {f"{board.uid}.json": build(board) for board in boards()}


def stale() -> list[str]:
    """Returns the files that are missing, different, or of no dashboard any more."""
    wanted = files()
    present = {path.name: path.read_text("utf-8") for path in JSON.glob("*.json")}
    return sorted(name for name in wanted | present if wanted.get(name) != present.get(name))


def write() -> list[str]:
    """Writes the files of `json/` that differ; returns their names."""
    changed = stale()
    JSON.mkdir(exist_ok=True)
    wanted = files()
    for name in changed:
        if name in wanted:
            (JSON / name).write_text(wanted[name], "utf-8")
        else:
            (JSON / name).unlink()
    return changed

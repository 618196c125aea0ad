"""`python -m schemas.settings_table`: writes every setting as a table in Markdown.

`make generate` writes it to `deploy/docs/settings.md`.
"""

from __future__ import annotations

from schemas.settings import (
    ChatSettings,
    ProducerSettings,
    Settings,
    SinkSettings,
    WorkerSettings,
    describe,
)

__all__ = ["table"]

_HEAD = """# Settings

Made from `schemas/settings/` by `make generate`. A process reads its settings from environment variables at its start. The
`--help` of each process lists those that it reads. A variable that is almost the name of a setting is reported at the start.

| variable | process | default | meaning |
|---|---|---|---|
"""
_KINDS = (
    ("every process", Settings),
    ("producers", ProducerSettings),
    ("chat", ChatSettings),
    ("worker", WorkerSettings),
    ("sinks", SinkSettings),
)


def table() -> str:
    """Returns the Markdown text: a row per variable, with every process that reads it."""
    rows: dict[str, tuple[list[str], str, str]] = {}
    for process, kind in _KINDS:
        for name, default, meaning in describe(kind):
            if name not in rows:
                rows[name] = ([process], default, meaning)
            elif "every process" not in rows[name][0] and not (process == "chat" and "producers" in rows[name][0]):
                rows[name][0].append(process)
    return _HEAD + "".join(_row(name, *row) for name, row in rows.items())


def _row(name: str, processes: list[str], default: str, meaning: str) -> str:
    escaped = meaning.replace("|", "\\|")
    shown = "" if default in ("", "None", "**********") else f"`{default}`"
    return f"| `{name}` | {', '.join(processes)} | {shown} | {escaped} |\n"


if __name__ == "__main__":
    print(table(), end="")

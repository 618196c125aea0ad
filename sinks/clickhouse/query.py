"""Queries ClickHouse, read-only, and formats the answer for a terminal or a pipe: `python -m sinks query "SQL"`."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from schemas.errors import ConfigurationError, Unavailable
from sinks.clickhouse.connection import Kind, kind_of, server_message

#: Output format → ClickHouse's name of it; `table` is drawn here.
FORMATS = {"json": "JSONEachRow", "csv": "CSVWithNames"}
#: 2: may read and set settings for the query, changes nothing. `--limit` is the server's business too.
READ_ONLY = {"readonly": 2}
#: Characters between two columns; a cell wider than `_FOLDED` may go on in the next line, a narrower one stays whole.
_BETWEEN, _FOLDED = 3, 26
#: One row with more columns than this is always drawn upright.
_ACROSS = 6

_QUOTED = re.compile(r'"((?:[^"]|"")*)"')
#: What makes a formula of a cell, also behind what a spreadsheet does not see; full-width forms count in East Asia.
_FORMULA = re.compile(r"[\s\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20|%]|[\t\r\n]")


class QueryFailed(ConfigurationError):
    """ClickHouse refuses the query, or ran out of time or memory over it."""


def ask(client: Client, sql: str, *, fmt: str, limit: int) -> tuple[str, int]:
    """Runs a query; returns `(text to print, number of rows)`, -1 rows where they were not counted.

    `limit` 0 shows all rows.

    Raises:
        ConfigurationError: there is no such format, or no query.
        QueryFailed: ClickHouse's message, on one line.
        Unavailable: ClickHouse does not answer.
    """
    if fmt != "table" and fmt not in FORMATS:
        raise ConfigurationError(f"there is no format {fmt!r}", where="--format", fix="table, json or csv")
    sql = sql.strip().rstrip(";")
    if not sql:
        raise ConfigurationError("the query is empty", fix='for example "SELECT * FROM ticket_summary"')
    settings: dict[str, Any] = dict(READ_ONLY)
    try:
        if fmt != "table":
            text = client.raw_query(sql, fmt=FORMATS[fmt], settings=settings).decode("utf-8", "replace")
            return without_formulas(text) if fmt == "csv" else text, -1
        answer = client.query(sql, settings=settings)
    except (ClickHouseError, OSError) as error:
        if kind_of(error) is Kind.RETRY:
            raise Unavailable(f"ClickHouse does not answer: {server_message(error)}") from error
        known = "SHOW TABLES lists what there is" if "UNKNOWN_TABLE" in str(error) else ""
        raise QueryFailed(server_message(error), fix=known) from error
    rows = answer.result_rows
    return draw(answer.column_names, rows[:limit] if limit else rows), len(rows)


def without_formulas(csv: str) -> str:
    """Returns ClickHouse's CSV with a `'` before each text that a spreadsheet would run as a formula.

    Customers write these texts. Only texts stand in quotes, so numbers stay as they are.
    """
    return _QUOTED.sub(lambda text: f"\"'{text[0][1:]}" if _FORMULA.match(text[1]) else text[0], csv)


def draw(names: Sequence[str], rows: Sequence[Sequence[Any]], *, width: int | None = None) -> str:
    """Returns the rows as a table, numbers to the right; one column name per line where a table would be too wide.

    `width` is in characters; None is the terminal's width, and in a pipe as wide as the table.
    """
    texts = [[cell(value) for value in row] for row in rows]
    console = Console(width=width)
    if width is None and not console.is_terminal:
        console = Console(width=max(80, _width(names, texts)))
    across = len(rows) != 1 or len(names) <= _ACROSS
    broken = [name.replace("_", "_\n") for name in names]
    heads = next((each for each in (names, broken) if across and _width(each, texts, _FOLDED) <= console.width), None)
    with console.capture() as capture:
        if heads is not None or not rows:
            console.print(_grid(heads or broken, rows, texts))
        else:
            _print_upright(console, names, texts)
    return capture.get()


def _print_upright(console: Console, names: Sequence[str], texts: Sequence[Sequence[str]]) -> None:
    for number, row in enumerate(texts):
        if number:
            console.print()
        console.print(_upright(names, row))


def _width(heads: Sequence[str], texts: Sequence[Sequence[str]], most: int = sys.maxsize) -> int:
    """Returns the width of the table in characters, when no cell is wider than `most`."""
    columns = zip(heads, *texts, strict=True)
    widths = (min(most, max(cell_len(line) for text in column for line in text.split("\n"))) for column in columns)
    return sum(widths) + _BETWEEN * (len(heads) - 1)


def _grid(heads: Sequence[str], rows: Sequence[Sequence[Any]], texts: Sequence[Sequence[str]]) -> Grid:
    grid = Grid(show_edge=False, header_style="bold", pad_edge=False)
    for column, name in enumerate(heads):
        number = any(isinstance(row[column], (int, float)) for row in rows[:100])
        grid.add_column(Text(name), justify="right" if number else "left", overflow="fold")
    for row in texts:
        grid.add_row(*map(Text, row))
    return grid


def _upright(names: Sequence[str], row: Sequence[str]) -> Grid:
    grid = Grid(show_edge=False, show_header=False, pad_edge=False)
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in zip(names, row, strict=True):
        grid.add_row(Text(name), Text(text))
    return grid


def cell(value: Any) -> str:
    """Formats one value: NULL stays visible, whole seconds have no fraction, control characters become dots."""
    if value is None:
        return "NULL"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f").removesuffix(".000000")
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".") if math.isfinite(value) and abs(value) < 1e15 else repr(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(cell(item) for item in value)
    return "".join(c if c.isprintable() or c == "\n" else "·" for c in str(value))

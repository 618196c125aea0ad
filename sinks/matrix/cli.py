"""The command `python -m sinks matrix`: the value-irritant matrix as a table, rows or a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from clickhouse_connect.driver.client import Client
from rich.table import Table as Grid

from schemas.errors import ConfigurationError
from schemas.settings import SinkSettings, load
from schemas.terminal import out, save, say
from sinks.clickhouse import connection
from sinks.matrix.picture import Reason, svg

__all__ = ["matrix"]

#: Whole weeks up to the newest: with a simulated clock that is not the present.
_REASONS = """
WITH (SELECT max(week) FROM value_irritant_matrix) AS newest
SELECT tag, anyLast(quadrant), sum(tickets) AS all_tickets, sum(cost) AS all_cost, sum(handle_seconds),
    sum(ifNull(csat_average, 0) * csat_answers) / nullIf(sum(csat_answers), 0), sum(repeat_contacts) / sum(tickets)
FROM value_irritant_matrix
WHERE week > newest - INTERVAL {weeks:UInt32} WEEK AND ({brand:String} = '*' OR brand = {brand:String})
GROUP BY tag
ORDER BY all_cost DESC, all_tickets DESC, tag
"""


def matrix(
    weeks: Annotated[int, typer.Option(min=1, max=520, help="of so many weeks up to the newest contact")] = 4,
    brand: Annotated[str, typer.Option(help="of one brand (its slug); * for all")] = "*",
    fmt: Annotated[str, typer.Option("--format", "-f", help="table, or json (one object a line)")] = "table",
    picture: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="also write a picture")] = None,
) -> None:
    """Says what each reason to contact us costs, by quadrant of the value-irritant matrix.

    Source: the view value_irritant_matrix, with DESKSTREAM_COST_PER_HANDLED_HOUR as it was at the last `migrate`.

    Example: python -m sinks matrix --weeks 13 --svg matrix.svg
    """
    if fmt not in ("table", "json"):
        raise ConfigurationError(f"there is no format {fmt!r}", where="--format", fix="table or json")
    reasons = _reasons(connection.connect(load(SinkSettings)), weeks, brand)
    if not reasons:
        asked = "no brand" if brand == "*" else f"the brand {brand!r}"
        say(
            f"no ticket of {asked} has a tag in that time: try more --weeks; `python -m sinks query` shows what there is"
        )
        return
    if picture is not None:
        save(picture, svg(reasons, f"What {weeks} week{'s' * (weeks > 1)} of contacts cost, by reason"))
    if fmt == "json":
        for reason in reasons:
            print(json.dumps(reason._asdict()))
    else:
        out().print(_grid(reasons))


def _reasons(client: Client, weeks: int, brand: str) -> list[Reason]:
    with connection.reading_views():
        rows = client.query(_REASONS, parameters={"weeks": weeks, "brand": brand}).result_rows
    return [Reason(*row) for row in rows]


def _grid(reasons: Sequence[Reason]) -> Grid:
    grid = Grid(box=None, pad_edge=False)
    for name in ("quadrant", "tag"):
        grid.add_column(name)
    for name in ("tickets", "hours", "cost", "CSAT", "again"):
        grid.add_column(name, justify="right")
    for each in reasons:
        csat = "" if each.csat is None else f"{each.csat:.2f}"
        cells = (
            f"{each.tickets:,}",
            f"{each.handle_seconds / 3600:,.1f}",
            f"{each.cost:,.0f}",
            csat,
            f"{each.repeat_rate:.0%}",
        )
        grid.add_row(each.quadrant, each.tag, *cells)
    return grid

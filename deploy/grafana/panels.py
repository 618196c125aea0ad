"""Describes dashboards as data: a board is rows of panels, a panel is a title, a reason and its queries.

`build` turns a board into Grafana's JSON model with its foundation SDK, which knows the model's versions and defaults. The
tests run each query against the real Prometheus and ClickHouse.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
)

__all__ = ["Bars", "Board", "Lines", "Number", "Panel", "Prom", "Row", "Sql", "Stacked", "Table", "build", "queries"]

#: Grafana's grid is 24 columns wide.
_COLUMNS, _HEIGHT = 24, 8


@dataclass(frozen=True, slots=True)
class Prom:
    """A query to Prometheus. `legend` names a series, `{{label}}` stands for a label; `now` asks for one value, not a line."""

    expr: str
    legend: str = ""
    now: bool = False


@dataclass(frozen=True, slots=True)
class Sql:
    """A query to ClickHouse, with the macros of Grafana's plugin. With `series` its columns are a time and values over it."""

    sql: str
    series: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. `why` is shown behind the (i): its meaning, and what to do about it. `width` is in columns of 24.

    unit      Grafana's name of it: s, percentunit, short, bytes, ops, dtdurations
    warn, bad thresholds of colour; `bad` below `warn` means that less is worse
    """

    title: str
    why: str
    queries: tuple[Prom | Sql, ...]
    unit: str = "short"
    width: int = 8
    warn: float | None = None
    bad: float | None = None
    decimals: int | None = None


class Lines(Panel):
    """Shows values over time."""


class Stacked(Lines):
    """Shows parts of a whole over time."""


class Number(Panel):
    """Shows present values as large numbers."""


class Bars(Panel):
    """Shows present values side by side."""


class Table(Panel):
    """Shows rows, worst first."""


@dataclass(frozen=True, slots=True)
class Row:
    """Holds panels that answer one question; the title is the question's subject."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard. `source` is `prometheus` or `clickhouse`; `filters` are labels to choose values of."""

    uid: str
    title: str
    why: str
    rows: tuple[Row, ...]
    source: str = "prometheus"
    filters: tuple[str, ...] = ()
    since: str = "now-6h"

    @property
    def panels(self) -> tuple[Panel, ...]:
        """The panels of all rows."""
        return tuple(panel for row in self.rows for panel in row.panels)


def build(board: Board) -> str:
    """Returns the dashboard as JSON, keys in order, for `json/` and for Grafana's provisioning."""
    made = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.why)
        .tags(["deskstream"])
        .time(board.since, "now")
        .refresh("1m")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(_source(board.source))
    )
    for label in board.filters:
        made = made.with_variable(_filter(label))
    number = count(1)  # links to a panel hold its id
    for row in board.rows:
        made = made.with_row(dashboard.Row(row.title).id(next(number)))
        for panel in row.panels:
            made = made.with_panel(_panel(panel, board.source).id(next(number)))
    return json.dumps(json.loads(JSONEncoder(sort_keys=True, indent=1).encode(made.build())), indent=1) + "\n"


def _source(kind: str) -> dashboard.DatasourceVariable:
    """Returns the variable by which a reader chooses the data source: the dashboards name none."""
    return dashboard.DatasourceVariable("source").label("Source").type(_PLUGINS[kind])


_PLUGINS = {"prometheus": "prometheus", "clickhouse": "grafana-clickhouse-datasource"}


def _ref(kind: str) -> DataSourceRef:
    return DataSourceRef(type_val=_PLUGINS[kind], uid="${source}")


def _filter(label: str) -> dashboard.QueryVariable:
    query = f"label_values(deskstream_contacts_published_total, {label})"
    if label != "channel":
        query = f"label_values(deskstream_tickets_open, {label})"
    return (
        dashboard.QueryVariable(label)
        .label(label.capitalize())
        .datasource(_ref("prometheus"))
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .include_all(True)
        .all_value(".*")
        .multi(True)
    )


class _ClickHouse(Dataquery):
    """Encodes a query of the ClickHouse plugin, for which the SDK has no model."""

    def __init__(self, query: Sql, ref: str) -> None:
        self._query, self._ref = query, ref

    def to_json(self) -> dict[str, object]:
        kind = "timeseries" if self._query.series else "table"
        return {
            "refId": self._ref,
            "editorType": "sql",
            "queryType": kind,
            "format": 0 if self._query.series else 1,
            "rawSql": self._query.sql,
            "datasource": {"type": _PLUGINS["clickhouse"], "uid": "${source}"},
        }


class _Ready(Builder[Dataquery]):
    def __init__(self, query: Dataquery) -> None:
        self._query = query

    def build(self) -> Dataquery:
        return self._query


def _target(query: Prom | Sql, number: int) -> Builder[Dataquery]:
    ref = chr(ord("A") + number)
    if isinstance(query, Sql):
        return _Ready(_ClickHouse(query, ref))
    made = prometheus.Dataquery().expr(query.expr).legend_format(query.legend or "__auto").ref_id(ref)
    return made.instant() if query.now else made.range()


def _panel(panel: Panel, source: str) -> Any:
    made = _KINDS[type(panel)]()
    made = (
        made.title(panel.title)
        .description(panel.why)
        .datasource(_ref(source))
        .unit(panel.unit)
        .span(panel.width)
        .height(_HEIGHT)
        .targets([_target(query, number) for number, query in enumerate(panel.queries)])
        .thresholds(_thresholds(panel))
    )
    return made if panel.decimals is None else made.decimals(panel.decimals)


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    """Returns green, then orange and red where they are given; the other way round where less is worse."""
    steps: list[tuple[float | None, str]] = [(None, "green")]
    if panel.warn is not None and panel.bad is not None:
        steps = (
            [(None, "green"), (panel.warn, "orange"), (panel.bad, "red")]
            if panel.warn <= panel.bad
            else [(None, "red"), (panel.bad, "orange"), (panel.warn, "green")]
        )
    return (
        dashboard.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=value, color=color) for value, color in steps])
    )


def _lines() -> Any:
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    legend = legend.show_legend(True)
    tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI)
    return timeseries.Panel().legend(legend).tooltip(tooltip).fill_opacity(8).line_width(1)


def _stacked() -> Any:
    return _lines().stacking(common.StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(30)


def _bars() -> Any:
    return bargauge.Panel().orientation(VizOrientation.HORIZONTAL).display_mode(BarGaugeDisplayMode.BASIC)


_KINDS: dict[type[Panel], Callable[[], Any]] = {
    Lines: _lines,
    Stacked: _stacked,
    Number: stat.Panel,
    Bars: _bars,
    Table: table.Panel,
}


def queries(boards: Sequence[Board]) -> list[tuple[Board, Panel, Prom | Sql]]:
    """Returns every query of every panel, for the tests."""
    return [(board, panel, query) for board in boards for panel in board.panels for query in panel.queries]

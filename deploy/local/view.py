"""Renders a snapshot as a page that fills the terminal, or as one status line. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from deploy.local.desk_summary import ChannelCounts, ClockCounts, TeamLoad
from deploy.local.observe import Snapshot
from schemas.clock import from_micros

T = TypeVar("T")
MB = 1024 * 1024
CLOCKS = ("acknowledgement", "first_response", "next_response", "full_resolution")
SHORT = {
    "acknowledgement": "acknowl.",
    "first_response": "first",
    "next_response": "next",
    "full_resolution": "resolved",
}
VALENCE_STYLE = {"good": "green", "positive": "green", "bad": "red", "negative": "red"}
NAMES = {
    "acknowledgement": "acknowledged",
    "first_response": "first reply",
    "next_response": "next reply",
    "full_resolution": "resolution",
}
WIDE, BARS = 116, 136  # columns from which the lower row has three panels, and the channels have bars


@dataclass(frozen=True, slots=True)
class TryIt:
    """Holds three commands, each to be pasted into a second terminal, and the address of the help pages."""

    form: str
    mail: str
    query: str
    help_pages: str = ""

    def lines(self) -> tuple[tuple[str, str], ...]:
        """Returns the commands with their labels."""
        return ("form", self.form), ("e-mail", self.mail), ("query", self.query)


def page(snapshot: Snapshot, try_it: TryIt, width: int, height: int) -> RenderableType:
    """Returns the page for a terminal of this size in characters."""
    lines = sum(-(-len(command) // max(width - 12, 20)) for _, command in try_it.lines())
    foot = min(2 + lines, height // 3)
    room = max(height - 4 - foot, 8)
    upper = min(max(room // 2, 4), 3 + max(len(snapshot.desk.channels), len(CLOCKS) + 4, 6))
    layout = Layout()
    layout.split_column(
        Layout(_head(snapshot), size=4), Layout(name="upper", size=upper), Layout(name="lower"), Layout(name="foot")
    )
    layout["foot"].size = foot
    layout["foot"].update(_try_panel(try_it))
    rows, narrow = upper - 3, width < WIDE
    layout["upper"].split_row(
        Layout(_titled("Contacts", _channels(snapshot, rows, width < BARS)), size=30 if width < BARS else 40),
        Layout(_titled("Tickets", _tickets(snapshot, narrow)), ratio=4),
        Layout(_titled("SLA clocks", _clocks(snapshot, narrow)), ratio=4 if narrow else 5),
    )
    rows = room - upper - 3
    lower = [
        Layout(_titled("Why they contact us", _tags(snapshot, rows, WIDE <= width < BARS)), ratio=1),
        Layout(_titled("Teams", _teams(snapshot, rows)), size=33),
        Layout(_titled("Processes", _processes(snapshot, rows)), size=min(48, width - 34)),
    ]
    layout["lower"].split_row(*(lower[::2] if narrow else lower))
    return layout


def status_line(snapshot: Snapshot) -> str:
    """Returns the snapshot as one line, for logs and pipes."""
    desk, flow = snapshot.desk, snapshot.flow
    parts = [
        f"{from_micros(snapshot.now):%a %H:%M} simulated"
        if snapshot.speed != 1
        else f"{from_micros(snapshot.now):%H:%M:%S} UTC",
        f"{desk.contacts:,} contacts" + (f" ({flow.per_second:.1f}/s)" if flow.per_second is not None else ""),
        f"{desk.tickets:,} tickets, {desk.solved:,} solved",
        f"{desk.acknowledged:,} acknowledged, {sum(desk.suppressed.values()):,} suppressed",
        f"first answer {_first_response(snapshot)}",
        f"SLA {at_risk(snapshot):,} at risk, {overdue(snapshot):,} overdue, {breached(snapshot):,} breached",
        _csat(snapshot),
        f"{sum(desk.rows.values()):,} rows",
        f"visible after {_pair(flow.visible)}",
        f"{snapshot.rss // MB:,} MB",
    ]
    restarts = [f"{process.name} restarted {process.restarts}x" for process in snapshot.processes if process.restarts]
    waiting = [f"waiting for {', '.join(snapshot.missing)}"] if snapshot.missing else []
    return " · ".join([*parts, *restarts, *waiting])


def at_risk(snapshot: Snapshot) -> int:
    """Counts running clocks with less than a fifth of their target left."""
    return sum(clock.at_risk for clock in snapshot.desk.clocks.values())


def overdue(snapshot: Snapshot) -> int:
    """Counts breached clocks that still run."""
    return sum(clock.late for clock in snapshot.desk.clocks.values())


def breached(snapshot: Snapshot) -> int:
    """Counts breached clocks."""
    return sum(clock.breached for clock in snapshot.desk.clocks.values())


# -- the panels ---------------------------------------------------------------------------------------------------


def _head(snapshot: Snapshot) -> RenderableType:
    desk, flow = snapshot.desk, snapshot.flow
    when = f"{from_micros(snapshot.now):%a %d %b %Y %H:%M} UTC"
    speed = f"simulated, {snapshot.speed:g}x" if snapshot.speed != 1 else "wall clock"
    rate = "-" if flow.per_second is None else f"{flow.per_second:.1f}/s"
    first = Text.assemble(
        ("Deskstream", "bold cyan"), f"   {when} ", (f"({speed})", "dim"), f"   up {_duration(snapshot.up_seconds)}"
    )
    second = Text.assemble(
        ("contacts ", "dim"),
        (f"{desk.contacts:,}", "bold"),
        ("  events ", "dim"),
        (rate, "bold"),
        ("  visible after ", "dim"),
        (_pair(flow.visible), "bold"),
        ("  rows ", "dim"),
        (f"{sum(desk.rows.values()):,}", "bold"),
        ("  memory ", "dim"),
        (f"{snapshot.rss // MB:,} MB", "bold"),
    )
    if any(desk.brands):
        shown = sorted(desk.brands.items(), key=_by_count)
        second.append("  tickets of ", "dim")
        second.append(", ".join(f"{name or 'no brand'} {count:,}" for name, count in shown[:3]))
    if flow.dead_letters:
        second.append(f"  {flow.dead_letters:,} dead letters", "red")
    if snapshot.missing:
        first.append(f"   waiting for {', '.join(snapshot.missing)}", "yellow")
    return Panel(Group(first, second), border_style="cyan")


def _titled(title: str, body: RenderableType) -> Panel:
    return Panel(body, title=title, title_align="left", border_style="bright_black", padding=(0, 1))


def _table(*columns: str, words: bool = False) -> Table:
    """Returns a table whose first column is text and the others numbers; with `words` the last one is text, too."""
    table = Table(box=None, expand=True, show_edge=False, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for number, column in enumerate(columns):
        is_text = number == 0 or (words and number == len(columns) - 1)
        table.add_column(
            column,
            justify="left" if is_text else "right",
            ratio=1 if number == 0 else None,
            min_width=8 if number == 0 else len(column),
            no_wrap=True,
            overflow="ellipsis",
        )
    return table


def _channels(snapshot: Snapshot, rows: int, no_bars: bool) -> RenderableType:
    columns = ("channel", "contacts", "tickets") if no_bars else ("channel", "contacts", "tickets", "")
    table = _table(*columns, words=not no_bars)
    shown = sorted(snapshot.desk.channels.items(), key=lambda item: (-item[1].contacts, item[0]))
    most = max((counts.contacts for _, counts in shown), default=1)
    for name, counts in _cut(shown, rows, _rest_of_channels):
        bar = Text("█" * max(1, round(8 * counts.contacts / most)), style="cyan") if most else Text()
        cells: list[str | Text] = [name or "-", f"{counts.contacts:,}", f"{counts.tickets:,}", bar]
        table.add_row(*cells[: len(columns)])
    return table if shown else _nothing("no contact yet")


def _rest_of_channels(rest: Sequence[tuple[str, ChannelCounts]]) -> tuple[str, ChannelCounts]:
    return (
        f"{len(rest)} more",
        ChannelCounts(sum(counts.contacts for _, counts in rest), sum(counts.tickets for _, counts in rest)),
    )


def _tickets(snapshot: Snapshot, narrow: bool) -> RenderableType:
    desk = snapshot.desk
    grid = Table.grid(expand=True, padding=(0, 1, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(justify="right", no_wrap=True, overflow="ellipsis", ratio=1)
    solved = desk.solved
    grid.add_row("with us", f"{sum(desk.statuses.get(status, 0) for status in ('new', 'open')):,}")
    grid.add_row("with them", f"{sum(desk.statuses.get(status, 0) for status in ('pending', 'hold')):,}")
    grid.add_row("solved", Text(f"{solved:,}", "green"))
    grid.add_row("acknowledged", Text(f"{desk.acknowledged:,}", "bold green"))
    silent = sorted(desk.suppressed.items(), key=_by_count)
    why = "" if narrow or not silent else f" ({silent[0][0].replace('_', ' ')})"
    grid.add_row("kept silent", f"{sum(desk.suppressed.values()):,}{why}")
    grid.add_row("delivered in", _pair(snapshot.flow.delivered))
    grid.add_row("first answer", _first_response(snapshot))
    csat = Text(_csat(snapshot).removeprefix("CSAT "))
    if desk.csat_low:
        csat.append(f", {desk.csat_low} low", "red")
    grid.add_row("CSAT", csat)
    if not narrow:
        languages = [f"{name or '?'} {count:,}" for name, count in sorted(desk.languages.items(), key=_by_count)]
        rest = f" +{len(languages) - 2}" if len(languages) > 2 else ""
        grid.add_row("in", f"{', '.join(languages[:2]) or '-'}{rest}")
    return grid


def _clocks(snapshot: Snapshot, narrow: bool) -> RenderableType:
    table = (
        _table("clock", "at risk", "late", "breached")
        if narrow
        else _table("clock", "running", "risk", "late", "met", "breached")
    )
    clocks = snapshot.desk.clocks
    for name in (*CLOCKS, *sorted(clocks.keys() - set(CLOCKS))):
        counts = clocks.get(name, ClockCounts())
        cells = [
            Text(f"{counts.at_risk:,}", "yellow" if counts.at_risk else "dim"),
            Text(f"{counts.late:,}", "bold red" if counts.late else "dim"),
            Text(_share(counts), "red" if counts.breached else "dim"),
        ]
        if not narrow:
            cells.insert(0, Text(f"{counts.running:,}"))
            cells.insert(3, Text(f"{counts.met:,}", "green"))
        table.add_row((SHORT if narrow else NAMES).get(name, name).replace("_", " "), *cells)
    words = "late: overdue and still waiting" if narrow else "risk: 20% of the time left; late: still waits"
    note = Text(words, "dim", overflow="ellipsis")
    note.no_wrap = True
    return Group(table, Text(), note)


def _tags(snapshot: Snapshot, rows: int, narrow: bool) -> RenderableType:
    table = _table("tag", "tickets") if narrow else _table("tag", "tickets", "", words=True)
    desk = snapshot.desk
    for counts in desk.tags[: max(rows - 1, 1)]:
        style = VALENCE_STYLE.get(counts.valence, "")
        quadrant = () if narrow else (Text(counts.quadrant, "dim"),)
        table.add_row(Text(counts.tag, style), f"{counts.tickets:,}", *quadrant)
    if not desk.tags:
        return _nothing("no tag yet")
    share = f"{desk.tagged / desk.tickets:.0%} of tickets have a tag" if desk.tickets else ""
    return Group(table, Text(share, "dim"))


def _teams(snapshot: Snapshot, rows: int) -> RenderableType:
    table = _table("team", "queue", "held", "on shift")
    shown = [(name, counts) for name, counts in sorted(snapshot.desk.teams.items()) if name or counts.waiting]
    for name, counts in _cut(shown, rows, _rest_of_teams):
        nobody = counts.agents and not counts.online
        table.add_row(
            name or "none yet",
            Text(f"{counts.waiting:,}", "yellow" if counts.waiting else "dim"),
            f"{counts.held:,}",
            Text(f"{counts.online}/{counts.agents}", "red" if nobody else ""),
        )
    return table if shown else _nothing("nobody on shift yet")


def _rest_of_teams(rest: Sequence[tuple[str, TeamLoad]]) -> tuple[str, TeamLoad]:
    teams = [team for _, team in rest]
    return f"{len(rest)} more", TeamLoad(
        sum(team.waiting for team in teams),
        sum(team.held for team in teams),
        sum(team.online for team in teams),
        sum(team.agents for team in teams),
    )


def _processes(snapshot: Snapshot, rows: int) -> RenderableType:
    table = _table("process", "pid", "MB", "lag", "starts", "", words=True)
    shown = list(snapshot.processes)
    if len(shown) > rows:
        shown.sort(key=lambda process: process.state != "restarting")  # processes that restart are never cut off
    for process in shown[: max(rows, 1)]:
        lag = snapshot.flow.lag.get(process.name)
        state = {"running": "", "finished": "done", "restarting": f"exit {process.exit_code}"}[process.state]
        if process.name in snapshot.flow.paused:
            state = "paused"
        table.add_row(
            process.name,
            str(process.pid or "-"),
            f"{process.rss // MB:,}",
            "" if lag is None else f"{lag:,}",
            Text(str(process.restarts + 1), "red" if process.restarts else "dim"),
            Text(state, "green" if state == "done" else "yellow"),
        )
    return table


def _try_panel(try_it: TryIt) -> Panel:
    browser = f"help pages: {try_it.help_pages} · " if try_it.help_pages else ""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, command in try_it.lines():
        grid.add_row(name, Text(command, "cyan"))
    return Panel(
        grid,
        title="Try it, in another terminal",
        title_align="left",
        border_style="bright_black",
        subtitle=f"{browser}Ctrl-C stops everything",
    )


# -- words and numbers --------------------------------------------------------------------------------------------


def _cut(items: list[T], rows: int, rest: Callable[[Sequence[T]], T]) -> list[T]:
    """Returns at most `rows` items; the last one sums up those that have no room."""
    rows = max(rows, 1)
    return items if len(items) <= rows else [*items[: rows - 1], rest(items[rows - 1 :])]


def _by_count(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _nothing(why: str) -> Text:
    return Text(why, "dim italic")


def _csat(snapshot: Snapshot) -> str:
    desk = snapshot.desk
    return "CSAT -" if desk.csat_mean is None else f"CSAT {desk.csat_mean:.2f} ({desk.csat_answers:,})"


def _first_response(snapshot: Snapshot) -> str:
    times = snapshot.desk.first_response
    return "-" if times is None else f"{_long(times[0])}, p90 {_long(times[1])}"


def _share(counts: ClockCounts) -> str:
    decided = counts.met + counts.breached
    return f"{counts.breached:,}, {counts.breached / decided:.0%}" if counts.breached else "0"


def _pair(delay: tuple[float, float] | None) -> str:
    return "-" if delay is None else f"{_seconds(delay[0])}, p99 {_seconds(delay[1])}"


def _seconds(value: float) -> str:
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def _long(seconds: float) -> str:
    """Formats a time that people wait, in at most six characters up to a year."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size * (2 if unit == "d" else 1):
            return f"{seconds / size:.3g} {unit}" if unit != "min" else f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"

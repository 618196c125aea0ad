"""The table at the end of a run: one line of counts for each row of the fault matrix.

events    records in the contacts' log, ticks included      poison, refused   dead letters
faults    kills, cuts, ...                                  facts, written    in Kafka, distinct and with repetitions
ended     processes that ended by themselves meanwhile      rows              compared in ClickHouse
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

#: The name under which a row's counts stand among the properties of its test.
PROPERTY = "fault row"
COLUMNS = ("events", "faults", "ended", "lost", "doubled", "poison", "refused", "facts", "written", "rows", "seconds")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Prints the table when a row has run."""
    if lines := sorted(_lines(terminalreporter.stats)):
        width = max(len(name) for name, _ in lines)
        terminalreporter.section("fault matrix")
        heads = " ".join(f"{column:>8}" for column in COLUMNS)
        terminalreporter.write_line(f"{'':{width}} {heads}")
        for name, counts in lines:
            values = " ".join(f"{counts.get(column, ''):>8}" for column in COLUMNS)
            terminalreporter.write_line(f"{name:{width}} {values}")


def _lines(stats: dict[str, list[Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for outcome in ("passed", "failed"):
        for report in stats.get(outcome, ()):
            if report.when != "call":
                continue
            name = report.nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " ")
            for key, counts in report.user_properties:
                if key == PROPERTY:
                    yield name, counts
            if outcome == "failed" and "/faults/" in report.nodeid:
                yield f"{name} FAILED", {}

"""`python -m tests.benchmarks.group_libraries` prints own code beside the libraries of the field, for ADR 27.

The libraries are no dependencies: install those that shall be compared into a virtual environment of its own
(`pip install charset-normalizer mail-parser-reply py3langid lingua-language-detector tnefparse fastavro
businesstimedelta`). A comparison whose library is missing is skipped, and the reason is printed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.benchmarks import library_comparisons
from tests.benchmarks.figures import Figure
from tests.benchmarks.library_comparisons import NoTexts, Result

DESCRIPTION = "own code beside libraries: share of right answers and speed (what is not installed is skipped)"
COMPARISONS: dict[str, Callable[[], list[Result]]] = {
    "charsets": library_comparisons.charset_rows,
    "quotes": library_comparisons.quote_rows,
    "language": library_comparisons.language_rows,
    "tnef": library_comparisons.tnef_rows,
    "avro": library_comparisons.avro_rows,
    "calendars": library_comparisons.calendar_rows,
}


def run(bench: Any) -> list[Figure]:
    """Returns per comparison the ratio of speeds, and both shares of right answers in percent."""
    figures = []
    for row in rows():
        name = f"{row.topic}_{row.library}".replace(", ", "_").replace(" ", "_").replace("'", "").replace("-", "_")
        figures += [
            Figure(f"library_{name}_our_right", round(row.ours * 100, 1), "%"),
            Figure(f"library_{name}_their_right", round(row.theirs * 100, 1), "%"),
            Figure(f"library_{name}_speed_ratio", round(row.their_micros / row.our_micros, 2), "ratio"),
        ]
    return figures


def rows() -> list[Result]:
    """Returns every row that can be measured here; prints why another one cannot."""
    found: list[Result] = []
    for name, compare in COMPARISONS.items():
        try:
            found += compare()
        except ImportError as error:
            print(f"skipped: {name}, because {error.name} is not installed")
        except NoTexts as error:
            print(f"skipped: {name}, because {error}")
    return found


def main() -> None:
    """Prints the table as Markdown."""
    measured = rows()
    print("| question | library | cases | ours right | theirs right | ours µs | theirs µs |")
    print("|---|---|---|---|---|---|---|")
    for row in measured:
        shares = f"{row.ours:.1%} | {row.theirs:.1%}".replace("%", " %")
        speeds = f"{row.our_micros:,.1f} | {row.their_micros:,.1f}"
        print(f"| {row.topic} | {row.library} | {row.cases:,} | {shares} | {speeds} |")


if __name__ == "__main__":
    main()

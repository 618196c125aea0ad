"""Output of commands: results on standard output, everything else on standard error."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from schemas.errors import ConfigurationError

#: The line about exit codes in the `--help` of every command of `python -m sinks`.
SINK_EXIT_CODES = (
    "Exit codes: 0 done, or drained after SIGTERM · 1 a defect of ours · 2 wrong usage or configuration "
    "· 3 Kafka or ClickHouse does not answer · 4 stopped on purpose to protect the data."
)


def out() -> Console:
    """Returns a console on standard output; in a pipe as wide as it takes, so that nothing is cut."""
    return Console(width=None if sys.stdout.isatty() else 240, highlight=False)


def plain(text: str, keep: str = "") -> str:
    """Returns the text with a dot for each control character, but for those to `keep`."""
    return "".join(c if c.isprintable() or c in keep else "·" for c in text)


def save(path: Path, text: str) -> None:
    """Writes what a command made into the file that was named.

    Raises:
        ConfigurationError: it cannot be written.
    """
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"not written: {error.strerror}", where=str(path), fix="name a file in a folder that exists"
        ) from error


def say(text: str) -> None:
    """Prints a line to standard error."""
    print(text, file=sys.stderr)

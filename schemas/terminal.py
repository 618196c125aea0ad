"""What commands say, and how: results on standard output, the rest on standard error."""

from __future__ import annotations

import sys

from rich.console import Console


def out() -> Console:
    """Standard output; in a pipe as wide as it takes, so that nothing is cut."""
    return Console(width=None if sys.stdout.isatty() else 240, highlight=False)


def plain(text: str, keep: str = "") -> str:
    """Without control characters, but for those to `keep`."""
    return "".join(c if c.isprintable() or c in keep else "·" for c in text)


def say(text: str) -> None:
    print(text, file=sys.stderr)

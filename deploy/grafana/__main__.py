"""Checks that `json/` is what the dashboards say, or writes it: `python -m deploy.grafana [--write]`."""

from __future__ import annotations

import sys

from deploy.grafana.boards import stale, write


def main(arguments: list[str]) -> int:
    """Runs the command line; returns 1 when a file differs."""
    if arguments == ["--write"]:
        for name in write():
            print(f"written: deploy/grafana/json/{name}")
        return 0
    if arguments:
        print(__doc__)
        return 2
    old = stale()
    print(
        "\n".join(f"deploy/grafana/json/{name}: not current; run `make generate`" for name in old)
        or "dashboards current"
    )
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

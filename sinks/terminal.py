"""What `--help` of the commands of `python -m sinks` says of their exit codes."""

from __future__ import annotations

EXIT_CODES = (
    "Exit codes: 0 done, or drained after SIGTERM · 1 a defect of ours · 2 wrong usage or configuration "
    "· 3 Kafka or ClickHouse does not answer · 4 stopped on purpose to protect the data."
)

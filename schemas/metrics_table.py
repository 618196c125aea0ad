"""Prints every metric as a table in Markdown, for authors of rules and dashboards: `python -m schemas.metrics_table`.

`make generate` writes it to `deploy/prometheus/METRICS.md`.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from schemas import metrics

__all__ = ["table"]

_HEAD = """# Metrics

Made from `schemas/metrics.py` by `make generate`. Every process serves its own at `/metrics` when
`DESKSTREAM_METRICS_PORT` is set. Labels are bounded: no metric has one that names a ticket, a customer or a text.

| name | type | unit | labels | meaning |
|---|---|---|---|---|
"""
_UNITS = ("seconds", "records", "bytes")


def table() -> str:
    """Returns the Markdown text: a row per metric, in the order of `schemas/metrics.py`."""
    declared = [each for each in vars(metrics).values() if isinstance(each, Counter | Gauge | Histogram)]
    return _HEAD + "".join(_row(metric) for metric in declared)


def _row(metric: Counter | Gauge | Histogram) -> str:
    family = next(iter(metric.describe()))
    name = family.name + ("_total" if isinstance(metric, Counter) else "")
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)
    meaning = family.documentation
    if isinstance(metric, Histogram):
        limits = ", ".join(f"{limit:g}" for limit in metric._upper_bounds[:-1])
        meaning += f"; buckets {limits}"
    return f"| `{name}` | {family.type} | {_unit(name)} | {labels} | {meaning} |\n"


def _unit(name: str) -> str:
    words = name.removesuffix("_total").rsplit("_", 1)
    return words[-1] if words[-1] in _UNITS else "number"


if __name__ == "__main__":
    print(table(), end="")

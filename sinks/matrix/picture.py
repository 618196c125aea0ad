"""Draws the value-irritant matrix as one SVG: four quadrants, a bubble per tag, as large as what it costs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import sqrt
from typing import NamedTuple

__all__ = ["QUADRANTS", "Reason", "svg"]

#: Quadrant → its column and row: valuable to the customer at the right, valuable to the company on top.
QUADRANTS = {"simplify": (0, 0), "leverage": (1, 0), "eliminate": (0, 1), "automate": (1, 1)}
_ADVICE = {
    "simplify": "irritates the customer alone",
    "leverage": "valuable to both",
    "eliminate": "irritates both",
    "automate": "irritates us alone",
}
_WIDTH, _HEIGHT, _LEFT, _TOP, _HEAD, _ROW, _BUBBLE = 430, 330, 12, 44, 46, 26, 24
#: Characters that a line has room for: the tag, and its figures.
_LINE = 54
#: Tags shown of each quadrant; the others are one line.
_MOST = 10
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#1b1f24}.h{font-size:15px;font-weight:bold}.s{fill:#57606a}"
    ".e{text-anchor:end}.g{fill:#fff}.q{fill:#f3f5f8}.eliminate{fill:#c4372c}.automate{fill:#b26a00}"
    ".simplify{fill:#7a4fc0}.leverage{fill:#1a7f4b}"
    "@media(prefers-color-scheme:dark){text{fill:#e6e9ed}.s{fill:#a5adb8}.g{fill:#14181d}.q{fill:#1d232b}"
    ".eliminate{fill:#ff7b72}.automate{fill:#f0a63a}.simplify{fill:#b69cf2}.leverage{fill:#56d394}}"
)


class Reason(NamedTuple):
    """Holds what one tag came to in the time that is drawn. Averages are None where there is nothing to average."""

    tag: str
    quadrant: str
    tickets: int
    cost: float
    handle_seconds: float
    csat: float | None
    repeat_rate: float


def svg(reasons: Sequence[Reason], title: str) -> str:
    """Returns the picture. Every line says all its figures to who points at it; a tag without a quadrant is left out."""
    width, height = _LEFT * 3 + 2 * _WIDTH, _TOP + 2 * (_HEIGHT + _LEFT)
    largest = max((reason.cost for reason in reasons), default=0.0)
    weight = [reason.cost if largest else float(reason.tickets) for reason in reasons]
    most = max(weight, default=0.0) or 1.0
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">',
        f'<style>{_STYLE}</style><rect class="g" width="{width}" height="{height}"/>',
        f'<text class="h" x="{_LEFT}" y="27">{escape(title)}</text>',
    ]
    for quadrant, (column, row) in QUADRANTS.items():
        x, y = _LEFT + column * (_WIDTH + _LEFT), _TOP + row * (_HEIGHT + _LEFT)
        inside = [
            (reason, each / most) for reason, each in zip(reasons, weight, strict=True) if reason.quadrant == quadrant
        ]
        parts += _quadrant(quadrant, sorted(inside, key=lambda pair: (-pair[1], -pair[0].tickets, pair[0].tag)), x, y)
    return "\n".join([*parts, "</svg>\n"])


def _quadrant(name: str, reasons: Sequence[tuple[Reason, float]], x: int, y: int) -> list[str]:
    cost, tickets = sum(reason.cost for reason, _ in reasons), sum(reason.tickets for reason, _ in reasons)
    parts = [
        f'<rect class="q" x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>',
        f'<text class="h {name}" x="{x + 12}" y="{y + 22}">{name}</text>',
        f'<text class="s" x="{x + 12}" y="{y + 39}">{_ADVICE[name]}</text>',
        f'<text class="e" x="{x + _WIDTH - 12}" y="{y + 22}">{tickets:,} tickets, cost {cost:,.0f}</text>',
    ]
    y += _HEAD
    for place, (reason, share) in enumerate(reasons[:_MOST]):
        parts += _line(reason, share, x, y + place * _ROW)
    if rest := reasons[_MOST:]:
        told = f"and {len(rest)} more, cost {sum(reason.cost for reason, _ in rest):,.0f}"
        parts.append(f'<text class="s" x="{x + 52}" y="{y + _MOST * _ROW + 14}">{told}</text>')
    return parts


def _line(reason: Reason, share: float, x: int, y: int) -> list[str]:
    csat = "not scored" if reason.csat is None else f"CSAT {reason.csat:.1f}"
    told = f"{reason.tag}: {reason.tickets:,} tickets, {reason.handle_seconds / 3600:,.1f} hours, cost {reason.cost:,.0f}, {csat}, "
    told += f"{reason.repeat_rate:.0%} again within 7 days"
    radius = max(1.5, _BUBBLE / 2 * sqrt(share))
    numbers = f"{reason.tickets:,} · {reason.cost:,.0f} · {csat}"
    return [
        f"<g><title>{escape(told)}</title>",
        f'<circle class="{reason.quadrant}" cx="{x + 30}" cy="{y + _ROW / 2:g}" r="{radius:.1f}"/>',
        f'<text x="{x + 52}" y="{y + 17}">{escape(_short(reason.tag, _LINE - len(numbers)))}</text>',
        f'<text class="e s" x="{x + _WIDTH - 12}" y="{y + 17}">{numbers}</text></g>',
    ]


def _short(tag: str, most: int) -> str:
    return tag if len(tag) <= most else f"{tag[: most - 1]}…"

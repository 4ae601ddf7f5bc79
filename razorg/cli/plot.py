"""A distribution of latencies as SVG, without any library."""

from __future__ import annotations

import html
import math

from razorg.cli.figures import duration, quantile

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 720, 360, 70, 40
#: Nines on the axis below: 0 %, 90 %, 99 %, 99.9 %, 99.99 %.
_NINES = 4
_TICKS = ((0.0, "0"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %"))


def draw_latencies(ordered: list[float], title: str) -> str:
    """How long the calls took, from the quickest to the slowest; the slow end drawn wide."""
    low = math.floor(math.log10(max(quantile(ordered, 0.0), 1e-6)))
    high = math.ceil(math.log10(max(quantile(ordered, 1.0), 1e-6)) + 1e-9)
    high = max(high, low + 1)
    width, height = _WIDTH - _LEFT - 20, _HEIGHT - _BOTTOM - 40

    def x(share: float) -> float:
        return _LEFT + width * min(-math.log10(max(1 - share, 1e-9)) / _NINES, 1.0)

    def y(seconds: float) -> float:
        return 40 + height * (1 - (math.log10(max(seconds, 1e-9)) - low) / (high - low))

    shares = [1 - 10 ** (-_NINES * step / 200) for step in range(201)]
    points = " ".join(f"{x(share):.1f},{y(quantile(ordered, share)):.1f}" for share in shares)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="24" font-size="14">{html.escape(title)}: '
        f"{len(ordered):,} calls</text>",
    ]
    for power in range(low, high + 1):
        at = y(10.0**power)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - 20}" y1="{at}" y2="{at}" stroke="#ddd"/>')
        label = duration(10.0**power)
        parts.append(f'<text x="{_LEFT - 8}" y="{at + 4}" text-anchor="end">{label}</text>')
    for share, label in (
        (0.0, "0"),
        (0.9, "90 %"),
        (0.99, "99 %"),
        (0.999, "99.9 %"),
        (0.9999, "99.99 %"),
    ):
        at = x(share)
        parts.append(f'<line x1="{at}" x2="{at}" y1="40" y2="{40 + height}" stroke="#ddd"/>')
        parts.append(f'<text x="{at}" y="{_HEIGHT - 16}" text-anchor="middle">{label}</text>')
    parts.append(
        f'<polyline fill="none" stroke="#c2410c" stroke-width="2" points="{points}"/></svg>'
    )
    return "\n".join(parts) + "\n"

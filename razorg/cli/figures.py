"""Numbers for people."""

from __future__ import annotations


def rate(number: float) -> str:
    """Calls a second."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.1f}"


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    if seconds >= 0.001:
        return f"{1000 * seconds:.2f} ms"
    return f"{1e6 * seconds:.0f} µs"


def quantile(ordered: list[float], share: float) -> float:
    """Of sorted values; 0 when there are none."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0

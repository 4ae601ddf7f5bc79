"""Latencies: from all that were taken to a thousand points, from the points to a percentile."""

from __future__ import annotations

from collections.abc import Sequence

POINTS = 1001


def quantile_points(values: Sequence[float], points: int = POINTS) -> list[float]:
    """So many values evenly spread over the sorted ones, from the lowest to the highest; all, if there are fewer."""
    ordered = sorted(values)
    if len(ordered) <= points:
        return ordered
    last = len(ordered) - 1
    return [ordered[n * last // (points - 1)] for n in range(points)]


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The value that so many percent of the sorted ones do not exceed (nearest rank); at least one value."""
    if not ordered:
        raise ValueError("no values")
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]

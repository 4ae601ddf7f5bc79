"""From runs to the lines of the table: medians, spreads, and ratios taken within one repetition."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchlib.schedule import Run
from benchlib.workloads import WORKLOADS


@dataclass(frozen=True)
class Spread:
    """The median of some numbers and their extremes."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Line:
    """One contestant on one workload over all repetitions. `ratios`: by the base's name, calls/s over calls/s."""

    workload: str
    contestant: str
    repetitions: int
    calls_per_second: Spread
    client_cpu_us: float
    server_cpu_us: float | None
    ratios: dict[str, Spread]
    megabytes_per_second: Spread | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    """Medians of the repetitions' percentiles."""


def summarize(runs: Iterable[Run]) -> list[Line]:
    """The lines, in the order in which workloads and contestants first appeared."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.workload, run.contestant), []).append(run)
    workload_order = list(WORKLOADS)
    ordered = sorted(groups, key=lambda key: workload_order.index(key[0]))
    return [_line(groups, workload, contestant) for workload, contestant in ordered]


def _line(groups: dict[tuple[str, str], list[Run]], workload: str, contestant: str) -> Line:
    runs = groups[workload, contestant]
    server_cpu = _known(run.server_cpu_us for run in runs)
    ratios: dict[str, Spread] = {}
    for base in WORKLOADS[workload].bases:
        if base == contestant:
            continue
        base_rates = {run.repetition: run.calls_per_second for run in groups.get((workload, base), ())}
        shared = [r.calls_per_second / base_rates[r.repetition] for r in runs if r.repetition in base_rates]
        if shared:
            ratios[base] = spread(shared)
    return Line(
        workload,
        contestant,
        repetitions=len(runs),
        calls_per_second=spread([run.calls_per_second for run in runs]),
        client_cpu_us=statistics.median(run.client_cpu_us for run in runs),
        server_cpu_us=statistics.median(server_cpu) if server_cpu else None,
        ratios=ratios,
        megabytes_per_second=spread(rates) if (rates := _known(run.megabytes_per_second for run in runs)) else None,
        p50_ms=statistics.median(p50) if (p50 := _known(run.p50_ms for run in runs)) else None,
        p99_ms=statistics.median(p99) if (p99 := _known(run.p99_ms for run in runs)) else None,
    )


def _known(numbers: Iterable[float | None]) -> list[float]:
    return [number for number in numbers if number is not None]


def spread(numbers: Sequence[float]) -> Spread:
    """Median, lowest and highest of at least one number."""
    return Spread(statistics.median(numbers), min(numbers), max(numbers))


def quartiles(numbers: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile of at least one number (between neighbours by their distance)."""
    if len(numbers) == 1:
        return (numbers[0],) * 3
    low, middle, high = statistics.quantiles(numbers, n=4, method="inclusive")
    return low, middle, high

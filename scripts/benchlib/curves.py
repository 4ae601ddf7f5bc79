"""`--curves`: how the cost of a call grows with callers, connections and the size of blobs."""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from benchlib import rust_side
from benchlib.contestants import CONTESTANTS
from benchlib.pair import COMPILED_TREE, PairFailed, measure_pair
from benchlib.schedule import Run, rotated, run_of
from benchlib.table import columns
from benchlib.workloads import KIB, MIB, WORKLOADS, Workload

STALL_MS = 20.0
FLAT = 2.0
REPETITIONS, SECONDS, WARMUP = 3, 0.5, 0.2
CALLERS = (10, 100, 1000, 10_000)
CONNECTIONS = (1, 10, 100, 1000)
SIZES = (1, 16, 256, 4 * KIB, 8 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB)
WAYS = ("up", "down", "both")


@dataclass(frozen=True)
class Curve:
    """Points along one axis, for some contestants. `flat`: calls/s should stay within a factor of two."""

    name: str
    title: str
    points: tuple[tuple[int, Workload], ...]
    contestants: tuple[str, ...]
    flat: bool = False


@dataclass(frozen=True)
class Point:
    """The medians of one contestant at one place of a curve."""

    curve: str
    contestant: str
    at: int
    calls_per_second: float
    cpu_us: float | None
    megabytes_per_second: float | None
    p50_ms: float | None
    p99_ms: float | None


def curves() -> list[Curve]:
    """All of them."""
    small, blob = WORKLOADS["W2"], WORKLOADS["W5"]
    thousand = replace(small, callers=1000)
    found = [
        Curve(
            "callers",
            "callers on one connection (razorg-pool: on as many as it opens by default)",
            tuple((n, replace(small, name=f"callers={n}", callers=n)) for n in CALLERS),
            ("razorg", "razorg-compiled", "razorg-pool", "bare"),
            flat=True,
        ),
        Curve(
            "connections",
            "working connections, 1000 callers on all together",
            tuple((n, replace(thousand, name=f"connections={n}", connections=n)) for n in CONNECTIONS),
            ("razorg", "razorg-compiled", "bare"),
            flat=True,
        ),
        Curve(
            "idle",
            "idle connections beside one that works, 100 callers",
            tuple((n, replace(small, name=f"idle={n}", idle=n)) for n in CONNECTIONS),
            ("razorg", "bare"),
            flat=True,
        ),
    ]
    for way in WAYS:
        points = tuple((size, replace(blob, name=f"{way}={size}", payload=size, way=way)) for size in SIZES)
        direction = {"up": "to the server", "down": "from the server", "both": "there and back"}[way]
        names = ("razorg", "razorg-compiled", "bare", "razorg>rust", "rust>razorg", "rust")
        found.append(Curve(f"blob-{way}", f"bytes of a blob {direction}, one at a time", points, names))
    return found


def main(options: argparse.Namespace, progress: Callable[[str], None]) -> tuple[int, dict[str, Any]]:
    """Measure, print, draw; (1 if something failed or razorg stalled, else 0; what goes into the JSON)."""
    chosen = [curve for curve in curves() if curve.name in options.curves]
    runs, failures = _carry_out(options, chosen, progress)
    progress("")
    points = summarize(chosen, runs)
    for curve in chosen:
        print(f"\n{curve.name}: {curve.title}\n{_table(curve, points)}")
    print()
    for text in [*flatness(chosen, points), *stalls(points)]:
        print(text)
    for failure in failures:
        print(f"FAILED  {failure}")
    if options.plots:
        from benchlib.plots import draw_curves

        draw_curves(points, options.plots)
    content = {
        "points": [asdict(point) for point in points],
        "flatness": flatness(chosen, points),
        "stalls": stalls(points),
        "curve_failures": failures,
    }
    return 1 if failures or own_stalls(points) else 0, content


def _carry_out(
    options: argparse.Namespace, chosen: Sequence[Curve], progress: Callable[[str], None]
) -> tuple[list[tuple[str, int, Run]], list[str]]:
    runs: list[tuple[str, int, Run]] = []
    failures: list[str] = []
    broken: set[tuple[str, str]] = set()
    repetitions = options.reps or REPETITIONS
    for repetition in range(repetitions):
        for curve in chosen:
            names = [name for name in curve.contestants if not options.contestants or name in options.contestants]
            if not os.environ.get(rust_side.BINARY):
                names = [name for name in names if "rust" not in name]
            if not os.environ.get(COMPILED_TREE):
                names = [name for name in names if not CONTESTANTS[name].compiled]
            for at, workload in rotated(curve.points, repetition):
                for name in rotated(names, repetition):
                    if (name, workload.name) in broken:
                        continue
                    progress(f"repetition {repetition + 1}/{repetitions}  {workload.name}  {name}")
                    try:
                        result = measure_pair(
                            name,
                            workload,
                            warmup=options.warmup or WARMUP,
                            seconds=options.seconds or SECONDS,
                            placement=options.cores,
                        )
                    except PairFailed as error:
                        broken.add((name, workload.name))
                        failures.append(f"{workload.name} {name}: {str(error).splitlines()[0]}")
                    else:
                        runs.append((curve.name, at, run_of(workload, name, repetition, result)))
    return runs, failures


def summarize(chosen: Sequence[Curve], runs: Sequence[tuple[str, int, Run]]) -> list[Point]:
    """The medians over the repetitions, in the curves' order."""
    points = []
    for curve in chosen:
        for name in curve.contestants:
            for at, _ in curve.points:
                group = [run for where, place, run in runs if (where, place, run.contestant) == (curve.name, at, name)]
                if group:
                    points.append(_point(curve.name, name, at, group))
    return points


def _point(curve: str, contestant: str, at: int, group: Sequence[Run]) -> Point:
    def median(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return statistics.median(known) if known else None

    both_cpu = [None if run.server_cpu_us is None else run.client_cpu_us + run.server_cpu_us for run in group]
    return Point(
        curve,
        contestant,
        at,
        statistics.median(run.calls_per_second for run in group),
        median(both_cpu),
        median([run.megabytes_per_second for run in group]),
        median([run.p50_ms for run in group]),
        median([run.p99_ms for run in group]),
    )


def flatness(chosen: Sequence[Curve], points: Sequence[Point]) -> list[str]:
    """A sentence for each curve that should be flat and each contestant: how much dearer a call becomes along it."""
    texts = []
    for curve in chosen:
        for name in curve.contestants if curve.flat else ():
            found = [point for point in points if (point.curve, point.contestant) == (curve.name, name)]
            if len(found) < 2:
                continue
            fall = growth([1 / point.calls_per_second for point in found])
            cpu = [point.cpu_us for point in found if point.cpu_us]
            text = f"{curve.name} {name}: calls/s fall by {fall:.2f} ×, CPU a call grows by {growth(cpu):.2f} ×"
            texts.append(text + (f" (goal {FLAT:g} ×: {_met(fall <= FLAT)})" if name.startswith("razorg") else ""))
    return texts


def growth(costs: Sequence[float]) -> float:
    """The largest factor between a cost and any earlier one; 1 if it never grows."""
    worst, cheapest = 1.0, float("inf")
    for cost in costs:
        cheapest = min(cheapest, cost)
        worst = max(worst, cost / cheapest)
    return worst


def own_stalls(points: Sequence[Point]) -> list[Point]:
    """Where half the calls of razorg with itself, or one in a hundred, took longer than a stall."""
    return [point for point in _stalled(points) if point.contestant == "razorg"]


def _stalled(points: Sequence[Point]) -> list[Point]:
    return [p for p in points if p.curve.startswith("blob-") and p.p99_ms is not None and p.p99_ms > STALL_MS]


def stalls(points: Sequence[Point]) -> list[str]:
    """One sentence for each contestant and direction that was measured with blobs."""
    texts = []
    measured = dict.fromkeys((p.curve, p.contestant) for p in points if p.curve.startswith("blob-"))
    for curve, name in measured:
        bad = [p for p in _stalled(points) if (p.curve, p.contestant) == (curve, name)]
        where = ", ".join(f"{p.at} B (p50 {p.p50_ms:.1f} ms, p99 {p.p99_ms:.1f} ms)" for p in bad)
        texts.append(f"{curve} {name}: " + (f"STALLS at {where}" if bad else f"no stall over {STALL_MS:g} ms"))
    return texts


def _met(yes: bool) -> str:
    return "met" if yes else "missed"


def _table(curve: Curve, points: Sequence[Point]) -> str:
    def cell(value: float | None, form: str) -> str:
        return "" if value is None else format(value, form)

    rows = [["contestant", "at", "calls/s", "MB/s", "p50 ms", "p99 ms", "CPU µs"]]
    rows += [
        [
            point.contestant,
            f"{point.at:,}",
            f"{point.calls_per_second:,.0f}",
            cell(point.megabytes_per_second, ",.1f"),
            cell(point.p50_ms, ".3f"),
            cell(point.p99_ms, ".3f"),
            cell(point.cpu_us, ".1f"),
        ]
        for point in points
        if point.curve == curve.name
    ]
    return columns(rows) if len(rows) > 1 else "  nothing measured"

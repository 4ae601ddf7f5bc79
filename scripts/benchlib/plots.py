"""The figures as SVG, drawn by matplotlib; `--plots docs/bench` makes the published ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

from benchlib.curves import Point
from benchlib.schedule import Run
from benchlib.workloads import WORKLOADS

SIZE = (8, 4.5)
VARIANTS = ("bare-overlap", "razorg-observed", "razorg-intercepted", "razorg-untyped", "razorg-plain", "razorg-pool", "razorg-msgspec", "razorg-compiled-msgspec")
"""Left out where all others are lines of one picture."""
pyplot.rcParams.update({"svg.hashsalt": "razorg", "axes.grid": True, "grid.alpha": 0.3, "legend.fontsize": 8})


def draw_comparison(runs: Sequence[Run], directory: Path) -> None:
    """Rates of all contestants for each workload, and how their latencies are distributed."""
    for workload in dict.fromkeys(run.workload for run in runs):
        rates: dict[str, list[float]] = {}
        for run in runs:
            if run.workload == workload:
                rates.setdefault(run.contestant, []).append(run.megabytes_per_second or run.calls_per_second)
        _draw_rates(workload, rates, directory)
    for workload in ("W1", "W2", "W6-8k", "W6-16k"):
        _draw_latencies(workload, [run for run in runs if run.workload == workload and run.latencies], directory)


def draw_curves(points: Sequence[Point], directory: Path) -> None:
    """Throughput against callers, cost against connections, MB/s and latency against the size of blobs."""
    _draw_lines(points, "callers", "calls_per_second", "callers", "calls/s", directory)
    for curve, label in (("connections", "working connections"), ("idle", "idle connections beside one that works")):
        _draw_lines(points, curve, "cpu_us", label, "CPU µs a call, both sides", directory)
    for way in ("up", "down", "both"):
        name = f"blob-{way}"
        _draw_lines(points, name, "megabytes_per_second", "bytes of a blob", "MB/s", directory, log_y=True)
        _draw_lines(points, name, "p99_ms", "bytes of a blob", "p99, ms", directory, suffix="-p99", log_y=True)


def _draw_rates(workload: str, rates: dict[str, list[float]], directory: Path) -> None:
    figure, axes = pyplot.subplots(figsize=(8, 0.9 + 0.32 * len(rates)))
    ordered = sorted(rates, key=lambda name: _middle(rates[name]))
    middles = [_middle(rates[name]) for name in ordered]
    below = [middle - min(rates[name]) for middle, name in zip(middles, ordered)]
    above = [max(rates[name]) - middle for middle, name in zip(middles, ordered)]
    colours = ["tab:orange" if name.startswith("razorg") else "tab:blue" for name in ordered]
    axes.barh(ordered, middles, xerr=[below, above], color=colours, error_kw={"elinewidth": 1, "capsize": 2})
    axes.set_title(f"{workload}: {WORKLOADS[workload].title}", fontsize=10)
    axes.set_xlabel("MB/s" if WORKLOADS[workload].payload else "calls/s")
    _save(figure, directory / f"{workload.lower()}.svg")


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def _draw_latencies(workload: str, runs: Sequence[Run], directory: Path) -> None:
    if not runs:
        return
    figure, axes = pyplot.subplots(figsize=SIZE)
    names = [name for name in dict.fromkeys(run.contestant for run in runs) if name not in VARIANTS]
    for name, colour in zip(names, pyplot.get_cmap("tab20").colors):
        values = sorted(value * 1e3 for run in runs if run.contestant == name for value in run.latencies)
        share = [100 * (n + 1) / len(values) for n in range(len(values))]
        axes.plot(values, share, label=name, color=colour, **_style(name))
    axes.set_xscale("log")
    axes.set_xlabel("ms a call")
    axes.set_ylabel("% of the calls took no longer")
    axes.set_title(f"{workload}: {WORKLOADS[workload].title}", fontsize=10)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    _save(figure, directory / f"latency-{workload.lower()}.svg")


def _draw_lines(
    points: Sequence[Point],
    curve: str,
    what: str,
    x_label: str,
    y_label: str,
    directory: Path,
    suffix: str = "",
    log_y: bool = False,
) -> None:
    chosen = [point for point in points if point.curve == curve and getattr(point, what) is not None]
    if not chosen:
        return
    figure, axes = pyplot.subplots(figsize=SIZE)
    for name in dict.fromkeys(point.contestant for point in chosen):
        places = [(point.at, getattr(point, what)) for point in chosen if point.contestant == name]
        axes.plot(*zip(*places), marker="o", markersize=3, label=name, **_style(name))
    axes.set_xscale("log", base=2 if curve.startswith("blob") else 10)
    if log_y:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.legend()
    _save(figure, directory / f"{curve}{suffix}.svg")


def _style(name: str) -> dict[str, Any]:
    return {"linewidth": 2.2 if name == "razorg" else 1.0}


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)

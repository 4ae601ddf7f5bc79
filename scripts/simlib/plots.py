"""The story in four pictures."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

from simlib.story import SAMPLE_SECONDS, Outcome

SIZE = (9, 4.0)
COLOURS = ("tab:blue", "tab:orange", "tab:red", "tab:purple", "tab:green")
pyplot.rcParams.update({"svg.hashsalt": "razorg", "axes.grid": True, "grid.alpha": 0.3, "legend.fontsize": 8})


def draw(outcome: Outcome, directory: Path) -> None:
    """SVGs into the directory."""
    samples = outcome.samples
    minutes = [sample.at / 60 for sample in samples]
    _lines(outcome, directory / "calls.svg", "a second", minutes, {
        "calls": [sample.calls / SAMPLE_SECONDS for sample in samples],
        "attempts to connect": [sample.attempts / SAMPLE_SECONDS for sample in samples],
        "retries": [sample.retries / SAMPLE_SECONDS for sample in samples],
        "failed": [sample.failed / SAMPLE_SECONDS for sample in samples],
    }, is_log=True)
    _lines(outcome, directory / "latency.svg", "milliseconds", minutes, {
        "p50": [1000 * sample.p50 for sample in samples],
        "p99": [1000 * sample.p99 for sample in samples],
    }, is_log=True)
    _lines(outcome, directory / "balance.svg", "calls/s of one server", minutes, {
        "busiest": [max(_minute(samples, n)) for n in range(len(samples))],
        "mean": [statistics.mean(_minute(samples, n)) for n in range(len(samples))],
        "one in ten has less": [sorted(_minute(samples, n))[outcome.servers // 10] for n in range(len(samples))],
    })
    _lines(outcome, directory / "connections.svg", "open connections of one server", minutes, {
        "most": [max(sample.connections) for sample in samples],
        "mean": [statistics.mean(sample.connections) for sample in samples],
        "fewest": [min(sample.connections) for sample in samples],
    })


def _minute(samples: Sequence[Any], last: int) -> list[float]:
    """Calls/s of each server over the minute that ends with this sample."""
    chosen = samples[max(last - 5, 0) : last + 1]
    return [sum(counts) / (SAMPLE_SECONDS * len(chosen)) for counts in zip(*(s.served for s in chosen))]


def _lines(
    outcome: Outcome, path: Path, label: str, minutes: Sequence[float], lines: dict[str, Sequence[float]],
    is_log: bool = False,
) -> None:
    figure, axes = pyplot.subplots(figsize=SIZE)
    for (start, end, text), colour in zip(outcome.marks, COLOURS):
        axes.axvspan(start / 60, end / 60, alpha=0.10, color=colour, label=text)
    for name, values in lines.items():
        axes.plot(minutes, values, linewidth=1.3, label=name)
    if is_log:
        axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("minutes")
    axes.set_ylabel(label)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    pyplot.close(figure)

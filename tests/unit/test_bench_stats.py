"""The arithmetic of `scripts/bench`: medians, percentiles, ratios within a repetition, what is printed of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts"))

from benchlib.contestants import CONTESTANTS
from benchlib.goals import Goal, judge
from benchlib.pair import as_argument
from benchlib.percentiles import percentile, quantile_points
from benchlib.schedule import Failure, Run, rotated, run_of
from benchlib.stats import Spread, quartiles, spread, summarize
from benchlib.table import columns, render
from benchlib.workloads import WORKLOADS, Workload


def run(workload: str, contestant: str, repetition: int, rate: float, p99: float | None = None) -> Run:
    return Run(workload, contestant, repetition, rate, 1.0, 2.0, calls=10, seconds=1.0, p99_ms=p99)


def test_spread_is_median_and_extremes() -> None:
    assert spread([3.0, 1.0, 10.0]) == Spread(3.0, 1.0, 10.0)


def test_quartiles() -> None:
    assert quartiles([5.0]) == (5.0, 5.0, 5.0)
    assert quartiles([1, 2, 3, 4, 5]) == (2, 3, 4)


def test_percentile_is_the_nearest_rank() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [percentile(values, p) for p in (0, 1, 50, 99, 100)] == [1, 1, 50, 99, 100]
    assert percentile([7.0], 99) == 7.0
    with pytest.raises(ValueError):
        percentile([], 50)


def test_quantile_points_keep_order_and_extremes() -> None:
    assert quantile_points([3, 1, 2]) == [1, 2, 3]
    points = quantile_points(list(range(10_000, 0, -1)))
    assert (len(points), points[0], points[-1]) == (1001, 1, 10_000)
    assert points == sorted(points)


def test_ratios_are_taken_within_a_repetition() -> None:
    # The machine was twice as fast in the second repetition: no ratio may notice.
    runs = [
        run("W2", "bare", 0, 100),
        run("W2", "razorg", 0, 80),
        run("W2", "bare", 1, 200),
        run("W2", "razorg", 1, 160),
    ]
    lines = {line.contestant: line for line in summarize(runs)}
    assert lines["razorg"].ratios["bare"] == Spread(0.8, 0.8, 0.8)
    assert lines["razorg"].calls_per_second == Spread(120, 80, 160)
    assert lines["bare"].ratios == {}


def test_a_repetition_without_its_base_gives_no_ratio() -> None:
    lines = summarize([run("W2", "bare", 0, 100), run("W2", "razorg", 0, 50), run("W2", "razorg", 1, 500)])
    assert lines[1].ratios["bare"] == Spread(0.5, 0.5, 0.5)


def test_rotation_puts_another_first_each_time() -> None:
    assert [rotated("abc", n) for n in range(4)] == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]
    assert rotated([], 3) == []


def test_megabytes_count_each_way_once() -> None:
    result = {
        "calls": 10,
        "seconds": 2.0,
        "client_cpu_seconds": 1.0,
        "server_cpu_seconds": None,
        "latencies": [0.001, 0.002],
    }
    both, up, small = (run_of(WORKLOADS[name], "razorg", 0, result) for name in ("W5", "W5-up", "W1"))
    assert both.megabytes_per_second == pytest.approx(5 * 2 * 1024 * 1024 / 1e6)
    assert up.megabytes_per_second == pytest.approx(5 * 1024 * 1024 / 1e6)
    assert small.megabytes_per_second is None
    assert (small.p50_ms, small.p99_ms, small.server_cpu_us) == (1.0, 2.0, None)


def test_a_workload_survives_the_command_line() -> None:
    for workload in WORKLOADS.values():
        given = json.loads(as_argument(workload))
        again = Workload(**{**given, "bases": tuple(given["bases"])})
        assert again == workload


def test_every_base_can_do_the_workload_it_is_a_base_of() -> None:
    for workload in WORKLOADS.values():
        assert CONTESTANTS["razorg"].can(workload)
        for base in workload.bases:
            assert CONTESTANTS[base].can(workload), (workload.name, base)


def test_goals_met_missed_and_not_measured() -> None:
    lines = summarize([run("W2", "bare", 0, 100), run("W2", "razorg", 0, 90), run("W2", "rpyc", 0, 40)])
    goals = [
        Goal("W2", "ratio", 0.85, "bare"),
        Goal("W2", "ratio", 3.0, "best Python peer"),
        Goal("W2", "cpu_us", 15.0),
        Goal("W1", "ratio", 0.7, "raw"),
        Goal("W2", "p99_ms", 2.0),
    ]
    verdicts = judge(lines, goals)
    assert [verdict.met for verdict in verdicts] == [True, False, True, None, None]
    assert verdicts[1].value == 2.25
    assert all(verdict.text() for verdict in verdicts)


def test_the_best_peer_is_none_of_ours() -> None:
    lines = summarize([run("W2", "bare", 0, 100), run("W2", "razorg", 0, 90), run("W2", "rust", 0, 400)])
    assert judge(lines, [Goal("W2", "ratio", 3.0, "best Python peer")])[0].met is None


def test_columns_are_aligned() -> None:
    assert columns([["a", "bb"], ["ccc", "d"]]) == "  a    bb\n  ccc   d"


def test_nobody_is_missing_silently() -> None:
    lines = summarize([run("W2", "bare", 0, 100), run("W2", "mprpc", 0, 90, p99=1.5)])
    text = render(lines, [Failure("W2", "rpyc", 0, "it broke")], {"grpcio": "does not install"})
    assert "MISSING  grpcio: does not install" in text
    assert "FAILED  W2 rpyc, repetition 1: it broke" in text
    assert "mprpc: StreamServer; a connection for each caller" in text
    assert "0.90 (0.90 .. 0.90)" in text

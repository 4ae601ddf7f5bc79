"""When `scripts/bench --guard` says that razorg became slower, and how the curves and profiles are read."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts"))

from benchlib.curves import Point, curves, flatness, growth, own_stalls, stalls, summarize
from benchlib.guard import checkout, judge
from benchlib.options import CURVES
from benchlib.profiling import pieces, room_of
from benchlib.schedule import Run


def test_a_clear_loss_is_slower() -> None:
    assert judge("W2", [0.80, 0.82, 0.85, 0.79, 0.84, 0.86, 0.81]).verdict == "slower"


def test_a_small_loss_is_not() -> None:
    assert judge("W2", [0.97, 0.95, 0.98, 0.96, 0.99, 0.97, 0.96]).verdict == "holds"


def test_a_loss_below_a_tenth_is_only_said() -> None:
    assert judge("W2", [0.93, 0.94, 0.92, 0.91, 0.95, 0.93, 0.94]).verdict == "perhaps slower"


def test_two_bad_repetitions_do_not_fail_it() -> None:
    assert judge("W2", [0.5, 0.6, 1.0, 1.01, 0.99, 1.0, 1.02]).verdict == "holds"


def test_two_good_repetitions_do_not_hide_a_loss() -> None:
    assert judge("W2", [0.8, 0.81, 0.79, 0.8, 0.82, 0.8, 1.2]).verdict == "slower"


def test_a_gain_holds() -> None:
    assert judge("W2", [1.2, 1.3, 1.25, 1.1, 1.2, 1.2, 1.22]).verdict == "holds"


def test_noise_of_a_tenth_fails_seldom_and_a_loss_of_a_quarter_always() -> None:
    dice = random.Random(7)

    def slower(true_ratio: float) -> int:
        trials = ([dice.gauss(true_ratio, 0.1) for _ in range(7)] for _ in range(500))
        return sum(judge("W2", ratios).verdict == "slower" for ratios in trials)

    assert slower(1.0) <= 5
    assert slower(0.75) >= 450


def test_what_is_no_commit_is_said() -> None:
    with pytest.raises(RuntimeError), checkout("no-such-commit-anywhere"):
        pass


def point(curve: str, at: int, rate: float, p99: float | None = None, contestant: str = "razorg") -> Point:
    return Point(curve, contestant, at, rate, 5.0, None, p99, p99)


def test_flat_within_two() -> None:
    points = [
        point("callers", 10, 100.0),
        point("callers", 100, 190.0),
        point("idle", 1, 100.0),
        point("idle", 10, 30.0),
    ]
    assert flatness(curves(), points) == [
        "callers razorg: calls/s fall by 1.00 ×, CPU a call grows by 1.00 × (goal 2 ×: met)",
        "idle razorg: calls/s fall by 3.33 ×, CPU a call grows by 1.00 × (goal 2 ×: missed)",
    ]


def test_growth_is_against_the_cheapest_before() -> None:
    assert growth([1.0, 2.0, 1.5]) == 2.0
    assert growth([4.0, 1.0, 3.0]) == 3.0
    assert growth([4.0, 3.0]) == 1.0
    assert growth([]) == 1.0


def test_stalls_are_found_and_only_razorg_answers_for_its_own() -> None:
    points = [
        point("blob-up", 8192, 20, p99=44.0, contestant="rust"),
        point("blob-up", 8192, 9000, p99=0.2),
        point("blob-up", 16384, 9000, p99=0.3),
    ]
    texts = stalls(points)
    assert texts == ["blob-up rust: STALLS at 8192 B (p50 44.0 ms, p99 44.0 ms)", "blob-up razorg: no stall over 20 ms"]
    assert own_stalls(points) == []
    assert own_stalls([*points, point("blob-up", 8192, 20, p99=40.0)])


def test_points_are_medians_over_repetitions() -> None:
    curve = next(curve for curve in curves() if curve.name == "callers")
    runs = [
        ("callers", 10, Run("callers=10", "razorg", n, rate, 1.0, 2.0, 10, 1.0))
        for n, rate in enumerate((10.0, 30.0, 20.0))
    ]
    found = summarize([curve], runs)
    assert [(p.contestant, p.at, p.calls_per_second, p.cpu_us) for p in found] == [("razorg", 10, 20.0, 3.0)]


def test_every_curve_has_names_of_its_own() -> None:
    assert tuple(curve.name for curve in curves()) == CURVES
    names = [workload.name for curve in curves() for _, workload in curve.points]
    assert len(names) == len(set(names))


def test_rooms() -> None:
    assert room_of("/x/razorg/client/stream.py") == "client"
    assert room_of("/src/razorg/razorg/errors.py") == "razorg"
    assert room_of("/x/scripts/benchlib/drive.py") == "bench"
    assert room_of("/x/site-packages/gevent/hub.py") == "gevent"


def test_pieces_share_the_cpu_time() -> None:
    stream, codec = "/x/razorg/client/stream.py", "/x/razorg/codec/msgpack.py"
    counted = {"calls": 10, "client": [[stream, "send", 20], [codec, "encode", 10]]}
    sampled = {"calls": 1000, "client_cpu_seconds": 0.004, "client": [[codec, "encode", 100], [stream, "send", 300]]}
    first, second = pieces("client", counted, sampled)
    assert (first.name, first.room, first.count, first.nanoseconds, first.share) == (
        "stream: send",
        "client",
        2.0,
        pytest.approx(3000),
        0.75,
    )
    assert second.nanoseconds == pytest.approx(1000)

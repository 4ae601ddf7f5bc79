"""What razorg has to reach, as the project wants it, and whether a run reached it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchlib.contestants import CONTESTANTS
from benchlib.stats import Line


@dataclass(frozen=True)
class Goal:
    """`of` on a workload compared with `base`; or, without a base, a quantity of the line with a bound.

    `what`: "ratio" (median calls/s over the base's, at least), "p99_ms" or "cpu_us" (client and server; at most).
    """

    workload: str
    what: str
    bound: float
    base: str = ""
    of: str = "razorg"


BEST_PEER = "best Python peer"
BOTH = ("razorg", "razorg-compiled")

GOALS = (
    *(Goal("W1", "ratio", bound, base, of) for of in BOTH for bound, base in ((0.7, "raw"), (1.1, "bare"))),
    Goal("W2", "ratio", 0.85, "bare"),
    Goal("W2", "ratio", 1.25, "bare", "razorg-compiled"),
    *(Goal("W2", "ratio", 3.0, BEST_PEER, of) for of in BOTH),
    Goal("W2", "ratio", 0.4, "rust"),
    Goal("W2", "ratio", 0.6, "rust", "razorg-compiled"),
    Goal("W2", "cpu_us", 15.0),
    Goal("W2", "ratio", 0.9, "razorg-plain"),  # what typed arguments cost
    Goal("W2", "ratio", 0.9, "razorg-untyped"),
    Goal("W3", "ratio", 0.9, "bare"),
    Goal("W3", "ratio", 1.3, "bare", "razorg-compiled"),
    Goal("W3", "ratio", 0.9, "bare-asyncresult"),
    Goal("W3", "ratio", 1.3, "bare-asyncresult", "razorg-compiled"),
    Goal("W3", "ratio", 0.5, "rust"),
    Goal("W3", "ratio", 0.8, "rust", "razorg-compiled"),
    # "bare" is the fastest that we could write, "bare-join" what the small calls' loop makes of big frames.
    *(
        Goal(f"W4-{form}", "ratio", 1.2, base, of)
        for form in ("blob", "bytes")
        for base in ("bare", "bare-join")
        for of in BOTH
    ),
    *(Goal(name, "ratio", 2.5, base) for name in ("W5", "W5-up", "W5-down") for base in ("bare", "bare-join")),
    Goal("W6-8k", "p99_ms", 2.0),
    Goal("W6-16k", "p99_ms", 2.0),
)


@dataclass(frozen=True)
class Verdict:
    """A goal and what came of it; `value` is None when the run does not tell."""

    goal: Goal
    value: float | None
    met: bool | None

    def text(self) -> str:
        """One row of the table of goals."""
        goal = self.goal
        outcome = {None: "not measured", True: "met", False: "missed"}[self.met]
        value = "" if self.value is None else f"{self.value:.2f}"
        return f"  {goal.workload:11}{goal.of:17}{wanted(goal):34}{value:>9}  {outcome}"


def wanted(goal: Goal) -> str:
    """What it asks for."""
    return {
        "ratio": f"≥ {goal.bound:g} × {goal.base}",
        "p99_ms": f"p99 ≤ {goal.bound:g} ms",
        "cpu_us": f"client + server CPU ≤ {goal.bound:g} µs",
    }[goal.what]


def judge(lines: Iterable[Line], goals: Sequence[Goal] = GOALS) -> list[Verdict]:
    """A verdict for each goal."""
    by_key = {(line.workload, line.contestant): line for line in lines}
    return [_judge(goal, by_key) for goal in goals]


def _judge(goal: Goal, lines: dict[tuple[str, str], Line]) -> Verdict:
    line = lines.get((goal.workload, goal.of))
    value = None if line is None else _value(goal, line, lines)
    if value is None:
        return Verdict(goal, None, None)
    return Verdict(goal, value, value >= goal.bound if goal.what == "ratio" else value <= goal.bound)


def _value(goal: Goal, line: Line, lines: dict[tuple[str, str], Line]) -> float | None:
    if goal.what == "p99_ms":
        return line.p99_ms
    if goal.what == "cpu_us":
        return None if line.server_cpu_us is None else line.client_cpu_us + line.server_cpu_us
    if goal.base != BEST_PEER:
        return line.ratios[goal.base].median if goal.base in line.ratios else None
    rates = [
        other.calls_per_second.median
        for (workload, name), other in lines.items()
        if workload == goal.workload and not CONTESTANTS[name].core
    ]
    return line.calls_per_second.median / max(rates) if rates else None

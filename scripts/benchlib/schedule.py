"""The order of things: repetitions outermost, contestants interleaved in rotated order, one pair at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchlib.contestants import CONTESTANTS
from benchlib.pair import PairFailed, measure_pair


@dataclass(frozen=True)
class Plan:
    """What to run. `budget` bounds the whole run in seconds: a repetition that would not fit is not begun."""

    workloads: tuple[str, ...]
    contestants: tuple[str, ...]
    repetitions: int
    seconds: float
    warmup: float
    placement: str
    budget: float | None = None


@dataclass(frozen=True)
class Run:
    """One measurement of one contestant in one repetition."""

    workload: str
    contestant: str
    repetition: int
    calls_per_second: float
    client_cpu_us: float
    server_cpu_us: float | None
    calls: int
    seconds: float


@dataclass(frozen=True)
class Failure:
    """A measurement that failed; the contestant is left out of the workload's later repetitions."""

    workload: str
    contestant: str
    repetition: int
    reason: str


def carry_out(plan: Plan, progress: Callable[[str], None]) -> tuple[list[Run], list[Failure]]:
    """Run the plan (blocks); what was measured and what failed."""
    runs: list[Run] = []
    failures: list[Failure] = []
    started = time.monotonic()
    for repetition in range(plan.repetitions):
        elapsed = time.monotonic() - started
        if plan.budget is not None and repetition and elapsed * (repetition + 1) / repetition > plan.budget:
            progress(f"stopped after {repetition} repetitions: the next would not fit in {plan.budget:g} s")
            break
        for workload in plan.workloads:
            able = [name for name in plan.contestants if workload in CONTESTANTS[name].workloads]
            for contestant in _rotated(able, repetition):
                if any((f.workload, f.contestant) == (workload, contestant) for f in failures):
                    continue
                progress(f"repetition {repetition + 1}/{plan.repetitions}  {workload}  {contestant}")
                try:
                    result = measure_pair(
                        contestant,
                        workload,
                        warmup=plan.warmup,
                        seconds=plan.seconds,
                        placement=plan.placement,
                    )
                except PairFailed as error:
                    failures.append(Failure(workload, contestant, repetition, str(error)))
                else:
                    runs.append(_run(workload, contestant, repetition, result))
    return runs, failures


def _rotated(names: Sequence[str], by: int) -> list[str]:
    if not names:
        return []
    by %= len(names)
    return [*names[by:], *names[:by]]


def _run(workload: str, contestant: str, repetition: int, result: dict[str, Any]) -> Run:
    calls, server_cpu = result["calls"], result["server_cpu_seconds"]
    return Run(
        workload,
        contestant,
        repetition,
        calls_per_second=calls / result["seconds"],
        client_cpu_us=result["client_cpu_seconds"] / calls * 1e6,
        server_cpu_us=None if server_cpu is None else server_cpu / calls * 1e6,
        calls=calls,
        seconds=result["seconds"],
    )

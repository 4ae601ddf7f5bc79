"""The order of things: repetitions outermost, contestants interleaved in rotated order, one pair at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchlib.contestants import CONTESTANTS
from benchlib.pair import PairFailed, measure_pair
from benchlib.percentiles import percentile
from benchlib.workloads import WORKLOADS, Workload


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
    megabytes_per_second: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    latencies: tuple[float, ...] = ()
    """Evenly spread over the sorted ones, in seconds."""


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
            able = [name for name in plan.contestants if CONTESTANTS[name].can(WORKLOADS[workload])]
            for contestant in rotated(able, repetition):
                if any((f.workload, f.contestant) == (workload, contestant) for f in failures):
                    continue
                progress(f"repetition {repetition + 1}/{plan.repetitions}  {workload}  {contestant}")
                try:
                    result = measure_pair(
                        contestant,
                        WORKLOADS[workload],
                        warmup=plan.warmup,
                        seconds=plan.seconds,
                        placement=plan.placement,
                    )
                except PairFailed as error:
                    failures.append(Failure(workload, contestant, repetition, str(error)))
                else:
                    runs.append(run_of(WORKLOADS[workload], contestant, repetition, result))
    return runs, failures


def rotated(names: Sequence[str], by: int) -> list[str]:
    """The names, another one first each time."""
    if not names:
        return []
    by %= len(names)
    return [*names[by:], *names[:by]]


def run_of(workload: Workload, contestant: str, repetition: int, result: dict[str, Any]) -> Run:
    """From what a client reported."""
    calls, server_cpu, latencies = result["calls"], result["server_cpu_seconds"], result["latencies"]
    rate = calls / result["seconds"]
    return Run(
        workload.name,
        contestant,
        repetition,
        calls_per_second=rate,
        client_cpu_us=result["client_cpu_seconds"] / calls * 1e6,
        server_cpu_us=None if server_cpu is None else server_cpu / calls * 1e6,
        calls=calls,
        seconds=result["seconds"],
        megabytes_per_second=rate * workload.bytes_per_call / 1e6 if workload.payload else None,
        p50_ms=percentile(latencies, 50) * 1e3 if latencies else None,
        p99_ms=percentile(latencies, 99) * 1e3 if latencies else None,
        latencies=tuple(latencies),
    )

"""The client's load and its stop-watch: the same loops and the same measuring for every contestant."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import gevent
from gevent.event import Event

from benchlib.contestants import Client
from benchlib.workloads import Workload

ARGUMENTS = range(1, 101)
"""Left operands. All encode to one byte; caller n adds n, so that an answer meant for another is a wrong one."""
RIGHT_OPERAND = 2
CALLS_PER_COUNT = 10
DRAIN_SECONDS = 5.0


@dataclass
class Tally:
    """Finished calls, one counter for each greenlet, and the wish to end."""

    counts: list[int]
    stopping: bool = False


@dataclass(frozen=True)
class Measurement:
    """What one client process saw in its measured span."""

    calls: int
    seconds: float
    client_cpu_seconds: float
    server_cpu_seconds: float | None


def wrong_answer(expected: int, answer: object) -> Exception:
    """The error that fails a run."""
    return AssertionError(f"wrong answer: expected {expected}, got {answer!r}")


def call_in_a_loop(service: Any, left: int, tally: Tally, index: int) -> None:
    """One blocking caller, as a user would write it: `service.add(…)` again and again."""
    expected = left + RIGHT_OPERAND
    counts = tally.counts
    while not tally.stopping:
        for _ in range(CALLS_PER_COUNT):
            answer = service.add(left, RIGHT_OPERAND)
            if answer != expected:
                raise wrong_answer(expected, answer)
        counts[index] += CALLS_PER_COUNT


def measure(client: Client, workload: Workload, server_pid: int, warmup: float, seconds: float) -> Measurement:
    """Load, warm up, measure, and see every call answered. Raises whatever a caller raised."""
    tally = Tally([0] * workload.callers)
    if workload.in_flight:
        if client.pipeline is None:
            raise TypeError("this contestant has no futures")
        greenlets = [gevent.spawn(client.pipeline, workload.in_flight, tally)]
    else:
        greenlets = [
            gevent.spawn(call_in_a_loop, client.service, ARGUMENTS[index % len(ARGUMENTS)], tally, index)
            for index in range(workload.callers)
        ]
    failed = Event()
    for greenlet in greenlets:
        greenlet.link_exception(lambda _: failed.set())

    failed.wait(warmup)
    before = _readings(tally, server_pid)
    failed.wait(seconds)
    after = _readings(tally, server_pid)

    tally.stopping = True
    if not failed.is_set():
        gevent.joinall(greenlets, timeout=DRAIN_SECONDS)
    for greenlet in greenlets:
        if greenlet.exception is not None:
            raise greenlet.exception
    if not all(greenlet.ready() for greenlet in greenlets):
        raise TimeoutError(f"calls without an answer {DRAIN_SECONDS:g} s after the load stopped")
    calls, wall, client_cpu = (after[n] - before[n] for n in range(3))
    if not calls:
        raise TimeoutError("no call was answered in the measured time")
    server_cpu = after[3] - before[3] if server_pid and after[3] else None
    return Measurement(int(calls), wall, client_cpu, server_cpu)


def _readings(tally: Tally, server_pid: int) -> tuple[float, float, float, float]:
    """(calls, wall clock, this process's CPU, the server's CPU or 0): now, in this order."""
    return sum(tally.counts), time.perf_counter(), time.process_time(), process_cpu_seconds(server_pid)


def process_cpu_seconds(pid: int) -> float:
    """CPU time that another process has used, by its kernel clock (Linux numbering); 0 where there is none."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except (OSError, AttributeError):
        return 0.0


def as_json(measurement: Measurement) -> dict[str, Any]:
    """The measurement as plain values."""
    return asdict(measurement)

"""The client's load and its stop-watch: the same loops and the same measuring for every contestant."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import gevent
from gevent.event import Event

from benchlib.contestants import Client
from benchlib.percentiles import quantile_points
from benchlib.workloads import Workload

ARGUMENTS = range(1, 101)
"""Left operands. All encode to one byte; caller n adds n, so that an answer meant for another is a wrong one."""
RIGHT_OPERAND = 2
CALLS_PER_COUNT = 10
"""Fast calls are counted in tens, of which the first is timed. While warming up, and where a caller is slower than
`FAST_CALLS_PER_SECOND`, each is counted and timed."""
FAST_CALLS_PER_SECOND = 200
DRAIN_SECONDS = 10.0


@dataclass
class Tally:
    """Finished calls, one counter for each caller, the wish to end, and how long the timed calls took."""

    counts: list[int]
    stopping: bool = False
    per_count: int = 1
    latencies: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Measurement:
    """What one client process saw in its measured span. `latencies`: evenly spread over the sorted ones, in seconds."""

    calls: int
    seconds: float
    client_cpu_seconds: float
    server_cpu_seconds: float | None
    latencies: list[float]


def wrong_answer(expected: object, answer: object) -> Exception:
    """The error that fails a run."""
    return AssertionError(f"wrong answer: expected {expected!r:.50}, got {answer!r:.50}")


def call_in_a_loop(service: Any, left: int, tally: Tally, index: int) -> None:
    """One blocking caller, as a user would write it: `service.add(…)` again and again."""
    expected = left + RIGHT_OPERAND
    counts, now, note = tally.counts, time.perf_counter, tally.latencies.append
    while not tally.stopping:
        started = now()
        answer = service.add(left, RIGHT_OPERAND)
        note(now() - started)
        if answer != expected:
            raise wrong_answer(expected, answer)
        per_count = tally.per_count
        for _ in range(per_count - 1):
            answer = service.add(left, RIGHT_OPERAND)
            if answer != expected:
                raise wrong_answer(expected, answer)
        counts[index] += per_count


def send_in_a_loop(service: Any, workload: Workload, tally: Tally, index: int) -> None:
    """One blocking caller with a payload of its own; every call is timed, length and first bytes are checked."""
    size = workload.payload
    data = bytes([index % 255 + 1]) * size
    start = data[:8] if workload.way == "both" else b""
    call = getattr(service, workload.way)
    argument: Any = size if workload.way == "down" else data
    counts, now, note = tally.counts, time.perf_counter, tally.latencies.append
    while not tally.stopping:
        started = now()
        answer = call(argument)
        note(now() - started)
        length = answer if workload.way == "up" else len(answer)
        if length != size or (start and bytes(answer[:8]) != start):
            raise wrong_answer(size, length)
        counts[index] += 1


def measure(client: Client, workload: Workload, server_pid: int, warmup: float, seconds: float) -> Measurement:
    """Load, warm up, measure, and see every call answered. Raises whatever a caller raised."""
    tally = Tally([0] * workload.callers)
    jobs: list[tuple[Any, ...]]
    if workload.in_flight:
        if client.pipeline is None:
            raise TypeError("this contestant has no futures")
        jobs = [(client.pipeline, workload.in_flight, tally)]
    else:
        jobs = [_job(client, workload, tally, index) for index in range(workload.callers)]
    gang = Threads(jobs) if client.threads else Greenlets(jobs)

    gang.wait(warmup)
    if sum(tally.counts) > FAST_CALLS_PER_SECOND * warmup * workload.callers:
        tally.per_count = CALLS_PER_COUNT
    tally.latencies.clear()
    before = _readings(tally, server_pid)
    gang.wait(seconds)
    after = _readings(tally, server_pid)

    latencies = quantile_points(tally.latencies)
    tally.stopping = True
    gang.end()
    calls, wall, client_cpu = (after[n] - before[n] for n in range(3))
    if not calls:
        raise TimeoutError("no call was answered in the measured time")
    server_cpu = after[3] - before[3] if server_pid and after[3] else None
    return Measurement(int(calls), wall, client_cpu, server_cpu, latencies)


def _job(client: Client, workload: Workload, tally: Tally, index: int) -> tuple[Any, ...]:
    service = client.services[index % len(client.services)]
    if workload.payload:
        return send_in_a_loop, service, workload, tally, index
    return call_in_a_loop, service, ARGUMENTS[index % len(ARGUMENTS)], tally, index


class Greenlets:
    """The callers as greenlets."""

    def __init__(self, jobs: list[tuple[Any, ...]]) -> None:
        self._failed = Event()
        self._greenlets = [gevent.spawn(*job) for job in jobs]
        for greenlet in self._greenlets:
            greenlet.link_exception(lambda _: self._failed.set())

    def wait(self, seconds: float) -> None:
        """Let them work; less long if one fails."""
        self._failed.wait(seconds)

    def end(self) -> None:
        """Wait until all have ended; raises what one of them raised."""
        if not self._failed.is_set():
            gevent.joinall(self._greenlets, timeout=DRAIN_SECONDS)
        for greenlet in self._greenlets:
            if greenlet.exception is not None:
                raise greenlet.exception
        if not all(greenlet.ready() for greenlet in self._greenlets):
            raise TimeoutError(f"calls without an answer {DRAIN_SECONDS:g} s after the load stopped")


class Threads:
    """The callers as native threads, for what knows nothing of gevent."""

    def __init__(self, jobs: list[tuple[Any, ...]]) -> None:
        self._errors: list[BaseException] = []
        self._failed = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=job, daemon=True) for job in jobs]
        for thread in self._threads:
            thread.start()

    def _run(self, function: Any, *arguments: Any) -> None:
        try:
            function(*arguments)
        except BaseException as error:
            self._errors.append(error)
            self._failed.set()

    def wait(self, seconds: float) -> None:
        """Let them work; less long if one fails."""
        self._failed.wait(seconds)

    def end(self) -> None:
        """Wait until all have ended; raises what one of them raised."""
        deadline = time.monotonic() + DRAIN_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, 0 if self._errors else deadline - time.monotonic()))
        if self._errors:
            raise self._errors[0]
        if any(thread.is_alive() for thread in self._threads):
            raise TimeoutError(f"calls without an answer {DRAIN_SECONDS:g} s after the load stopped")


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

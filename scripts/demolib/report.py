"""What the demo prints: progress, and the figures of a stage."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
BAR_WIDTH = 40


class Progress:
    """A bar on a terminal, a line at each tenth elsewhere."""

    def __init__(self, label: str, total: int) -> None:
        self._label, self._total = label, total
        self._done = self._shown = 0
        self._is_terminal = sys.stdout.isatty()

    def step(self) -> None:
        """One more is done."""
        self._done += 1
        percent = 100 * self._done // self._total
        if self._is_terminal and percent != self._shown:
            bar = ("#" * (percent * BAR_WIDTH // 100)).ljust(BAR_WIDTH, ".")
            end = "\n" if self._done == self._total else ""
            print(f"\r  {self._label} [{bar}] {percent:3d} %", end=end, flush=True)
            self._shown = percent
        elif not self._is_terminal and percent // 10 > self._shown // 10:
            print(f"  {self._label} {percent:3d} %  {self._done}/{self._total}", flush=True)
            self._shown = percent


class Meter:
    """Times calls, and counts how many run at once."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.bytes_moved = 0
        self.most_running = 0
        self._running = 0
        self._began = time.perf_counter()

    def call(self, function: Callable[..., T], *arguments: object) -> T:
        """`function(*arguments)`, measured."""
        self._running += 1
        self.most_running = max(self.most_running, self._running)
        began = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            self.latencies.append(time.perf_counter() - began)
            self._running -= 1

    def summary(self) -> str:
        """The figures, in two lines."""
        seconds = time.perf_counter() - self._began
        ordered = sorted(self.latencies) or [0.0]
        p50, p99 = (1000 * ordered[len(ordered) * share // 100] for share in (50, 99))
        calls = f"{len(self.latencies):,} calls, {len(self.latencies) / seconds:,.0f} calls/s"
        moved = f", {self.bytes_moved / 1e6:,.2f} MB" if self.bytes_moved else ""
        return (
            f"  {calls}{moved} in {seconds:.2f} s\n"
            f"  latency p50 {p50:.2f} ms, p99 {p99:.2f} ms; at most {self.most_running} in flight"
        )

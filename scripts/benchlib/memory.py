"""`--memory`: resident bytes for an idle connection in the server, and for a call in flight on both sides."""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from benchlib.contestants import CONTESTANTS
from benchlib.pair import COMPILED_TREE, PairFailed, measure_pair
from benchlib.schedule import rotated
from benchlib.table import columns
from benchlib.workloads import WORKLOADS

REPETITIONS = 3
IDLE_GOAL_BYTES = 24 * 1024
CASES = (
    ("idle", "bare", "idle connection, server"),
    ("idle", "razorg", "idle connection, server"),
    ("idle", "razorg-compiled", "idle connection, server"),
    ("in-flight", "razorg", "call in flight: a future in the client, a handler that waits in the server"),
)


def main(options: argparse.Namespace, progress: Callable[[str], None]) -> tuple[int, dict[str, Any]]:
    """Measure and print; (1 if something failed, else 0; what goes into the JSON)."""
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    failures = []
    for repetition in range(options.reps or REPETITIONS):
        for case, contestant, _ in rotated(CASES, repetition):
            if CONTESTANTS[contestant].compiled and not os.environ.get(COMPILED_TREE):
                continue
            progress(f"repetition {repetition + 1}  {case}  {contestant}")
            try:
                result = measure_pair(
                    contestant,
                    replace(WORKLOADS["W2"], name=case),
                    warmup=0.5,
                    seconds=options.seconds or 2.0,
                    placement=options.cores,
                    task="benchlib.memory_child",
                )
            except PairFailed as error:
                failures.append(f"{case} {contestant}: {error}")
            else:
                found.setdefault((case, contestant), []).append(result)
    progress("")
    rows = [["what", "contestant", "how many", "server bytes each", "client bytes each", "goal"]]
    rows += [_row(found[case, name], case, name, title) for case, name, title in CASES if (case, name) in found]
    print("\n" + columns(rows))
    for failure in failures:
        print(f"FAILED  {failure}")
    content = {"memory": {" ".join(key): value for key, value in found.items()}}
    return 1 if failures else 0, content


def _row(results: list[dict[str, float]], case: str, name: str, title: str) -> list[str]:
    server, client = (statistics.median(result[side] for result in results) for side in ("server", "client"))
    goal = ""
    if case == "idle" and name.startswith("razorg"):
        goal = f"≤ {IDLE_GOAL_BYTES:,}: {'met' if server <= IDLE_GOAL_BYTES else 'missed'}"
    return [title, name, f"{results[0]['count']:,}", f"{server:,.0f}", f"{client:,.0f}", goal]

"""The command line of `scripts/bench`."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchlib.contestants import CONTESTANTS
from benchlib.pair import PLACEMENTS
from benchlib.schedule import Failure, Plan, Run, carry_out
from benchlib.stats import Line, summarize
from benchlib.table import render
from benchlib.workloads import WORKLOADS

QUICK_BUDGET_SECONDS = 55.0


def main(arguments: Sequence[str]) -> int:
    """Run as asked and print the table; 0, or 1 if any measurement failed."""
    options = _parse(arguments)
    if options.floor:
        from benchlib.floor import print_floor

        print_floor()
        return 0
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a script ignores it otherwise
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every `with` gets to kill its children
    plan = Plan(
        workloads=tuple(options.only),
        contestants=tuple(options.contestants),
        repetitions=options.reps or (3 if options.quick else 5),
        seconds=options.seconds or (0.5 if options.quick else 2.0),
        warmup=0.3 if options.quick else 0.5,
        placement=options.cores,
        budget=QUICK_BUDGET_SECONDS if options.quick else None,
    )
    conditions = _conditions()
    print("  ".join(f"{name} {value}" for name, value in conditions.items()), flush=True)
    try:
        runs, failures = carry_out(plan, _progress)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    lines = summarize(runs)
    _progress("")
    print(f"\n{render(lines, failures)}")
    if options.json:
        _write_json(options.json, conditions, plan, runs, lines, failures)
    return 1 if failures else 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure razorg beside the bare gevent loop. Ratios are taken within one repetition; "
        "absolute figures hold for this machine and this minute only.",
    )
    parser.add_argument("--reps", type=_positive_int, help="repetitions (5; 3 when quick)")
    parser.add_argument("--seconds", type=_positive_float, help="measured time of each run (2; 0.5 when quick)")
    parser.add_argument("--quick", action="store_true", help="less of everything, under a minute")
    parser.add_argument("--only", type=_names(WORKLOADS), default=list(WORKLOADS), metavar="W1,W2,…")
    parser.add_argument(
        "--contestants", type=_names(CONTESTANTS), default=list(CONTESTANTS), metavar=",".join(CONTESTANTS)
    )
    parser.add_argument("--cores", choices=PLACEMENTS, default="apart", help="where server and client run (apart)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run and the summary there")
    parser.add_argument("--floor", action="store_true", help="only show what the pieces of one bare call cost")
    return parser.parse_args(arguments)


def _names(known: dict[str, Any]) -> Any:
    def parse(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",")]
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
        return [name for name in known if name in names]

    return parse


def _positive_int(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _positive_float(text: str) -> float:
    number = float(text)
    if not 0 < number <= 600:
        raise argparse.ArgumentTypeError("seconds, more than 0 and at most 600")
    return number


def _conditions() -> dict[str, Any]:
    """What the figures depend on."""
    versions = {name: importlib.metadata.version(name) for name in ("gevent", "greenlet", "msgpack")}
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return {"python": platform.python_version(), **versions, "cores": os.cpu_count(), "load": load}


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)


def _write_json(
    path: Path,
    conditions: dict[str, Any],
    plan: Plan,
    runs: Sequence[Run],
    lines: Sequence[Line],
    failures: Sequence[Failure],
) -> None:
    content = {
        "conditions": conditions,
        "plan": asdict(plan),
        "summary": [asdict(line) for line in lines],
        "failures": [asdict(failure) for failure in failures],
        "runs": [asdict(run) for run in runs],
    }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
